"""Cross-origin requests: whose pages a source listens to. Preflights are tested for every dialect in test_ugly_requests.py."""

from typing import Any

import pytest

from trackway.testing.server import TestServer

ORIGIN = "https://shop.example"
EVENT = {"event_type": "page_view", "anonymous_id": "a"}


def test_answers_echo_the_origin_also_when_they_refuse(server: TestServer, native: dict[str, Any]) -> None:
    key = native["credentials"]["write_key"]
    for answer in (
        server.post("/v1/events", EVENT, key, {"origin": ORIGIN}),
        server.post("/v1/events", EVENT, "no", {"origin": ORIGIN}),
    ):
        assert answer.headers["access-control-allow-origin"] == ORIGIN


@pytest.mark.parametrize(
    ("origins", "origin", "status"),
    [
        ("https://shop.example", "https://shop.example", 200),
        ("https://shop.example", "https://evil.example", 403),
        ("https://shop.example", "http://shop.example", 403),
        ("https://shop.example", "null", 403),
        ("https://a.example,https://shop.example", "https://shop.example", 200),
        ("*", "https://evil.example", 200),
        ("https://shop.example", "", 200),
    ],
    ids=["listed", "another site", "another scheme", "null", "second of two", "any", "no origin"],
)
def test_a_source_listens_to_its_origins_only(server: TestServer, origins: str, origin: str, status: int) -> None:
    source = server.add_source(f"site {origins} {origin}", channel="web", origins=origins)
    answer = server.post(
        "/v1/events", EVENT, source["credentials"]["write_key"], {"origin": origin} if origin else None
    )
    assert answer.status == status
    if status == 403:
        assert answer.json["error"]["reason"] == "origin_not_allowed"
