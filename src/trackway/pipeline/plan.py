"""Compares an event with the tracking plan of its type.

A stage of the pipeline, behind `mark_bot`, because a bot that is dropped breaks no plan, and before consent takes
properties away, which would look like a broken plan. What an entry of mode `reject` refuses was refused at the door;
an event that came in before the door knew of the entry is marked like one of mode `mark`.
"""

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace
from sqlalchemy import Connection

from trackway.control.database import add_up
from trackway.control.plan_schemas import LONGEST_MESSAGE, Violation
from trackway.control.plan_tables import PLAN_VIOLATIONS
from trackway.control.plans import PlanEntry, word_violations
from trackway.control.sources import OWN_SOURCE
from trackway.event import Event
from trackway.pipeline.desk import Desk

FILLS = ("plan_version", "plan_errors")

LONGEST_ERRORS = 1000


def check_plan(event: Event, desk: Desk) -> Event:
    """In modes mark and reject the event with the version it was checked by and what it breaks; counted in every mode."""
    if not desk.plan or event.source == OWN_SOURCE:
        return event
    in_force = desk.plan.find(event.event_type, event.source)
    if in_force is None:
        return event
    violations = in_force.compiled.check(event)
    if violations:
        desk.watch.note(event, in_force.entry, violations)
    if in_force.entry.mode == "observe":
        return event
    errors = word_violations(violations)[:LONGEST_ERRORS]
    return replace(event, plan_version=in_force.entry.version, plan_errors=errors)


class PlanWatch:
    """What the events of one batch break; written with the batch by `write`."""

    def __init__(self) -> None:
        self._rows: dict[tuple[Any, ...], dict[str, Any]] = {}

    def note(self, event: Event, entry: PlanEntry, violations: Sequence[Violation]) -> None:
        """An event counts once for each path and keyword."""
        for path, keyword, message in {
            (v.path, v.keyword): (v.path, v.keyword, v.message) for v in violations
        }.values():
            row: dict[str, Any] = {
                "workspace": event.workspace,
                "event_type": event.event_type,
                "entry_source": entry.source,
                "version": entry.version,
                "source": event.source,
                "path": path,
                "keyword": keyword,
                "seen": 0,
                "first_at": event.received_at,
                "last_at": event.received_at,
                "message": message[:LONGEST_MESSAGE],
                "example": event.event_id,
            }
            row = self._rows.setdefault(tuple(row[column.name] for column in PLAN_VIOLATIONS.primary_key), row)
            row["seen"] += 1
            row |= {"last_at": event.received_at, "example": event.event_id, "message": message[:LONGEST_MESSAGE]}

    def write(self, connection: Connection) -> None:
        """In the transaction that commits the batch."""
        add_up(
            connection,
            PLAN_VIOLATIONS,
            list(self._rows.values()),
            counted=("seen",),
            latest=("last_at", "message", "example"),
        )
