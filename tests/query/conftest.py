"""A real engine for all tests of this folder, and a workspace of its own for each."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from trackway.store.client import EventStore
from trackway.store.migrate import migrate
from trackway.testing.engine import start_engine
from trackway.testing.installation import Installation


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
