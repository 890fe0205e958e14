"""Arbitrary bytes and JSON at every collect route: never a 5xx, always JSON in the dialect's shape."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trackway.collect.protocols import PROTOCOLS
from trackway.testing.server import TestServer

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=15,
)
FIELD_NAMES = st.sampled_from(
    [
        "event_type",
        "distinct_id",
        "anonymous_id",
        "occurred_at",
        "sent_at",
        "timestamp",
        "ts",
        "properties",
        "context",
        "dedupe_key",
        "url",
        "title",
        "source",
        "channel",
        "events",
        "write_key",
        "contact_id",
        "session_id",
    ]
)
LIKELY_EVENTS = st.dictionaries(FIELD_NAMES, JSON_VALUES, max_size=8)
BODIES = st.one_of(
    st.binary(max_size=400),
    JSON_VALUES.map(lambda v: json.dumps(v).encode()),
    LIKELY_EVENTS.map(lambda v: json.dumps(v).encode()),
    st.lists(LIKELY_EVENTS, max_size=3).map(lambda v: json.dumps({"events": v}).encode()),
    st.lists(LIKELY_EVENTS, max_size=3).map(lambda v: "\n".join(map(json.dumps, v)).encode()),
)
ENCODINGS = st.sampled_from(["", "gzip", "br", "zstd", "deflate", "identity", "gzip, br"])
ROUTES = [(protocol.name, route.path) for protocol in PROTOCOLS for route in protocol.routes]


@pytest.mark.parametrize(("protocol", "path"), ROUTES)
@given(body=BODIES, encoding=ENCODINGS, query=st.sampled_from(["", "?validate=1", "?k=%ff&validate=yes", "?&&=="]))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_body_makes_a_5xx(
    server: TestServer, fuzz_keys: dict[str, str], protocol: str, path: str, body: bytes, encoding: str, query: str
) -> None:
    headers = {"authorization": f"Bearer {fuzz_keys[protocol]}", **({"content-encoding": encoding} if encoding else {})}
    answer = server.request("POST", path + query, body, headers)
    assert answer.status < 500, answer.body
    assert isinstance(answer.json, dict)


@pytest.fixture(scope="session")
def fuzz_keys(server: TestServer) -> dict[str, str]:
    def key(source: dict[str, Any]) -> str:
        return str(next(iter(source["credentials"].values())))

    return {p.name: key(server.add_source(f"fuzz {p.name}", protocol=p.name)) for p in PROTOCOLS}


def test_the_books_balance_after_the_fuzzing(server: TestServer, fuzz_keys: dict[str, str]) -> None:
    books = server.wait_until_settled()
    assert all(source["balanced"] for source in books["sources"]), books
