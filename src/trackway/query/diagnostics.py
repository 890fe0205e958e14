"""What goes wrong with events: personal data where it should not be, keys that swallow, what was refused and why.

Station 5. Here they are counted; each with what was sent is in `trackway.query.rejections`.
"""

from typing import Any

from sqlalchemy import func, select

from trackway.clock import format_time
from trackway.control.database import State
from trackway.control.pii import list_findings, list_pii_rules
from trackway.control.tables import REJECTED, SOURCES
from trackway.outcome import REASONS, Outcome, Reason
from trackway.query.answers import format_moment
from trackway.query.compiler import compile_query, run_query
from trackway.query.progress import read_swallowing_keys
from trackway.query.questions import MOST_HOURS, check_number
from trackway.store.client import EventStore

HOUR_MS = 3_600_000
MINUTE_MS = 60_000
MOST_KEYS = 100


def describe_personal_data(state: State, workspace: str) -> dict[str, Any]:
    """{"findings": […], "rules": […]}, as `GET /api/v1/pii` has it."""
    return {"findings": list_findings(state, workspace), "rules": list_pii_rules(state, workspace)}


def list_swallowing_keys(state: State, workspace: str) -> list[dict[str, Any]]:
    """Dedupe keys that swallowed events of several visitors, those that swallowed the most first."""
    found = read_swallowing_keys(state, workspace, MOST_KEYS)
    keys = [
        {
            "source": source,
            "dedupe_key": key.dedupe_key,
            "swallowed": key.swallowed,
            "last_at": format_time(key.last_at) if key.last_at else "",
        }
        for source, listed in found.items()
        for key in listed
    ]
    return sorted(keys, key=lambda key: (-key["swallowed"], key["source"], key["dedupe_key"]))


def count_rejected(state: State, workspace: str, now_ms: int, hours: int) -> list[dict[str, Any]]:
    """Refusals at the door in the last hours, by source and reason, the most first; `last_at` is a minute."""
    check_number("hours", hours, 1, MOST_HOURS)
    t, events, last = REJECTED.c, func.sum(REJECTED.c.events), func.max(REJECTED.c.minute)
    query = (
        select(t.source, t.reason, events.label("events"), last.label("minute"))
        .join(SOURCES, SOURCES.c.id == t.source)
        .where(SOURCES.c.workspace == workspace, t.minute >= (now_ms - hours * HOUR_MS) // MINUTE_MS)
        .group_by(t.source, t.reason)
        .order_by(events.desc(), t.source, t.reason)
    )
    with state.read() as connection:
        rows = connection.execute(query).all()
    return [
        _describe_count(row.source, Outcome.REJECTED, row.reason, int(row.events), row.minute * MINUTE_MS)
        for row in rows
    ]


def count_set_aside(store: EventStore, workspace: str, now_ms: int, hours: int) -> list[dict[str, Any]]:
    """Received events that were dropped, dead-lettered or duplicates in the last hours, the most first."""
    check_number("hours", hours, 1, MOST_HOURS)
    asked = {"workspace": workspace, "since": max(0, now_ms - hours * HOUR_MS)}
    rows = run_query(store, compile_query("count_set_aside_by_reason", asked))
    return [
        _describe_count(row["source"], row["outcome"], row["reason"], row["events"], row["last_ms"]) for row in rows
    ]


def _describe_count(source: str, outcome: str, reason: str, events: int, last_ms: int) -> dict[str, Any]:
    """`meaning` is empty for a reason of another version."""
    known = reason in Reason.__members__.values()
    return {
        "source": source,
        "outcome": str(outcome),
        "reason": reason,
        "meaning": REASONS[Reason(reason)].meaning if known else "",
        "events": events,
        "last_at": format_moment(last_ms),
    }
