"""The pipeline is killed in the middle of an erasure, again and again: it is finished, once, and nothing is wrong."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.privacy.conftest import Privacy, find_bytes

from trackway.testing.server import start_server

pytestmark = [pytest.mark.faults, pytest.mark.timeout(600)]

EVENTS = 400


def test_an_erasure_survives_a_kill_in_every_step(tmp_path: Path, recover: Callable[..., float]) -> None:
    marker = "gnu-marker-2231"
    with start_server(tmp_path / "data") as server:
        privacy = Privacy(server)
        for n in range(EVENTS // 100):
            events = [
                {
                    "event_type": "view",
                    "user_id": marker,
                    "anonymous_id": f"{marker}-{n}",
                    "properties": {"n": n * 100 + k},
                }
                for k in range(100)
            ]
            assert server.post("/v1/events", {"events": events}, privacy.back).status == 200
        other = privacy.send(privacy.back, event_type="view", user_id="somebody-else")
        server.wait_until_settled()
        asked = privacy.ask("erase", kind="user_id", value=marker)

        killed_in: list[str] = []
        deadline = time.monotonic() + 500
        while (found := privacy.show(asked["id"]))["state"] in ("waiting", "running"):
            assert time.monotonic() < deadline, (found, killed_in)
            if found["step"] not in killed_in:
                killed_in.append(found["step"])
                recover(server, "pipeline", server.kill_child("pipeline"))
            time.sleep(0.01)

        assert found["state"] == "done", found
        certificate = found["certificate"]["certificate"]
        assert certificate["verified"] is True
        removed: dict[str, Any] = {entry["place"]: entry["count"] for entry in certificate["removed"]}
        assert removed["event store: events"] == EVENTS
        assert find_bytes(server.data, marker.encode()) == []
        books = server.wait_until_settled()
        assert books["balanced"] is True, books
        line = next(line for line in books["sources"] if line["source"] == "back-end")
        assert (line["stored"], line["dropped"]) == (1, {"erased": EVENTS})
        assert server.api(f"events/{other}")["outcome"] == "stored"
        print(f"FAULT {json.dumps({'test': 'erasure', 'killed_in': killed_in})}")  # noqa: T201
