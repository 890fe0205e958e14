"""Sessions: the list of one profile's or of all, and what they add up to.

Station 5. A session is rebuilt from events by when they occurred each time somebody asks
(`sql/sessions.sql`; docs/reference/sessions.md is the definition), so that neither the order of arrival
nor a late event can leave a wrong one behind. Nothing about sessions is stored.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from trackway.event_types import CONVERSION_TYPES, PAGE_VIEW_TYPES, RECORD_TYPES
from trackway.query.answers import format_moment, format_money, format_profile
from trackway.query.compiler import Filter, compile_query, run_query
from trackway.query.cursors import SessionCursor, decode_session_cursor, encode_cursor
from trackway.query.questions import FEWEST_ITEMS, MOST_HOURS, MOST_ITEMS, check_number
from trackway.store.client import EventStore

HOUR_MS = 3600 * 1000
DAY_MS = 24 * HOUR_MS
# DateTime64(3) ends with the year 2299.
LAST_MS = 10_413_791_999_999
# Sessions are asked for by when they began, and an event outside of that span may belong to one inside.
# One day reaches every session without a client's id; a client's own may last longer.
MARGIN_MS = DAY_MS
# One event cannot tell of more than a day of attention.
MOST_ENGAGED_MS = DAY_MS
BOUNCE_BELOW_MS = 10_000
# The newest sessions of a workspace are looked for in the last hour, then further back.
LOOK_BACKS_MS = (HOUR_MS, DAY_MS)
# Ids travel in the address of a request to the store; so many are 20 kB.
IDS_AT_ONCE = 500

COPIED_OF_ENTRY = ("referrer_class", "referrer_name", "browser", "os", "device", "country", "city")
COPIED_OF_CAMPAIGN = ("utm_source", "utm_medium", "utm_campaign", "click_id_kind")
COPIED_OF_ROW = ("page_views", "events", "conversions")


def list_sessions(
    store: EventStore, workspace: str, keys: Sequence[str], *, limit: int = 50, cursor: str = ""
) -> dict[str, Any]:
    """One profile's sessions, newest first: {"items": [session…], "next": cursor or None}.

    `keys` are the ids of all identifiers of the profile, as UUID texts: the events of all of them are one
    person's. QuestionError when `limit` is not 1 to 1000, or `cursor` is not one of an earlier answer.
    """
    check_number("limit", limit, FEWEST_ITEMS, MOST_ITEMS)
    before = _read_cursor(cursor)
    rows = _select(store, workspace, 0, before, limit + 1, keys) if keys else []
    return _describe_page(store, workspace, rows, limit)


def find_sessions(
    store: EventStore, workspace: str, now_ms: int, *, hours: int = 24, limit: int = 50, cursor: str = ""
) -> dict[str, Any]:
    """The workspace's sessions that began in the last `hours`, newest first, in the form of `list_sessions`.

    QuestionError when `hours` is not 1 to 8,784, `limit` not 1 to 1000, or `cursor` not one of an earlier answer.
    """
    check_number("hours", hours, 1, MOST_HOURS)
    check_number("limit", limit, FEWEST_ITEMS, MOST_ITEMS)
    since = max(0, now_ms - hours * HOUR_MS)
    before = _read_cursor(cursor)
    newest = min(before.started, now_ms)
    rows: list[dict[str, Any]] = []
    for started_from in (*(newest - span for span in LOOK_BACKS_MS if newest - span > since), since):
        rows = _select(store, workspace, started_from, before, limit + 1)
        if len(rows) > limit:
            break
    return _describe_page(store, workspace, rows, limit)


def count_sessions(store: EventStore, workspace: str, occurred_from: int, occurred_to: int) -> dict[str, Any]:
    """Totals of the sessions that began from `occurred_from` on and before `occurred_to`, in milliseconds.

    {"sessions", "bounce_rate", "mean_duration_ms", "mean_engaged_ms", "page_views_per_session"}; the last
    four are None when there is no session.
    """
    parameters = _bound(workspace, occurred_from, occurred_to) | {
        "started_from": occurred_from,
        "started_below": occurred_to,
    }
    (row,) = run_query(store, compile_query("count_sessions", parameters))
    sums = {
        "bounce_rate": row["bounces"],
        "mean_duration_ms": row["duration_ms"],
        "mean_engaged_ms": row["total_engaged_ms"],
        "page_views_per_session": row["total_page_views"],
    }
    sessions = row["sessions"]
    return {"sessions": sessions} | {name: total / sessions if sessions else None for name, total in sums.items()}


def count_sessions_of(store: EventStore, workspace: str, people: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """How many sessions each person ever had; `people` are their profile keys by whatever one of them names them."""
    keys = [key for own in people.values() for key in own]
    names = [name for name, own in people.items() for _ in own]
    if not keys:
        return {}
    parameters = _bound(workspace, 0, LAST_MS, keys) | {"people": names}
    rows = run_query(store, compile_query("count_sessions_of_people", parameters, {Filter.PROFILE_KEYS: {}}))
    return {row["person_text"]: row["sessions"] for row in rows}


def _bound(workspace: str, occurred_from: int, occurred_below: int, keys: Sequence[str] = ()) -> dict[str, Any]:
    """The parameters of `sql/sessions.sql` for sessions that begin in a span. All keys are one person's."""
    return {
        "workspace": workspace,
        "keys": list(keys),
        "people": [keys[0]] * len(keys) if keys else [],
        "occurred_from": max(0, occurred_from - MARGIN_MS),
        "occurred_below": min(LAST_MS, occurred_below + MARGIN_MS),
        "page_view_types": list(PAGE_VIEW_TYPES),
        "conversion_types": list(CONVERSION_TYPES),
        "record_types": list(RECORD_TYPES),
        "most_engaged": MOST_ENGAGED_MS,
        "bounce_below": BOUNCE_BELOW_MS,
    }


def _read_cursor(cursor: str) -> SessionCursor:
    """Without one, a place before every session."""
    return decode_session_cursor(cursor) if cursor else SessionCursor(LAST_MS, "", "")


def _select(
    store: EventStore, workspace: str, started_from: int, before: SessionCursor, wanted: int, keys: Sequence[str] = ()
) -> list[dict[str, Any]]:
    # A person has few sessions and some are long, so all of theirs are rebuilt whatever the page.
    below = LAST_MS if keys else before.started
    parameters = _bound(workspace, started_from, below, keys) | {
        "started_from": started_from,
        "before_ms": before.started,
        "before_session": before.session,
        "before_person": before.person,
        "limit": wanted,
    }
    filters: dict[Filter, Mapping[str, Any]] = {Filter.PROFILE_KEYS: {}} if keys else {}
    return run_query(store, compile_query("list_sessions", parameters, filters))


def _describe_page(store: EventStore, workspace: str, rows: Sequence[Mapping[str, Any]], limit: int) -> dict[str, Any]:
    page = rows[:limit]
    events = _find_events(store, workspace, page)
    last = page[-1] if len(rows) > limit else None
    return {
        "items": [_describe_session(row, events) for row in page],
        "next": encode_cursor(SessionCursor(last["started"], last["session"], last["person_text"])) if last else None,
    }


def _find_events(store: EventStore, workspace: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """The events that the rows name, by id."""
    ids = sorted({row[name] for row in rows for name in ("entry", "exit", "campaign") if row[name]})
    if not ids:
        return {}
    span = {
        "workspace": workspace,
        "occurred_from": min(row["started"] for row in rows),
        "occurred_to": max(row["ended"] for row in rows),
    }
    found: dict[str, Mapping[str, Any]] = {}
    for first in range(0, len(ids), IDS_AT_ONCE):
        asked = span | {"event_ids": ids[first : first + IDS_AT_ONCE]}
        for row in run_query(store, compile_query("list_session_events", asked)):
            found[row["event_id_text"]] = row
    return found


def _describe_session(row: Mapping[str, Any], events: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The API's form. An event that was erased between the two questions leaves its texts empty."""
    entry, leaving, campaign = (events.get(row[name], {}) for name in ("entry", "exit", "campaign"))
    return {
        "session_id": row["session"],
        "rebuilt": bool(row["rebuilt"]),
        "profile_key": format_profile(entry.get("profile_key_text", "")),
        "started_at": format_moment(row["started"]),
        "ended_at": format_moment(row["ended"]),
        "duration_ms": row["ended"] - row["started"],
        "engaged_ms": row["engaged_ms"],
        **{name: row[name] for name in COPIED_OF_ROW},
        "bounce": bool(row["bounce"]),
        "revenue": {currency: format_money(parts) for currency, parts in sorted(row["revenue"].items())},
        "entry_page": entry.get("page", ""),
        "exit_page": leaving.get("page", ""),
        **{name: campaign.get(name, "") for name in COPIED_OF_CAMPAIGN},
        **{name: entry.get(name, "") for name in COPIED_OF_ENTRY},
    }
