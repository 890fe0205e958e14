"""Tracardi's management routes on a running server, as programs that were written for Tracardi use them."""

import json
import uuid
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest

from trackway.testing.server import Answer, TestServer, start_server
from trackway.testing.waiting import wait_until

BROWSER = {"user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0"}
FORM = {"content-type": "application/x-www-form-urlencoded"}


def log_in(server: TestServer, password: str, name: str = "admin") -> Answer:
    return server.request("POST", "/user/token", urlencode({"username": name, "password": password}), FORM)


class Client:
    """Logs in as Tracardi's clients do, and asks as somebody who did."""

    def __init__(self, server: TestServer) -> None:
        self.server = server
        login = log_in(server, server.password)
        assert (login.status, login.json["token_type"]) == (200, "bearer")
        self.token: str = login.json["access_token"]

    def ask(self, method: str, path: str, content: Any = None) -> Answer:
        headers = {"authorization": f"Bearer {self.token}", "content-type": "application/json"}
        return self.server.request(method, path, None if content is None else json.dumps(content), headers)

    def add_source(self, **fields: Any) -> str:
        source_id = str(uuid.uuid4())
        sent = {
            "id": source_id,
            "type": ["rest"],
            "bridge": {"id": "1", "name": "rest"},
            "name": f"source {source_id}",
            "timestamp": "2026-01-01T00:00:00",
            "enabled": True,
            "config": {},
        }
        answer = self.ask("POST", "/event-source", sent | fields)
        assert (answer.status, answer.json) == (200, {"errors": [], "ids": [source_id], "saved": 1})
        return source_id

    def track(self, source_id: str, session: str, *events: Any, **more: Any) -> Answer:
        body = {"source": {"id": source_id}, "session": {"id": session}, "events": list(events), **more}
        return self.server.post("/track", body, headers=BROWSER)

    def wait_until_refused(self, source_id: str) -> None:
        """Servers follow a change within a second."""
        event = {"type": "page-view"}
        wait_until(lambda: self.track(source_id, "s-refused", event).status, lambda status: status == 401)

    def refresh(self) -> None:
        answer = self.ask("GET", "/events/refresh")
        assert (answer.status, answer.json) == (200, {"refreshed": True, "in_flight": 0})


@pytest.fixture(scope="module")
def client(server: TestServer) -> Client:
    return Client(server)


def is_null(answer: Answer) -> bool:
    return (answer.status, answer.body) == (404, b"null")


def test_a_source_is_made_read_changed_and_removed(client: Client) -> None:
    source_id = client.add_source(returns_profile=True)
    shown = client.ask("GET", f"/event-source/{source_id}").json
    assert (shown["id"], shown["type"], shown["enabled"], shown["returns_profile"]) == (source_id, ["rest"], True, True)
    assert client.track(source_id, "s-crud", {"type": "page-view"}).status == 200
    changed = {"id": source_id, "type": "webhook", "name": "renamed", "enabled": False}
    assert client.ask("POST", "/event-source", changed).status == 200
    shown = client.ask("GET", f"/event-source/{source_id}").json
    assert (shown["type"], shown["name"], shown["enabled"]) == (["webhook"], "renamed", False)
    assert client.ask("DELETE", f"/event-source/{source_id}").json["deleted"] == 1
    assert is_null(client.ask("GET", f"/event-source/{source_id}"))
    assert is_null(client.ask("DELETE", f"/event-source/{source_id}"))
    client.wait_until_refused(source_id)
    assert client.ask("POST", "/event-source", changed | {"type": ["rest"], "enabled": True}).status == 200
    assert client.ask("GET", f"/event-source/{source_id}").status == 200


def test_two_sources_may_have_one_name(client: Client) -> None:
    first, second = client.add_source(name="twin"), client.add_source(name="twin")
    names = [client.ask("GET", f"/event-source/{each}").json["name"] for each in (first, second)]
    assert names == ["twin", f"twin ({second})"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"type": ["unknown"]}, "type"),
        ({"type": "unknown"}, "type"),
        ({"type": []}, "type"),
        ({"type": {"a": 1}}, "type"),
        ({"id": "no/slashes here"}, "id"),
        ({"id": 7}, "id"),
        ({"id": "trackway"}, "id"),
    ],
)
def test_a_source_that_cannot_be_is_422_and_says_which_field(client: Client, change: Any, field: str) -> None:
    sent = {"id": "wrong-source", "type": ["rest"], "name": "wrong", **change}
    answer = client.ask("POST", "/event-source", sent)
    assert (answer.status, answer.json["detail"][0]["loc"]) == (422, ["body", field])
    assert is_null(client.ask("GET", "/event-source/wrong-source"))


def test_a_body_that_is_no_object_is_422(client: Client) -> None:
    assert client.ask("POST", "/event-source", [1]).status == 422
    headers = {"authorization": f"Bearer {client.token}"}
    assert client.server.request("POST", "/event-source", b"{", headers).status == 422


def test_profile_session_and_event_are_shown_as_tracardi_shows_them(client: Client) -> None:
    source_id, session, event_id = client.add_source(), f"s-{uuid.uuid4()}", str(uuid.uuid4())
    answer = client.track(
        source_id,
        session,
        {"type": "Page View", "id": event_id, "properties": {"category": "shoes"}, "tags": ["a"]},
        {"type": "sign-in", "properties": {"email": {"main": "kim@example.com"}, "pk": "k-1"}},
        context={"page": {"url": "https://shop.example/a", "title": "A"}},
    )
    assert answer.status == 200
    client.refresh()

    event = client.ask("GET", f"/event/{event_id}").json["event"]
    assert (event["id"], event["name"], event["type"]) == (event_id, "Page View", "page-view")
    assert (event["source"], event["session"]) == ({"id": source_id}, {"id": session})
    assert (event["properties"], event["tags"], event["journey"]) == (
        {"category": "shoes"},
        {"values": ["a"]},
        {"state": "awareness"},
    )

    profile = client.ask("GET", f"/profile/{answer.json['profile']['id']}").json
    assert profile["data"]["contact"]["email"]["main"] == "kim@example.com"
    assert profile["primary_id"] == "k-1"
    assert answer.json["profile"]["id"] in profile["ids"]
    assert profile["stats"]["views"] == 1
    assert profile["metadata"]["time"]["visit"]["count"] == 1
    assert profile["metadata"]["time"]["insert"]

    shown = client.ask("GET", f"/session/{session}").json
    assert (shown["id"], shown["profile"]["id"]) == (session, profile["id"])
    assert shown["events"] == 5


def test_a_profile_that_is_to_be_erased_is_gone_at_once(client: Client) -> None:
    source_id = client.add_source()
    profile_id = client.track(source_id, f"s-{uuid.uuid4()}", {"type": "page-view"}).json["profile"]["id"]
    client.refresh()
    answer = client.ask("DELETE", f"/profile/{profile_id}")
    assert (answer.status, answer.json["ids"], answer.json["request"]["kind"]) == (200, [profile_id], "erase")
    assert is_null(client.ask("GET", f"/profile/{profile_id}"))
    assert is_null(client.ask("DELETE", f"/profile/{profile_id}"))
    asked = client.server.api(f"privacy/requests/{answer.json['request']['id']}")
    assert asked["about"]["value"] == profile_id or asked["state"] == "done"


@pytest.mark.parametrize("kind", ["profile", "session", "event", "event-source"])
@pytest.mark.parametrize("name", ["unknown", str(uuid.UUID(int=7))])
def test_what_is_not_there_is_404_and_null(client: Client, kind: str, name: str) -> None:
    assert is_null(client.ask("GET", f"/{kind}/{name}"))


@pytest.mark.parametrize("kind", ["session", "event"])
def test_a_single_session_or_event_is_not_removed_and_says_why(client: Client, kind: str) -> None:
    answer = client.ask("DELETE", f"/{kind}/any")
    assert (answer.status, "retention removes old ones" in answer.json["detail"]) == (501, True)


@pytest.mark.parametrize("kind", ["profiles", "sessions", "events", "event-sources"])
def test_refresh_waits_for_what_was_received(client: Client, kind: str) -> None:
    session = f"s-{uuid.uuid4()}"
    assert client.track(client.add_source(), session, {"type": "page-view"}).status == 200
    assert client.ask("GET", f"/{kind}/refresh").json == {"refreshed": True, "in_flight": 0}
    assert client.ask("GET", f"/session/{session}").status == 200


@pytest.mark.parametrize("path", ["/event-source/a", "/profile/a", "/session/a", "/event/a", "/events/refresh"])
def test_nothing_is_answered_without_a_token(client: Client, path: str) -> None:
    answer = client.server.request("GET", path)
    assert (answer.status, "detail" in answer.json) == (401, True)
    forged = client.server.request("GET", path, headers={"authorization": f"Bearer {client.token[:-2]}xx"})
    assert forged.status == 401


def test_a_method_that_a_route_does_not_have_is_405_in_json(client: Client) -> None:
    answer = client.ask("PUT", "/profile/a", {})
    assert (answer.status, "detail" in answer.json, answer.headers["allow"]) == (405, True, "GET, DELETE, HEAD")
    answer = client.server.request("GET", "/user/token")
    assert (answer.status, answer.json) == (405, {"detail": "Method Not Allowed"})


def test_the_token_of_a_login_is_good_for_the_api_and_no_cookie(client: Client) -> None:
    headers = {"authorization": f"Bearer {client.token}"}
    assert client.server.request("GET", "/api/v1/sources", headers=headers).status == 200
    assert (
        client.server.request("GET", "/api/v1/sources", headers={"cookie": f"tw_session={client.token}"}).status == 401
    )


def test_a_form_that_holds_no_login_is_422(client: Client) -> None:
    for body in (b"", b"username=admin", b"\xff\xfe", b"username=" + b"a" * 20_000):
        answer = client.server.request("POST", "/user/token", body, FORM)
        assert (answer.status, "detail" in answer.json) == (422, True)


@pytest.fixture
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestServer]:
    with start_server(tmp_path_factory.mktemp("logins") / "data") as running:
        yield running


def test_wrong_passwords_are_400_and_then_have_to_wait(fresh: TestServer) -> None:
    first = log_in(fresh, "wrong-password")
    assert first.status == 400
    assert first.json == log_in(fresh, "wrong-password", "nobody").json
    # Each failure doubles the wait, so also a slow machine has to wait before long.
    answers = [log_in(fresh, "wrong-password") for _ in range(8)]
    slowed = [answer for answer in answers if answer.status == 429]
    assert [answer.status for answer in answers[:2]] == [400, 400]
    assert slowed
    assert int(slowed[0].headers["retry-after"]) >= 1
