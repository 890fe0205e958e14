"""One running server for all tests that need no fresh one; folders of outside data."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from trackway.testing.server import TestServer, start_server

OUTSIDE_DATA = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestServer]:
    with start_server(tmp_path_factory.mktemp("server") / "data") as running:
        yield running


@pytest.fixture(scope="session")
def outside_data() -> Path:
    """Real input that is not part of the project; without it the test is skipped."""
    if not OUTSIDE_DATA.is_dir():
        pytest.skip(f"{OUTSIDE_DATA} is missing: this test needs input that is not part of the project")
    return OUTSIDE_DATA
