"""The list of events, and everything known about one.

Station 5 of the road. The list runs by time of receipt, then by place in the log, newest first:
both never change, so a cursor stays right while events arrive, also late and backfilled ones.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from trackway.control.database import State
from trackway.eventlog.interface import EventLogReader
from trackway.outcome import Outcome
from trackway.profiles.held import find_held
from trackway.query.answers import describe_event, describe_place, format_moment, read_place
from trackway.query.compiler import Filter, compile_query, run_query
from trackway.query.cursors import ListCursor, decode_list_cursor, encode_cursor
from trackway.query.progress import find_dead_letter, read_positions
from trackway.query.questions import FEWEST_ITEMS, MOST_ITEMS, QuestionError, check_event_id, check_number, check_text
from trackway.query.tail import find_in_tail
from trackway.store.client import EventStore

HOUR_MS = 3600 * 1000
BROKEN = "broken"
# What a row that was replaced can have become.
REPLACEABLE = (Outcome.STORED.value, Outcome.DUPLICATE.value, Outcome.DROPPED.value)
# The list is looked for in the last hour, then further back; the index on received_at makes each
# step cost what it covers. None is without a bound.
LOOK_BACKS_MS = (HOUR_MS, 24 * HOUR_MS, 30 * 24 * HOUR_MS, None)

# Name, what it says it does, the Event fields it may fill: see pipeline.STAGES.
Stages = Iterable[tuple[Any, ...]]


def find_events(
    store: EventStore,
    workspace: str,
    *,
    limit: int = 50,
    event_type: str = "",
    source: str = "",
    plan: str = "",
    cursor: str = "",
) -> dict[str, Any]:
    """A page of stored events, newest first: {"items": [Event…], "next": cursor or None}.

    QuestionError when `limit` is not 1 to 1000, or `cursor` is not one of an earlier answer.
    """
    check_number("limit", limit, FEWEST_ITEMS, MOST_ITEMS)
    filters: dict[Filter, Mapping[str, Any]] = {}
    if event_type:
        filters[Filter.EVENT_TYPE] = {"event_type": check_text("event_type", event_type)}
    if source:
        filters[Filter.SOURCE] = {"source": check_text("source", source)}
    if plan:
        if plan != BROKEN:
            raise QuestionError(f"plan must be {BROKEN}, for events that break the tracking plan, or left out", "plan")
        filters[Filter.BREAKS_PLAN] = {}
    if cursor:
        before = decode_list_cursor(cursor)
        filters[Filter.BEFORE_PLACE] = {
            "before_ms": before.received_at,
            "before_segment": before.place.segment,
            "before_record": before.place.record,
            "before_index": before.place.index,
        }
        newest = before.received_at
    else:
        newest = run_query(store, compile_query("newest_stored", {}))[0]["stored_at_ms"]
    rows = _look_back(store, workspace, filters, newest, limit + 1)
    page = rows[:limit]
    more = len(rows) > limit
    return {
        "items": [describe_event(row) for row in page],
        "next": encode_cursor(ListCursor(page[-1]["received_at_ms"], read_place(page[-1]))) if more else None,
    }


def _look_back(
    store: EventStore, workspace: str, filters: Mapping[Filter, Mapping[str, Any]], newest: int, wanted: int
) -> list[dict[str, Any]]:
    """Rows down from `newest`, from as short a span as holds `wanted` of them."""
    rows: list[dict[str, Any]] = []
    for span in LOOK_BACKS_MS:
        bounded = dict(filters)
        if span is not None:
            bounded[Filter.RECEIVED_FROM] = {"received_from": max(0, newest - span)}
        rows = run_query(store, compile_query("list_events", {"workspace": workspace, "limit": wanted}, bounded))
        if len(rows) == wanted:
            break
    return rows


class Fate(Struct, frozen=True, kw_only=True):
    """What is known of one event, wherever it is."""

    outcome: str
    event: dict[str, Any] | None = None
    reason: str = ""
    first_event_id: str = ""
    detail: str = ""
    source: str = ""
    protocol: str = ""
    event_type: str = ""
    stages: Sequence[dict[str, Any]] = ()
    log: dict[str, Any] | None = None
    replaced: Sequence[dict[str, Any]] = ()
    times: Mapping[str, str]


def find_event(
    store: EventStore, state: State, log: EventLogReader, workspace: str, event_id: str, stages: Stages = ()
) -> dict[str, Any] | None:
    """What became of an event and when rows of it were replaced: stored, duplicate, dropped, dead_lettered, held or in_flight; None when unknown.

    QuestionError when `event_id` is no UUID.
    """
    event_id = check_event_id(event_id)
    # The positions come first: an event that was not behind them is in the store by now, or is
    # still found in the log from there.
    positions = read_positions(state)
    fate = (
        # While what came of it is on its way into the store, it is still held.
        _find_held(state, workspace, event_id)
        or _find_stored(store, workspace, event_id, stages)
        or _find_outcome(store, workspace, event_id)
        or _find_in_flight(log, positions, workspace, event_id)
        or _find_set_aside(state, workspace, event_id)
    )
    if fate is None:
        return None
    if fate.outcome in REPLACEABLE:
        fate = replace(fate, replaced=_find_replacements(store, workspace, event_id))
    return {"event_id": event_id} | {name: getattr(fate, name) for name in Fate.__struct_fields__}


def _find_stored(store: EventStore, workspace: str, event_id: str, stages: Stages) -> Fate | None:
    rows = run_query(store, compile_query("find_event", {"workspace": workspace, "event_id": event_id}))
    if not rows:
        return None
    row = rows[0]
    event = describe_event(row)
    times = {name: event[name] for name in ("occurred_at", "sent_at", "received_at")}
    return Fate(
        outcome=Outcome.STORED.value,
        event=event,
        source=event["source"],
        protocol=event["protocol"],
        event_type=event["event_type"],
        stages=[_describe_stage(event, *stage[:3]) for stage in stages],
        log=describe_place(read_place(row)),
        times=times | {"stored_at": format_moment(row["stored_at_ms"])},
    )


def _describe_stage(event: Mapping[str, Any], name: str, says: str, fills: Iterable[str]) -> dict[str, Any]:
    return {"name": name, "says": says, "filled": {field: event[field] for field in fills if event[field]}}


def _find_replacements(store: EventStore, workspace: str, event_id: str) -> list[dict[str, Any]]:
    rows = run_query(store, compile_query("find_replacements", {"workspace": workspace, "event_id": event_id}))
    return [{"at": format_moment(row["stored_at_ms"]), "log": describe_place(read_place(row))} for row in rows]


def _find_outcome(store: EventStore, workspace: str, event_id: str) -> Fate | None:
    rows = run_query(store, compile_query("find_outcome", {"workspace": workspace, "event_id": event_id}))
    if not rows:
        return None
    row = rows[0]
    said = ("outcome", "reason", "first_event_id", "detail", "source", "protocol", "event_type")
    return Fate(
        **{name: row[name] for name in said},
        log=describe_place(read_place(row)),
        times={name: format_moment(row[f"{name}_ms"]) for name in ("received_at", "stored_at")},
    )


def _find_held(state: State, workspace: str, event_id: str) -> Fate | None:
    held = find_held(state, workspace, event_id)
    if held is None:
        return None
    event = held.event
    return Fate(
        outcome="held",
        detail=f"rule {event.consent_rule} holds it until its person agrees, at most until {format_moment(held.expires_at)}",
        source=event.source,
        protocol=event.protocol,
        event_type=event.event_type,
        log=describe_place(held.place),
        times={"received_at": format_moment(event.received_at), "held_until": format_moment(held.expires_at)},
    )


def _find_in_flight(log: EventLogReader, positions: Mapping[str, Any], workspace: str, event_id: str) -> Fate | None:
    found = find_in_tail(log, positions, workspace, event_id)
    if found is None:
        return None
    return Fate(
        outcome="in_flight",
        source=found.submission.source,
        protocol=found.submission.protocol,
        log=describe_place(found.place),
        times={"received_at": format_moment(found.submission.received_at)},
    )


def _find_set_aside(state: State, workspace: str, event_id: str) -> Fate | None:
    """A dead letter without a row of its own, such as one that the store's outcomes have lost to retention."""
    letter = find_dead_letter(state, workspace, event_id)
    if letter is None:
        return None
    return Fate(
        outcome=Outcome.DEAD_LETTERED.value,
        reason=letter.reason,
        detail=letter.detail,
        source=letter.source,
        times={"received_at": format_moment(letter.received_at)},
    )
