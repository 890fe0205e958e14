"""The request's body: read with a cap, unpacked with a cap on what comes out.

A body says its packing in Content-Encoding, or shows it in its first bytes; the Content-Type is
never asked.
"""

import gzip
import zlib
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import brotli
import zstandard

from trackway.collect.limits import Limits
from trackway.outcome import Reason, refuse

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

GZIP_MAGIC = b"\x1f\x8b"
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
CHUNK = 65_536
PACKED = "gzip"
MOST_PACKINGS = 2
MOST_MEMBERS = 100


class ClientGone(Exception):
    """The sender closed the connection before its body was complete; nobody waits for an answer."""


async def read_body(receive: Receive, said_length: str | None, limits: Limits) -> bytes:
    """The body as sent. Refused with `body_too_large` as soon as that is known."""
    most = limits.body_bytes
    if said_length is not None and said_length.isdigit() and int(said_length) > most:
        raise _too_large(most)
    message = await receive()
    if message["type"] == "http.disconnect":
        raise ClientGone
    first: bytes = message.get("body", b"")
    if not message.get("more_body", False):
        if len(first) > most:
            raise _too_large(most)
        return first
    chunks, size = [first], len(first)
    while message.get("more_body", False):
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        if size > most:
            raise _too_large(most)
    return b"".join(chunks)


def _too_large(most: int) -> Exception:
    return refuse(
        Reason.BODY_TOO_LARGE, f"the body is larger than {most} bytes (limit body_bytes); send fewer events per call"
    )


def unpack_body(body: bytes, encoding: str, limits: Limits) -> bytes:
    """The body without its packing. `encoding` is the Content-Encoding header, "" when there is none."""
    names = [part.strip().lower() for part in encoding.split(",") if part.strip()] or [_see_packing(body)]
    if len(names) > MOST_PACKINGS:
        raise refuse(Reason.UNDECODABLE_BODY, f"Content-Encoding names more than {MOST_PACKINGS} packings")
    for name in reversed(names):
        if name in ("", "identity"):
            continue
        unpack = _UNPACKERS.get(name)
        if unpack is None:
            raise refuse(
                Reason.UNDECODABLE_BODY, f"Content-Encoding {name[:40]!r} is not known; use gzip, deflate, br or zstd"
            )
        try:
            body = unpack(body, limits.decompressed_bytes)
        except (zlib.error, brotli.error, zstandard.ZstdError, EOFError) as error:
            raise refuse(Reason.UNDECODABLE_BODY, f"the body is not {name}: {str(error)[:200]}") from None
    return body


def pack_body(body: bytes) -> bytes:
    """As the Content-Encoding `PACKED` says: fast, since a body is packed here only when a key was taken out of it."""
    return gzip.compress(body, 1, mtime=0)


def _see_packing(body: bytes) -> str:
    if body.startswith(GZIP_MAGIC):
        return "gzip"
    return "zstd" if body.startswith(ZSTD_MAGIC) else ""


def _burst(most: int) -> Exception:
    return refuse(
        Reason.DECOMPRESSED_TOO_LARGE, f"the body unpacks to more than {most} bytes (limit decompressed_bytes)"
    )


def _unpack_zlib(body: bytes, most: int, window: int) -> bytes:
    unpacker = zlib.decompressobj(window)
    out = unpacker.decompress(body, most + 1)
    if len(out) > most:
        raise _burst(most)
    if not unpacker.eof:
        raise EOFError("it ends too early")
    return out


def _unpack_gzip(body: bytes, most: int) -> bytes:
    """All members of the file, as RFC 1952 allows several. Each copies what is left: very many would take minutes."""
    parts: list[bytes] = []
    size = 0
    while body:
        if len(parts) == MOST_MEMBERS:
            raise EOFError(f"it has more than {MOST_MEMBERS} members")
        unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)
        parts.append(unpacker.decompress(body, most - size + 1))
        size += len(parts[-1])
        if size > most:
            raise _burst(most)
        if not unpacker.eof:
            raise EOFError("it ends too early")
        body = unpacker.unused_data
    return b"".join(parts)


def _unpack_deflate(body: bytes, most: int) -> bytes:
    """With the zlib header of RFC 9110, or without it as some clients send."""
    try:
        return _unpack_zlib(body, most, zlib.MAX_WBITS)
    except zlib.error:
        return _unpack_zlib(body, most, -zlib.MAX_WBITS)


def _unpack_brotli(body: bytes, most: int) -> bytes:
    unpacker = brotli.Decompressor()
    out = unpacker.process(body, output_buffer_limit=most + 1)
    parts, size = [out], len(out)
    while size <= most and not unpacker.can_accept_more_data():
        parts.append(unpacker.process(b"", output_buffer_limit=most + 1 - size))
        size += len(parts[-1])
    if size > most:
        raise _burst(most)
    if not unpacker.is_finished():
        raise EOFError("it ends too early")
    return b"".join(parts)


def _unpack_zstd(body: bytes, most: int) -> bytes:
    reader = zstandard.ZstdDecompressor(max_window_size=2**27).stream_reader(body, read_across_frames=True)
    parts: list[bytes] = []
    size = 0
    while chunk := reader.read(CHUNK):
        parts.append(chunk)
        size += len(chunk)
        if size > most:
            raise _burst(most)
    return b"".join(parts)


_UNPACKERS: dict[str, Callable[[bytes, int], bytes]] = {
    "gzip": _unpack_gzip,
    "x-gzip": _unpack_gzip,
    "deflate": _unpack_deflate,
    "br": _unpack_brotli,
    "zstd": _unpack_zstd,
}
