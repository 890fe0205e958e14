"""The browser script's files, with the headers that scripts of other sites' pages need."""

import re
from typing import Any

from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

HASHED = re.compile(r"\.[0-9a-f]{8}\.js$")
FOR_EVER = "public, max-age=31536000, immutable"
AN_HOUR = "public, max-age=3600"


class ScriptFiles(StaticFiles):
    """A file named by its content never changes; the stable name is looked at again after an hour.

    Any site may load them with an integrity hash, which needs CORS; they hold no data.
    """

    def __init__(self) -> None:
        super().__init__(packages=[("trackway.collect", "static")])

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        headers: Any = response.headers
        headers["cache-control"] = FOR_EVER if HASHED.search(path) else AN_HOUR
        headers["access-control-allow-origin"] = "*"
        headers["x-content-type-options"] = "nosniff"
        return response
