"""Whether a source's first event has arrived, and if none has, what is known of why.

Station 5. A request without a key, or with one that nobody has, belongs to no source, so such requests are counted for
all of this process together; what a browser or a blocker held back never reaches the server and is not known here.
"""

from collections.abc import Mapping
from typing import Any

from trackway.control.database import State
from trackway.outcome import REASONS, Outcome, Reason
from trackway.profiles.held import count_held
from trackway.query.compiler import Filter, compile_query, run_query
from trackway.query.events import find_events
from trackway.query.rejections import Wanted, count_nobodys, find_rejection, list_rejections
from trackway.store.client import EventStore

HELD = "held"
HELD_MEANING = "It waits until its person agrees to be tracked"
KEY_REASONS = (Reason.MISSING_KEY, Reason.UNKNOWN_KEY)
NOTHING: Mapping[str, Any] = {"event": None, "rejection": None, "unstored": None, "keyless": {}}


def describe_arrival(store: EventStore, state: State, workspace: str, source: str) -> dict[str, Any]:
    """{"event", "rejection", "unstored", "keyless"}: the newest event; while there is none the newest rejection with the
    page's `origin`, the most frequent reason for which something was not stored, and how many requests had no key of ours."""
    newest = find_events(store, workspace, source=source, limit=1)["items"]
    if newest:
        return {**NOTHING, "event": newest[0]}
    return {
        "event": None,
        "rejection": _find_rejection(state, workspace, source),
        "unstored": _find_unstored(store, state, workspace, source),
        "keyless": _count_keyless(),
    }


def _find_rejection(state: State, workspace: str, source: str) -> dict[str, Any] | None:
    items = list_rejections(state, workspace, Wanted(source=source), limit=1)["items"]
    if not items:
        return None
    letter = find_rejection(state, workspace, items[0]["id"]) or items[0]
    sent = letter.get("sent") or {}
    return {**items[0], "origin": sent.get("headers", {}).get("origin", "")}


def _find_unstored(store: EventStore, state: State, workspace: str, source: str) -> dict[str, Any] | None:
    """{"reason", "meaning", "events"}; None when nothing was left out."""
    rows = run_query(
        store, compile_query("count_outcomes_by_source", {"workspace": workspace}, {Filter.SOURCE: {"source": source}})
    )
    found = [
        {"reason": row["reason"], "meaning": REASONS[Reason(row["reason"])].meaning, "events": row["events"]}
        for row in rows
        if row["outcome"] == Outcome.DROPPED
    ]
    with state.read() as connection:
        held = sum(events for (of, _), events in count_held(connection, workspace).items() if of == source)
    if held:
        found.append({"reason": HELD, "meaning": HELD_MEANING, "events": held})
    return max(found, key=lambda each: each["events"], default=None)


def _count_keyless() -> dict[str, int]:
    """Requests that the native protocol refused for their key, since this process started."""
    counted = {each["reason"]: each["requests"] for each in count_nobodys() if each["protocol"] == "native"}
    return {reason.value: counted.get(reason.value, 0) for reason in KEY_REASONS}
