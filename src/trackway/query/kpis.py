"""The first figures: the event types of the highest volume, visitors, sessions, and the minutes.

Station 5. Time here is when events occurred. An event counts whoever sent it, so that every number
leads to the events behind it; visitors and sessions leave bots out.
"""

from collections.abc import Mapping
from typing import Any

from trackway.clock import format_time
from trackway.query.compiler import Filter, compile_query, run_query
from trackway.query.questions import (
    FEWEST_ITEMS,
    MOST_HOURS,
    MOST_ITEMS,
    MOST_MINUTES,
    check_number,
    check_text,
)
from trackway.query.tail import MINUTE_MS
from trackway.store.client import EventStore

HOUR_MS = 60 * MINUTE_MS
# Senders make up types; an answer that is asked for every few seconds must not grow with them.
TYPES_SHOWN = 100


def count_event_types(
    store: EventStore, workspace: str, now_ms: int, hours: int = 24, limit: int = TYPES_SHOWN
) -> dict[str, Any]:
    """{"items": [{"event_type", "count"}…] highest first, "types", "events", "bots", "visitors", "sessions", "since"}.

    `items` are the first `limit` of so many `types`; the other figures count all of them. `bots` is how many of
    `events` were sent by bots. QuestionError when `hours` is not 1 to 8,784 or `limit` not 1 to 1,000.
    """
    check_number("hours", hours, 1, MOST_HOURS)
    check_number("limit", limit, FEWEST_ITEMS, MOST_ITEMS)
    since = max(0, now_ms - hours * HOUR_MS)
    parameters = {"workspace": workspace, "occurred_from": since}
    types = run_query(store, compile_query("count_event_types", {**parameters, "limit": limit}))
    people = run_query(store, compile_query("count_visitors", parameters))[0]
    together = types[0] if types else dict.fromkeys(("types", "events", "bots"), 0)
    return {
        "items": [{"event_type": row["event_type"], "count": row["type_events"]} for row in types],
        **{name: together[name] for name in ("types", "events", "bots")},
        "visitors": people["visitors"],
        "sessions": people["sessions"],
        "since": format_time(since),
    }


def count_by_minute(
    store: EventStore, workspace: str, now_ms: int, minutes: int = 60, event_type: str = ""
) -> dict[str, Any]:
    """{"items": [{"minute", "events", "visitors"}…]}: the last `minutes`, oldest first, empty ones included.

    QuestionError when `minutes` is not 1 to 1,440.
    """
    check_number("minutes", minutes, 1, MOST_MINUTES)
    filters: dict[Filter, Mapping[str, Any]] = {}
    if event_type:
        filters[Filter.EVENT_TYPE] = {"event_type": check_text("event_type", event_type)}
    last = now_ms // MINUTE_MS
    first = max(0, last - minutes + 1)
    parameters = {
        "workspace": workspace,
        "occurred_from": first * MINUTE_MS,
        "occurred_below": (last + 1) * MINUTE_MS,
    }
    rows = {row["minute"]: row for row in run_query(store, compile_query("count_by_minute", parameters, filters))}
    empty = {"events": 0, "visitors": 0}
    return {
        "items": [
            {"minute": format_time(minute * MINUTE_MS)}
            | {name: rows.get(minute, empty)[name] for name in ("events", "visitors")}
            for minute in range(first, last + 1)
        ]
    }
