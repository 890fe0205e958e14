"""The drop-in scripts under the paths that the tags and snippets of other systems name."""

from collections.abc import Mapping

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Mount
from starlette.types import Scope

from trackway.collect.script_files import ScriptFiles

# Path as a site's page has it: our own file. Tracardi's snippet adds the second name of its script
# to the address that it is given, and loads nothing else.
DROPINS: Mapping[str, Mapping[str, str]] = {
    "/widget": {"loader.js": "clarm.js"},
    "/tracker": {"tracker.js": "tracardi.js", "liliput.min.js": "tracardi.js"},
}


class DropInFiles(ScriptFiles):
    """Some of the built files, by other names."""

    def __init__(self, names: Mapping[str, str]) -> None:
        super().__init__()
        self._names = names

    async def get_response(self, path: str, scope: Scope) -> Response:
        name = self._names.get(path)
        if name is None:
            raise HTTPException(404)
        return await super().get_response(name, scope)


def make_dropin_routes() -> list[Mount]:
    return [Mount(path, DropInFiles(names)) for path, names in DROPINS.items()]
