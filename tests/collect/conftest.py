"""Sources of the two protocols on the shared server."""

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from trackway.testing.server import TestServer

_NUMBERS = itertools.count()


@pytest.fixture
def native(server: TestServer) -> dict[str, Any]:
    """A fresh native source with a secret key."""
    return server.add_source(f"native {next(_NUMBERS)}")


@pytest.fixture
def pact(server: TestServer) -> dict[str, Any]:
    return server.add_source(f"pact {next(_NUMBERS)}", protocol="pact")


@pytest.fixture
def stored(server: TestServer) -> Callable[[dict[str, Any]], list[dict[str, Any]]]:
    """The stored events of a source, oldest first, once nothing is in flight."""

    def read(source: dict[str, Any]) -> list[dict[str, Any]]:
        server.wait_until_settled()
        items: list[dict[str, Any]] = server.api("events", source=source["id"], limit=1000)["items"]
        return items[::-1]

    return read
