"""The API on a real server: uvicorn on a loopback port, a real engine, log and state behind it."""

import http.client
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from msgspec import Struct
from starlette.applications import Starlette

from trackway.api.routes import make_api_routes
from trackway.clock import Clock, now_ms
from trackway.control.database import State
from trackway.eventlog.embedded import LogReader
from trackway.query.feed import LiveFeed
from trackway.settings import Settings
from trackway.store.client import EventStore
from trackway.store.migrate import migrate
from trackway.testing.engine import start_engine
from trackway.testing.installation import Installation

ADMIN_TOKEN = "admin-token-of-the-tests"
LOCAL_TOKEN = "local-token-of-the-tests"
STAGES = [("read_device", "Reads the browser", ("browser", "os"))]


class Desk(Struct, frozen=True):
    settings: Settings
    state: State
    store: EventStore
    log: LogReader
    clock: Clock
    workspace: str
    secret: bytes
    admin_token: str
    local_token: str
    stages: list[tuple[str, str, tuple[str, ...]]]
    feed: LiveFeed
    test: None = None


class Answer(Struct, frozen=True):
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> Any:
        return self.json["error"]


class Api:
    """A running server over an installation."""

    def __init__(self, installation: Installation, store: EventStore | None = None) -> None:
        self.installation = installation
        store = store or installation.store
        self.desk = Desk(
            settings=Settings(),
            state=installation.state,
            store=store,
            log=installation.log,
            clock=now_ms,
            workspace=installation.workspace,
            secret=b"s" * 32,
            admin_token=ADMIN_TOKEN,
            local_token=LOCAL_TOKEN,
            stages=STAGES,
            feed=LiveFeed(store, installation.workspace),
        )
        application = Starlette(routes=make_api_routes())
        application.state.desk = self.desk
        config = uvicorn.Config(
            application, port=0, log_config=None, lifespan="off", ws="none", timeout_graceful_shutdown=5
        )
        self.server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self.server.run)
        self._thread.start()
        while not self.server.started:
            self._thread.join(0.01)
        self.port: int = self.server.servers[0].sockets[0].getsockname()[1]

    def stop(self) -> None:
        self.desk.feed.close()
        self.server.should_exit = True
        self._thread.join()

    def open(
        self, path: str, headers: Mapping[str, str] | None = None, method: str = "GET", token: str = ADMIN_TOKEN
    ) -> http.client.HTTPResponse:
        """The answer as it begins; the caller reads and closes it."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        bearer = {"Authorization": f"Bearer {token}"} if token else {}
        connection.request(method, path, headers={"Connection": "close", **bearer, **(headers or {})})
        return connection.getresponse()

    def get(
        self, path: str, headers: Mapping[str, str] | None = None, method: str = "GET", token: str = ADMIN_TOKEN
    ) -> Answer:
        with self.open(path, headers, method, token) as response:
            return Answer(
                response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
            )


@pytest.fixture(scope="session")
def engine_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with start_engine(tmp_path_factory.mktemp("engine") / "engine") as url:
        store = EventStore(url)
        migrate(store)
        store.close()
        yield url


@pytest.fixture
def installation(tmp_path: Path, engine_url: str) -> Iterator[Installation]:
    made = Installation(tmp_path / "data", engine_url)
    yield made
    made.close()


@pytest.fixture
def api(installation: Installation) -> Iterator[Api]:
    running = Api(installation)
    yield running
    running.stop()


@pytest.fixture
def make_api(installation: Installation) -> Iterator[Callable[[EventStore], Api]]:
    """The same over a store of your own."""
    made: list[Api] = []

    def make(store: EventStore) -> Api:
        made.append(Api(installation, store))
        return made[-1]

    yield make
    for running in made:
        running.stop()
        running.desk.store.close()
