"""A client of Tracardi's dialect, for tests."""

import itertools
import json
from collections.abc import Callable
from typing import Any

from trackway.testing.server import Answer, TestServer

Source = dict[str, Any]
Stored = Callable[[Source], list[dict[str, Any]]]

PATIENCE_S = 20.0
NUMBERS = itertools.count(1)
JSON = {"content-type": "application/json"}
SYSTEM = {"profile-created", "session-opened", "visit-started"}


def add_source(server: TestServer, channel: str = "server", **settings: str) -> Source:
    return server.add_source(f"tracardi {next(NUMBERS)}", "tracardi", channel, **settings)


def make_session() -> str:
    return f"visit-{next(NUMBERS)}-of-the-wire"


def track(server: TestServer, source: Source, *types: str, query: str = "", **fields: Any) -> Answer:
    """A payload with one event of each type, in a new session unless one is given."""
    payload = {
        "source": {"id": source["id"]},
        "session": {"id": make_session()},
        "events": [{"type": each} for each in types],
        **fields,
    }
    return server.request("POST", f"/track{query}", json.dumps(payload), JSON)


def find_traits(server: TestServer, profile: str) -> dict[str, Any]:
    server.wait_until_settled()
    traits = server.api(f"profiles/{profile}")["traits"]
    return {trait["name"]: trait["value"] for trait in traits}
