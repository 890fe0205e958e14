"""Resident memory of each process: just started, and after many events."""

import time
from pathlib import Path

from benchmarks.effort import Effort
from benchmarks.subject import ROLES, Subject, start_subject
from benchmarks.tables import Row, Table

CONNECTIONS, PER_REQUEST = 16, 50
REST_S = 5.0
PART = 50_000


def measure_memory(effort: Effort, folder: Path) -> list[Table]:
    with start_subject(folder) as subject:
        time.sleep(REST_S)
        idle = _read_all(subject)
        sent = 0
        while sent < effort.stored_events:
            sent += subject.send(
                CONNECTIONS, PER_REQUEST, 30.0, most_events=min(PART, effort.stored_events - sent)
            ).events
            subject.wait_until_settled()
        after = _read_all(subject)
        assert subject.check_books() == sent
        time.sleep(REST_S)
        rested = _read_all(subject)
        on_disk = {part: _measure_folder(subject.server.data / part) / sent for part in ("engine", "log", "keys")}
    return [
        Table(
            "memory",
            "Resident memory in MB",
            f"In parts of {PART:,} events, {PER_REQUEST} to a request; a moment's rest after the start and at the end.",
            [
                Row("idle", [idle]),
                Row(f"just after {sent:,} events", [after]),
                Row(f"{REST_S:.0f} s later", [rested]),
            ],
        ),
        Table(
            "disk",
            "Bytes on disk for each event",
            "Before old parts of the store and settled parts of the log are removed (after minutes and after `log_keep_hours`).",
            [Row(f"after {sent:,} events", [on_disk])],
        ),
    ]


def _read_all(subject: Subject) -> dict[str, float]:
    each = {role: subject.read_memory(role) for role in ROLES}
    return {**each, "together": sum(each.values())}


def _measure_folder(folder: Path) -> float:
    return float(sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()))
