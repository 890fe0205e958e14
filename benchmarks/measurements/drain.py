"""How fast the pipeline settles a log that waits for it, and what that costs in processor time."""

import time
from pathlib import Path

from benchmarks.effort import Effort
from benchmarks.subject import Subject, start_subject
from benchmarks.tables import Row, Table

CONNECTIONS = 32
LOAD_SECONDS = 30.0


def measure_drain(effort: Effort, folder: Path) -> list[Table]:
    rows = []
    with start_subject(folder) as subject:
        for label, per_request in (("sent one by one", 1), ("sent 50 at a time", 50)):
            events = effort.drained_events // (4 if per_request == 1 else 1)
            rows.append(Row(label, [_drain_once(subject, events, per_request) for _ in range(effort.runs)]))
        subject.check_books()
    return [
        Table(
            "pipeline",
            "The pipeline alone",
            "The pipeline is stopped while events are sent, then continued; from then until everything is stored. No other "
            "load. `events/s of one core` is what one core does that pipeline and engine share: 1 second / (pipeline CPU + engine CPU).",
            rows,
        )
    ]


def _drain_once(subject: Subject, events: int, per_request: int) -> dict[str, float]:
    with subject.paused_pipeline():
        sent = subject.send(CONNECTIONS, per_request, LOAD_SECONDS, most_events=events).events
        pipeline, engine, server = (subject.read_cpu(role) for role in ("pipeline", "engine", "server-0"))
    began = time.perf_counter()
    subject.wait_until_settled()
    seconds = time.perf_counter() - began
    pipeline_us = (subject.read_cpu("pipeline") - pipeline) / sent * 1e6
    engine_us = (subject.read_cpu("engine") - engine) / sent * 1e6
    return {
        "events": sent,
        "events/s": sent / seconds,
        "pipeline CPU µs/event": pipeline_us,
        "engine CPU µs/event": engine_us,
        "events/s of one pipeline core": 1e6 / pipeline_us,
        "events/s of one core": 1e6 / (pipeline_us + engine_us),
        "server CPU s": subject.read_cpu("server-0") - server,
    }
