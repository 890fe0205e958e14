"""The browser script's files, packed, with the headers that scripts of other sites' pages need."""

import re
from collections.abc import Mapping
from functools import cache, lru_cache
from gzip import compress
from importlib.resources import files
from pathlib import Path
from typing import Any

import brotli
import msgspec
from msgspec import Struct
from starlette.concurrency import run_in_threadpool
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

HASHED = re.compile(r"\.[0-9a-f]{8}\.m?js$")
FOR_EVER = "public, max-age=31536000, immutable"
AN_HOUR = "public, max-age=3600"
# What the machine's list of file types does not know, or takes for a film.
TYPES = {".mjs": "text/javascript; charset=utf-8", ".ts": "text/plain; charset=utf-8"}
PACKED_FILES = 100

FOLDER = "trackway.collect"
STATIC = "static"
MANIFEST = "manifest.json"


class BuiltFile(Struct, frozen=True):
    """One line of the manifest: the file that never changes, and how to pin it."""

    file: str
    integrity: str
    bytes: int


@cache
def read_manifest() -> Mapping[str, BuiltFile]:
    """The files of this release by their stable names."""
    content = (files(FOLDER) / STATIC / MANIFEST).read_bytes()
    return msgspec.json.decode(content, type=dict[str, BuiltFile])


def read_script(name: str) -> str:
    """The text of a file of this release."""
    return (files(FOLDER) / STATIC / name).read_text()


class ScriptFiles(StaticFiles):
    """A file named by its content never changes; the stable name is looked at again after an hour.

    Any site may load them with an integrity hash, which needs CORS; they hold no data.
    """

    def __init__(self) -> None:
        super().__init__(packages=[(FOLDER, STATIC)])

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        if isinstance(response, FileResponse):
            response = await self._pack(response, scope)
        headers: Any = response.headers
        headers["cache-control"] = FOR_EVER if HASHED.search(path) else AN_HOUR
        headers["access-control-allow-origin"] = "*"
        headers["x-content-type-options"] = "nosniff"
        headers["vary"] = "Accept-Encoding"
        if known := TYPES.get(Path(path).suffix):
            headers["content-type"] = known
        return response

    async def _pack(self, response: FileResponse, scope: Scope) -> Response:
        asked = {name: value.decode("latin-1") for name, value in scope["headers"]}
        encoding = choose_encoding(asked.get(b"accept-encoding", ""))
        if not encoding or b"range" in asked:
            return response
        etag = response.headers["etag"]
        body = await run_in_threadpool(pack_file, str(response.path), etag, encoding)
        kept = {name: response.headers[name] for name in ("content-type", "last-modified")}
        # The same content in other bytes: a weak tag (RFC 9110, 8.8.1).
        return Response(body, headers={**kept, "etag": f"W/{etag}", "content-encoding": encoding})


def choose_encoding(accepted: str) -> str:
    """br, gzip, or "" where neither is taken; `q=0` refuses one."""
    taken = set()
    for part in accepted.lower().split(","):
        name, _, weight = part.partition(";")
        if weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000"):
            taken.add(name.strip())
    return next((name for name in ("br", "gzip") if name in taken), "")


@lru_cache(PACKED_FILES)
def pack_file(path: str, etag: str, encoding: str) -> bytes:
    """Once for each state of a file, which `etag` stands for."""
    content = Path(path).read_bytes()
    return brotli.compress(content) if encoding == "br" else compress(content, mtime=0)
