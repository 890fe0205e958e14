"""What a person or an account did: timeline, figures, engagement, and who else they may be.

Station 5. Asked by the profile keys of all identifiers of a person, so that history from before a
login belongs to whoever logged in, the moment the ledger says so.
"""

from collections.abc import Mapping, Sequence
from math import exp
from typing import Any

from msgspec import Struct

from trackway.control.database import State
from trackway.event_types import CONVERSION_TYPES, PAGE_VIEW_TYPES, RECORD_TYPES
from trackway.profiles.identifiers import format_profile_id, read_profile_id
from trackway.profiles.ledger import in_chunks, read_known
from trackway.query.answers import describe_event, format_moment, format_money
from trackway.query.compiler import Filter, compile_query, run_query
from trackway.query.cursors import TimelineCursor, decode_timeline_cursor, encode_cursor
from trackway.query.questions import FEWEST_ITEMS, MOST_ITEMS, check_number, check_text
from trackway.query.sessions import count_sessions_of
from trackway.store.client import EventStore

DAY_MS = 86_400_000
TOP_PAGES = 10
MOST_SUGGESTED = 10
MOST_LIKENESSES = 200
# The score: points of the last 90 days, halved every 14 days; 100 is never quite reached.
SCORE_DAYS = 90
HALF_LIFE_DAYS = 14
POINTS_OF_CONVERSION, POINTS_OF_PAGE, POINTS_OF_EVENT = 20.0, 1.0, 2.0
POINTS_OF_63 = 40.0


class Whose(Struct, frozen=True):
    """Whose events: those with one of the profile keys and, of an account, those that name it."""

    keys: Sequence[str]
    account: str = ""

    @property
    def filters(self) -> dict[Filter, Mapping[str, Any]]:
        if self.account:
            return {Filter.ACCOUNT: {"account": self.account, "keys": list(self.keys)}}
        return {Filter.PROFILE_KEYS: {"keys": list(self.keys)}}


def list_timeline(
    store: EventStore,
    state: State,
    workspace: str,
    whose: Whose,
    *,
    limit: int = 50,
    event_type: str = "",
    source: str = "",
    cursor: str = "",
) -> dict[str, Any]:
    """{"items": [Event…], "next": cursor or None}, newest first by when events occurred.

    `profile_id` of each event is what it belongs to now. QuestionError for a wrong limit or cursor.
    """
    check_number("limit", limit, FEWEST_ITEMS, MOST_ITEMS)
    filters = whose.filters
    if event_type:
        filters[Filter.EVENT_TYPE] = {"event_type": check_text("event_type", event_type)}
    if source:
        filters[Filter.SOURCE] = {"source": check_text("source", source)}
    if cursor:
        before = decode_timeline_cursor(cursor)
        filters[Filter.BEFORE_MOMENT] = {"before_ms": before.occurred_at, "before_event": before.event_id}
    rows = run_query(store, compile_query("list_timeline", {"workspace": workspace, "limit": limit + 1}, filters))
    page = rows[:limit]
    last = page[-1] if len(rows) > limit else None
    return {
        "items": name_profiles(state, [describe_event(row) for row in page]),
        "next": encode_cursor(TimelineCursor(last["occurred_at_ms"], str(last["event_id"]))) if last else None,
    }


def name_profiles(state: State, events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each event's `profile_id` as the ledger has it now: the store's is of the moment of storing."""
    keys = {event["profile_key"] for event in events if event["profile_key"]}
    if keys:
        with state.read() as connection:
            known = read_known(connection, [read_profile_id(key) for key in keys])
        for event in events:
            if event["profile_key"]:
                found = known.get(read_profile_id(event["profile_key"]))
                event["profile_id"] = format_profile_id(found.profile) if found else event["profile_key"]
    return events


def summarise(store: EventStore, workspace: str, whose: Whose) -> dict[str, Any]:
    """Figures of all time; `events` is 0 where there is nothing."""
    parameters = {
        "workspace": workspace,
        "page_view_types": list(PAGE_VIEW_TYPES),
        "conversion_types": list(CONVERSION_TYPES),
    }
    (row,) = run_query(store, compile_query("summarise_people", parameters, whose.filters))
    there = row["events"] > 0
    return {
        **{name: row[name] for name in ("events", "page_views", "conversions")},
        "first_seen": format_moment(row["first_ms"]) if there else "",
        "last_seen": format_moment(row["last_ms"]) if there else "",
        "revenue": {currency: format_money(parts) for currency, parts in sorted(row["revenue"].items())},
        **{name: row[name] for name in ("country", "city", "device", "browser", "os")},
    }


def describe_engagement(store: EventStore, workspace: str, whose: Whose, now_ms: int, days: int = 90) -> dict[str, Any]:
    """{"days": [{"day", "events", "page_views", "conversions"}…], "top_pages", "score", "figures", "sessions"}.

    The score is explained in docs/reference/people.md. QuestionError when `days` is not 1 to 366.
    """
    check_number("days", days, 1, 366)
    parameters = {
        "workspace": workspace,
        "page_view_types": list(PAGE_VIEW_TYPES),
        "conversion_types": list(CONVERSION_TYPES),
    }
    today = now_ms // DAY_MS
    since = {Filter.OCCURRED_FROM: {"occurred_from": (today - max(days, SCORE_DAYS) + 1) * DAY_MS}}
    told = parameters | {"record_types": list(RECORD_TYPES)}
    counted = run_query(store, compile_query("count_days_of_people", told, whose.filters | since))
    pages = run_query(
        store,
        compile_query(
            "list_pages_of_people",
            {"workspace": workspace, "page_view_types": list(PAGE_VIEW_TYPES), "limit": TOP_PAGES},
            whose.filters,
        ),
    )
    by_day = {row["day_ms"] // DAY_MS: row for row in counted}
    empty = {"events": 0, "page_views": 0, "conversions": 0}
    return {
        "score": score_days(by_day, today),
        "days": [
            {"day": format_moment(day * DAY_MS)[:10]} | {name: by_day.get(day, empty)[name] for name in empty}
            for day in range(today - days + 1, today + 1)
        ],
        "top_pages": [
            {
                "host": row["host"],
                "path": row["path"],
                "title": row["title"],
                "views": row["views"],
                "last_at": format_moment(row["last_ms"]),
            }
            for row in pages
        ],
    }


def score_days(by_day: Mapping[int, Mapping[str, int]], today: int) -> int:
    """0 to 100 out of what happened on each day (days since 1970): recent and weighty counts more. Pure."""
    points = 0.0
    for day, row in by_day.items():
        if not 0 <= today - day < SCORE_DAYS:
            continue
        other = row["events"] - row["page_views"] - row["conversions"] - row["records"]
        weight = (
            row["conversions"] * POINTS_OF_CONVERSION + row["page_views"] * POINTS_OF_PAGE + other * POINTS_OF_EVENT
        )
        points += weight * 0.5 ** ((today - day) / HALF_LIFE_DAYS)
    return round(100 * (1 - exp(-points / POINTS_OF_63)))


def count_person_sessions(store: EventStore, workspace: str, keys: Sequence[str]) -> int:
    """How many sessions somebody ever had."""
    return sum(count_sessions_of(store, workspace, {keys[0]: keys}).values()) if keys else 0


def suggest_links(store: EventStore, state: State, workspace: str, keys: Sequence[str]) -> list[dict[str, Any]]:
    """Profiles that may be the same person, by address and browser: told as a suggestion, merged by nobody.

    `confidence` is 1 / (how many shared the hash - 1), halved: an address and a browser prove nothing.
    """
    own = {Filter.PROFILE_KEYS: {"keys": list(keys)}}
    likenesses = run_query(
        store, compile_query("list_likenesses", {"workspace": workspace, "limit": MOST_LIKENESSES}, own)
    )
    if not likenesses:
        return []
    # Named one by one, they are found through the bloom filter; as a subquery they would read every row.
    asked = {
        "workspace": workspace,
        "keys": list(keys),
        "weak_keys": [row["weak_key"] for row in likenesses],
        "first_ms": min(row["first_ms"] for row in likenesses),
        "last_ms": max(row["last_ms"] for row in likenesses),
        "limit": MOST_SUGGESTED * 5,
    }
    rows = run_query(store, compile_query("suggest_links", asked))
    nodes = [read_profile_id(row["profile_key_text"]) for row in rows]
    with state.read() as connection:
        known = {node: each for chunk in in_chunks(nodes) for node, each in read_known(connection, chunk).items()}
    found: dict[str, dict[str, Any]] = {}
    for row, node in zip(rows, nodes, strict=True):
        profile = format_profile_id(known[node].profile if node in known else node)
        found.setdefault(
            profile,
            {
                "profile_id": profile,
                "confidence": round(0.5 / max(1, row["fewest_sharers"] - 1), 3),
                "events": row["events"],
                "last_seen": format_moment(row["last_seen_ms"]),
                "why": "same address and browser within a day",
            },
        )
    return list(found.values())[:MOST_SUGGESTED]
