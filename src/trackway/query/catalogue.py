"""What is sent: event types and their properties as they were observed, and a tracking plan made of that.

Station 5. Counts of types are exact; properties are those of a sample, in which an event is or is not by its id, so the
same events are looked at whenever it is asked. Examples that look personal are masked, those of places that rules or
findings about personal data name are hidden.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from trackway.control.database import State
from trackway.control.pii import list_findings, read_pii_rules
from trackway.control.plan_schemas import DIALECT, LONGEST_SCHEMA
from trackway.control.plans import list_entries
from trackway.query.answers import format_moment
from trackway.query.compiler import SETTINGS, Filter, compile_query, run_query
from trackway.query.questions import QuestionError, check_number, check_text
from trackway.query.shapes import Place, Places, Shape, list_places, make_schema
from trackway.store.client import EventStore

DAY_MS = 86_400_000
MOST_DAYS = 366
MOST_TYPES = 200
# Events of a type, and of all, that are looked at.
CATALOGUE_SAMPLE, CATALOGUE_TOTAL = 1000, 40_000
INFERENCE_SAMPLE, INFERENCE_TOTAL = 20_000, 100_000
# An event with larger properties is not looked at: a block of the largest must fit in memory.
LONGEST_PROPERTIES = 65_536
STREAMED = {**SETTINGS, "max_block_size": 500}

_decode = msgspec.json.Decoder(dict[str, Any]).decode


class Sampled(Struct, frozen=True):
    """An event type: the row of `summarise_types`, and the shape of the properties that were looked at."""

    event_type: str
    row: Mapping[str, Any]
    shape: Shape


def sample_types(
    store: EventStore,
    workspace: str,
    now_ms: int,
    *,
    days: int,
    event_type: str = "",
    source: str = "",
    per_type: int = CATALOGUE_SAMPLE,
    total: int = CATALOGUE_TOTAL,
) -> list[Sampled]:
    """Event types received in the last days, the most frequent first. QuestionError for what cannot be asked."""
    filters = filter_events(now_ms, days, event_type, source)
    rows = run_query(
        store, compile_query("summarise_types", {"workspace": workspace, "limit": MOST_TYPES + 1}, filters)
    )
    shapes = {row["event_type"]: Shape(Places()) for row in rows[:MOST_TYPES]}
    if shapes:
        most = max(1, min(per_type, total // len(shapes)))
        asked = {
            "workspace": workspace,
            "types": list(shapes),
            "steps": [-(-row["events"] // most) for row in rows[:MOST_TYPES]],
            # A hash is even only by and large.
            "most": 2 * most,
            "longest": LONGEST_PROPERTIES,
        }
        query = compile_query("sample_properties", asked, filters)
        for row in store.stream(query.sql, query.parameters, STREAMED):
            shapes[row["event_type"]].add(_decode(row["properties_text"] or "{}"), row["received_at_ms"])
    return [Sampled(row["event_type"], row, shapes[row["event_type"]]) for row in rows[:MOST_TYPES]]


def filter_events(now_ms: int, days: int, event_type: str, source: str) -> dict[Filter, Mapping[str, Any]]:
    check_number("days", days, 1, MOST_DAYS)
    filters: dict[Filter, Mapping[str, Any]] = {Filter.RECEIVED_FROM: {"received_from": max(0, now_ms - days * DAY_MS)}}
    if event_type:
        filters[Filter.EVENT_TYPE] = {"event_type": check_text("event_type", event_type)}
    if source:
        filters[Filter.SOURCE] = {"source": check_text("source", source)}
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
) -> dict[str, Any]:
    """{"days", "events", "items": [{"event_type", "events", "share", …, "properties": […]}]}, the most frequent first.

    `sampled` says how many events of the type were looked at; what is said of properties is said of these.
    """
    sampled = sample_types(store, workspace, now_ms, days=days, event_type=event_type, source=source)
    hidden = list_hidden(state, workspace)
    planned: dict[str, list[dict[str, Any]]] = {}
    for entry in list_entries(state, workspace):
        told = {"source": entry.source, "mode": entry.mode, "version": entry.version}
        planned.setdefault(entry.event_type, []).append(told)
    total = sum(each.row["events"] for each in sampled)
    return {
        "days": days,
        "events": total,
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
    }


def list_hidden(state: State, workspace: str) -> frozenset[str]:
    """Places of which no value is shown: rules hide them, or personal data was found there."""
    found = {finding["path"] for finding in list_findings(state, workspace)}
    return frozenset(found | read_pii_rules(state).get(workspace, {}).keys())


def _describe_place(place: Place, root: Shape, hidden: frozenset[str]) -> dict[str, Any]:
    shape = place.shape
    secret = any(place.rule_path == path or place.rule_path.startswith(f"{path}.") for path in hidden)
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

    QuestionError when no event fits.
    """
    sampled = sample_types(
        store,
        workspace,
        now_ms,
        days=days,
        event_type=event_type,
        source=source,
        per_type=INFERENCE_SAMPLE,
        total=INFERENCE_TOTAL,
    )
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
