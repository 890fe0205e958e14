"""What is sent: event types and their properties as they were observed, and a tracking plan made of that.

Station 5. Counts of types are exact; properties are those of a sample, in which an event is or is not by its id, so the
same events are looked at whenever it is asked. Examples that look personal are masked, those of places that rules or
findings about personal data name are hidden. Whoever knows a public key may make up types and properties: so types come
in pages, and a sample is bounded by events and by bytes.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from trackway.control.database import State
from trackway.control.pii import list_findings, read_pii_rules
from trackway.control.plan_schemas import DIALECT, LONGEST_SCHEMA
from trackway.control.plans import list_entries
from trackway.query.answers import format_moment
from trackway.query.compiler import SETTINGS, Filter, compile_query, run_query
from trackway.query.cursors import TypeCursor, decode_type_cursor, encode_cursor
from trackway.query.questions import FEWEST_ITEMS, QuestionError, check_number, check_text
from trackway.query.shapes import Place, Places, Shape, list_places, make_schema
from trackway.store.client import EventStore

DAY_MS = 86_400_000
MOST_DAYS = 366
MOST_TYPES = 200
TYPES_PER_PAGE = 50
# An event with larger properties is not looked at: a block of the largest must fit in memory.
LONGEST_PROPERTIES = 65_536
# However large they are, so many events of a type are looked at.
FEWEST_SAMPLED = 10
STREAMED = {**SETTINGS, "max_block_size": 500}

_decode = msgspec.json.Decoder(dict[str, Any]).decode


class Budget(Struct, frozen=True):
    """How much is looked at: events of one type, events of all of them, and bytes of their properties."""

    per_type: int
    events: int
    bytes: int


# A second's work: of events of a few hundred bytes the first bounds count, of large ones the bytes.
CATALOGUE_BUDGET = Budget(1000, 40_000, 16_000_000)
INFERENCE_BUDGET = Budget(20_000, 100_000, 50_000_000)


class Sampled(Struct, frozen=True):
    """An event type: the row of `summarise_types`, and the shape of the properties that were looked at."""

    event_type: str
    row: Mapping[str, Any]
    shape: Shape


Filters = Mapping[Filter, Mapping[str, Any]]


def list_types(
    store: EventStore, workspace: str, filters: Filters, limit: int, after: TypeCursor | None = None
) -> list[dict[str, Any]]:
    """Rows of the event types behind `after`, the most frequent first."""
    asked = {
        "workspace": workspace,
        "limit": limit,
        "longest": LONGEST_PROPERTIES,
        "after_events": after.events if after else 0,
        "after_type": after.event_type if after else "",
    }
    return run_query(store, compile_query("summarise_types", asked, filters))


def sample_types(
    store: EventStore, workspace: str, filters: Filters, rows: Sequence[Mapping[str, Any]], budget: Budget
) -> list[Sampled]:
    """The same types, each with the shape of what a sample of its events holds."""
    shapes = {row["event_type"]: Shape(Places()) for row in rows}
    if shapes:
        most = [_count_sample(row, budget, len(rows)) for row in rows]
        asked = {
            "workspace": workspace,
            "types": list(shapes),
            "steps": [-(-row["events"] // each) for row, each in zip(rows, most, strict=True)],
            # A hash is even only by and large.
            "most": 2 * max(most),
            "longest": LONGEST_PROPERTIES,
        }
        query = compile_query("sample_properties", asked, filters)
        for row in store.stream(query.sql, query.parameters, STREAMED):
            shapes[row["event_type"]].add(_decode(row["properties_text"] or "{}"), row["received_at_ms"])
    return [Sampled(row["event_type"], row, shapes[row["event_type"]]) for row in rows]


def _count_sample(row: Mapping[str, Any], budget: Budget, types: int) -> int:
    """How many events of a type are looked at, where `types` share the budget."""
    average = max(1, int(row["sampled_bytes"]) // max(1, int(row["fitting"])))
    return max(FEWEST_SAMPLED, min(budget.per_type, budget.events // types, budget.bytes // types // average))


def filter_events(
    now_ms: int, days: int, event_type: str, source: str, search: str = ""
) -> dict[Filter, Mapping[str, Any]]:
    """QuestionError for what cannot be asked."""
    check_number("days", days, 1, MOST_DAYS)
    filters: dict[Filter, Mapping[str, Any]] = {Filter.RECEIVED_FROM: {"received_from": max(0, now_ms - days * DAY_MS)}}
    if event_type:
        filters[Filter.EVENT_TYPE] = {"event_type": check_text("event_type", event_type)}
    if source:
        filters[Filter.SOURCE] = {"source": check_text("source", source)}
    if search:
        filters[Filter.TYPE_HAS] = {"type_part": check_text("search", search)}
    return filters


def describe_catalogue(
    store: EventStore,
    state: State,
    workspace: str,
    now_ms: int,
    *,
    days: int = 7,
    event_type: str = "",
    source: str = "",
    search: str = "",
    limit: int = TYPES_PER_PAGE,
    cursor: str = "",
) -> dict[str, Any]:
    """{"days", "types", "events", "items": [{"event_type", "events", "share", …, "properties": […]}], "next"}.

    A page of the types, the most frequent first; `types` and `events` count all that fit, `search` is a part of a type's
    name. `sampled` says how many events of the type were looked at; what is said of properties is said of these.
    """
    check_number("limit", limit, FEWEST_ITEMS, MOST_TYPES)
    filters = filter_events(now_ms, days, event_type, source, search)
    after = decode_type_cursor(cursor) if cursor else None
    [all_types] = run_query(store, compile_query("count_types", {"workspace": workspace}, filters))
    rows = list_types(store, workspace, filters, limit + 1, after)
    sampled = sample_types(store, workspace, filters, rows[:limit], CATALOGUE_BUDGET)
    last = rows[limit - 1] if len(rows) > limit else None
    hidden = list_hidden(state, workspace)
    planned: dict[str, list[dict[str, Any]]] = {}
    for entry in list_entries(state, workspace):
        told = {"source": entry.source, "mode": entry.mode, "version": entry.version}
        planned.setdefault(entry.event_type, []).append(told)
    total = max(1, all_types["events"])
    return {
        "days": days,
        "types": all_types["types"],
        "events": all_types["events"],
        "items": [
            {
                "event_type": each.event_type,
                "events": each.row["events"],
                "share": round(each.row["events"] / total, 4),
                "first_seen": format_moment(each.row["first_ms"]),
                "last_seen": format_moment(each.row["last_ms"]),
                "sources": list(each.row["sources"]),
                "marked": each.row["marked"],
                "plan": planned.get(each.event_type, []),
                "sampled": each.shape.seen,
                "properties": [_describe_place(place, each.shape, hidden) for place in list_places(each.shape)],
            }
            for each in sampled
        ],
        "next": encode_cursor(TypeCursor(last["events"], last["event_type"])) if last else None,
    }


def list_hidden(state: State, workspace: str) -> frozenset[str]:
    """Places of which no value is shown: rules hide them, or personal data was found there."""
    found = {finding["path"] for finding in list_findings(state, workspace)}
    return frozenset(found | read_pii_rules(state).get(workspace, {}).keys())


def _describe_place(place: Place, root: Shape, hidden: frozenset[str]) -> dict[str, Any]:
    shape = place.shape
    secret = is_hidden(place.rule_path, hidden)
    return {
        "path": place.path,
        "types": {name: round(count / shape.seen, 4) for name, count in shape.types.most_common()},
        "share": round(min(1.0, shape.seen / root.seen), 4),
        "format": shape.format,
        "example": "" if secret else shape.example,
        "hidden": secret,
        "first_seen": format_moment(shape.first_ms),
        "last_seen": format_moment(shape.last_ms),
    }


def is_hidden(path: str, hidden: frozenset[str]) -> bool:
    """Is the place, or one that it is in, among the `hidden`?"""
    end = path.find(".")
    while end != -1:
        if path[:end] in hidden:
            return True
        end = path.find(".", end + 1)
    return path in hidden


def infer_plan(
    store: EventStore,
    state: State,
    workspace: str,
    now_ms: int,
    *,
    days: int = 7,
    event_type: str = "",
    source: str = "",
) -> dict[str, Any]:
    """{"entries": [{"event_type", "source", "mode": "observe", "schema"}…]}: what the traffic of the last days keeps.

    Of the most frequent types, at most `MOST_TYPES`. QuestionError when no event fits.
    """
    filters = filter_events(now_ms, days, event_type, source)
    rows = list_types(store, workspace, filters, MOST_TYPES)
    sampled = sample_types(store, workspace, filters, rows, INFERENCE_BUDGET)
    if not sampled:
        raise QuestionError(f"no event of the last {days} days fits, so there is nothing to infer a plan from", "days")
    hidden = frozenset(read_pii_rules(state).get(workspace, {}))
    return {"entries": [_infer_entry(each, source, days, hidden) for each in sampled if each.shape.seen]}


def _infer_entry(each: Sampled, source: str, days: int, hidden: frozenset[str]) -> dict[str, Any]:
    basis = f"Inferred from {each.shape.seen:,} of {each.row['events']:,} events of the last {days} days"
    schema = {"$schema": DIALECT, "$comment": basis, **make_schema(each.shape, hidden)}
    if len(msgspec.json.encode(schema)) > LONGEST_SCHEMA:
        schema |= make_schema(each.shape, hidden, enums=False)
    return {"event_type": each.event_type, "source": source, "mode": "observe", "schema": schema}
