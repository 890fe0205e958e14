"""The native protocol through HTTP: what is accepted, what the answer says, what is stored."""

import base64
import gzip
import json
import uuid
import zlib
from collections.abc import Callable
from typing import Any

import brotli
import pytest
import zstandard

from trackway.testing.server import TestServer

Source = dict[str, Any]
Stored = Callable[[Source], list[dict[str, Any]]]


def key_of(source: Source) -> str:
    return str(source["credentials"]["write_key"])


@pytest.mark.parametrize(
    ("form", "wrap"),
    [
        ("one bare event", lambda e: json.dumps(e)),
        ("a list", lambda e: json.dumps([e])),
        ("an object with events", lambda e: json.dumps({"events": [e]})),
        ("newline-delimited JSON", lambda e: json.dumps(e) + "\n" + json.dumps(e) + "\n"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_form_of_body_is_stored(server: TestServer, native: Source, stored: Stored, form: str, wrap: Any) -> None:
    answer = server.request(
        "POST",
        "/v1/events",
        wrap({"event_type": "signup", "anonymous_id": "a1"}),
        {"authorization": f"Bearer {key_of(native)}"},
    )
    assert answer.status == 200
    assert {r["status"] for r in answer.json["results"]} == {"accepted"}
    events = stored(native)
    assert [e["event_type"] for e in events] == ["signup"] * answer.json["accepted"]
    assert [e["event_id"] for e in events] == [r["event_id"] for r in answer.json["results"]]


def test_the_key_may_come_in_any_of_four_places(server: TestServer, native: Source) -> None:
    event = {"event_type": "signup", "anonymous_id": "a1"}
    key = key_of(native)
    basic = base64.b64encode(f"{key}:".encode()).decode()
    answers = [
        server.post("/v1/events", event, key),
        server.post("/v1/events", event, headers={"authorization": f"Basic {basic}"}),
        server.post(f"/v1/events?k={key}", event),
        server.post("/v1/events", {**event, "write_key": key}),
        server.post("/v1/events", {"events": [event], "write_key": key}),
    ]
    assert [a.status for a in answers] == [200] * 5


def test_every_field_comes_back_as_it_was_sent(server: TestServer, native: Source, stored: Stored) -> None:
    sent = {
        "event_type": "plan_chosen",
        "channel": "mobile",
        "occurred_at": "2026-05-01T12:00:00.250Z",
        "anonymous_id": "anon-1",
        "session_id": "s-1",
        "user_id": "u-1",
        "contact_id": "c-1",
        "account_id": "acc-1",
        "instance_id": "chat-1",
        "dedupe_key": "k-1",
        "url": "https://shop.example/pricing?utm_source=news",
        "referrer": "https://www.google.com/",
        "title": "Pricing",
        "properties": {
            "plan": "growth",
            "price": 12.5,
            "tags": ["a", 1, None, {"b": []}],
            "empty": {},
            "nothing": None,
        },
        "context": {"library": {"name": "test"}},
    }
    assert server.post("/v1/events", sent, key_of(native)).status == 200
    [event] = stored(native)
    assert {name: event[name] for name in sent} == sent
    assert event["source"] == native["id"]
    assert event["trusted"] is True


def test_a_repeat_is_a_success_that_names_the_first_event(server: TestServer, native: Source, stored: Stored) -> None:
    event = {"event_type": "signup", "anonymous_id": "a1", "dedupe_key": uuid.uuid4().hex}
    first = server.post("/v1/events", event, key_of(native)).json["results"][0]
    at_once = server.post("/v1/events", event, key_of(native)).json["results"][0]
    server.wait_until_settled()
    later = server.post("/v1/events", event, key_of(native)).json["results"][0]
    for repeat in (at_once, later):
        assert repeat["status"] == "duplicate"
        assert repeat["first_event_id"] == first["event_id"]
    assert [e["event_id"] for e in stored(native)] == [first["event_id"]]


def test_two_equal_keys_in_one_call_count_once(server: TestServer, native: Source, stored: Stored) -> None:
    event = {"event_type": "signup", "anonymous_id": "a1", "dedupe_key": "same"}
    answer = server.post("/v1/events", [event, event], key_of(native)).json
    assert [r["status"] for r in answer["results"]] == ["accepted", "duplicate"]
    assert len(stored(native)) == 1


def test_an_order_counts_once_for_ever_also_without_a_dedupe_key(
    server: TestServer, native: Source, stored: Stored
) -> None:
    order = {"event_type": "purchase", "anonymous_id": "a1", "properties": {"order_id": "A-1", "revenue": 10}}
    other = {"event_type": "purchase", "anonymous_id": "a1", "properties": {"order_id": "A-2", "revenue": 10}}
    assert server.post("/v1/events", order, key_of(native)).json["accepted"] == 1
    again = server.post("/v1/events", [order, other], key_of(native)).json
    assert [r["status"] for r in again["results"]] == ["duplicate", "accepted"]
    assert len(stored(native)) == 2


def test_a_public_key_cannot_suppress_the_event_of_a_secret_key(server: TestServer, stored: Stored) -> None:
    public = server.add_source("poisoner", protocol="pact", channel="web")
    secret = server.add_source("victim", protocol="pact", channel="server")
    event = {"event_type": "purchase", "distinct_id": "v", "dedupe_key": "guessed-id"}
    forged = {**event, "properties": {"forged": True}}
    assert server.post("/v1/tracking/events", forged, public["credentials"]["api_key"]).status == 202
    assert server.post("/v1/tracking/events", event, secret["credentials"]["api_key"]).json["duplicate"] is False
    assert server.post("/v1/tracking/events", forged, public["credentials"]["api_key"]).json["duplicate"] is True
    assert len(stored(secret)) == 1


def test_validate_answers_the_same_and_stores_nothing(server: TestServer, native: Source, stored: Stored) -> None:
    events = [{"event_type": "signup", "anonymous_id": "a"}, {"anonymous_id": "b"}]
    checked = server.post("/v1/events?validate=1", events, key_of(native))
    assert [r["status"] for r in checked.json["results"]] == ["accepted", "rejected"]
    assert stored(native) == []
    real = server.post("/v1/events", events, key_of(native))
    assert (real.status, [r["status"] for r in real.json["results"]]) == (checked.status, ["accepted", "rejected"])


def test_one_bad_event_leaves_its_neighbours_alone(server: TestServer, native: Source, stored: Stored) -> None:
    body = '[{"event_type":"a"},{"event_type":5.5},{"event_type":"b","properties":{"x":1e400}},{"event_type":"c","title":"\\ud800"},{"event_type":"d"}]'
    answer = server.request("POST", "/v1/events", body, {"authorization": f"Bearer {key_of(native)}"})
    assert answer.status == 207
    assert [r["status"] for r in answer.json["results"]] == ["accepted", "rejected", "rejected", "rejected", "accepted"]
    wrong_type = answer.json["results"][1]
    assert (wrong_type["reason"], wrong_type["field"]) == ("wrong_type", "events[1].event_type")
    assert [e["event_type"] for e in stored(native)] == ["a", "d"]


def test_a_field_that_is_not_known_is_kept_and_said(server: TestServer, native: Source, stored: Stored) -> None:
    answer = server.post("/v1/events", {"event_type": "a", "evnt_color": "red"}, key_of(native)).json
    assert "evnt_color" in answer["results"][0]["warnings"][0]
    assert stored(native)[0]["context"] == {"unknown": {"evnt_color": "red"}}


@pytest.mark.parametrize(
    ("name", "pack"),
    [
        ("gzip", gzip.compress),
        ("deflate", zlib.compress),
        ("deflate", lambda b: zlib.compress(b, wbits=-15)),
        ("br", brotli.compress),
        ("zstd", zstandard.ZstdCompressor().compress),
        ("", gzip.compress),
        ("", zstandard.ZstdCompressor().compress),
    ],
    ids=["gzip", "deflate", "raw deflate", "br", "zstd", "gzip unsaid", "zstd unsaid"],
)
def test_packed_bodies_are_unpacked(server: TestServer, native: Source, stored: Stored, name: str, pack: Any) -> None:
    body = pack(json.dumps({"event_type": "packed", "anonymous_id": "a"}).encode())
    headers = {"authorization": f"Bearer {key_of(native)}", **({"content-encoding": name} if name else {})}
    assert server.request("POST", "/v1/events", body, headers).status == 200
    assert [e["event_type"] for e in stored(native)] == ["packed"]


def test_a_wrong_clock_is_corrected_when_the_sender_says_when_it_sent(
    server: TestServer, native: Source, stored: Stored
) -> None:
    body = {
        "sent_at": "2031-01-01T00:10:00Z",
        "events": [{"event_type": "late", "occurred_at": "2031-01-01T00:00:00Z"}],
    }
    assert server.post("/v1/events", body, key_of(native)).status == 200
    [event] = stored(native)
    assert event["time_rule"] == "corrected"
    assert event["occurred_at"] < event["received_at"] < "2031"


def test_a_back_end_may_pass_on_its_visitors_address(server: TestServer, stored: Stored) -> None:
    secret = server.add_source("back end")
    public = server.add_source("page", channel="web")
    event = {
        "event_type": "a",
        "context": {
            "ip": "203.0.113.77",
            "user_agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
        },
    }
    for source in (secret, public):
        server.post("/v1/events", event, source["credentials"]["write_key"])
    [believed], [ignored] = stored(secret), stored(public)
    assert (believed["ip"], believed["browser"]) == ("203.0.113.0", "Firefox")
    assert ignored["ip"] == "127.0.0.0"
    assert believed["context"] == ignored["context"] == {}
