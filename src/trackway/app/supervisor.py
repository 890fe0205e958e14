"""Keeps the processes of one installation alive: engine, pipeline, and the collectors on one port.

A child that dies is started again, after a pause that grows with every quick death, and the
supervisor says so. Children are spawned, never forked: the embedded engine does not survive a
fork. The supervisor holds the port's socket, so that connections wait rather than fail while a
collector starts again.
"""

import logging
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from trackway.app.bells import Bell, make_bell, ring_at_signals
from trackway.app.folder import Folder, RunningServer, write_private
from trackway.settings import Settings

LOG = logging.getLogger(__name__)

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 5.0
HEALTHY_AFTER_S = 10.0
# While a child is not there or the server not ready; otherwise the end of a child wakes the supervisor, and it looks anyway.
LOOK_EVERY_S, LOOK_ANYWAY_S = 0.05, 1.0
STOP_PATIENCE_S = 8.0


@dataclass
class Child:
    """One process: what it runs, and how its life has been."""

    name: str
    command: Sequence[str]
    handles: tuple[int, ...] = ()
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    not_before: float = 0.0
    pause_s: float = FIRST_PAUSE_S
    restarts: int = 0

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None


class ChildState(msgspec.Struct, frozen=True):
    name: str
    alive: bool
    pid: int
    restarts: int


@dataclass
class Supervisor:
    folder: Folder
    settings: Settings
    lock: int
    stopping: bool = False
    children: list[Child] = field(default_factory=list)

    def run(self, ready: Callable[[RunningServer], None]) -> None:
        """Until SIGTERM or SIGINT. `ready` is called once, when the server answers."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        # Only so that it wakes: how a child is, it says itself.
        signal.signal(signal.SIGCHLD, lambda *_: None)
        with (
            make_bell() as bell,
            ring_at_signals(bell),
            make_bell() as written,
            _listen(self.settings.host, self.settings.port) as listener,
        ):
            running = RunningServer(self.settings.host, listener.getsockname()[1], os.getpid(), secrets.token_hex(32))
            self._plan(listener.fileno(), written)
            self.folder.announce_server(running)
            try:
                self._watch(running, ready, bell)
            finally:
                self._end_all()
                self.folder.forget_server()

    def _stop(self, *_: object) -> None:
        self.stopping = True

    def _plan(self, listener: int, written: Bell) -> None:
        """`written` rings when something was written to the log."""
        data = str(self.folder.root)

        def role(name: str, *more: str) -> list[str]:
            return [sys.executable, "-m", "trackway", "role", name, "--data", data, *more]

        if not self.settings.clickhouse_url:
            port, secret = find_free_port(), secrets.token_hex(16)
            url = f"http://default:{secret}@127.0.0.1:{port}/trackway"
            write_private(self.folder.run / "engine.json", msgspec.json.encode({"url": url}))
            self.children.append(Child("engine", role("engine"), (self.lock,)))
        command = role("pipeline", "--bell", str(written.ear))
        self.children.append(Child("pipeline", command, (self.lock, written.ear)))
        for number in range(self.settings.collectors):
            command = role(
                "server", "--listener", str(listener), "--stream", str(number), "--bell", str(written.hammer)
            )
            self.children.append(Child(f"server-{number}", command, (self.lock, listener, written.hammer)))

    def _watch(self, running: RunningServer, ready: Callable[[RunningServer], None], bell: Bell) -> None:
        told, news = False, False
        while not self.stopping:
            changed = [self._tend(child) for child in self.children]
            news = (any(changed) or news) and not self._report(again=news)
            if not told and (self.folder.run / "ready").exists():
                told = True
                ready(running)
            settled = told and not news and all(child.process is not None for child in self.children)
            bell.wait(LOOK_ANYWAY_S if settled else LOOK_EVERY_S)

    def _tend(self, child: Child) -> bool:
        """Start a child that is not there. Returns whether anything changed."""
        now, died = time.monotonic(), False
        if child.alive:
            if now - child.started_at > HEALTHY_AFTER_S:
                child.pause_s = FIRST_PAUSE_S
            return False
        if child.process is not None:
            code, died = child.process.returncode, True
            child.process, child.not_before = None, now + child.pause_s
            child.restarts += 1
            LOG.warning("%s ended with code %s; it is started again in %.1f s", child.name, code, child.pause_s)
            child.pause_s = min(child.pause_s * 2, LONGEST_PAUSE_S)
        if now < child.not_before:
            return died
        child.process = subprocess.Popen(
            child.command, stdin=subprocess.PIPE, pass_fds=child.handles, env=_child_environment(self.settings)
        )
        child.started_at = now
        return True

    def _report(self, again: bool) -> bool:
        """Write down how the children are. A full disk, on which that fails, must not end who starts them again."""
        states = [ChildState(c.name, c.alive, c.process.pid if c.process else 0, c.restarts) for c in self.children]
        try:
            write_private(self.folder.run / "children.json", msgspec.json.encode(states))
        except OSError as error:
            if not again:
                LOG.warning("how the processes are cannot be written down, it is tried again: %s", error)
            return False
        return True

    def _end_all(self) -> None:
        """Front to back: what arrived is answered, then processed, then the store closes."""
        (self.folder.run / "ready").unlink(missing_ok=True)
        for prefix in ("server", "pipeline", "engine"):
            group = [c for c in self.children if c.name.startswith(prefix) and c.process is not None]
            for child in group:
                if child.process is not None and child.alive:
                    child.process.terminate()
            deadline = time.monotonic() + STOP_PATIENCE_S
            for child in group:
                _wait_or_kill(child, deadline)


def _wait_or_kill(child: Child, deadline: float) -> None:
    process = child.process
    if process is None:
        return
    try:
        process.wait(max(0.1, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        LOG.warning(
            "%s did not stop within %.0f s and is killed; the log keeps what it had not settled",
            child.name,
            STOP_PATIENCE_S,
        )
        process.kill()
        process.wait()


def _child_environment(settings: Settings) -> dict[str, str]:
    """Children see the settings as decided here, flags included."""
    decided = {f"TRACKWAY_{name.upper()}": str(getattr(settings, name)) for name in settings.__dataclass_fields__}
    return {**os.environ, **decided}


def find_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise SystemExit(
            f"trackway: cannot listen on {host}:{port}: {error.strerror}; choose another with --port"
        ) from None
    listener.listen(2048)
    listener.set_inheritable(True)
    return listener


def find_store_url(folder: Folder, settings: Settings) -> str:
    """Where the event store answers: the configured ClickHouse, else this installation's engine."""
    if settings.clickhouse_url:
        return settings.clickhouse_url
    file: Path = folder.run / "engine.json"
    url: str = msgspec.json.decode(file.read_bytes(), type=dict[str, str])["url"]
    return url
