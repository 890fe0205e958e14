"""Compares an event with the tracking plan of its type.

A stage of the pipeline, behind `mark_bot`, because a bot that is dropped breaks no plan, and before consent takes
properties away, which would look like a broken plan. What an entry of mode `reject` refuses was refused at the door;
an event that came in before the door knew of the entry is marked like one of mode `mark`.
"""

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace
from sqlalchemy import Connection, select

from trackway.control.database import add_up
from trackway.control.personal_values import find_personal
from trackway.control.plan_schemas import Violation
from trackway.control.plan_tables import PLAN_VIOLATIONS
from trackway.control.plans import PlanEntry, word_violations
from trackway.control.sources import OWN_SOURCES
from trackway.event import Event
from trackway.pipeline.desk import Desk

FILLS = ("plan_version", "plan_errors")

LONGEST_ERRORS = 1000
# Of one version of an entry, counted for each source; what breaks it in yet another place counts as elsewhere.
MOST_PLACES = 200
ELSEWHERE = "elsewhere"
PERSONAL = "a name looks like personal data and is not told"


def check_plan(event: Event, desk: Desk) -> Event:
    """In modes mark and reject the event with the version it was checked by and what it breaks; counted in every mode."""
    if not desk.plan or event.source in OWN_SOURCES:
        return event
    in_force = desk.plan.find(event.event_type, event.source)
    if in_force is None:
        return event
    violations = [_hide_names(each) for each in in_force.compiled.check(event)]
    if violations:
        desk.watch.note(event, in_force.entry, violations)
    if in_force.entry.mode == "observe":
        return event
    errors = word_violations(violations)[:LONGEST_ERRORS]
    return replace(event, plan_version=in_force.entry.version, plan_errors=errors)


def _hide_names(violation: Violation) -> Violation:
    """A name that a sender made up may be a mail address, and what is told of it outlives what consent or an erasure takes away."""
    if not any(find_personal(text) for text in (violation.path, violation.message)):
        return violation
    return Violation(ELSEWHERE, ELSEWHERE, violation.keyword, PERSONAL)


class PlanWatch:
    """What the events of one batch break; written with the batch by `write`."""

    def __init__(self) -> None:
        self._rows: dict[tuple[Any, ...], dict[str, Any]] = {}

    def note(self, event: Event, entry: PlanEntry, violations: Sequence[Violation]) -> None:
        """An event counts once for each place and keyword."""
        for violation in {(each.place, each.keyword): each for each in violations}.values():
            counted = {
                "workspace": event.workspace,
                "event_type": event.event_type,
                "entry_source": entry.source,
                "version": entry.version,
                "source": event.source,
                "path": violation.place,
                "keyword": violation.keyword,
            }
            latest = {"last_at": event.received_at, "message": violation.message, "example": event.event_id}
            row = self._rows.setdefault(tuple(counted.values()), counted | {"seen": 0, "first_at": event.received_at})
            row |= latest | {"seen": row["seen"] + 1}

    def write(self, connection: Connection) -> None:
        """In the transaction that commits the batch."""
        if not self._rows:
            return
        rows = self._fold(connection)
        add_up(connection, PLAN_VIOLATIONS, rows, counted=("seen",), latest=("last_at", "message", "example"))

    def _fold(self, connection: Connection) -> list[dict[str, Any]]:
        """The rows, with places beyond the most that an entry keeps as one: names come from senders and have no end."""
        t = PLAN_VIOLATIONS.c
        keys = [*PLAN_VIOLATIONS.primary_key]
        folded: dict[tuple[Any, ...], dict[str, Any]] = {}
        known: dict[tuple[Any, ...], set[tuple[Any, ...]]] = {}
        for key, row in self._rows.items():
            entry = key[:4]
            if entry not in known:
                workspace, event_type, entry_source, version = entry
                query = select(*keys).where(
                    t.workspace == workspace,
                    t.event_type == event_type,
                    t.entry_source == entry_source,
                    t.version == version,
                )
                known[entry] = {tuple(found) for found in connection.execute(query)}
            if key not in known[entry] and len(known[entry]) >= MOST_PLACES:
                row = row | {"path": ELSEWHERE, "keyword": ELSEWHERE}
                key = tuple(row[column.name] for column in keys)
            known[entry].add(key)
            before = folded.get(key)
            folded[key] = row | {"seen": row["seen"] + before["seen"]} if before else row
        return list(folded.values())
