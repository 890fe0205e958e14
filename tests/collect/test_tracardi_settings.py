"""Settings of a Tracardi source over HTTP: templates make events anew, mappings write the profile, the answer shows it."""

import json
import time
from typing import Any

import pytest

from trackway.testing.server import Answer, TestServer

BROWSER = {"user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0"}

RESHAPING = [
    {
        "event_type": "lead",
        "reshaping": {
            "condition": "event@properties.mail NOT EMPTY",
            "reshape_schema": {
                "properties": {
                    "email": "event@properties.mail",
                    "campaign": "payload@params.c",
                    "raw": "payload@body.mail",
                    "note?": "event@properties.note",
                },
                "context": {"page": {"url": "event@properties.link"}, "kept?": "event@context.k"},
                "session": {"seen": "session@id"},
            },
        },
    }
]
MAPPING = [
    {
        "event_type": "lead",
        "event_to_profile": [
            {"event": {"value": "properties.email"}, "op": 0, "profile": {"value": "data.contact.email.business"}},
            {"event": {"value": "properties.campaign"}, "op": 2, "profile": {"value": "traits.campaigns"}},
            {"event": {"value": True, "ref": False}, "op": 0, "profile": {"value": "consents.calls"}},
        ],
    }
]


def add_source(server: TestServer, name: str, **settings: str) -> str:
    templates = {"reshaping": json.dumps(RESHAPING), "mapping": json.dumps(MAPPING)}
    source_id: str = server.add_source(f"{name} {time.time_ns()}", "tracardi", "web", **templates, **settings)["id"]
    return source_id


def track(server: TestServer, source: str, session: str, *events: Any, **options: Any) -> Answer:
    body = {"source": {"id": source}, "session": {"id": session}, "events": list(events), "options": options}
    answer = server.post("/track", body, headers=BROWSER)
    assert answer.status == 200, answer.body
    return answer


def read_event(server: TestServer, source: str, event_type: str = "lead") -> Any:
    server.wait_until_settled()
    (event,) = server.api("events", source=source, event_type=event_type)["items"]
    return event


def read_profile(server: TestServer, profile_id: str) -> Any:
    headers = {"authorization": f"Bearer {server.admin_token}"}
    return server.request("GET", f"/profile/{profile_id}", headers=headers).json


LEAD = {"mail": "lea@example.com", "link": "https://shop.example/lead", "other": 1}


def test_an_event_is_made_anew_and_what_it_says_reaches_the_profile(server: TestServer) -> None:
    source = add_source(server, "reshaped")
    answer = track(server, source, "s-lead", {"type": "Lead", "properties": LEAD, "context": {"k": 1, "gone": 2}})
    event = read_event(server, source)
    assert event["properties"] == {"email": "lea@example.com", "campaign": None, "raw": None}
    assert (event["url"], event["host"]) == ("https://shop.example/lead", "shop.example")
    assert event["context"]["kept"] == 1
    assert event["context"]["session"] == {"seen": "s-lead"}
    assert "gone" not in event["context"]
    profile = read_profile(server, answer.json["profile"]["id"])
    assert profile["data"]["contact"]["email"]["business"] == "lea@example.com"
    assert profile["consents"] == {"calls": {"revoke": None}}
    assert "campaigns" not in profile["traits"]
    assert server.api("profiles/lookup", kind="email", value="lea@example.com")["profile_id"] == profile["id"]


def test_what_does_not_fit_stays_as_it_was_sent(server: TestServer) -> None:
    source = add_source(server, "unfit")
    track(server, source, "s-unfit", {"type": "lead", "properties": {"mail": "", "x": 1}, "context": {"k": 1}})
    event = read_event(server, source)
    assert event["properties"] == {"mail": "", "x": 1}
    assert event["context"]["k"] == 1


def test_of_a_webhook_query_and_body_are_seen_by_templates(server: TestServer) -> None:
    source = add_source(server, "hook")
    answer = server.post(f"/collect/lead/{source}/s-hook?c=spring", LEAD, headers=BROWSER)
    assert answer.status == 200
    event = read_event(server, source)
    assert (event["properties"]["campaign"], event["properties"]["raw"]) == ("spring", "lea@example.com")
    assert read_profile(server, answer.json["profile"]["id"])["traits"]["campaigns"] == ["spring"]


def test_a_webhook_without_a_session_writes_to_nobodys_profile(server: TestServer) -> None:
    source = add_source(server, "profile-less")
    answer = server.post(f"/collect/lead/{source}", LEAD | {"mail": "none@example.com"}, headers=BROWSER)
    assert (answer.status, answer.json["profile"]["id"]) == (200, None)
    event = read_event(server, source)
    assert event["properties"]["email"] == "none@example.com"
    assert (event["traits"], event["identifiers"], event["profile_id"]) == ({}, {}, "")


def test_a_redirect_leaves_an_event_that_its_template_makes(server: TestServer) -> None:
    source = add_source(
        server, "redirect", bridge="redirect", redirect_to="https://shop.example/", redirect_event_type="lead"
    )
    answer = server.request("GET", f"/redirect/{source}?mail=red@example.com&c=news", headers=BROWSER)
    assert (answer.status, answer.headers["location"]) == (307, "https://shop.example/")
    event = read_event(server, source)
    assert (event["properties"]["email"], event["properties"]["campaign"]) == ("red@example.com", "news")


def nest(inner: Any, levels: int) -> Any:
    for _ in range(levels):
        inner = {"in": inner}
    return inner


def test_a_template_that_makes_too_deep_an_event_is_refused_in_words(server: TestServer) -> None:
    template = [{"reshaping": {"reshape_schema": {"properties": nest("event@properties.note", 18)}}}]
    source = server.add_source("deep", "tracardi", "web", reshaping=json.dumps(template))["id"]
    for levels, status in ((2, 200), (20, 422)):
        events = [{"type": "lead", "properties": {"note": nest("x", levels)}}]
        body = {"source": {"id": source}, "session": {"id": "s-deep"}, "events": events}
        answer = server.post("/track", body, headers=BROWSER)
        assert answer.status == status, answer.body
    assert "json_depth" in answer.json["detail"][0]["msg"]


@pytest.mark.parametrize("returns", ["yes", "no"])
def test_the_whole_profile_is_answered_where_the_source_allows_it_without_who_it_is(
    server: TestServer, returns: str
) -> None:
    source = add_source(server, f"answers {returns}", returns_profile=returns)
    session = f"s-answers-{returns}"
    events = [{"type": "page-view"}, {"type": "sign-in", "properties": {"email": {"main": f"{returns}@example.com"}}}]
    answer = track(server, source, session, *events, profile=True)
    shown = answer.json["profile"]
    if returns == "no":
        assert set(shown) == {"id"}
        return
    assert shown["stats"]["views"] == 1
    assert shown["metadata"]["time"]["visit"]["count"] == 1
    assert shown["data"]["contact"]["email"]["main"] is None
    assert "yes@example.com" not in answer.body.decode()
    again = track(server, source, session, *[{"type": "page-view"}] * 3, profile=True)
    assert again.json["profile"]["stats"]["views"] == 4
