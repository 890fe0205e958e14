"""The first request that the Sources page and the command line show for a new source works as it is shown."""

from collections.abc import Callable
from typing import Any

import pytest

from trackway.collect.protocols import PROTOCOLS, show_example
from trackway.event import Source
from trackway.testing.server import TestServer


@pytest.mark.parametrize("channel", ["web", "server"])
@pytest.mark.parametrize("dialect", [protocol.name for protocol in PROTOCOLS])
def test_the_example_of_a_new_source_is_taken(
    server: TestServer, stored: Callable[[dict[str, Any]], list[dict[str, Any]]], dialect: str, channel: Any
) -> None:
    added = server.add_source(f"example of {dialect} {channel}", dialect, channel)
    [key] = added["credentials"].values()
    source = Source(id=added["id"], workspace="main", name=added["name"], protocol=dialect, channel=channel)
    example = show_example(source, key)
    headers = {"content-type": "application/json", "user-agent": "curl/8.5.0", **example.headers}
    answer = server.request(example.method, example.path, example.body, headers)
    assert 200 <= answer.status < 300, answer.body
    assert "dropped" not in answer.headers.get("x-event-status", "")
    assert stored(added)
