"""The wall between the real space and the test space: for each route with an id, the other space's id is unknown."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from trackway.api.route import ApiRoute
from trackway.api.routes import API_ROUTES
from trackway.testing.server import TestServer, start_server

SPACES = ("main", "test")
# These make what they name when it is not there, in the space that is asked.
MAKING = ("PUT",)
WITH_IDS = [route for route in API_ROUTES if "{" in route.path and route.method not in MAKING]


class Space:
    """A workspace with one of everything, all of it with ids that the other does not have."""

    def __init__(self, server: TestServer, name: str) -> None:
        self.server, self.name = server, name
        environment = "test" if name == "test" else "live"
        source = server.add_source(f"Pact {name}", "pact", "server", environment=environment)
        [key] = source["credentials"].values()
        contact, account = f"contact-of-{name}", f"account-of-{name}"
        event = {"event_type": "form_submit", "distinct_id": f"device-of-{name}", "contact_id": contact}
        sent = server.post("/v1/tracking/events", {**event, "account_id": account}, key)
        assert sent.status == 202
        assert server.post("/v1/tracking/events", {"event_type": "click"}, key).status == 422
        server.wait_until_settled(workspace=name)
        profile = self.ask("GET", "profiles/lookup", query=f"kind=contact_id&value={contact}")
        links = self.ask("GET", f"profiles/{profile['profile_id']}/identities")["links"]
        planned = f"type-of-{name}"
        self.ask("PUT", f"plan/{planned}", {"schema": {"type": "object"}, "mode": "observe"})
        export = self.ask("POST", "privacy/export", {"kind": "contact_id", "value": contact}, statuses=(200, 202))
        [rejection] = [r for r in self.ask("GET", "rejections")["items"] if r["source"] == source["id"]]
        self.ids = {
            "event_id": sent.json["id"],
            "source_id": source["id"],
            "profile_id": profile["profile_id"],
            "edge": links[0]["edge"],
            "contact_id": contact,
            "account_id": account,
            "request_id": export["id"],
            "event_type": planned,
            "rejection_id": rejection["id"],
        }

    def send(self, method: str, path: str, body: Any = None, query: str = "") -> Any:
        return self.server.request(
            method,
            f"/api/v1/{path}?workspace={self.name}&{query}",
            None if body is None else json.dumps(body),
            {"authorization": f"Bearer {self.server.admin_token}", "content-type": "application/json"},
        )

    def ask(
        self, method: str, path: str, body: Any = None, query: str = "", statuses: tuple[int, ...] = (200, 201)
    ) -> Any:
        answer = self.send(method, path, body, query)
        assert answer.status in statuses, (path, answer.status, answer.body)
        return answer.json


def fill(route: ApiRoute, ids: Mapping[str, str]) -> str:
    return route.path.removeprefix("/api/v1/").format(**ids)


@pytest.fixture(scope="module")
def spaces(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Space]]:
    with start_server(tmp_path_factory.mktemp("spaces") / "data", pipeline_linger_ms=20) as server:
        yield {name: Space(server, name) for name in SPACES}


@pytest.mark.parametrize("route", WITH_IDS, ids=lambda r: f"{r.method} {r.path}")
def test_an_id_of_one_space_is_unknown_in_the_other(spaces: dict[str, Space], route: ApiRoute) -> None:
    body = {} if route.takes_body else None
    for here, there in (SPACES, SPACES[::-1]):
        if route.method == "GET" and not route.path.endswith("export.zip"):
            assert spaces[here].send("GET", fill(route, spaces[here].ids)).status == 200
        answer = spaces[there].send(route.method, fill(route, spaces[here].ids), body)
        assert answer.status in (404, 422), (answer.status, answer.body[:300])
    # What was asked in the wrong space changed nothing in the right one.
    for space in spaces.values():
        assert space.ask("GET", f"sources/{space.ids['source_id']}")["enabled"] is True


@pytest.mark.parametrize("path", ["events", "sources", "visitors", "accounts", "sessions", "rejections"])
def test_lists_of_one_space_hold_nothing_of_the_other(spaces: dict[str, Space], path: str) -> None:
    listed = {name: space.send("GET", path) for name, space in spaces.items()}
    assert {answer.status for answer in listed.values()} == {200}
    for name, other in (SPACES, SPACES[::-1]):
        text = listed[name].body.decode()
        assert [kind for kind, value in spaces[other].ids.items() if value in text and kind != "edge"] == []
