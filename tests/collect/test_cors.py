"""Cross-origin requests: whose pages a source listens to. Preflights are tested for every dialect in test_ugly_requests.py."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from trackway.testing.server import TestServer, start_server
from trackway.testing.waiting import wait_until

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


def read_exposed(headers: Mapping[str, str]) -> set[str]:
    """What a page of another origin may read of the answer."""
    return {name.strip().lower() for name in headers.get("access-control-expose-headers", "").split(",")}


def test_a_page_of_another_origin_may_read_how_long_it_should_wait(server: TestServer, tmp_path: Path) -> None:
    limited = server.add_source("limited", channel="web", rate_limit="1")["credentials"]["write_key"]
    answers = [server.post("/v1/events", EVENT, limited, {"origin": ORIGIN}) for _ in range(2)]
    assert [answer.status for answer in answers] == [200, 429]
    assert "retry-after" in read_exposed(answers[1].headers)
    with start_server(tmp_path / "data", log_backlog_bytes=-1) as full:
        key = full.add_source("full", channel="web")["credentials"]["write_key"]
        answer = wait_until(
            lambda: full.post("/v1/events", EVENT, key, {"origin": ORIGIN}), lambda answer: answer.status != 200
        )
        assert (answer.status, answer.headers["retry-after"]) == (503, "2")
        assert "retry-after" in read_exposed(answer.headers)
