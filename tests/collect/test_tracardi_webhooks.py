"""Tracardi's webhooks and redirects: any body becomes properties, nothing is ever a 500."""

import json
from typing import Any

import pytest
from tests.collect.tracardi_client import JSON, Source, Stored, add_source, make_session, track

from trackway.testing.server import TestServer


@pytest.fixture
def hook(server: TestServer) -> Source:
    return add_source(server, bridge="webhook,rest", system_events="no")


MULTIPART = (
    b'--XX\r\ncontent-disposition: form-data; name="voucher"\r\n\r\nX1\r\n'
    b'--XX\r\ncontent-disposition: form-data; name="bill"; filename="bill.pdf"\r\n\r\n%PDF\r\n--XX--\r\n'
)


@pytest.mark.parametrize(
    ("kind", "body", "properties"),
    [
        ("application/json", b'{"voucher": "X1", "n": {"a": [1]}}', {"voucher": "X1", "n": {"a": [1]}}),
        ("application/json; charset=utf-8", b'{"voucher": "X1"}', {"voucher": "X1"}),
        ("text/plain", b'{"voucher": "X1"}', {"voucher": "X1"}),
        ("", b'{"voucher": "X1"}', {"voucher": "X1"}),
        ("application/json", b"[1, 2]", {"payload": [1, 2]}),
        ("application/json", b'"X1"', {"payload": "X1"}),
        ("application/json", b"null", {"payload": None}),
        ("application/json", b"{broken", {}),
        ("application/json", b"", {}),
        ("application/octet-stream", b"\xff\x00\xfe", {}),
        ("application/x-www-form-urlencoded", b"voucher=X1&a=1&a=2&b=", {"voucher": "X1", "a": ["1", "2"], "b": ""}),
        ("application/x-www-form-urlencoded; charset=utf-8", b"voucher=%C3%84", {"voucher": "Ä"}),
        ("multipart/form-data; boundary=XX", MULTIPART, {"voucher": "X1", "bill": "bill.pdf"}),
        ("multipart/form-data", MULTIPART, {}),
        ("multipart/form-data; boundary=YY", MULTIPART, {}),
    ],
)
@pytest.mark.parametrize("in_session", [False, True])
def test_a_body_becomes_properties(
    server: TestServer, hook: Source, stored: Stored, kind: str, body: bytes, properties: Any, in_session: bool
) -> None:
    path = f"/collect/Coupon%20Received/{hook['id']}" + (f"/{make_session()}" if in_session else "")
    answer = server.request("POST", path, body, {"content-type": kind} if kind else {})

    assert answer.status == 200, answer.body
    [event] = stored(hook)
    assert (event["event_type"], event["properties"]) == ("coupon-received", properties)
    assert bool(event["profile_id"]) == in_session


def test_a_webhook_without_session_has_neither_profile_nor_session(
    server: TestServer, hook: Source, stored: Stored
) -> None:
    said = server.post(f"/collect/coupon-received/{hook['id']}", {"voucher": "X1"}).json

    assert (said["profile"], said["session"]) == ({"id": None}, {"id": None})
    [event] = stored(hook)
    assert (event["profile_id"], event["session_id"], event["traits"]) == ("", "", {})


def test_a_webhook_with_a_session_is_of_that_sessions_profile(server: TestServer, hook: Source) -> None:
    session = make_session()
    tracked = track(server, hook, "page-view", session={"id": session}).json
    posted = server.post(f"/collect/coupon-received/{hook['id']}/{session}", {"voucher": "X1"}).json
    got = server.request("GET", f"/collect/coupon-received/{hook['id']}/{session}?voucher=X1").json

    assert tracked["profile"] == posted["profile"] == got["profile"]
    assert posted["session"] == {"id": session}


def test_a_query_becomes_properties(server: TestServer, hook: Source, stored: Stored) -> None:
    server.request("GET", f"/collect/coupon-received/{hook['id']}?voucher=X1&a=%C3%84&b=")

    [event] = stored(hook)
    assert event["properties"] == {"voucher": "X1", "a": "Ä", "b": ""}


def test_a_type_too_long_for_a_path_is_refused(server: TestServer, hook: Source) -> None:
    answer = server.post(f"/collect/{'x' * 201}/{hook['id']}", {})

    assert answer.status == 422
    assert answer.json["detail"][0]["loc"] == ["body", "event_type"]


def test_a_path_that_escapes_everything_is_answered_in_json(server: TestServer, hook: Source, stored: Stored) -> None:
    answers = [
        server.post(f"/collect/%00/{hook['id']}", {}),
        server.post(f"/collect/a%2Fb/{hook['id']}/%00", {}),
        server.post(f"/collect/%ff/{hook['id']}/%ff", {}),
        server.post("/collect/a/%ff", {}),
    ]

    assert [answer.status for answer in answers] == [422, 200, 200, 401]
    assert all(answer.json for answer in answers)


def test_a_redirect_leaves_an_event_and_leads_on(server: TestServer, stored: Stored) -> None:
    target = "https://shop.example/sale?from=letter"
    source = add_source(server, "web", bridge="redirect", redirect_to=target, redirect_event_type="Link Clicked")
    answers = [
        server.request(method, f"/redirect/{source['id']}?letter=7") for method in ("GET", "POST", "PUT", "DELETE")
    ]

    assert [(answer.status, answer.headers["location"]) for answer in answers] == [(307, target)] * 4
    events = stored(source)
    assert [event["event_type"] for event in events] == ["link-clicked"] * 4
    assert events[0]["properties"] == {"letter": "7"}
    assert not any(event["profile_id"] or event["session_id"] for event in events)


def test_a_redirect_knows_the_session_of_its_path_or_cookie_only_if_it_was_seen(
    server: TestServer, stored: Stored
) -> None:
    source = add_source(server, "web", bridge="redirect,rest", redirect_to="https://shop.example/", system_events="no")
    session, unknown = make_session(), make_session()
    profile = track(server, source, "page-view", session={"id": session}).json["profile"]["id"]
    server.request("GET", f"/redirect/{source['id']}/{session}")
    server.request("GET", f"/redirect/{source['id']}", headers={"cookie": f"a=b; tracardi-session-id={session}"})
    server.request("GET", f"/redirect/{source['id']}/{unknown}")
    server.request("GET", f"/redirect/{source['id']}", headers={"cookie": 'tracardi-session-id="\\'})

    clicks = [event["profile_id"] for event in stored(source) if event["event_type"] == "redirect"]
    assert sorted(clicks) == ["", "", profile, profile]


@pytest.mark.parametrize("kind", ["unknown", "no redirect", "leads nowhere"])
def test_a_redirect_that_is_none_is_404_in_json(server: TestServer, hook: Source, kind: str) -> None:
    nowhere = add_source(server, bridge="redirect")
    path = {"unknown": "nobody-0815", "no redirect": hook["id"], "leads nowhere": nowhere["id"]}[kind]
    answer = server.request("GET", f"/redirect/{path}")

    assert (answer.status, set(answer.json)) == (404, {"detail"})


def test_a_click_that_cannot_be_kept_still_leads_on(server: TestServer) -> None:
    source = add_source(server, "web", bridge="redirect", redirect_to="https://shop.example/")
    deep = b"[" * 100 + b"]" * 100
    answer = server.request("POST", f"/redirect/{source['id']}", deep, JSON)

    assert (answer.status, answer.headers["location"]) == (307, "https://shop.example/")
    assert answer.headers["x-trackway-refused"] == "too_deep"


def test_a_webhook_of_bots_is_taken(server: TestServer, hook: Source, stored: Stored) -> None:
    headers = {**JSON, "user-agent": "WordPress/6.4; https://shop.example"}
    answer = server.request("POST", f"/collect/order/{hook['id']}", json.dumps({"id": 7}), headers)

    assert answer.status == 200
    assert len(stored(hook)) == 1
