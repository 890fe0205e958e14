"""What a call of the Python client costs its program, and how fast its events reach the server."""

import time
from pathlib import Path
from typing import Any

from benchmarks.effort import Effort
from benchmarks.subject import start_subject
from benchmarks.tables import Row, Table
from trackway.client import Client

CALLS = 20_000
# Each of these waits for the disk.
SYNCED_CALLS = 500
QUEUES: dict[str, dict[str, Any]] = {
    "in memory": {},
    "spool, fsync every second": {"spool_fsync": "everysec"},
    "spool, fsync always": {"spool_fsync": "always"},
}
PROPERTIES = {"plan": "growth", "seats": 5, "price": 49.9, "currency": "EUR", "campaign": "spring"}
CONTEXT = {"release": "1.2.3", "region": "eu-central"}


def measure_python_client(effort: Effort, folder: Path) -> list[Table]:
    with start_subject(folder) as subject:
        rows = []
        for label, settings in QUEUES.items():
            calls = SYNCED_CALLS if settings.get("spool_fsync") == "always" else CALLS
            spool = folder / "spool" if settings else None
            runs = [_run(subject.server.url, subject.key, calls, spool, settings) for _ in range(effort.runs)]
            rows.append(Row(label, runs))
            subject.server.wait_until_settled(120)
    return [
        Table(
            "python client",
            "The Python client",
            f"{CALLS:,} calls of `track` in one thread ({SYNCED_CALLS} with fsync always), each with a user_id, five properties and a "
            "context. First nothing is sent meanwhile, which gives the cost of a call; then all of it is flushed to a "
            "server on the same machine, pipeline and store running. CPU is the client's whole process, sending included.",
            rows,
        )
    ]


def _run(url: str, key: str, calls: int, spool: Path | None, settings: dict[str, Any]) -> dict[str, float]:
    with Client(
        url,
        key,
        spool=spool,
        flush_at=calls + 1,
        flush_every_s=3600,
        queue_bytes=256 << 20,
        context=CONTEXT,
        **settings,
    ) as client:
        took = []
        cpu = time.process_time()
        for number in range(calls):
            began = time.perf_counter()
            client.track("feature_used", user_id=number % 1000, properties=PROPERTIES)
            took.append(time.perf_counter() - began)
        began = time.perf_counter()
        if not client.flush(120):
            raise TimeoutError(f"the server did not take {calls} events: {client.stats}")
        flushed = time.perf_counter() - began
        cpu = time.process_time() - cpu
    took.sort()
    return {
        "p50 µs/call": took[calls // 2] * 1e6,
        "p99 µs/call": took[calls * 99 // 100] * 1e6,
        "sent events/s": calls / flushed,
        "client CPU µs/event": cpu / calls * 1e6,
    }
