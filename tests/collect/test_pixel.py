"""The pixel over HTTP: an image whatever came of the event, and the event as the native protocol stores it."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from trackway.testing.server import Answer, TestServer, start_server
from trackway.testing.waiting import wait_until

Source = dict[str, Any]
Stored = Callable[[Source], list[dict[str, Any]]]
BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0"


@pytest.fixture
def web(server: TestServer) -> Source:
    return server.add_source(f"pixel {time.time_ns()}", channel="web")


def load(server: TestServer, source: Source, query: Mapping[str, str], referer: str = "") -> Answer:
    asked = urlencode({"k": source["credentials"]["write_key"], **query})
    return server.request("GET", f"/p.gif?{asked}", headers={"user-agent": BROWSER, "referer": referer})


def assert_image(answer: Answer) -> None:
    assert answer.headers["content-type"] == "image/gif"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.body.startswith(b"GIF89a\x01\x00\x01\x00")
    assert len(answer.body) == 43


def test_a_pixel_without_anything_is_a_page_view_of_the_page_it_stands_on(
    server: TestServer, web: Source, stored: Stored
) -> None:
    answer = load(server, web, {}, "https://shop.example/pricing?utm_source=news")
    assert (answer.status, answer.headers["x-event-status"]) == (200, "accepted")
    assert_image(answer)
    [event] = stored(web)
    assert event["event_type"] == "page_view"
    assert event["url"] == "https://shop.example/pricing?utm_source=news"
    assert event["utm_source"] == "news"
    assert event["browser"] == "Firefox"
    assert event["anonymous_id"] == ""
    assert event["trusted"] is False


def test_the_address_says_type_page_referrer_fields_and_properties(
    server: TestServer, web: Source, stored: Stored
) -> None:
    said = {"t": "mail_opened", "u": "https://shop.example/m?a=1&b=2", "r": "https://mail.example/", "title": "May"}
    more = {"user_id": "u-1", "p.campaign": "Früh & spät", "p.place": "top", "occurred_at": "2026-05-01T12:00:00Z"}
    assert load(server, web, said | more).headers["x-event-status"] == "accepted"
    [event] = stored(web)
    assert event["event_type"] == "mail_opened"
    assert event["url"] == "https://shop.example/m?a=1&b=2"
    assert (event["referrer"], event["title"], event["user_id"]) == ("https://mail.example/", "May", "u-1")
    assert event["properties"] == {"campaign": "Früh & spät", "place": "top"}
    assert event["occurred_at"].startswith("2026-05-01T12:00:00")


def test_a_repeat_with_its_dedupe_key_is_a_duplicate(server: TestServer, web: Source, stored: Stored) -> None:
    answers = [load(server, web, {"dedupe_key": "mail-7-of-u1"}) for _ in range(2)]
    assert [a.headers["x-event-status"] for a in answers] == ["accepted", "duplicate"]
    for answer in answers:
        assert_image(answer)
    assert len(stored(web)) == 1


@pytest.mark.parametrize(
    ("query", "status", "says"),
    [
        ({"t": "x" * 201}, 422, "rejected out_of_range event_type"),
        ({"t": " "}, 422, "rejected missing_field event_type"),
        ({"occurred_at": "soon"}, 422, "rejected out_of_range occurred_at"),
        ({"properties": "text"}, 422, "rejected wrong_type properties"),
    ],
    ids=["a type too long", "no type", "no time", "an object that is none"],
)
def test_what_is_refused_is_an_image_too_and_is_kept(
    server: TestServer, web: Source, stored: Stored, query: dict[str, str], status: int, says: str
) -> None:
    answer = load(server, web, query)
    assert answer.status == status
    assert answer.headers["x-event-status"].startswith(says)
    assert_image(answer)
    assert stored(web) == []
    kept = wait_until(lambda: server.api("rejections", source=web["id"])["items"])
    assert kept[0]["reason"] == says.split()[1]


def test_too_many_parameters_are_refused(server: TestServer, web: Source) -> None:
    answer = load(server, web, {f"p.{n}": "1" for n in range(200)})
    assert answer.status == 422
    assert_image(answer)


@pytest.mark.parametrize(
    ("path", "status", "says"),
    [("/p.gif", 401, "rejected missing_key"), ("/p.gif?k=tw_pub_no", 401, "rejected unknown_key")],
)
def test_a_wrong_key_is_an_image_too(server: TestServer, path: str, status: int, says: str) -> None:
    answer = server.request("GET", path)
    assert answer.status == status
    assert answer.headers["x-event-status"].startswith(says)
    assert_image(answer)


def test_a_source_that_is_off_answers_an_image(server: TestServer, web: Source) -> None:
    server.run_cli("sources", "switch", web["id"], "off")
    answer = wait_until(lambda: load(server, web, {}), lambda answer: answer.status != 200)
    assert answer.headers["x-event-status"].startswith("rejected source_disabled")
    assert_image(answer)


def test_what_the_status_says_is_one_plain_line(server: TestServer, web: Source) -> None:
    answer = load(server, web, {"occurred_at": "ä\r\nx-evil: 1"})
    assert "x-evil" not in answer.headers
    assert answer.headers["x-event-status"].isascii()


def test_nothing_is_stored_of_a_question(server: TestServer, web: Source, stored: Stored) -> None:
    assert load(server, web, {"validate": "1"}).headers["x-event-status"] == "accepted"
    assert stored(web) == []


def test_a_server_that_takes_nothing_now_answers_an_image_too(tmp_path: Path) -> None:
    with start_server(tmp_path / "data", log_backlog_bytes=-1) as full:
        source = full.add_source("full", channel="web")
        answer = wait_until(lambda: load(full, source, {}), lambda answer: answer.status != 200)
        assert (answer.status, answer.headers["retry-after"]) == (503, "2")
        assert answer.headers["x-event-status"].startswith("rejected not_durable")
        assert_image(answer)
        told = full.post("/v1/events", {"event_type": "x"}, source["credentials"]["write_key"])
        assert (told.status, told.json["error"]["reason"]) == (503, "not_durable")
