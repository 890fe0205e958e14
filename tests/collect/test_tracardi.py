"""Tracardi's wire: what is answered to whom, and what becomes of the events."""

import json
from typing import Any
from uuid import UUID

import pytest
from tests.collect.tracardi_client import (
    JSON,
    SYSTEM,
    Source,
    Stored,
    add_source,
    find_traits,
    make_session,
    track,
)

from trackway.collect.protocols.tracardi import TRACARDI
from trackway.event import Source as RegisteredSource
from trackway.testing.server import TestServer
from trackway.testing.waiting import wait_until

# The four payloads that Tracardi's page prints.
ALL_FIELDS = """{
  "source": {"id": "source-id"}, "session": {"id": "session-id"}, "profile": {"id": "profile-id"},
  "context": {}, "properties": {},
  "events": [
    {"type": "purchase-order", "properties": {"product": "Nike shoes", "quantity": 1}},
    {"type": "page-view"}
  ],
  "options": { }
}"""
REQUIRED_FIELDS = """{
  "source": {"id": "source-id"}, "session": {"id": "session-id"},
  "events": [
    {"type": "purchase-order", "properties": {"product": "Nike shoes", "quantity": 1}},
    {"type": "page-view"}
  ]
}"""
WITH_CONTEXT = """{
  "source": {"id": "source-id"}, "session": {"id": "session-id"}, "profile": {"id": "profile-id"},
  "events": [
    {"type": "purchase-order", "properties": {"product": "Nike shoes", "quantity": 1}},
    {"type": "page-view"}
  ],
  "context": {"device": "iPhone X"}
}"""
WITH_OPTIONS = """{
  "source": {"id": "source-id"}, "session": {"id": "session-id"},
  "events": [
    {"type": "purchase-order", "properties": {"product": "Nike shoes", "quantity": 1}},
    {"type": "page-view"}
  ],
  "options": {}
}"""


@pytest.fixture
def source(server: TestServer) -> Source:
    return add_source(server)


@pytest.mark.parametrize("printed", [ALL_FIELDS, REQUIRED_FIELDS, WITH_CONTEXT, WITH_OPTIONS])
def test_the_payloads_that_are_printed_are_answered_with_a_profile(
    server: TestServer, source: Source, stored: Stored, printed: str
) -> None:
    body = printed.replace("source-id", source["id"]).replace("session-id", make_session())
    answer = server.request("POST", "/track", body, JSON)

    assert answer.status == 200, answer.body
    assert UUID(answer.json["profile"]["id"])
    assert answer.json["source"] == {"consent": False}
    sent = [event for event in stored(source) if event["event_type"] not in SYSTEM]
    assert [event["event_type"] for event in sent] == ["purchase-order", "page-view"]
    assert sent[0]["properties"] == {"product": "Nike shoes", "quantity": 1}
    assert {event["profile_id"] for event in sent} == {answer.json["profile"]["id"]}


def test_the_answer_holds_what_every_generation_reads(server: TestServer, source: Source) -> None:
    session = make_session()
    said = track(server, source, "page-view", session={"id": session}).json

    assert UUID(said.pop("task"))
    assert UUID(said["profile"].pop("id"))
    assert said == {
        "ux": [],
        "response": {},
        "events": [],
        "profile": {},
        "session": {"id": session},
        "errors": [],
        "warnings": [],
        "source": {"consent": False},
    }


def test_two_events_of_somebody_new_are_five_with_the_debugger(server: TestServer, stored: Stored) -> None:
    source = add_source(server, debugger="yes")
    session = make_session()
    said = track(
        server, source, "page-view", "purchase-order", session={"id": session}, options={"debugger": True}
    ).json

    assert len(set(said["events"])) == 5
    assert said["debugging"] == {
        "session": {"saved": 1, "errors": [], "ids": [session], "types": []},
        "events": {"saved": 5, "errors": [], "ids": said["events"], "types": []},
        "profile": {"saved": 1, "errors": [], "ids": [said["profile"]["id"]], "types": []},
        "execution": {},
        "segmentation": {"errors": [], "ids": []},
        "logs": [],
    }
    # What the integration tests of 0.7.4 to 0.8.1 read.
    assert (said["event"]["saved"], said["session"]["saved"], said["profile"]["saved"]) == (5, 1, 1)
    # The answer waited for them.
    items = server.api("events", source=source["id"])["items"]
    assert sorted(event["event_id"] for event in items) == sorted(said["events"])
    again = track(server, source, "page-view", session={"id": session}, options={"debugger": True}).json
    assert len(again["events"]) == 1
    assert again["debugging"]["session"]["saved"] == 0


def test_the_debugger_is_not_heard_where_the_source_does_not_allow_it(server: TestServer, source: Source) -> None:
    said = track(server, source, "page-view", options={"debugger": True}).json

    assert said["events"] == []
    assert "debugging" not in said


def test_system_events_lie_before_the_clients(server: TestServer, source: Source, stored: Stored) -> None:
    track(server, source, "page-view", "search")

    events = sorted(stored(source), key=lambda event: event["occurred_at"])
    assert [event["event_type"] for event in events[:3]] == ["profile-created", "session-opened", "visit-started"]
    assert events[2]["properties"] == {"trigger-event-types": ["page-view", "search"]}


def test_system_events_can_be_switched_off(server: TestServer, stored: Stored) -> None:
    source = add_source(server, system_events="no")
    answer = track(server, source, "page-view")

    [event] = stored(source)
    assert event["event_type"] == "page-view"
    assert find_traits(server, answer.json["profile"]["id"])["stats.visits"] == 1


def test_the_end_of_a_visit_adds_no_events_and_the_next_one_opens_it_again(
    server: TestServer, source: Source, stored: Stored
) -> None:
    session = make_session()
    for types in (("page-view",), ("visit-ended",), ("page-view", "search"), ("page-view",)):
        profile = track(server, source, *types, session={"id": session}).json["profile"]["id"]

    types = [event["event_type"] for event in stored(source)]
    assert types.count("session-opened") == 1
    assert types.count("visit-started") == 2
    assert types.count("profile-created") == 1
    assert find_traits(server, profile)["stats.visits"] == 2


def test_a_visit_that_ends_with_its_first_request_is_no_less_one(
    server: TestServer, source: Source, stored: Stored
) -> None:
    profile = track(server, source, "page-view", "visit-ended").json["profile"]["id"]

    assert {event["event_type"] for event in stored(source)} == {"page-view", "visit-ended"}
    assert find_traits(server, profile)["stats.visits"] == 1


def test_the_id_that_a_client_gives_an_event_is_its_name_and_stores_it_once(server: TestServer, stored: Stored) -> None:
    source = add_source(server, debugger="yes", system_events="no")
    session = {"id": make_session()}
    events = [{"type": "page-view", "id": "event-0815"}]
    first = track(server, source, session=session, events=events, options={"debugger": True}).json
    again = track(server, source, session=session, events=events, options={"debugger": True}).json

    assert first["events"] == again["events"] == ["event-0815"]
    assert (first["event"]["saved"], again["event"]["saved"]) == (1, 0)
    [event] = stored(source)
    assert event["dedupe_key"] == "event-0815"


def test_types_times_contexts_and_tags_are_read(server: TestServer, stored: Stored) -> None:
    source = add_source(server, "web", system_events="no")
    track(
        server,
        source,
        context={"screen": {"local": {"width": 800}}, "utm": {"source": "letter", "campaign": "autumn"}, "a": 1},
        device={"id": "device-1"},
        metadata="UUID('0815')",
        nonsense=[1],
        events=[
            {
                "type": " Page View ",
                "time": {"insert": "2026-11-20 10:00:00", "create": "2020-01-01T00:00:00Z"},
                "context": {
                    "a": 2,
                    "page": {"url": "https://shop.example/a", "title": "A", "referer": {"host": "duckduckgo.com"}},
                },
                "tags": ["event:signal"],
            },
            {"type": "search", "time": {"create": 1763632800}, "properties": None},
        ],
    )

    second, first = sorted(stored(source), key=lambda event: event["event_type"] == "page-view")
    assert (first["event_type"], first["occurred_at"]) == ("page-view", "2026-11-20T10:00:00.000Z")
    assert (first["host"], first["title"], first["referrer_name"]) == ("shop.example", "A", "DuckDuckGo")
    assert (first["utm_source"], first["utm_campaign"]) == ("letter", "autumn")
    assert (first["context"]["a"], first["context"]["tags"]) == (2, ["event:signal"])
    assert first["context"]["device"] == {"id": "device-1"}
    assert second["occurred_at"] == "2025-11-20T10:00:00.000Z"
    assert (second["context"]["a"], second["properties"]) == (1, {})


@pytest.mark.parametrize(
    ("fields", "kept"),
    [
        ({"options": {"saveEvents": False}}, []),
        ({"options": {"saveEvent": False}}, []),
        (
            {"events": [{"type": "page-view", "options": {"save": False}}, {"type": "page-view", "id": "kept"}]},
            ["page-view"],
        ),
    ],
)
def test_what_is_not_to_be_saved_is_processed_and_not_stored(
    server: TestServer, stored: Stored, fields: dict[str, Any], kept: list[str]
) -> None:
    source = add_source(server, system_events="no", returns_profile="yes")
    session = {"id": make_session()}
    track(server, source, "page-view", "page-view", session=session, **fields)

    assert [event["event_type"] for event in stored(source)] == kept
    books = server.api("books")
    assert books["balanced"]
    own = next(each for each in books["sources"] if each["source"] == source["id"])
    assert own["dropped"] == {"process_only": 2 - len(kept)}
    last = track(server, source, "page-view", session=session, options={"profile": True}).json
    assert last["profile"]["stats"]["views"] == 3


def test_a_session_that_is_not_to_be_saved_is_neither_remembered_nor_named(
    server: TestServer, source: Source, stored: Stored
) -> None:
    session = {"id": make_session()}
    first = track(server, source, "page-view", session=session, options={"saveSession": False})
    track(server, source, "page-view", session=session)

    assert first.json["session"] == session
    types = [(event["event_type"], event["session_id"]) for event in stored(source)]
    assert types.count(("session-opened", session["id"])) == 1
    assert ("page-view", "") in types


def test_the_whole_profile_is_answered_where_the_source_allows_it(server: TestServer, source: Source) -> None:
    open_source = add_source(server, returns_profile="yes")
    events = [
        {"type": "sign-up", "properties": {"firstname": "Ada", "email": "ada@wire.example"}},
        {"type": "add-color-preference", "properties": {"color": "red"}},
        {"type": "page-view"},
    ]
    full = track(server, open_source, events=events, options={"profile": True}).json["profile"]
    bare = track(server, source, events=events, options={"profile": True}).json["profile"]

    assert set(bare) == {"id"}
    assert full["data"]["preferences"]["colors"] == ["red"]
    # Whoever knows a session's id may ask: not for names.
    assert full["data"]["pii"]["firstname"] is None
    # Read after what was just sent was counted.
    assert full["stats"]["views"] == 1


def test_consent_is_said_as_the_source_says(server: TestServer) -> None:
    source = add_source(server, requires_consent="yes")

    assert track(server, source, "page-view").json["source"] == {"consent": True}


@pytest.mark.parametrize(
    ("case", "change"),
    [
        ("no source", {"source": ...}),
        ("a source of null", {"source": None}),
        ("a source's number", {"source": {"id": 7}}),
        ("a source without id", {"source": {}}),
        ("a session without id", {"session": {}}),
        ("a session's id of null", {"session": {"id": None}}),
        ("a profile's id of null", {"profile": {"id": None}}),
        ("events of null", {"events": None}),
        ("an event without type", {"events": [{}]}),
        ("a blank type", {"events": [{"type": "  "}]}),
        ("a type of null", {"events": [{"type": None}]}),
        ("a type too long", {"events": [{"type": "x" * 201}]}),
        ("properties in a list", {"events": [{"type": "a", "properties": []}]}),
        ("a time that is none", {"events": [{"type": "a", "time": {"insert": "yesterday"}}]}),
        ("a time in a list", {"events": [{"type": "a", "time": {"insert": []}}]}),
        ("one bad event of two", {"events": [{"type": "a"}, {"type": ""}]}),
        ("a time of true", {"events": [{"type": "a", "time": {"insert": True}}]}),
        ("a time before 1970", {"events": [{"type": "a", "time": {"insert": "1812-01-01"}}]}),
        ("a list of options", {"options": []}),
    ],
)
def test_a_payload_that_is_none_is_refused_as_a_whole(
    server: TestServer, source: Source, stored: Stored, case: str, change: dict[str, Any]
) -> None:
    payload = {"source": {"id": source["id"]}, "session": {"id": make_session()}, "events": [{"type": "a"}], **change}
    payload = {name: value for name, value in payload.items() if value is not ...}
    answer = server.request("POST", "/track", json.dumps(payload), JSON)

    assert answer.status == 422, answer.body
    [fault] = answer.json["detail"]
    assert set(fault) == {"type", "loc", "msg", "input"}
    assert fault["loc"][:2] == ["body", next(iter(change))]
    assert fault["msg"]
    assert stored(source) == []


@pytest.mark.parametrize("body", ["[]", "{", "", "null", '"a"', '{"events": null}', "\xff", "[" * 5000])
def test_a_body_that_is_no_payload_is_answered_in_json(server: TestServer, body: str) -> None:
    answer = server.request("POST", "/track", body.encode("latin-1"), JSON)

    assert answer.status == 422
    assert answer.headers["content-type"] == "application/json"
    assert answer.json["detail"][0]["loc"][0] == "body"


@pytest.mark.parametrize(
    "change",
    [
        {"session": None},
        {"profile": None},
        {"profile": {"id": ""}},
        {"context": None},
        {"options": None},
        {"request": None},
        {"metadata": [1, {"a": "<UUID>"}]},
        {"unknown": {"a": 1}},
        {"events": [{"type": "a", "properties": None, "options": None, "context": None, "tags": None}]},
    ],
)
def test_what_the_real_server_lets_pass_or_fails_over_is_taken(
    server: TestServer, source: Source, change: dict[str, Any]
) -> None:
    answer = track(server, source, "a", **change)

    assert answer.status == 200, answer.body
    assert UUID(answer.json["profile"]["id"])


@pytest.mark.parametrize("events", [[], ...])
def test_no_events_are_answered_null(server: TestServer, source: Source, events: Any) -> None:
    payload = {"source": {"id": source["id"]}, "session": {"id": make_session()}}
    if events is not ...:
        payload["events"] = events
    answer = server.request("POST", "/track", json.dumps(payload), JSON)

    assert (answer.status, answer.body) == (200, b"null")


@pytest.mark.parametrize("headers", [{"content-type": "text/plain"}, {}])
def test_the_content_type_is_not_asked(server: TestServer, source: Source, headers: dict[str, str]) -> None:
    body = json.dumps({"source": {"id": source["id"]}, "events": [{"type": "a"}]})

    assert server.request("POST", "/track", body, headers).status == 200


def test_put_checks_and_stores_nothing(server: TestServer, source: Source, stored: Stored) -> None:
    payload = {"source": {"id": source["id"]}, "events": [{"type": "a"}]}
    fine = server.request("PUT", "/track", json.dumps(payload), JSON)
    unknown = server.request("PUT", "/track", json.dumps({**payload, "source": {"id": "never-added"}}), JSON)
    wrong = server.request("PUT", "/track", json.dumps({**payload, "events": [{}]}), JSON)

    assert (fine.status, fine.body) == (200, b"null")
    assert (unknown.status, unknown.body) == (200, b"null")
    assert wrong.status == 422
    assert stored(source) == []


@pytest.mark.parametrize(
    ("bridge", "refused"),
    [
        ("webhook", ["/track"]),
        ("rest", ["/collect/a/{key}", "/collect/a/{key}/s"]),
        ("redirect", ["/track", "/collect/a/{key}", "/collect/a/{key}/s"]),
    ],
)
def test_a_source_must_fit_the_endpoint(server: TestServer, bridge: str, refused: list[str]) -> None:
    source = add_source(server, bridge=bridge)
    body = {"source": {"id": source["id"]}, "events": [{"type": "a"}]}
    answers = [server.post(path.replace("{key}", source["id"]), body) for path in refused]

    assert {answer.status for answer in answers} == {401}
    assert all(isinstance(answer.json["detail"], str) for answer in answers)


def test_what_a_wrong_endpoint_refused_can_be_replayed_with_its_people(server: TestServer, stored: Stored) -> None:
    source = add_source(server, bridge="webhook")
    session = make_session()
    assert track(server, source, "page-view", session={"id": session}).status == 401
    server.run_cli("sources", "set", source["id"], "bridge=rest")
    wait_until(lambda: track(server, source, "search").status == 200)
    wait_until(lambda: len(server.api("rejections", source=source["id"])["items"]) > 0)

    asked = {"source": source["id"], "apply": True}
    assert server.post("/api/v1/rejections/replay", asked, server.admin_token).status == 200
    wait_until(lambda: any(event["event_type"] == "page-view" for event in stored(source)))
    [event] = [event for event in stored(source) if event["event_type"] == "page-view"]
    assert event["session_id"] == session
    assert event["profile_id"] == track(server, source, "page-view", session={"id": session}).json["profile"]["id"]


def test_an_unknown_source_is_denied_and_nothing_of_it_is_said_again(server: TestServer) -> None:
    body = {"source": {"id": "nobody-0815"}, "events": [{"type": "secret-type", "properties": {"a": "secret"}}]}
    tracked, collected = server.post("/track", body), server.post("/collect/secret-type/nobody-0815", {"a": "secret"})

    assert (tracked.status, collected.status) == (401, 401)
    assert tracked.json["detail"].startswith("Access denied. Invalid source")
    for answer in (tracked, collected):
        assert not [said for said in (b"secret", b"0815", b"127.0.0.1") if said in answer.body]


def test_a_source_that_is_switched_off_is_denied(server: TestServer, source: Source) -> None:
    assert track(server, source, "a").status == 200
    server.run_cli("sources", "switch", source["id"], "off")
    answer = wait_until(lambda: track(server, source, "a"), lambda answer: answer.status != 200)
    assert (answer.status, set(answer.json)) == (401, {"detail"})


def test_a_native_source_is_no_tracardi_source(server: TestServer, native: Source) -> None:
    key = native["credentials"]["write_key"]

    assert server.post("/track", {"source": {"id": key}, "events": [{"type": "a"}]}).status == 401


def test_other_methods_are_405_in_json(server: TestServer) -> None:
    answer = server.request("GET", "/track")

    assert (answer.status, set(answer.json)) == (405, {"detail"})


def test_a_page_may_send_x_timestamp_and_a_beacon_its_cookies(server: TestServer) -> None:
    source = add_source(server, "web")
    origin = "https://shop.example"
    asked = {
        "origin": origin,
        "access-control-request-method": "POST",
        "access-control-request-headers": "content-type,x-timestamp",
    }
    preflight = server.request("OPTIONS", "/track", headers=asked)
    body = json.dumps({"source": {"id": source["id"]}, "events": [{"type": "a"}]})
    beacon = server.request("POST", "/track", body, {"origin": origin, "cookie": "a=b", "x-timestamp": "1", **JSON})

    assert "x-timestamp" in preflight.headers["access-control-allow-headers"]
    for answer in (preflight, beacon):
        assert answer.status in (200, 204)
        assert answer.headers["access-control-allow-origin"] == origin
        assert answer.headers["access-control-allow-credentials"] == "true"


def test_validating_stores_nothing_and_opens_no_session(server: TestServer, source: Source, stored: Stored) -> None:
    session = {"id": make_session()}
    tried = track(server, source, "page-view", query="?validate=1", session=session)
    track(server, source, "page-view", session=session)

    assert tried.status == 200
    assert len(stored(source)) == 4


def test_a_refused_payload_opens_no_session(server: TestServer, source: Source, stored: Stored) -> None:
    session = {"id": make_session()}
    bad = {"type": "a", "time": {"insert": "never"}}
    assert track(server, source, session=session, events=[{"type": "a"}, bad]).status == 422
    track(server, source, "page-view", session=session)

    assert {event["event_type"] for event in stored(source)} == {*SYSTEM, "page-view"}


def test_what_no_parser_agrees_on_is_made_fit_to_keep_everywhere(server: TestServer, stored: Stored) -> None:
    source = add_source(server, system_events="no")
    huge = {"a": 10**30, "b": "x\0y"}
    event = {"type": "a", "properties": huge, "context": {"own": huge}, "options": huge, "tags": [huge]}
    answer = track(server, source, events=[event], context={"all": huge}, device=huge, properties=huge)
    track(server, source, events=[{"type": "b", "tags": [10**30]}], device={"n": 10**30})

    assert answer.status == 200, answer.body
    first, second = stored(source)
    fit = {"a": str(10**30), "b": "x\N{REPLACEMENT CHARACTER}y"}
    context = {"own": fit, "options": fit, "tags": [fit], "all": fit, "device": fit, "payload_properties": fit}
    assert first["properties"] == fit
    assert {name: first["context"][name] for name in context} == context
    assert (second["context"]["tags"], second["context"]["device"]) == ([str(10**30)], {"n": str(10**30)})


@pytest.mark.parametrize("field", ["device", "context", "properties", "options"])
def test_a_field_too_deep_is_named(server: TestServer, source: Source, field: str) -> None:
    deep: Any = {}
    for _ in range(70):
        deep = {"a": deep}
    answer = track(server, source, "a", **{field: deep})

    assert answer.status == 422
    assert answer.json["detail"][0]["loc"][:2] == ["body", field]


def test_a_name_that_looks_like_a_number_is_named_too(server: TestServer, source: Source) -> None:
    deep: Any = {}
    for _ in range(70):
        deep = {"\N{SUPERSCRIPT TWO}": deep}
    answer = track(server, source, "a", properties=deep)

    assert answer.status == 422
    assert answer.json["detail"][0]["loc"][:3] == ["body", "properties", "\N{SUPERSCRIPT TWO}"]


def test_a_profile_that_is_not_to_be_saved_learns_nothing(server: TestServer) -> None:
    source = add_source(server, returns_profile="yes")
    session = {"id": make_session()}
    track(server, source, "page-view", session=session, options={"saveProfile": False})
    said = track(server, source, "page-view", session=session, options={"profile": True}).json

    assert said["profile"]["stats"]["views"] == 1


@pytest.mark.parametrize(("bridge", "status"), [("rest,webhook", 200), ("webhook", 200), ("redirect", 307)])
def test_the_example_of_a_source_works(server: TestServer, stored: Stored, bridge: str, status: int) -> None:
    settings = {"bridge": bridge, "redirect_to": "https://shop.example/"}
    added = add_source(server, system_events="no", **settings)
    told = {name: added[name] for name in ("id", "name", "workspace", "protocol", "channel")}
    source = RegisteredSource(**told, settings=settings)
    example = TRACARDI.example(source, added["credentials"]["source_id"])
    answer = server.request(example.method, example.path, example.body or None, example.headers)

    assert answer.status == status, answer.body
    assert len(stored(added)) == 1


def test_counters_of_thirty_views_in_one_payload(server: TestServer, source: Source) -> None:
    profile = track(server, source, *["page-view"] * 30).json["profile"]["id"]

    assert find_traits(server, profile)["stats.views"] == 30


def test_a_public_source_does_not_say_whose_address_it_is(server: TestServer, stored: Stored) -> None:
    source = add_source(server, "web", system_events="no")
    server.request(
        "POST",
        "/track",
        json.dumps({"source": {"id": source["id"]}, "events": [{"type": "a"}], "context": {"ip": "203.0.113.7"}}),
        {**JSON, "user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0"},
    )

    [event] = stored(source)
    assert (event["trusted"], event["browser"]) == (False, "Firefox")
    assert not event["ip"].startswith("203.")
