"""Stores to test on: the embedded engine always, and any ClickHouse that TRACKWAY_TEST_CLICKHOUSE_URL names."""

import os
import socket
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from urllib.parse import urlsplit, urlunsplit

import pytest

from trackway.event import Event, LogPlace, Row
from trackway.store.client import EventStore
from trackway.store.migrate import migrate
from trackway.testing.engine import start_engine

VARIABLE = "TRACKWAY_TEST_CLICKHOUSE_URL"
FIRST_SEGMENT = 1_763_700_000_000 << 16
RECEIVED_AT = 1_763_700_000_000

MakeRow = Callable[..., Row]


@pytest.fixture(scope="session")
def engine_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with start_engine(tmp_path_factory.mktemp("engine") / "engine") as url:
        yield url


@contextmanager
def open_outside_store() -> Iterator[EventStore]:
    """A database of its own on the ClickHouse that the environment names."""
    url = urlsplit(os.environ[VARIABLE])
    name = f"trackway_test_{uuid.uuid4().hex[:12]}"
    store = EventStore(urlunsplit(url._replace(path=f"/{name}")))
    try:
        migrate(store)
        yield store
    finally:
        store.execute(f"DROP DATABASE IF EXISTS {name} SYNC")
        store.close()


@pytest.fixture(scope="session", params=["embedded", "clickhouse"])
def store(request: pytest.FixtureRequest) -> Iterator[EventStore]:
    if request.param == "clickhouse":
        if VARIABLE not in os.environ:
            pytest.skip(f"{VARIABLE} is not set: no ClickHouse server to run the contract on")
        with open_outside_store() as store:
            yield store
        return
    store = EventStore(request.getfixturevalue("engine_url"))
    migrate(store)
    yield store
    store.close()


@pytest.fixture(scope="session")
def segments() -> Iterator[int]:
    return count(FIRST_SEGMENT)


@pytest.fixture
def segment(segments: Iterator[int]) -> int:
    """A log segment that no other test uses."""
    return next(segments)


@pytest.fixture(scope="session")
def make_row() -> MakeRow:
    def make(segment: int, record: int, index: int = 0, **fields: object) -> Row:
        values: dict[str, object] = {
            "event_id": str(uuid.uuid4()),
            "workspace": "main",
            "source": "shop",
            "protocol": "native",
            "channel": "web",
            "trusted": False,
            "event_type": "page_view",
            "occurred_at": RECEIVED_AT - 5,
            "received_at": RECEIVED_AT,
        }
        return Row(Event(**{**values, **fields}), LogPlace(segment, record, index))

    return make


class CutLine:
    """A line to the engine that passes requests on and drops some answers, as a broken network does."""

    def __init__(self, url: str) -> None:
        self._target = urlsplit(url)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.drops_answers = False
        self.requests = 0
        self.url = urlunsplit(
            self._target._replace(
                netloc=f"{self._target.username}:{self._target.password}@127.0.0.1:{self._listener.getsockname()[1]}"
            )
        )
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._pass_on, args=(client,))
            self._threads.append(thread)
            thread.start()

    def _pass_on(self, client: socket.socket) -> None:
        with client, socket.create_connection((self._target.hostname, self._target.port)) as server:
            back = threading.Thread(target=self._pass_back, args=(server, client))
            back.start()
            while part := self._receive(client):
                if part.startswith(b"POST"):
                    self.requests += 1
                server.sendall(part)
            server.shutdown(socket.SHUT_WR)
            back.join()

    def _pass_back(self, server: socket.socket, client: socket.socket) -> None:
        while part := self._receive(server):
            if self.drops_answers:
                break
            client.sendall(part)
        client.shutdown(socket.SHUT_RDWR)

    @staticmethod
    def _receive(end: socket.socket) -> bytes:
        try:
            return end.recv(65536)
        except OSError:
            return b""

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join()


@pytest.fixture
def cut_line(engine_url: str) -> Iterator[CutLine]:
    line = CutLine(engine_url)
    yield line
    line.close()
