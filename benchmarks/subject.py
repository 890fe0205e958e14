"""The server under measurement: a real `trackway serve`, its processes, and how far its pipeline is."""

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from benchmarks.load import LoadPlan, LoadResult, run_load
from trackway.control.database import State, make_url
from trackway.eventlog.embedded import LogReader
from trackway.pipeline.progress import read_position
from trackway.testing.server import TestServer, start_server

ROLES = ("server-0", "pipeline", "engine")
STREAM = "0"
LOOK_EVERY_S = 0.01

_RUNS = count(1)


class Subject:
    """One running installation with a source for back ends and one for browsers."""

    def __init__(self, server: TestServer) -> None:
        self.server = server
        self.port = urlsplit(server.url).port or 0
        self.source = server.add_source("bench")
        self.key: str = self.source["credentials"]["write_key"]
        self.site = server.add_source("bench-site", channel="web")
        self.site_key: str = self.site["credentials"]["write_key"]
        self._log = LogReader(server.data / "log")
        self._state = State(make_url(server.data, ""))
        self.pids = {role: server.child_pid(role) for role in ROLES}
        self._processes = {role: psutil.Process(pid) for role, pid in self.pids.items()}

    def read_cpu(self, role: str) -> float:
        """Seconds of processor time that the process has used since it started."""
        times = self._processes[role].cpu_times()
        return float(times.user + times.system)

    def read_memory(self, role: str) -> float:
        """Resident memory in MB."""
        return float(self._processes[role].memory_info().rss) / 1e6

    def send(
        self, connections: int, events_per_request: int, seconds: float, most_events: int = 0, as_browser: bool = False
    ) -> LoadResult:
        plan = LoadPlan(
            port=self.port,
            key=self.site_key if as_browser else self.key,
            run=next(_RUNS),
            connections=connections,
            events_per_request=events_per_request,
            seconds=seconds,
            most_events=most_events,
            as_browser=as_browser,
        )
        return run_load(plan)

    def send_request(self, request: bytes, connections: int, events_per_request: int, seconds: float) -> LoadResult:
        """The same request over and over, with its slots filled in."""
        plan = LoadPlan(
            port=self.port,
            key="",
            run=next(_RUNS),
            connections=connections,
            events_per_request=events_per_request,
            seconds=seconds,
            request=request,
        )
        return run_load(plan)

    def is_settled(self) -> bool:
        return self._log.backlog_bytes(STREAM, read_position(self._state, STREAM)) == 0

    def wait_until_settled(self, patience_s: float = 300.0) -> None:
        """Until the pipeline has stored everything. Looks at the log and the state only: asking the API costs what is measured."""
        deadline = time.monotonic() + patience_s
        while not self.is_settled():
            if time.monotonic() > deadline:
                raise TimeoutError(
                    f"the pipeline did not finish within {patience_s} s:\n{self.server.log.read_text()[-2000:]}"
                )
            time.sleep(LOOK_EVERY_S)

    @contextlib.contextmanager
    def paused_pipeline(self) -> Iterator[None]:
        """The pipeline stands still until the block ends; the log keeps what arrives."""
        os.kill(self.pids["pipeline"], signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.pids["pipeline"], signal.SIGCONT)

    def check_books(self) -> int:
        """How many events are stored. AssertionError when the books of a source do not balance."""
        stored = 0
        for source in self.server.wait_until_settled()["sources"]:
            assert source["balanced"], f"the books do not balance: {source}"
            stored += source["stored"]
        return stored

    def close(self) -> None:
        self._state.close()


@contextlib.contextmanager
def start_subject(folder: Path) -> Iterator[Subject]:
    """A fresh installation below `folder`."""
    with start_server(folder / f"data-{next(_RUNS)}") as server:
        subject = Subject(server)
        try:
            yield subject
        finally:
            subject.close()
