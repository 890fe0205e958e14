"""A server for privacy tests, and the few things they all do: erase somebody, look at every byte."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from trackway.testing.server import TestServer, start_server

FIREFOX = {"user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0"}
PATIENCE_S = 170.0
STEPS = ("events", "outcomes", "overrides", "files", "names", "pages", "certificate")


class Privacy:
    """A running server and what is asked of it."""

    def __init__(self, server: TestServer) -> None:
        self.server = server
        self.web = server.add_source("Web", "native", "web")["credentials"]["write_key"]
        self.back = server.add_source("Back end", "native", "server")["credentials"]["write_key"]

    def add_held_source(self) -> str:
        """The key of a source whose events are held until their person agrees."""
        key: str = self.server.add_source("Held", "native", "server")["credentials"]["write_key"]
        hold = {"id": "hold", "jurisdictions": ["*"], "sources": ["held"], "mode": "opt_in", "without_consent": "hold"}
        policy = {"rules": [hold, {"id": "rest", "jurisdictions": ["*"], "mode": "none"}]}
        operator = {"authorization": f"Bearer {self.server.admin_token}"}
        answer = self.server.request("PUT", "/api/v1/policies", json.dumps(policy).encode(), operator)
        assert answer.status == 200, answer.body
        # Policies take effect within a second.
        time.sleep(1.5)
        return key

    def send(self, key: str, **event: Any) -> str:
        answer = self.server.post("/v1/events", event, key, FIREFOX)
        assert answer.status == 200, answer.body
        event_id: str = answer.json["results"][0]["event_id"]
        return event_id

    def ask(self, what: str, **about: str) -> dict[str, Any]:
        answer = self.server.post(f"/api/v1/privacy/{what}", about, self.server.admin_token)
        assert answer.status == 200, answer.body
        asked: dict[str, Any] = answer.json
        return asked

    def show(self, request_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.server.api(f"privacy/requests/{request_id}")
        return found

    def wait(self, request_id: str, *, past: str = "", patience_s: float = PATIENCE_S) -> dict[str, Any]:
        """Until the request has ended or is beyond the step `past`."""
        deadline, later = time.monotonic() + patience_s, STEPS[STEPS.index(past) + 1 :] if past else ()
        while True:
            found = self.show(request_id)
            if found["state"] in ("done", "failed") or found["step"] in later:
                return found
            assert time.monotonic() < deadline, (found, self.server.log.read_text()[-3000:])
            time.sleep(0.05)

    def look_up(self, kind: str, value: str) -> Any:
        """The profile, None when nobody is known by it."""
        answer = self.server.request(
            "GET",
            f"/api/v1/profiles/lookup?kind={kind}&value={value.replace('+', '%2B')}",
            headers={"authorization": f"Bearer {self.server.admin_token}"},
        )
        return answer.json if answer.status == 200 else None


def find_bytes(folder: Path, *needles: bytes) -> list[str]:
    """Files of the data folder that hold any of the needles, whatever their case."""
    found = []
    for file in folder.rglob("*"):
        if file.is_file() and not file.is_symlink():
            try:
                content = file.read_bytes().lower()
            except FileNotFoundError:
                continue
            found += [str(file.relative_to(folder)) for needle in needles if needle.lower() in content]
    return found


@pytest.fixture(scope="module")
def privacy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Privacy]:
    with start_server(tmp_path_factory.mktemp("privacy") / "data", engine_old_parts_seconds=2) as server:
        yield Privacy(server)
