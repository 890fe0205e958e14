"""From the 2xx until an event can be seen, with little going on: by asking, and on the live stream."""

import http.client
import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

from benchmarks.effort import Effort
from benchmarks.subject import Subject, start_subject
from benchmarks.tables import Row, Table
from benchmarks.visits import KEY_SLOT, VISITOR_SLOT, make_event

EVENTS_PER_S = 10
ASK_EVERY_S = 0.025
PATIENCE_S = 30.0


class Sightings:
    """When each event was acknowledged and when it was first seen."""

    def __init__(self) -> None:
        self.acknowledged: dict[str, float] = {}
        self.seen: dict[str, float] = {}
        self.watching = threading.Event()
        self.stop = threading.Event()

    def delays_ms(self) -> list[float]:
        return sorted((self.seen[event] - at) * 1000 for event, at in self.acknowledged.items())

    def wait(self) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not self.acknowledged.keys() <= self.seen.keys():
            if time.monotonic() > deadline:
                missing = len(self.acknowledged.keys() - self.seen.keys())
                raise TimeoutError(f"{missing} events did not become visible within {PATIENCE_S} s")
            time.sleep(0.01)


def measure_visibility(effort: Effort, folder: Path) -> list[Table]:
    with start_subject(folder) as subject:
        rows = [
            Row("in GET /api/v1/events", [_observe(subject, effort, _ask_again_and_again)]),
            Row("on GET /api/v1/live", [_observe(subject, effort, _listen)]),
        ]
    return [
        Table(
            "visible",
            "From the 2xx to visible",
            f"{effort.light_events} single events, {EVENTS_PER_S} a second, nothing else going on. The list is asked for "
            f"every {ASK_EVERY_S * 1000:.0f} ms and its own answer time counts too; the stream is one open connection.",
            rows,
        )
    ]


def _observe(subject: Subject, effort: Effort, watch: Callable[[Subject, Sightings], None]) -> dict[str, float]:
    sightings = Sightings()
    watcher = threading.Thread(target=watch, args=(subject, sightings), daemon=True)
    watcher.start()
    if not sightings.watching.wait(PATIENCE_S):
        raise TimeoutError(f"the server did not answer the watcher within {PATIENCE_S} s")
    _send_slowly(subject, effort.light_events, sightings)
    sightings.wait()
    sightings.stop.set()
    delays = sightings.delays_ms()
    return {
        "p50 ms": delays[len(delays) // 2],
        "p95 ms": delays[len(delays) * 95 // 100],
        "longest ms": delays[-1],
        "events": len(delays),
    }


def _send_slowly(subject: Subject, events: int, sightings: Sightings) -> None:
    random = Random(7)
    connection = http.client.HTTPConnection("127.0.0.1", subject.port, timeout=10)
    headers = {"Authorization": f"Bearer {subject.key}"}
    began = time.perf_counter()
    for number in range(events):
        time.sleep(max(0.0, began + number / EVENTS_PER_S - time.perf_counter()))
        text = json.dumps(make_event(random, int(time.time() * 1000)))
        slot = f"{time.time_ns():016x}"[-16:]
        body = text.replace(KEY_SLOT.decode(), slot).replace(VISITOR_SLOT.decode(), slot)
        connection.request("POST", "/v1/events", body, headers)
        answer = connection.getresponse()
        content = json.loads(answer.read())
        sightings.acknowledged[content["results"][0]["event_id"]] = time.perf_counter()
    connection.close()


def _ask_again_and_again(subject: Subject, sightings: Sightings) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", subject.port, timeout=10)
    headers = {"Authorization": f"Bearer {subject.server.admin_token}"}
    while not sightings.stop.is_set():
        began = time.perf_counter()
        connection.request("GET", "/api/v1/events?limit=20", headers=headers)
        items = json.loads(connection.getresponse().read())["items"]
        now = time.perf_counter()
        for item in items:
            sightings.seen.setdefault(item["event_id"], now)
        sightings.watching.set()
        time.sleep(max(0.0, began + ASK_EVERY_S - now))
    connection.close()


def _listen(subject: Subject, sightings: Sightings) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", subject.port, timeout=60)
    connection.request("GET", "/api/v1/live", headers={"Authorization": f"Bearer {subject.server.admin_token}"})
    stream = connection.getresponse()
    while not sightings.stop.is_set():
        line = stream.readline()
        if line.startswith(b"event: ready"):
            sightings.watching.set()
        elif line.startswith(b"data: {") and b'"event_id"' in line:
            sightings.seen.setdefault(json.loads(line[6:])["event_id"], time.perf_counter())
    connection.close()
