"""Events as they are stored: what the live feed reads.

Station 5. A reader holds a `LiveCursor` and asks for what was stored after it, in the order of
storing. `trackway.query.feed` asks for all listeners of a process together.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from trackway.event import LogPlace
from trackway.query.answers import describe_event, read_place
from trackway.query.compiler import compile_query, run_query
from trackway.query.cursors import LiveCursor, decode_live_cursor, encode_cursor
from trackway.query.questions import FEWEST_ITEMS, MOST_ITEMS, check_number
from trackway.store.client import EventStore


class StoredEvent(Struct, frozen=True):
    """An event in the API's form and as JSON (made once for all who are sent it), when and where it was stored."""

    event: dict[str, Any]
    json: bytes
    stored_at: int
    place: LogPlace


def read_newest_cursor(store: EventStore) -> LiveCursor:
    """The end of the store now: nothing that is stored is behind it."""
    rows = run_query(store, compile_query("newest_marks", {}))
    if not rows:
        return LiveCursor(0)
    marks = (LogPlace(row["log_segment"], *row["mark"]) for row in rows)
    return LiveCursor(rows[0]["stored_at_ms"], tuple(sorted(marks)))


def read_store_size(store: EventStore) -> tuple[int, int]:
    """Changes whenever something was stored; far cheaper than asking for events."""
    row = run_query(store, compile_query("newest_stored", {}))[0]
    return row["stored_at_ms"], row["events"]


def read_stored_after(store: EventStore, workspace: str, cursor: LiveCursor, limit: int) -> list[StoredEvent]:
    """At most `limit` events stored after `cursor`, in the order of storing."""
    rows = run_query(
        store,
        compile_query(
            "list_new_events",
            {
                "workspace": workspace,
                "stored_at": cursor.stored_at,
                # The number 0, which no segment has, keeps the lists from being empty.
                "marked_segments": [0, *(mark.segment for mark in cursor.marks)],
                "marked_next": [0, *(mark.record * 65536 + mark.index + 1 for mark in cursor.marks)],
                "limit": limit,
            },
        ),
    )
    return [_describe(row) for row in rows]


def _describe(row: Mapping[str, Any]) -> StoredEvent:
    event = describe_event(row)
    return StoredEvent(event, msgspec.json.encode(event), row["stored_at_ms"], read_place(row))


def read_new_events(store: EventStore, workspace: str, cursor: str, limit: int = 100) -> dict[str, Any]:
    """{"items": [Event…], "cursor"}: what was stored after `cursor`, oldest first.

    An empty cursor means from now on: no events, and the cursor to ask with. QuestionError when
    `limit` is not 1 to 1000, or `cursor` is none that was given out.
    """
    check_number("limit", limit, FEWEST_ITEMS, MOST_ITEMS)
    if not cursor:
        return {"items": [], "cursor": encode_cursor(read_newest_cursor(store))}
    seen = decode_live_cursor(cursor)
    stored = read_stored_after(store, workspace, seen, limit)
    for each in stored:
        seen = seen.advance(each.stored_at, each.place)
    return {"items": [each.event for each in stored], "cursor": encode_cursor(seen)}
