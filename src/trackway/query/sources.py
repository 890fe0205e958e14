"""The sources of a workspace and how alive each is.

Station 5. A source is healthy when it was heard of within the last 5 minutes, degraded within the
last hour, down beyond that, never when nothing came yet; the bounds belong to the better state.
What was received counts, not only what was stored: a source that only repeats itself is alive.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from trackway.control.database import State
from trackway.control.source_changes import find_source, is_removed
from trackway.control.sources import OWN_SOURCES, list_keys, list_sources
from trackway.event import Source
from trackway.query.answers import format_moment
from trackway.query.compiler import compile_query, run_query
from trackway.query.progress import SwallowingKey, read_last_minutes, read_swallowing_keys
from trackway.query.tail import MINUTE_MS
from trackway.store.client import EventStore

HEALTHY_MS = 5 * MINUTE_MS
DEGRADED_MS = 60 * MINUTE_MS
DAY_MS = 24 * 60 * MINUTE_MS
MOST_SWALLOWING_KEYS = 100


def judge_health(last_event_ms: int, now_ms: int) -> str:
    """healthy, degraded, down or never; `last_event_ms` 0 means that nothing came yet."""
    if not last_event_ms:
        return "never"
    silent = now_ms - last_event_ms
    if silent <= HEALTHY_MS:
        return "healthy"
    return "degraded" if silent <= DEGRADED_MS else "down"


def describe_settings(state: State, workspace: str, source_id: str) -> dict[str, Any] | None:
    """A source with its settings, and its keys as they may be shown; None when there is none, or it was removed."""
    source = find_source(state, source_id)
    own = source is not None and source.id in OWN_SOURCES
    if source is None or source.workspace != workspace or (not own and is_removed(state, source.id)):
        return None
    keys = [key for key in list_keys(state, workspace) if key.source == source.id]
    return {
        **{name: getattr(source, name) for name in ("id", "workspace", "name", "protocol", "channel", "enabled")},
        "settings": dict(source.settings),
        "keys": [{"field": key.field, "shown": key.shown, "trusted": key.trusted} for key in keys],
    }


def describe_sources(store: EventStore, state: State, workspace: str, now_ms: int) -> dict[str, Any]:
    """{"items": [source…]} in the order in which they were made, sources without events included."""
    sources = list_sources(state, workspace)
    swallowing = read_swallowing_keys(state, workspace, MOST_SWALLOWING_KEYS)
    recent = run_query(
        store, compile_query("last_events_since", {"workspace": workspace, "received_from": now_ms - DAY_MS})
    )
    last = {row["source"]: row["last_event_ms"] for row in recent}
    events = {row["source"]: row["events"] for row in recent}
    quiet = [source.id for source in sources if source.id not in last]
    last |= _find_last_events(store, state, workspace, quiet)
    return {
        "items": [
            _describe_source(s, last.get(s.id, 0), events.get(s.id, 0), swallowing.get(s.id, ()), now_ms)
            for s in sources
        ]
    }


def _find_last_events(store: EventStore, state: State, workspace: str, quiet: Sequence[str]) -> dict[str, int]:
    """Last signs of life of sources that were not heard of for a day."""
    if not quiet:
        return {}
    minutes = read_last_minutes(state, workspace)
    counted = [source for source in quiet if source in minutes]
    other = [source for source in quiet if source not in minutes]
    questions: list[tuple[str, dict[str, Any]]] = []
    if counted:
        wanted = sorted({minutes[source] for source in counted})
        moments = [datetime.fromtimestamp(minute * MINUTE_MS // 1000, UTC) for minute in wanted]
        questions.append(("last_events_in_minutes", {"sources": counted, "minutes": moments}))
    if other:
        questions.append(("last_events", {"sources": other}))
    found: dict[str, int] = {}
    for name, parameters in questions:
        for row in run_query(store, compile_query(name, {"workspace": workspace} | parameters)):
            found[row["source"]] = row["last_event_ms"]
    return found


def _describe_source(
    source: Source, last_event_ms: int, events: int, swallowing: Sequence[SwallowingKey], now_ms: int
) -> Mapping[str, Any]:
    return {
        "id": source.id,
        "name": source.name,
        "protocol": source.protocol,
        "channel": source.channel,
        "workspace": source.workspace,
        "enabled": source.enabled,
        "health": judge_health(last_event_ms, now_ms),
        "last_event_at": format_moment(last_event_ms),
        "events_24h": events,
        "swallowing_keys": [
            {"dedupe_key": key.dedupe_key, "swallowed": key.swallowed, "last_at": format_moment(key.last_at)}
            for key in swallowing
        ],
    }
