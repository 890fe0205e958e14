"""Other names of the script and of the collect route, chosen by the operator (settings `script_path`, `collect_path`).

A site that passes two paths of its own domain on to us can so have names without the words that
blockers look for. The usual names go on working.
"""

import re
from collections.abc import Mapping

from msgspec import Struct

from trackway.collect.pixel import PATH as PIXEL
from trackway.collect.protocols import PROTOCOLS
from trackway.collect.script_files import read_manifest, read_script
from trackway.settings import SettingError, Settings

SCRIPT = "trackway.js"
MODULE = "trackway.mjs"
STUB = "stub.js"
SCRIPT_PATH = f"/js/{SCRIPT}"
COLLECT_PATH = "/v1/events"

_PATH = re.compile(r"(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+")
_TAKEN = ("app", "api", "health", "metrics", "js", "tracker", "widget")


class ScriptPlaces(Struct, frozen=True):
    """Where a page finds the script of this release, and where it sends. `stub` is the text of the stub."""

    version: str
    stable: str
    pinned: str
    integrity: str
    module: str
    collect: str
    pixel: str
    stub: str


class Aliases:
    """SettingError when a setting is no path, or one that something else has."""

    def __init__(self, settings: Settings) -> None:
        self._exact: dict[str, str] = {}
        self._stem = ""
        script, collect = settings.script_path, settings.collect_path
        self._script, self._collect = script, collect
        if collect != COLLECT_PATH:
            _check("collect_path", collect)
            self._exact = {collect: COLLECT_PATH, f"{collect}.gif": PIXEL}
        if script != SCRIPT_PATH:
            _check("script_path", script)
            if script in self._exact:
                raise SettingError(f"setting script_path: {script!r} is collect_path already")
            self._exact[script] = SCRIPT_PATH
            self._stem = script.removesuffix(".js")

    def find(self, path: str) -> str:
        """The usual name of what `path` stands for; "" when it is no alias."""
        found = self._exact.get(path, "")
        if found or not self._stem or not path.startswith(f"{self._stem}."):
            return found
        # /a/s.0.1.0.1f2e3d4c.js, /a/s.core.js, /a/s.mjs
        rest = path[len(self._stem) :]
        return "" if "/" in rest else SCRIPT_PATH.removesuffix(".js") + rest

    def describe(self) -> ScriptPlaces:
        manifest = read_manifest()
        built = manifest[SCRIPT]
        stem = self._script.removesuffix(".js")
        version = built.file.removeprefix("trackway.").rsplit(".", 2)[0]
        return ScriptPlaces(
            version=version,
            stable=self._script,
            pinned=stem + built.file.removeprefix("trackway"),
            integrity=built.integrity,
            module=f"{stem}.mjs",
            collect=self._collect,
            pixel=PIXEL if self._collect == COLLECT_PATH else f"{self._collect}.gif",
            stub=read_script(STUB).strip(),
        )


def _check(name: str, path: str) -> None:
    if not _PATH.fullmatch(path):
        raise SettingError(
            f"setting {name}: {path!r} is not a path such as /a/s.js: letters, digits, '.', '_', '~', '-'"
        )
    if path.split("/")[1] in _TAKEN or path in _list_routes():
        raise SettingError(f"setting {name}: {path!r} is taken by Trackway itself; choose another path")


def _list_routes() -> Mapping[str, str]:
    return {route.path: protocol.name for protocol in PROTOCOLS for route in protocol.routes}
