"""Compression and forms of the engine's HTTP front.

Station 4 of the road, inside the engine child: request bodies are unpacked up to a limit, answers
are packed when the client asks, multipart forms give parameters.
"""

import io
import zlib
from collections.abc import Mapping
from typing import Any, Protocol

import brotli
import zstandard
from lz4.frame import LZ4FrameDecompressor  # type: ignore[import-untyped]
from python_multipart import parse_form
from python_multipart.exceptions import FormParserError

UNPACKED_BYTES = 1_000_000_000
CHUNK_BYTES = 1 << 20

INCORRECT_DATA = 117
NOT_IMPLEMENTED = 48
TOO_LARGE = 131


class BodyError(ValueError):
    """A body that cannot be used; `code` is the ClickHouse code of the answer."""

    def __init__(self, text: str, code: int = TOO_LARGE) -> None:
        super().__init__(text)
        self.code = code


class Compressor(Protocol):
    """Packs an answer block by block; `name` is its Content-Encoding, empty for none."""

    name: str

    def compress(self, block: bytes) -> bytes: ...

    def finish(self) -> bytes: ...


class PlainWriter:
    name = ""

    def compress(self, block: bytes) -> bytes:
        return block

    def finish(self) -> bytes:
        return b""


class GzipWriter:
    name = "gzip"

    def __init__(self) -> None:
        self._packer = zlib.compressobj(3, zlib.DEFLATED, 31)

    def compress(self, block: bytes) -> bytes:
        return self._packer.compress(block)

    def finish(self) -> bytes:
        return self._packer.flush()


class ZstdWriter:
    name = "zstd"

    def __init__(self) -> None:
        self._packer = zstandard.ZstdCompressor(level=1).compressobj()

    def compress(self, block: bytes) -> bytes:
        return self._packer.compress(block)

    def finish(self) -> bytes:
        return self._packer.flush()


def choose_compressor(accepted: str) -> Compressor:
    """The best packing that both sides know, from an Accept-Encoding header; none when it is empty."""
    names = {name.split(";")[0].strip().lower() for name in accepted.split(",")}
    if "zstd" in names:
        return ZstdWriter()
    if "gzip" in names:
        return GzipWriter()
    return PlainWriter()


def decompress_body(body: bytes, encoding: str) -> bytes:
    """The body as it was before Content-Encoding `encoding`. BodyError when it does not unpack."""
    encoding = encoding.strip().lower()
    if encoding in ("", "identity") or not body:
        return body
    try:
        if encoding == "zstd":
            with zstandard.ZstdDecompressor().stream_reader(body, read_across_frames=True) as reader:
                return _read_limited(reader)
        if encoding == "lz4":
            return _limit(LZ4FrameDecompressor().decompress(body, UNPACKED_BYTES + 1))
        if encoding in ("gzip", "deflate"):
            return _limit(zlib.decompressobj(47).decompress(body, UNPACKED_BYTES + 1))
        if encoding == "br":
            return _limit(brotli.decompress(body))
    except (zstandard.ZstdError, zlib.error, brotli.error, RuntimeError) as error:
        raise BodyError(f"the body does not unpack as {encoding}: {error}", INCORRECT_DATA) from None
    raise BodyError(f"Content-Encoding {encoding!r} is not known; use zstd, lz4, gzip, deflate or br", NOT_IMPLEMENTED)


def _read_limited(reader: Any) -> bytes:
    parts, size = [], 0
    while part := reader.read(CHUNK_BYTES):
        size += len(part)
        if size > UNPACKED_BYTES:
            raise BodyError(f"the body unpacks to more than {UNPACKED_BYTES} bytes")
        parts.append(part)
    return b"".join(parts)


def _limit(body: bytes) -> bytes:
    if len(body) > UNPACKED_BYTES:
        raise BodyError(f"the body unpacks to more than {UNPACKED_BYTES} bytes")
    return body


def read_form(headers: Mapping[str, str], body: bytes) -> dict[str, str]:
    """The text fields of a multipart form. BodyError for files: external data is not offered."""
    fields: dict[str, str] = {}
    files: list[str] = []

    def keep_field(part: Any) -> None:
        fields[part.field_name.decode()] = (part.value or b"").decode("utf-8", "surrogateescape")

    def note_file(part: Any) -> None:
        files.append(repr(part.field_name))

    try:
        parse_form({"Content-Type": headers["content-type"].encode()}, io.BytesIO(body), keep_field, note_file)
    except FormParserError as error:
        raise BodyError(f"the form does not parse: {error}", INCORRECT_DATA) from None
    if files:
        raise BodyError(f"external data ({', '.join(files)}) is not offered by the embedded engine", NOT_IMPLEMENTED)
    return fields
