"""Arbitrary bytes and JSON at every collect route: never a 5xx, always JSON (or nothing) in the dialect's shape."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.collect.dialects import RECIPES
from tests.collect.test_dialects import JSON_VALUES, QUERIES, ROUTES, SEGMENTS, bodies, name_route

from trackway.collect.protocol import Protocol
from trackway.collect.protocols import PROTOCOLS
from trackway.testing.server import TestServer

ENCODINGS = st.sampled_from(["", "", "", "gzip", "br", "zstd", "deflate", "identity", "gzip, br"])


@pytest.mark.parametrize(("protocol", "route"), ROUTES, ids=name_route)
@given(data=st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_request_makes_a_5xx(
    server: TestServer, fuzz_keys: Mapping[str, str], protocol: Protocol, route: Any, data: st.DataObject
) -> None:
    """The key stands where the dialect wants it, or in the path where the route has parameters."""
    key = fuzz_keys[protocol.name]
    segments = st.sampled_from(key.split("/")) | SEGMENTS.filter(lambda segment: segment not in (".", ".."))
    path = "/".join(data.draw(segments) if part.startswith("{") else part for part in route.path.split("/"))
    query = data.draw(QUERIES.filter(lambda text: text.isascii() and text.isprintable() and not set(text) & set(" #")))
    encoding = data.draw(ENCODINGS)
    headers = {**RECIPES[protocol.name].wrap(key, [{}]).headers, **({"content-encoding": encoding} if encoding else {})}
    answer = server.request(
        data.draw(st.sampled_from(route.methods)), f"{path}?{query}", data.draw(bodies(protocol, key)), headers
    )
    assert answer.status < 500, answer.body
    if answer.headers.get("content-type") == "image/gif":
        assert answer.headers["x-event-status"]
    elif answer.body:
        assert answer.headers["content-type"].startswith("application/json")
        json.loads(answer.body)
    else:
        assert answer.status == 204 or 300 <= answer.status < 400


CONSENT_BODIES = st.one_of(
    st.binary(max_size=200),
    JSON_VALUES.map(lambda value: json.dumps(value).encode()),
    st.dictionaries(
        st.sampled_from(["contact_id", "email", "phone", "channel", "purpose", "jurisdiction", "source", "consents"])
        | st.sampled_from(["session", "profile", "distinct_id", "user_id"]),
        JSON_VALUES | st.sampled_from(["email", "tracking", "DE", "a@b.example"]) | st.just({"id": "x"}),
        max_size=6,
    ).map(lambda value: json.dumps(value).encode()),
)


@pytest.mark.parametrize("path", ["/v1/consent/check", "/customer/consent", "/customer/consent?all=true"])
@given(body=CONSENT_BODIES)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_question_about_consent_makes_a_5xx(
    server: TestServer, fuzz_keys: Mapping[str, str], path: str, body: bytes
) -> None:
    answer = server.request("POST", path, body, {"authorization": f"Bearer {fuzz_keys['pact']}"})
    assert answer.status < 500, answer.body
    assert answer.headers["content-type"].startswith("application/json")
    json.loads(answer.body)


@pytest.fixture(scope="session")
def fuzz_keys(server: TestServer) -> dict[str, str]:
    def add(name: str) -> str:
        recipe = RECIPES[name]
        [key] = server.add_source(f"fuzz {name}", name, recipe.channel, **recipe.settings)["credentials"].values()
        return str(key)

    return {protocol.name: add(protocol.name) for protocol in PROTOCOLS}


def test_the_books_balance_after_the_fuzzing(server: TestServer, fuzz_keys: dict[str, str]) -> None:
    books = server.wait_until_settled()
    assert all(source["balanced"] for source in books["sources"]), books
