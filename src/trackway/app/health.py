"""Is it well: the answers of /health and /health/ready."""

import asyncio
import logging
import time
from collections.abc import Callable

import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import JSONResponse

from trackway.app.folder import Folder
from trackway.app.supervisor import ChildState
from trackway.store.client import EventStore

LOG = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0


class Parts(Struct, frozen=True):
    """What was seen at the last look, once a second."""

    store: bool = False
    pipeline: bool = False
    children: tuple[ChildState, ...] = ()
    at: float = 0.0


class Health:
    """Ready once store, pipeline and log have all been up; afterwards the log alone decides.

    A server whose store is away still collects, so a load balancer must not take it out.
    """

    def __init__(self, folder: Folder, store: EventStore) -> None:
        self._folder, self._store = folder, store
        self._parts = Parts()
        self._was_ready = False
        self._collects: Callable[[], bool] = lambda: False

    def watch_collector(self, collects: Callable[[], bool]) -> None:
        """From now on `collects` says whether events can be made durable."""
        self._collects = collects

    async def watch(self) -> None:
        while True:
            self._parts = await asyncio.to_thread(self._look)
            if not self._was_ready and self._parts.store and self._parts.pipeline:
                self._was_ready = self._say_ready()
            await asyncio.sleep(LOOK_EVERY_S if self._was_ready else 0.05)

    def _say_ready(self) -> bool:
        """To the supervisor; False where a full disk takes no file yet."""
        try:
            (self._folder.run / "ready").touch()
        except OSError as error:
            LOG.warning("ready, but it cannot be said: %s", error)
            return False
        return True

    def _look(self) -> Parts:
        store = self._store.ping()
        try:
            file = self._folder.run / "children.json"
            children = msgspec.json.decode(file.read_bytes(), type=tuple[ChildState, ...])
        except (FileNotFoundError, msgspec.DecodeError):
            children = ()
        started = (self._folder.run / "pipeline-ready").exists()
        alive = any(child.name == "pipeline" and child.alive for child in children)
        return Parts(store, started and alive, children, time.monotonic())

    async def describe(self, request: Request) -> JSONResponse:
        parts = self._parts
        return JSONResponse(
            {
                "collect": "ok" if self._collects() else "down",
                "pipeline": "ok" if parts.pipeline else "down",
                "store": "ok" if parts.store else "down",
                "seen_seconds_ago": round(time.monotonic() - parts.at, 1),
                "processes": [msgspec.to_builtins(child) for child in parts.children],
            },
            200 if parts.pipeline and parts.store and self._collects() else 503,
        )

    async def answer_ready(self, request: Request) -> JSONResponse:
        if self._was_ready and self._collects():
            return JSONResponse({"ready": True})
        waiting = [name for name in ("store", "pipeline") if not getattr(self._parts, name)]
        waiting += [] if self._collects() else ["log"]
        return JSONResponse({"ready": False, "waiting_for": waiting}, 503, {"Retry-After": "1"})
