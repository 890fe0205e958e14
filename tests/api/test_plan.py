"""The tracking plan through the API: set, told with its history, tried, inferred, ended; and what is refused."""

import json
import time
from typing import Any

import pytest

from trackway.testing.server import Answer, TestServer, start_server

PRICED = {"type": "object", "properties": {"price": {"type": "number"}}, "required": ["price"]}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory):
    with start_server(tmp_path_factory.mktemp("plan") / "data") as running:
        yield running


@pytest.fixture
def call(server: TestServer):
    def call(method: str, path: str, content: Any = None) -> Answer:
        headers = {"authorization": f"Bearer {server.admin_token}", "content-type": "application/json"}
        return server.request(method, f"/api/v1/{path}", None if content is None else json.dumps(content), headers)

    return call


@pytest.fixture
def shop(server: TestServer) -> dict[str, Any]:
    return server.add_source(f"shop {time.time_ns()}")


def send(server: TestServer, source: dict[str, Any], *events: dict[str, Any]) -> list[dict[str, Any]]:
    answer = server.post("/v1/events", list(events), next(iter(source["credentials"].values())))
    server.wait_until_settled()
    results: list[dict[str, Any]] = answer.json["results"]
    return results


def test_an_entry_is_set_shown_changed_and_ended_and_its_versions_stay(call) -> None:
    first = call("PUT", "plan/order%2Fpaid", {"schema": PRICED})
    assert first.status == 200, first.body
    [made] = first.json["changed"]
    assert (made["event_type"], made["mode"], made["version"], made["schema"]) == ("order/paid", "observe", 1, PRICED)
    assert made["changed_by"] == "admin token"
    again = call("PUT", "plan/order%2Fpaid", {"schema": PRICED})
    assert again.json == {"changed": [], "unchanged": 1}
    call("PUT", "plan/order%2Fpaid", {"schema": PRICED, "mode": "reject"})
    shown = call("GET", "plan/order%2Fpaid").json
    assert (shown["entry"]["mode"], [each["version"] for each in shown["versions"]]) == ("reject", [2, 1])
    assert call("DELETE", "plan/order%2Fpaid").json["ended"] is True
    assert call("DELETE", "plan/order%2Fpaid").status == 404
    ended = call("GET", "plan/order%2Fpaid").json
    assert (ended["entry"], ended["versions"][0]["mode"]) == (None, "off")
    assert call("GET", "plan/never-planned").json["error"]["reason"] == "unknown_entry"


def test_a_whole_plan_is_put_in_force_or_nothing_of_it(call, shop) -> None:
    entries = [
        {"event_type": "a", "schema": PRICED, "source": shop["id"]},
        {"event_type": "b", "schema": {"event@context": {"required": ["page"]}}},
        {"event_type": "c", "schema": {"properties": {"price": {"type": "objekt"}}}},
    ]
    refused = call("PUT", "plan", {"entries": entries})
    assert (refused.status, refused.json["error"]["field"]) == (422, "entries[2].schema.properties.price.type")
    assert not [each for each in call("GET", "plan").json["entries"] if each["event_type"] in ("a", "b")]
    assert len(call("PUT", "plan", {"entries": entries[:2]}).json["changed"]) == 2
    shown = [each for each in call("GET", "plan").json["entries"] if each["event_type"] in ("a", "b")]
    assert [each["schema"] for each in shown] == [entries[0]["schema"], entries[1]["schema"]]
    # What is shown can be sent again.
    assert call("PUT", "plan", {"entries": shown}).json == {"changed": [], "unchanged": 2}


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "field"),
    [
        ("PUT", "plan", {}, 422, "entries"),
        ("PUT", "plan", {"entries": []}, 422, "entries"),
        ("PUT", "plan", {"entries": [3]}, 422, "entries[0]"),
        ("PUT", "plan", {"entries": [{"event_type": "t"}]}, 422, "entries[0].schema"),
        ("PUT", "plan", {"entrys": []}, 422, "entrys"),
        ("PUT", "plan/t", {"schema": PRICED, "mode": "warn"}, 422, "mode"),
        ("PUT", "plan/t", {"schema": PRICED, "source": "never-added"}, 422, "source"),
        ("PUT", "plan/t", {"schema": {"$ref": "http://localhost/"}}, 422, "schema.$ref"),
        ("PUT", "plan/t", {"schema": PRICED, "event_type": "t"}, 422, "event_type"),
        ("PUT", "plan/" + "x" * 201, {"schema": PRICED}, 422, "event_type"),
        ("POST", "plan/check", {"schema": PRICED}, 422, "event_type"),
        ("POST", "plan/check", {"event_type": "t", "schema": PRICED, "days": "7"}, 422, "days"),
        ("POST", "plan/check", {"event_type": "t", "schema": PRICED, "days": 0}, 422, "days"),
        ("POST", "plan/check", {"event_type": "t", "schema": 3}, 422, "schema"),
        ("GET", "plan/inferred?days=0", None, 400, "days"),
        ("GET", "plan/inferred?event_type=nobody-sent-this", None, 400, "days"),
        ("GET", "catalogue?days=x", None, 400, "days"),
    ],
)
def test_what_cannot_be_used_is_refused_with_the_field(call, method, path, body, status, field) -> None:
    answer = call(method, path, body)
    assert (answer.status, answer.json["error"]["field"]) == (status, field), answer.body


def test_from_traffic_to_a_plan_that_counts_what_breaks_it(server: TestServer, call, shop) -> None:
    event_type = f"bought {time.time_ns()}"
    good = {"event_type": event_type, "properties": {"price": 2.5, "email": "joe@example.com"}}
    send(server, shop, *[good] * 8)
    found = call("GET", f"catalogue?source={shop['id']}").json
    [item] = found["items"]
    assert (item["events"], item["sources"], item["plan"]) == (8, [shop["id"]], [])
    assert {each["path"]: each["example"] for each in item["properties"]}["properties.price"] == "2.5"
    assert "joe@example.com" not in json.dumps(found)
    [entry] = call("GET", f"plan/inferred?source={shop['id']}").json["entries"]
    assert entry["schema"]["required"] == ["email", "price"]
    tried = call("POST", "plan/check", {"event_type": event_type, "schema": {"required": ["sku"]}}).json
    assert (tried["checked"], tried["failed"], tried["violations"][0]["path"]) == (8, 8, "properties.sku")
    assert call("PUT", "plan", {"entries": [entry]}).json["changed"][0]["version"] == 1
    time.sleep(1.2)
    [kept, broken] = send(server, shop, good, {"event_type": event_type, "properties": {"price": "x"}})
    told = [each for each in call("GET", "plan").json["violations"] if each["event_type"] == event_type]
    assert {(each["path"], each["keyword"], each["events"], each["example"]) for each in told} == {
        ("properties.email", "required", 1, broken["event_id"]),
        ("properties.price", "type", 1, broken["event_id"]),
    }
    assert kept["status"] == broken["status"] == "accepted"
    # Of another version nothing is told.
    call("PUT", "plan", {"entries": [entry | {"mode": "mark"}]})
    assert not [each for each in call("GET", "plan").json["violations"] if each["event_type"] == event_type]
    time.sleep(1.2)
    send(server, shop, {"event_type": event_type, "properties": {}})
    marked = call("GET", f"events?plan=broken&source={shop['id']}").json["items"]
    assert [(each["plan_version"], each["properties"]) for each in marked] == [(2, {})]
    explained = call("GET", f"events/{marked[0]['event_id']}").json
    [stage] = [each for each in explained["stages"] if each["name"] == "check_plan"]
    assert stage["filled"]["plan_version"] == 2
