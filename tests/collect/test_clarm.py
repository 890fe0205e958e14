"""Clarm's tracking through HTTP: the document's events in every envelope a client may use, and its answers."""

import itertools
import json
from collections.abc import Callable
from typing import Any

import pytest

from trackway.testing.server import Answer, TestServer

Source = dict[str, Any]
Stored = Callable[[Source], list[dict[str, Any]]]

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0"
_NUMBERS = itertools.count()

# What the document's four calls of ClarmTrack.track hand over.
AS_PRINTED = {
    "identify": {"email": "jane@acme.example", "name": "Jane Smith", "company": "Acme Inc", "plan": "enterprise"},
    "purchase": {"amount": 299.00, "currency": "USD", "plan": "growth", "orderId": "ord_123"},
    "click": {"element": "pricing_cta", "page": "/pricing"},
    "goal_achieved": {"goal": "demo_booked", "value": 500},
}


@pytest.fixture
def back_end(server: TestServer) -> Source:
    return server.add_source(f"clarm back end {next(_NUMBERS)}", "clarm", "server")


@pytest.fixture
def widget(server: TestServer) -> Source:
    return server.add_source(f"clarm widget {next(_NUMBERS)}", "clarm", "web")


def post(server: TestServer, source: Source, content: Any, **headers: str) -> Answer:
    """As a back end with its key, or as a widget with its id."""
    credentials = source["credentials"]
    own = {"user-agent": FIREFOX, **headers}
    if "api_key" in credentials:
        return server.post("/api/track", content, credentials["api_key"], own)
    return server.post("/api/track", content, headers={"x-widget-id": credentials["widget_id"], **own})


def test_the_documents_calls_are_tracked_by_the_widget(server: TestServer, widget: Source, stored: Stored) -> None:
    context = {
        "visitor_id": "v_9f2c",
        "session_id": "s_1",
        "timestamp": "2026-01-05T10:00:00.000Z",
        "url": "https://acme.example/pricing",
        "referrer": "https://www.google.com/",
        "user_agent": FIREFOX,
    }
    for name, properties in AS_PRINTED.items():
        answer = post(server, widget, {"event": name, "properties": properties, **context})
        assert answer.status == 200
        assert set(answer.json) == {"success", "visitor_id", "event_id"}
        assert answer.json["success"] is True
        assert answer.json["visitor_id"] == "v_9f2c"
    events = {event["event_type"]: event for event in stored(widget)}
    assert set(events) == set(AS_PRINTED)
    for event in events.values():
        assert (event["anonymous_id"], event["session_id"]) == ("v_9f2c", "s_1")
        assert event["occurred_at"] == "2026-01-05T10:00:00.000Z"
        assert event["url"] == "https://acme.example/pricing"
        assert event["referrer_name"] == "Google"
        assert event["browser"] == "Firefox"
    assert events["identify"]["identifiers"] == {"email": ["jane@acme.example"]}
    assert events["identify"]["traits"] == {"name": "Jane Smith", "company": "Acme Inc", "plan": "enterprise"}
    assert events["purchase"]["properties"] == AS_PRINTED["purchase"]
    assert (events["purchase"]["revenue"], events["purchase"]["currency"]) == (299.0, "USD")
    assert events["click"]["properties"] == AS_PRINTED["click"]
    assert events["goal_achieved"]["properties"] == AS_PRINTED["goal_achieved"]
    assert events["goal_achieved"]["revenue"] == 0


@pytest.mark.parametrize("named", ["event", "event_type", "eventType", "type", "event_name", "eventName", "name"])
@pytest.mark.parametrize("holder", ["properties", "props", "data", "payload", ""])
def test_the_envelope_is_read_whatever_its_words(
    server: TestServer, back_end: Source, stored: Stored, named: str, holder: str
) -> None:
    said = AS_PRINTED["click"]
    content = {named: "click", "visitorId": "v_1", "sessionId": "s_1", **({holder: said} if holder else said)}
    assert post(server, back_end, content).status == 200
    [event] = stored(back_end)
    assert event["event_type"] == "click"
    assert event["properties"] == said
    assert (event["anonymous_id"], event["session_id"], event["context"]) == ("v_1", "s_1", {})


def test_a_name_is_that_of_a_person_where_the_event_is_named_otherwise(
    server: TestServer, back_end: Source, stored: Stored
) -> None:
    post(server, back_end, {"event": "identify", "visitor_id": "v_1", **AS_PRINTED["identify"]})
    [event] = stored(back_end)
    assert event["event_type"] == "identify"
    assert event["traits"]["name"] == "Jane Smith"


def test_what_stands_beside_the_properties_is_kept_and_told(
    server: TestServer, back_end: Source, stored: Stored
) -> None:
    answer = post(server, back_end, {"event": "click", "properties": {"a": 1}, "colour": "red", "visitor_id": "v"})
    assert "colour" in answer.json["warnings"][0]
    [event] = stored(back_end)
    assert (event["properties"], event["context"]) == ({"a": 1}, {"unknown": {"colour": "red"}})


@pytest.mark.parametrize("form", ["events", "list", "lines"])
def test_several_events_in_one_call(server: TestServer, back_end: Source, stored: Stored, form: str) -> None:
    events = [{"event": "a", "visitor_id": "v_1"}, {"colour": "red"}, {"event": "b", "visitorId": "v_2"}]
    if form == "lines":
        body = "\n".join(map(json.dumps, events))
        answer = server.request(
            "POST", "/api/track", body, {"authorization": f"Bearer {back_end['credentials']['api_key']}"}
        )
    else:
        answer = post(server, back_end, {"events": events} if form == "events" else events)
    assert answer.status == 200
    told = answer.json
    assert (told["success"], told["accepted"], told["duplicates"], told["rejected"]) == (True, 2, 0, 1)
    assert [result["success"] for result in told["results"]] == [True, False, True]
    assert told["results"][1]["error"].startswith("events[1].event: event is required")
    assert [(event["event_type"], event["anonymous_id"]) for event in stored(back_end)] == [("a", "v_1"), ("b", "v_2")]


def test_context_beside_events_counts_for_those_without_their_own(
    server: TestServer, back_end: Source, stored: Stored
) -> None:
    outer = {"visitorId": "v_1", "sessionId": "s_1", "url": "https://acme.example/", "colour": "red"}
    answer = post(server, back_end, {**outer, "events": [{"event": "a"}, {"event": "b", "visitor_id": "v_2"}]})
    assert "colour" in answer.json["results"][0]["warnings"][0]
    first, second = stored(back_end)
    assert (first["anonymous_id"], second["anonymous_id"]) == ("v_1", "v_2")
    assert [event["session_id"] for event in (first, second)] == ["s_1", "s_1"]
    assert second["url"] == "https://acme.example/"


def test_nobody_is_given_a_visitors_id(server: TestServer, back_end: Source, stored: Stored) -> None:
    answer = post(server, back_end, {"event": "click", "session_id": "s_1"})
    assert (answer.status, answer.json["visitor_id"]) == (200, None)
    assert stored(back_end)[0]["anonymous_id"] == ""


def test_a_widgets_id_may_stand_in_a_header_the_query_or_the_body(
    server: TestServer, widget: Source, stored: Stored
) -> None:
    key = widget["credentials"]["widget_id"]
    assert key.startswith("wgt_")
    event = {"event": "page_view", "visitor_id": "v_1"}
    attempts = [
        ("/api/track", event, {"x-widget-id": key}),
        (f"/api/track?w={key}", event, {}),
        ("/api/track", {**event, "widget_id": key}, {}),
        ("/api/track", {**event, "widgetId": key}, {"content-type": "text/plain;charset=UTF-8"}),
        ("/api/track", [{**event, "widget_id": key}], {}),
        ("/api/track", {"widget_id": key, "events": [event]}, {}),
        ("/api/track", {"events": [{**event, "widget_id": key}]}, {}),
        ("/api/track", event, {"authorization": f"Bearer {key}"}),
    ]
    for path, content, headers in attempts:
        answer = server.post(path, content, headers=headers)
        assert (answer.status, answer.json["success"] if answer.status == 200 else answer.body) == (200, True), content
    events = stored(widget)
    assert len(events) == len(attempts)
    assert {event["trusted"] for event in events} == {False}
    assert key not in json.dumps([(event["properties"], event["context"]) for event in events])


def test_a_widget_listens_to_its_own_pages_only(server: TestServer) -> None:
    source = server.add_source(f"clarm {next(_NUMBERS)}", "clarm", "web", origins="https://acme.example")
    event = {"event": "page_view", "visitor_id": "v_1"}
    assert post(server, source, event, origin="https://acme.example").status == 200
    answer = post(server, source, event, origin="https://evil.example")
    assert (answer.status, answer.json["success"]) == (403, False)
    assert "https://evil.example" in answer.json["error"]
    assert answer.headers["access-control-allow-origin"] == "https://evil.example"


def test_what_a_widget_does_not_say_is_in_its_headers(server: TestServer, widget: Source, stored: Stored) -> None:
    event = {"event": "page_view", "visitor_id": "v_1"}
    post(server, widget, event, referer="https://acme.example/blog")
    post(server, widget, {**event, "referrer": ""}, referer="https://acme.example/blog")
    post(server, widget, {**event, "userAgent": "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) Mobile Safari"})
    silent, direct, phone = stored(widget)
    assert (silent["referrer"], silent["browser"]) == ("https://acme.example/blog", "Firefox")
    assert direct["referrer"] == ""
    assert phone["os"] == "iOS"


def test_a_back_ends_own_headers_say_nothing_of_its_visitor(
    server: TestServer, back_end: Source, stored: Stored
) -> None:
    event = {"event": "page_view", "visitor_id": "v_1", "context": {"ip": "203.0.113.9", "language": "de"}}
    post(server, back_end, event, referer="https://acme.example/blog")
    [stored_event] = stored(back_end)
    assert (stored_event["referrer"], stored_event["user_agent"]) == ("", "")
    assert stored_event["context"] == {"language": "de"}
    assert stored_event["ip"].startswith("203.0.113.")


def test_a_purchase_counts_once_per_order(server: TestServer, back_end: Source, stored: Stored) -> None:
    for spelling, order in (("orderId", f"o-{back_end['id']}"), ("order_id", 12)):
        event = {"event": "purchase", "visitor_id": "v_1", "properties": {"amount": 5, spelling: order}}
        first, again = post(server, back_end, event), post(server, back_end, event)
        assert again.json == {**first.json, "duplicate": True}
    assert [event["business_key"] for event in stored(back_end)] == [f"order_id:o-{back_end['id']}", "order_id:12"]


def test_guesses_of_a_script_are_kept_as_guesses_and_are_no_revenue(
    server: TestServer, widget: Source, stored: Stored
) -> None:
    guess = {"auto": True, "heuristic": True, "amount": 299.0, "currency": "USD"}
    for name in ("payment_page_view", "payment_success", "purchase"):
        assert post(server, widget, {"event": name, "properties": guess, "visitor_id": "v"}).status == 200
    assert post(server, widget, {"event": "payment_success", "amount": 299.0, "visitor_id": "v"}).status == 200
    events = stored(widget)
    assert [event["revenue"] for event in events] == [0, 0, 0, 0]
    assert [event["properties"] for event in events[:3]] == [guess] * 3


@pytest.mark.parametrize(
    "name", ["page_view", "widget_opened", "widget_closed", "message_sent", "cta_clicked", "anything at all", "ünï"]
)
def test_automatic_and_custom_events_are_kept(server: TestServer, widget: Source, stored: Stored, name: str) -> None:
    assert post(server, widget, {"event": name, "visitor_id": "v_1"}).status == 200
    assert stored(widget)[0]["event_type"] == name


def test_identify_takes_ids_of_a_person_and_of_their_account(
    server: TestServer, back_end: Source, stored: Stored
) -> None:
    said = {"email": "jane@acme.example", "phone": "+49 30 555010", "userId": 7, "accountId": "acme", "seats": 3}
    post(server, back_end, {"event": "identify", "visitor_id": "v_1", "properties": said})
    [event] = stored(back_end)
    assert (event["user_id"], event["account_id"]) == ("7", "acme")
    assert event["identifiers"] == {"email": ["jane@acme.example"], "phone": ["+49 30 555010"]}
    assert (event["traits"], event["properties"]) == ({"seats": 3}, {})


@pytest.mark.parametrize("name", ["conversation_id", "conversationId"])
def test_messages_of_a_conversation_carry_its_id(server: TestServer, widget: Source, stored: Stored, name: str) -> None:
    post(server, widget, {"event": "message_sent", "visitor_id": "v", "properties": {name: 12, "message": "Hello"}})
    post(server, widget, {"event": "widget_closed", "visitor_id": "v", name: "12"})
    post(server, widget, {"event": "click", "visitor_id": "v", "properties": {name: 12}})
    assert [event["instance_id"] for event in stored(widget)] == ["12", "12", ""]


@pytest.mark.parametrize(
    ("case", "content", "status", "field"),
    [
        ("no name of an event", {"visitor_id": "v"}, 422, "event"),
        ("an empty object", {}, 422, "event"),
        ("a name that is an object", {"event": {"name": "click"}}, 422, "event"),
        ("a name of 201 letters", {"event": "x" * 201}, 422, "event"),
        ("properties in a list", {"event": "a", "properties": [1]}, 422, "properties"),
        ("props that are a text", {"event": "a", "props": "{}"}, 422, "props"),
        ("a visitor that is a list", {"event": "a", "visitorId": []}, 422, "visitorId"),
        ("a time that is none", {"event": "a", "timestamp": "soon"}, 422, "timestamp"),
        ("a time far ahead", {"event": "a", "timestamp": "2199-01-01T00:00:00Z"}, 422, "timestamp"),
        (
            "a mail address that is an object",
            {"event": "identify", "properties": {"email": {}}},
            422,
            "properties.email",
        ),
        ("an empty list", [], 400, "events"),
        ("events that are none", {"events": 5}, 422, "events"),
        ("a text", "hello", 422, ""),
    ],
    ids=lambda v: v if isinstance(v, str) and " " in v else "",
)
def test_mistakes_are_answered_in_clarms_shape(
    server: TestServer, back_end: Source, stored: Stored, case: str, content: Any, status: int, field: str
) -> None:
    answer = post(server, back_end, content)
    assert answer.status == status
    assert answer.headers["content-type"] == "application/json"
    assert (answer.json["success"], answer.json["field"]) == (False, field)
    assert answer.json["error"]
    assert stored(back_end) == []


def test_a_list_of_nothing_but_mistakes_is_answered_with_the_first_ones_status(
    server: TestServer, back_end: Source
) -> None:
    answer = post(server, back_end, {"events": [{"a": 1}, {"event": []}]})
    assert (answer.status, answer.json["success"], answer.json["rejected"]) == (422, False, 2)
    assert answer.json["error"] == answer.json["results"][0]["error"]


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'{"event": NaN}', b"[" * 100_000])
def test_what_is_no_json_is_refused_in_clarms_shape(server: TestServer, back_end: Source, body: bytes) -> None:
    headers = {"authorization": f"Bearer {back_end['credentials']['api_key']}"}
    answer = server.request("POST", "/api/track", body, headers)
    assert 400 <= answer.status < 500
    assert answer.json["success"] is False
    assert answer.json["error"]


def test_keys_and_methods_that_do_not_fit(server: TestServer, widget: Source) -> None:
    event = {"event": "a"}
    for headers in ({}, {"authorization": "Bearer clm_0"}, {"x-widget-id": "wgt_0"}):
        answer = server.post("/api/track", event, headers=headers)
        assert (answer.status, answer.json["success"]) == (401, False)
    wrong = server.request("GET", "/api/track")
    assert (wrong.status, wrong.json["success"]) == (405, False)
    preflight = server.request(
        "OPTIONS", "/api/track",
        headers={"origin": "https://acme.example", "access-control-request-headers": "x-widget-id"},
    )  # fmt: skip
    assert (preflight.status, preflight.headers["access-control-allow-headers"]) == (204, "x-widget-id")


def test_what_is_only_validated_is_not_stored(server: TestServer, back_end: Source, stored: Stored) -> None:
    key = back_end["credentials"]["api_key"]
    assert server.post("/api/track?validate=1", {"event": "a"}, key).json["success"] is True
    assert server.post("/api/track?validate=1", {}, key).status == 422
    assert stored(back_end) == []


def test_a_repeat_with_the_same_dedupe_key_is_stored_once(server: TestServer, widget: Source, stored: Stored) -> None:
    key = f"key-{next(_NUMBERS)}"
    event = {"event": "cta_clicked", "visitor_id": "v_1", "dedupe_key": key, "properties": {"cta": "demo"}}
    first = post(server, widget, event).json
    again = post(server, widget, {"events": [event, {**event, "dedupe_key": f"{key}-other"}]}).json
    assert [verdict.get("duplicate", False) for verdict in again["results"]] == [True, False]
    assert again["results"][0]["event_id"] == first["event_id"]
    assert [e["properties"] for e in stored(widget)] == [{"cta": "demo"}] * 2


def test_a_dedupe_key_beside_events_is_not_lent_to_them(server: TestServer, widget: Source, stored: Stored) -> None:
    batch = {"dedupe_key": f"key-{next(_NUMBERS)}", "events": [{"event": "one"}, {"event": "two"}]}
    answer = post(server, widget, batch).json
    assert answer["accepted"] == 2
    assert "dedupe_key" in answer["results"][0]["warnings"][0]
    assert len(stored(widget)) == 2
