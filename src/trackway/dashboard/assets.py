"""Static files under /app/static/HASH/, where HASH stands for the content of all of them.

One hash for the whole tree, as a folder of the URL, lets modules import each other by relative
paths and still be cached for ever: whatever changes, every URL changes.
"""

import hashlib
from functools import cache
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.staticfiles import StaticFiles

STATIC = Path(__file__).parent / "static"
FOR_EVER = "public, max-age=31536000, immutable"
ASK_AGAIN = "no-cache"
HASH_DIGITS = 12


@cache
def hash_assets() -> str:
    """The first digits of SHA-256 over names and contents of all static files."""
    digest = hashlib.sha256()
    for file in sorted(STATIC.rglob("*")):
        if file.is_file():
            content = hashlib.sha256(file.read_bytes()).hexdigest()
            digest.update(f"{file.relative_to(STATIC).as_posix()} {content}\n".encode())
    return digest.hexdigest()[:HASH_DIGITS]


def make_asset_url(path: str) -> str:
    return f"/app/static/{hash_assets()}/{path}"


@cache
def _open_files() -> StaticFiles:
    return StaticFiles(directory=STATIC)


async def send_asset(request: Request) -> Response:
    """A page of an older version, still open somewhere, gets today's file, uncached. HTTPException 404."""
    digits, path = request.path_params["digits"], request.path_params["path"]
    response = await _open_files().get_response(path, request.scope)
    response.headers["cache-control"] = FOR_EVER if digits == hash_assets() else ASK_AGAIN
    return response
