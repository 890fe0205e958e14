"""The engine child: an embedded ClickHouse behind ClickHouse's own HTTP interface.

Station 4 of the road. `trackway serve` runs it as a process of its own, because chDB takes over
signal handlers, hangs a forked child, crashes a process that exits during a query and uses every
core; here it can be watched, capped and restarted while collection goes on. What it answers is
what clickhouse-connect and `curl` expect of a ClickHouse server, so embedded and cluster differ
in an address. docs/decisions/0003-event-store-engine-process.md has the reasons and figures.

Each request stands for itself: there are no sessions, so `SET` and temporary tables do not last.
External data and query_id are not offered. It binds to 127.0.0.1 only and checks a secret.
"""

import asyncio
import contextlib
import fcntl
import os
import resource
import signal
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from pathlib import Path
from typing import Any

import uvicorn

from trackway.store.engine_config import DATABASE, write_config
from trackway.store.engine_http import EngineFront
from trackway.store.engine_queries import Engine

USER = "default"
HOST = "127.0.0.1"

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class EngineInUse(Exception):
    """Another process has this engine directory open."""


class EngineServer(uvicorn.Server):
    """uvicorn that reports readiness, and that shuts the engine down before its own process ends."""

    def __init__(self, config: uvicorn.Config, engine: Engine, report: Callable[[], None]) -> None:
        super().__init__(config)
        self._engine = engine
        self._report = report

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._report()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        closing = asyncio.to_thread(self._engine.close)
        await asyncio.gather(super().shutdown(sockets), closing)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        # uvicorn's own version raises the signal again at the end: the process would not end with status 0.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self.handle_exit)
        yield

    def stop_at_end_of(self, descriptor: int) -> None:
        """Stop when the other end of the pipe `descriptor` closes: the parent is gone, however it went."""

        def wait() -> None:
            while os.read(descriptor, 4096):
                pass
            self.should_exit = True

        threading.Thread(target=wait, name="engine-parent", daemon=True).start()


def run_engine(
    directory: Path,
    port: int,
    secret: str,
    memory_bytes: int,
    ready: Callable[[str], None],
    *,
    threads: int = 2,
    old_parts_seconds: int = 60,
    parent_pipe: int | None = None,
) -> None:
    """Serve the engine of `directory` until SIGTERM, SIGINT or, where given, the end of `parent_pipe`.

    `port` 0 takes a free one. `ready` is called with the URL, secret included, once requests are
    answered. EngineInUse when another process has the directory open; OSError when the port is taken.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    with hold_directory(directory), socket.create_server((HOST, port)) as listener:
        raise_open_files_limit()
        engine = Engine(directory / "data", write_config(directory, memory_bytes, threads, old_parts_seconds))
        url = f"http://{USER}:{secret}@{HOST}:{listener.getsockname()[1]}/{DATABASE}"
        config = uvicorn.Config(
            EngineFront(engine, USER, secret),
            http="httptools",
            loop="uvloop",
            lifespan="off",
            log_level="warning",
            access_log=False,
            server_header=False,
            # An idle connection that we close just as the client uses it again would be a doubtful insert.
            timeout_keep_alive=3600,
            timeout_graceful_shutdown=10,
        )
        server = EngineServer(config, engine, lambda: ready(url))
        if parent_pipe is not None:
            server.stop_at_end_of(parent_pipe)
        server.run(sockets=[listener])


@contextlib.contextmanager
def hold_directory(directory: Path) -> Iterator[None]:
    """Keep every other engine off the directory. chDB does too, but says why on stderr only."""
    with (directory / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise EngineInUse(f"{directory} is open in another engine process; stop that one first") from None
        yield


def raise_open_files_limit() -> None:
    """Merges of parts with many columns and property paths hold thousands of files open."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
