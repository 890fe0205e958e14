"""Turns rows of the store into the shapes of the API.

Station 5 of the road, its last step. Pure. `properties` and `context` stay the JSON text that was
accepted, as `msgspec.Raw`: encoding splices it in, nothing is parsed and written again.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from trackway.clock import format_time
from trackway.event import Event, LogPlace
from trackway.query.compiler import OBJECTS, TIMES
from trackway.store.rows import MONEY_FIELDS, MONEY_PARTS, NO_PROFILE, PROFILE_FIELDS


def format_moment(ms: int) -> str:
    """`2026-01-31T10:00:00.000Z`; empty text for 0, which means unknown."""
    return format_time(ms) if ms else ""


def format_profile(text: str) -> str:
    """A profile's id; empty text where the store has the id of nobody."""
    return "" if text == NO_PROFILE else text


def format_money(parts: int) -> float:
    """Ten-thousandths as a number: exact up to 900,000,000,000, since a double holds 53 bits."""
    return parts / MONEY_PARTS


def describe_event(row: Mapping[str, Any]) -> dict[str, Any]:
    """The API's form of a row selected with the event columns: every field of `Event`, in its order."""
    event: dict[str, Any] = {}
    for field in Event.__struct_fields__:
        if field in TIMES:
            event[field] = format_moment(row[f"{field}_ms"])
        elif field in OBJECTS:
            event[field] = msgspec.Raw(row[f"{field}_text"].encode() or b"{}")
        elif field in PROFILE_FIELDS:
            event[field] = format_profile(row[f"{field}_text"])
        elif field in MONEY_FIELDS:
            event[field] = format_money(row[f"{field}_parts"])
        else:
            event[field] = row[field]
    event["event_id"] = str(event["event_id"])
    return event


def read_place(row: Mapping[str, Any]) -> LogPlace:
    return LogPlace(row["log_segment"], row["log_record"], row["log_index"])


def describe_place(place: LogPlace) -> dict[str, Any]:
    """The segment as its file's name says it: 16 hex digits, since JSON readers cut 64-bit numbers."""
    return {"segment": f"{place.segment:016x}", "record": place.record, "index": place.index}
