"""The tracking plan as it is shown, what events break of it, and what a schema would say of stored events.

Station 5. Violations count events that were received; what an entry of mode `reject` refused at the door is a refusal
and stands with the others of its kind.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec.structs import replace
from sqlalchemy import select

from trackway.clock import format_time
from trackway.control.database import State
from trackway.control.plan_schemas import ACCESSORS, PROPERTIES, CompiledSchema
from trackway.control.plan_tables import PLAN_VIOLATIONS
from trackway.control.plans import PlanEntry, list_entries
from trackway.event import Event
from trackway.query.catalogue import LONGEST_PROPERTIES, STREAMED, filter_events
from trackway.query.compiler import compile_query, run_query
from trackway.query.questions import QuestionError
from trackway.store.client import EventStore

MOST_VIOLATIONS = 500
# Stored events that a schema is tried on.
TRIED_EVENTS = 20_000
MOST_BREACHES = 100

_decode = msgspec.json.Decoder(dict[str, Any]).decode
_BLANK = Event(
    event_id="",
    workspace="",
    source="",
    protocol="",
    channel="api",
    trusted=False,
    event_type="",
    occurred_at=0,
    received_at=0,
)


def describe_entry(entry: PlanEntry) -> dict[str, Any]:
    """A version of an entry. A schema that speaks of properties alone is shown without their accessor."""
    return {
        "event_type": entry.event_type,
        "source": entry.source,
        "mode": entry.mode,
        "version": entry.version,
        "changed_by": entry.changed_by,
        "changed_at": format_time(entry.changed_at),
        "schema": entry.schema[PROPERTIES] if [*entry.schema] == [PROPERTIES] else entry.schema,
    }


def describe_plan(state: State, workspace: str) -> dict[str, Any]:
    """{"entries": […], "violations": […]}: what is in force, and what events break of it, the latest first."""
    return {
        "entries": [describe_entry(entry) for entry in list_entries(state, workspace)],
        "violations": list_violations(state, workspace),
    }


def list_violations(state: State, workspace: str) -> list[dict[str, Any]]:
    """What events broke of the versions that are in force, by entry, place and keyword, with the last that did."""
    in_force = {(entry.event_type, entry.source): entry for entry in list_entries(state, workspace)}
    t = PLAN_VIOLATIONS.c
    query = select(PLAN_VIOLATIONS).where(t.workspace == workspace).order_by(t.last_at.desc(), t.event_type, t.path)
    with state.read() as connection:
        rows = connection.execute(query).all()
    found: list[dict[str, Any]] = []
    for row in rows:
        entry = in_force.get((row.event_type, row.entry_source))
        if entry is not None and entry.version == row.version and len(found) < MOST_VIOLATIONS:
            found.append(
                {
                    "event_type": row.event_type,
                    "entry_source": row.entry_source,
                    "version": row.version,
                    "mode": entry.mode,
                    "source": row.source,
                    "path": row.path,
                    "keyword": row.keyword,
                    "message": row.message,
                    "events": row.seen,
                    "first_seen": format_time(row.first_at),
                    "last_seen": format_time(row.last_at),
                    "example": row.example,
                }
            )
    return found


def try_schema(
    store: EventStore, workspace: str, now_ms: int, compiled: CompiledSchema, *, days: int, event_type: str, source: str
) -> dict[str, Any]:
    """What a schema would say of the events of a type that were received in the last days; changes nothing.

    {"events", "checked", "failed", "violations": [{"path", "keyword", "message", "events", "example"}…]}: of `events`
    so many were `checked`, chosen by their ids.
    """
    if not event_type:
        raise QuestionError("say of which event_type the events are", "event_type")
    filters = filter_events(now_ms, days, event_type, source)
    events = run_query(store, compile_query("count_types", {"workspace": workspace}, filters))[0]["events"]
    asked = {
        "workspace": workspace,
        "step": max(1, -(-events // TRIED_EVENTS)),
        "longest": LONGEST_PROPERTIES,
        "most": 2 * TRIED_EVENTS,
    }
    query = compile_query("sample_objects", asked, filters)
    checked = failed = 0
    breaches: dict[tuple[str, str], dict[str, Any]] = {}
    for row in store.stream(query.sql, query.parameters, STREAMED):
        checked += 1
        violations = {(each.place, each.keyword): each for each in compiled.check(_read_objects(row))}
        failed += bool(violations)
        for key, violation in violations.items():
            if key in breaches or len(breaches) < MOST_BREACHES:
                told = breaches.setdefault(
                    key, {"path": key[0], "keyword": key[1], "message": violation.message, "events": 0}
                )
                told |= {"events": told["events"] + 1, "example": row["event_id"]}
    return {
        "event_type": event_type,
        "source": source,
        "days": days,
        "events": events,
        "checked": checked,
        "failed": failed,
        "violations": sorted(breaches.values(), key=lambda each: (-each["events"], each["path"], each["keyword"])),
    }


def _read_objects(row: Mapping[str, Any]) -> Event:
    return replace(_BLANK, **{name: _decode(row[f"{name}_text"] or "{}") for name in ACCESSORS.values()})
