"""Sources over the API: added, read, changed, removed, and what cannot be."""

import json
from typing import Any

import pytest

from trackway.testing.server import Answer, TestServer
from trackway.testing.waiting import wait_until


def ask(server: TestServer, method: str, path: str, content: Any = None) -> Answer:
    headers = {"authorization": f"Bearer {server.admin_token}", "content-type": "application/json"}
    return server.request(method, f"/api/v1{path}", None if content is None else json.dumps(content), headers)


def add(server: TestServer, name: str, **fields: Any) -> Answer:
    return ask(server, "POST", "/sources", {"name": name, "protocol": "native", "channel": "server", **fields})


def test_a_source_is_added_and_its_key_works_at_once(server: TestServer) -> None:
    answer = add(server, "by api")
    assert answer.status == 200
    key = answer.json["credentials"]["write_key"]
    assert server.post("/v1/events", {"event_type": "a", "user_id": "u"}, key).status in (200, 202)
    shown = ask(server, "GET", f"/sources/{answer.json['id']}").json
    assert shown == {name: value for name, value in answer.json.items() if name != "credentials"}
    assert shown["keys"][0]["shown"] != key


def test_settings_and_name_are_changed_and_taken_away(server: TestServer) -> None:
    templates = [{"reshaping": {"reshape_schema": {"properties": {"a": "event@type"}}}}]
    source = add(server, "changing", protocol="tracardi", channel="web", settings={"reshaping": templates}).json
    assert json.loads(source["settings"]["reshaping"]) == templates
    body = {"name": "changed", "enabled": False, "settings": {"debugger": True, "reshaping": None}}
    changed = ask(server, "PATCH", f"/sources/{source['id']}", body).json
    assert (changed["name"], changed["enabled"], changed["settings"]) == ("changed", False, {"debugger": "yes"})


def test_a_removed_source_may_not_send_and_is_not_found(server: TestServer) -> None:
    source = add(server, "leaving").json
    key = source["credentials"]["write_key"]
    assert ask(server, "DELETE", f"/sources/{source['id']}").json == {"id": source["id"], "removed": True}
    wait_until(
        lambda: server.post("/v1/events", {"event_type": "a", "user_id": "u"}, key).status, lambda seen: seen == 401
    )
    for method in ("GET", "DELETE"):
        answer = ask(server, method, f"/sources/{source['id']}")
        assert (answer.status, answer.json["error"]["reason"]) == (404, "unknown_source")


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"name": ""}, "name is required"),
        ({"name": "x", "protocol": "none"}, "there is no protocol"),
        ({"name": "x", "channel": "air"}, "channel must be one of"),
        ({"name": "x", "settings": {"botz": "drop"}}, "there is no source setting 'botz'"),
        ({"name": "x", "settings": {"bots": "maybe"}}, "is not a value of this setting"),
        ({"name": "x", "settings": {"origins": "https://["}}, "is not a value of this setting"),
        ({"name": "x", "settings": {"source_id": "trackway"}}, "is Trackway's own source"),
        ({"name": "x", "settings": []}, "settings must be an object"),
        ({"name": "x", "setting": {}}, "there is no field 'setting'"),
        ({"name": "x", "settings": {"mapping": [{"event_to_profile": []}]}}, "mapping[0].event_to_profile must be"),
    ],
)
def test_a_source_that_cannot_be_used_says_why(server: TestServer, body: Any, says: str) -> None:
    answer = add(server, **body)
    assert (answer.status, answer.json["error"]["reason"]) == (422, "wrong_body")
    assert says in answer.json["error"]["message"]


def test_of_a_change_that_cannot_be_nothing_is_done(server: TestServer) -> None:
    source = add(server, "steady").json
    for body in ({"settings": {"bots": "drop", "environment": "test"}}, {"enabled": "no"}, {"name": "by api"}):
        assert ask(server, "PATCH", f"/sources/{source['id']}", body).status == 422
    assert ask(server, "GET", f"/sources/{source['id']}").json["settings"] == {}


def test_a_source_of_the_test_space_is_of_the_test_space(server: TestServer) -> None:
    body = {"name": "space", "protocol": "native", "channel": "server"}
    source = ask(server, "POST", "/sources?workspace=test", body).json
    assert source["workspace"] == "test"
    assert ask(server, "GET", f"/sources/{source['id']}").status == 404
    assert ask(server, "GET", f"/sources/{source['id']}?workspace=test").status == 200
