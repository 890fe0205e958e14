"""Visitors: the people who were there, last seen first, and the search for one by any identifier.

Station 5. The store says who was seen when; who somebody is, what they are called and which keys are
theirs comes from the ledger, for the people of one page only.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, select

from trackway.control.database import State
from trackway.profiles.accounts import read_members
from trackway.profiles.identifiers import (
    KINDS,
    Identifier,
    format_profile_id,
    is_blocked,
    normalise,
    read_profile_id,
)
from trackway.profiles.ledger import Known, in_chunks, read_known, read_traits
from trackway.profiles.tables import IDENTITIES
from trackway.profiles.traits import find_traits
from trackway.query.answers import format_moment, format_money
from trackway.query.compiler import Filter, compile_query, run_query
from trackway.query.cursors import VisitorCursor, decode_visitor_cursor, encode_cursor
from trackway.query.people import describe_accounts, describe_identities, name_person, open_keys
from trackway.query.questions import FEWEST_ITEMS, MOST_ITEMS, QuestionError, check_number, check_text
from trackway.query.sessions import count_sessions_of
from trackway.store.client import EventStore

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
LAST_MS = 10_413_791_999_999
# People are looked for in the last hour, then further back. None is without a bound.
LOOK_BACKS_MS = (HOUR_MS, 24 * HOUR_MS, 30 * 24 * HOUR_MS, None)
MOST_MINUTES = 30 * 24 * 60
# Ids travel in the address of a request to the store, twice in one question; so many are 40 kB.
KEYS_AT_ONCE = 500
MOST_MEMBERS = 1000
# Whether somebody is identified is known to the ledger alone, so that many are looked through for one page.
MOST_LOOKED_AT = 20_000
IDENTIFIED = ("", "yes", "no")

People = dict[str, dict[bytes, Known]]


def list_visitors(
    store: EventStore,
    state: State,
    workspace: str,
    now_ms: int,
    *,
    limit: int = 50,
    minutes: int = 0,
    identified: str = "",
    account: str = "",
    source: str = "",
    cursor: str = "",
) -> dict[str, Any]:
    """{"items": [visitor…], "next": cursor or None}, last seen first; bots are left out.

    With `source`, last_seen and the figures but the sessions are of its events alone. A page may have fewer
    than `limit` items and a `next` all the same. QuestionError for a value out of bounds.
    """
    check_number("limit", limit, FEWEST_ITEMS, MOST_ITEMS)
    check_number("minutes", minutes, 0, MOST_MINUTES)
    if identified not in IDENTIFIED:
        raise QuestionError(f"identified must be yes, no or empty, not {identified[:60]!r}", "identified")
    before = decode_visitor_cursor(cursor) if cursor else VisitorCursor(LAST_MS, "")
    filters: dict[Filter, Mapping[str, Any]] = {}
    if source:
        filters[Filter.SOURCE] = {"source": check_text("source", source)}
    if account:
        keys = _list_member_keys(state, workspace, check_text("account", account))
        if not keys:
            return {"items": [], "next": None}
        filters[Filter.PROFILE_KEYS] = {"keys": keys}
    since = now_ms - minutes * MINUTE_MS if minutes else 0
    found: People = {}
    looked_at, more = 0, True
    while more and len(found) < limit and looked_at < MOST_LOOKED_AT:
        wanted = MOST_ITEMS if identified else limit
        rows = _look_back(store, workspace, filters, since, min(before.last_seen, now_ms), before, wanted + 1)
        more = len(rows) > wanted
        looked_at += len(rows)
        with state.read() as connection:
            people = read_people(connection, [row["profile_text"] for row in rows])
        for row in rows[:wanted]:
            if len(found) == limit:
                more = True
                break
            before = VisitorCursor(row["last_ms"], row["profile_text"])
            profile = people.current[row["profile_text"]]
            if identified in ("", "yes" if is_identified(people.known[profile]) else "no"):
                found[profile] = people.known[profile]
    shown = _describe_visitors(store, state, workspace, found, filters)
    return {"items": shown, "next": encode_cursor(before) if more else None}


def _look_back(
    store: EventStore,
    workspace: str,
    filters: Mapping[Filter, Mapping[str, Any]],
    since: int,
    newest: int,
    before: VisitorCursor,
    wanted: int,
) -> list[dict[str, Any]]:
    """People down from `before`, from as short a span as holds `wanted` of them."""
    parameters = {
        "workspace": workspace,
        "before_ms": before.last_seen,
        "before_profile": before.profile,
        "limit": wanted,
    }
    rows: list[dict[str, Any]] = []
    for span in LOOK_BACKS_MS:
        start = max(since, 0 if span is None else newest - span)
        bounded = {**filters, **({Filter.OCCURRED_FROM: {"occurred_from": start}} if start > 0 else {})}
        rows = run_query(store, compile_query("list_visitors", parameters, bounded))
        if len(rows) == wanted or start == since:
            break
    return rows


class Found(Struct, frozen=True):
    """`current` says which profile an id belongs to now, `known` what the ledger has of each such profile."""

    current: Mapping[str, str]
    known: People


def read_people(connection: Connection, ids: Sequence[str]) -> Found:
    nodes = [read_profile_id(text) for text in ids]
    known = read_known(connection, nodes)
    current = {format_profile_id(n): format_profile_id(known[n].profile if n in known else n) for n in nodes}
    people: People = {profile: {} for profile in current.values()}
    for chunk in in_chunks({read_profile_id(profile) for profile in people}):
        for row in connection.execute(select(IDENTITIES).where(IDENTITIES.c.profile.in_(chunk))):
            each = Known(row.workspace, Identifier(row.kind, row.value), bytes(row.profile), row.hub, row.version)
            people[format_profile_id(each.profile)][bytes(row.node)] = each
    return Found(current, people)


def is_identified(known: Mapping[bytes, Known]) -> bool:
    return any(KINDS[each.identifier.kind].person for each in known.values())


def _list_member_keys(state: State, workspace: str, account: str) -> list[str]:
    """All keys of the people who were seen with an account, of those seen last when there are very many."""
    with state.read() as connection:
        stays = read_members(connection, workspace, account)
        newest = sorted(stays, key=lambda node: -stays[node].last_at)[:MOST_MEMBERS]
        found = read_people(connection, [format_profile_id(node) for node in newest])
    keys = dict.fromkeys(key for profile, known in found.known.items() for key in list_keys(profile, known))
    return list(keys)[:MOST_MEMBERS]


def list_keys(profile: str, known: Mapping[bytes, Known]) -> list[str]:
    return list(dict.fromkeys((profile, *map(format_profile_id, known))))


def _describe_visitors(
    store: EventStore, state: State, workspace: str, people: People, filters: Mapping[Filter, Mapping[str, Any]]
) -> list[dict[str, Any]]:
    figures: dict[str, Mapping[str, Any]] = {}
    sessions: dict[str, int] = {}
    of_source = {name: values for name, values in filters.items() if name is Filter.SOURCE}
    keys_of = {profile: list_keys(profile, known) for profile, known in people.items()}
    for some in _share_out(keys_of):
        keys = [key for own in some.values() for key in own]
        names = [profile for profile, own in some.items() for _ in own]
        asked = {"workspace": workspace, "people": names}
        rows = run_query(
            store, compile_query("summarise_visitors", asked, of_source | {Filter.PROFILE_KEYS: {"keys": keys}})
        )
        figures |= {row["profile_text"]: row for row in rows}
        sessions |= count_sessions_of(store, workspace, some)
    with state.read() as connection:
        names_of = {profile: _describe_who(connection, profile, known) for profile, known in people.items()}
    return [
        {"profile_id": profile, **names_of[profile], **_describe_figures(figures[profile], sessions.get(profile, 0))}
        for profile in people
        if profile in figures
    ]


def _share_out(keys_of: Mapping[str, Sequence[str]]) -> Iterable[dict[str, Sequence[str]]]:
    """People in groups that together have few enough keys for one question; nobody is in two."""
    some: dict[str, Sequence[str]] = {}
    for profile, keys in keys_of.items():
        if some and sum(map(len, some.values())) + len(keys) > KEYS_AT_ONCE:
            yield some
            some = {}
        some[profile] = keys[:KEYS_AT_ONCE]
    if some:
        yield some


def _describe_who(connection: Connection, profile: str, known: Mapping[bytes, Known]) -> dict[str, Any]:
    nodes = {read_profile_id(profile), *known}
    traits = find_traits((name, register) for (_, name), register in read_traits(connection, nodes).items())
    accounts = describe_accounts(connection, nodes)
    return {
        "name": name_person(profile, traits, describe_identities(known)),
        "identified": is_identified(known),
        "account_id": accounts[0]["account_id"] if accounts else "",
    }


def name_people(state: State, ids: Sequence[str]) -> dict[str, str]:
    """What to call each of some profiles, by the id that was asked for."""
    with state.read() as connection:
        found = read_people(connection, ids)
        names = {profile: _describe_who(connection, profile, known)["name"] for profile, known in found.known.items()}
    return {asked: names[profile] for asked, profile in found.current.items()}


def _describe_figures(row: Mapping[str, Any], sessions: int) -> dict[str, Any]:
    return {
        "first_seen": format_moment(row["first_ms"]),
        "last_seen": format_moment(row["last_ms"]),
        "sessions": sessions,
        "events": row["events"],
        "revenue": {currency: format_money(parts) for currency, parts in sorted(row["revenue"].items())},
        "country": row["last_country"],
        "source": row["last_source"],
    }


def search_people(store: EventStore, state: State, workspace: str, text: str) -> list[dict[str, Any]]:
    """Whoever has `text` as an identifier of any kind, or as the id of a profile: [{profile_id, name, kind}…].

    The kind that says most about a person comes first; each profile is told once.
    """
    keys = open_keys(state, workspace)
    check_text("value", text)
    nodes: dict[bytes, str] = {}
    for kind in KINDS:
        if (value := normalise(kind, text)) and not is_blocked(text):
            node = keys.make(Identifier(kind, value))
            nodes.setdefault(node, kind)
            if kind == "profile_id" and keys.issued(own := read_profile_id(value)):
                nodes.setdefault(own, kind)
    if not nodes:
        return []
    asked = {Filter.PROFILE_KEYS: {"keys": [format_profile_id(node) for node in nodes]}}
    active = {
        row["profile_key_text"] for row in run_query(store, compile_query("find_keys", {"workspace": workspace}, asked))
    }
    found: dict[str, dict[str, Any]] = {}
    with state.read() as connection:
        known = read_known(connection, nodes)
        there = {node: kind for node, kind in nodes.items() if node in known or format_profile_id(node) in active}
        people = read_people(connection, [format_profile_id(node) for node in there])
        for node, kind in there.items():
            profile = people.current[format_profile_id(node)]
            who = _describe_who(connection, profile, people.known[profile])
            found.setdefault(profile, {"profile_id": profile, "kind": kind, **who})
    return list(found.values())
