"""How long an erasure takes among a million events, and what it does to those that arrive meanwhile.

Run: .venv/bin/python benchmarks/erasure.py [EVENTS]
"""

import json
import sys
import tempfile
import time
from pathlib import Path

from trackway.testing.server import TestServer, start_server

# A call's events are one person's: else all records would be theirs, and none had to be read.
PER_CALL = 1000
PEOPLE = 1000


def fill(server: TestServer, key: str, events: int) -> None:
    for start in range(0, events, PER_CALL):
        batch = [
            {
                "event_type": "view",
                "user_id": f"user-{n // PER_CALL % PEOPLE}",
                "properties": {"n": n, "text": "lorem ipsum " * 5},
            }
            for n in range(start, start + PER_CALL)
        ]
        while server.post("/v1/events", {"events": batch}, key).status != 200:
            time.sleep(0.5)


def measure(events: int) -> None:
    with tempfile.TemporaryDirectory() as folder, start_server(Path(folder) / "data") as server:
        key = server.add_source("Bench", "native", "server")["credentials"]["write_key"]
        began = time.monotonic()
        fill(server, key, events)
        server.wait_until_settled(600)
        print(f"{events} events stored in {time.monotonic() - began:.1f} s")  # noqa: T201
        began = time.monotonic()
        asked = server.post("/api/v1/privacy/erase", {"kind": "user_id", "value": "user-7"}, server.admin_token).json
        steps: dict[str, float] = {}
        slowest, sent = 0.0, 0
        while (found := server.api(f"privacy/requests/{asked['id']}"))["state"] in ("waiting", "running"):
            steps.setdefault(found["step"] or "begin", round(time.monotonic() - began, 1))
            if found["step"] != "files":
                before = time.monotonic()
                server.post("/v1/events", {"event_type": "view", "user_id": "user-8"}, key)
                server.wait_until_settled(120)
                slowest, sent = max(slowest, time.monotonic() - before), sent + 1
            time.sleep(0.1)
        total = time.monotonic() - began
        books = server.api("books")
        print(json.dumps({"began_at_s": steps, "total_s": round(total, 1), "state": found["state"]}))  # noqa: T201
        print(f"meanwhile {sent} events, the slowest stored after {slowest:.2f} s; balanced: {books['balanced']}")  # noqa: T201
        certificate = found["certificate"]["certificate"]
        print(json.dumps([certificate["log_records_read"], *certificate["removed"]]))  # noqa: T201


if __name__ == "__main__":
    measure(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
