"""People as they come and go: events through HTTP into a real server, answers out of its API.

One server for the scenarios of a file; each has ids of its own, so that they do not meet.
"""

import itertools
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest

from trackway.testing.server import TestServer, start_server

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0"
NUMBERS = itertools.count(1)


class Scenario:
    """What somebody does, and what is then known of them. `me("x")` is an id no other scenario has."""

    def __init__(self, server: TestServer, keys: dict[str, str]) -> None:
        self.server, self._keys = server, keys
        self._own = f"s{next(NUMBERS)}"
        self.start = datetime.now(UTC) - timedelta(hours=6)

    def me(self, name: str) -> str:
        return f"{name}-{self._own}"

    def mail(self, name: str) -> str:
        return f"{name}.{self._own}@example.com"

    def at(self, minutes: float) -> str:
        """`minutes` after six hours ago."""
        return (self.start + timedelta(minutes=minutes)).isoformat()

    def send(self, key: str, *events: dict[str, Any], path: str = "/v1/events", **headers: str) -> Any:
        """POST events; every answer must say accepted. The answer's JSON."""
        body: Any = list(events) if len(events) > 1 else events[0]
        answer = self.server.post(path, body, self._keys[key], {"user-agent": FIREFOX, **headers})
        assert answer.status in (200, 202), answer.body
        return answer.json

    def browser(self, **event: Any) -> Any:
        """An event of a web page, with a public key."""
        return self.send("web", {"event_type": "page_view", "url": "https://shop.example/", **event})

    def backend(self, **event: Any) -> Any:
        """An event of a back end, with a secret key."""
        return self.send("server", {"event_type": "server_event", **event})

    def pact(self, *events: dict[str, Any], key: str = "pact") -> Any:
        return self.send(key, *events, path="/v1/tracking/events")

    def refused(self, key: str, event: Any) -> Any:
        """What is said of an event that is not accepted."""
        answer = self.server.post("/v1/events", event, self._keys[key], {"user-agent": FIREFOX})
        assert 400 <= answer.status < 500, answer.body
        return answer.json

    def settle(self) -> None:
        books = self.server.wait_until_settled()
        assert books["balanced"]

    def find(self, kind: str, value: str) -> dict[str, Any] | None:
        """The profile with an identifier, or None."""
        self.settle()
        path = f"/api/v1/profiles/lookup?kind={kind}&value={quote(value, safe='')}"
        answer = self.server.request("GET", path, headers={"authorization": f"Bearer {self.server.admin_token}"})
        assert answer.status in (200, 404), answer.body
        return answer.json if answer.status == 200 else None

    def person(self, kind: str, value: str) -> dict[str, Any]:
        found = self.find(kind, value)
        assert found is not None, f"nobody is known by {kind} {value}"
        return found

    def same(self, *identifiers: tuple[str, str]) -> bool:
        return len({self.person(kind, value)["profile_id"] for kind, value in identifiers}) == 1

    def apart(self, *identifiers: tuple[str, str]) -> bool:
        return len({self.person(kind, value)["profile_id"] for kind, value in identifiers}) == len(identifiers)

    def timeline(self, profile: dict[str, Any], **query: Any) -> list[dict[str, Any]]:
        return self.server.api(f"profiles/{profile['profile_id']}/timeline", **query)["items"]

    def what(self, profile: dict[str, Any]) -> list[str]:
        """Types of the events of somebody, oldest first."""
        return [event["event_type"] for event in reversed(self.timeline(profile))]

    def traits(self, profile: dict[str, Any]) -> dict[str, Any]:
        return {trait["name"]: trait["value"] for trait in profile["traits"]}

    def links(self, profile: dict[str, Any]) -> list[dict[str, Any]]:
        return self.server.api(f"profiles/{profile['profile_id']}/identities")["links"]

    def link_between(self, profile: dict[str, Any], one: str, other: str) -> dict[str, Any]:
        """The link of two kinds of identifiers."""
        return next(link for link in self.links(profile) if {link["a"]["kind"], link["b"]["kind"]} == {one, other})

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """An API request as admin that must be answered 200."""
        answer = self.server.request(
            method,
            f"/api/v1/{path}",
            None if body is None else json.dumps(body),
            {"authorization": f"Bearer {self.server.admin_token}"},
        )
        assert answer.status == 200, answer.body
        return answer.json


# Of a module and no longer: to idle through the tests of other folders costs more than another start.
@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[TestServer, dict[str, str]]]:
    with start_server(tmp_path_factory.mktemp("scenarios") / "data", pipeline_linger_ms=20) as server:
        keys = {
            "web": server.add_source("Web", "native", "web")["credentials"]["write_key"],
            "server": server.add_source("Server", "native", "server")["credentials"]["write_key"],
            "pact": server.add_source("Pact", "pact", "api")["credentials"]["api_key"],
            "pact_web": server.add_source("Pact web", "pact", "web")["credentials"]["api_key"],
        }
        yield server, keys


@pytest.fixture
def scenario(running: tuple[TestServer, dict[str, str]]) -> Scenario:
    return Scenario(*running)
