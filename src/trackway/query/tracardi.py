"""Profiles, sessions and events as Tracardi's management routes show them.

Station 5. The questions are those of the API; only the shape of the answers is Tracardi's.
"""

from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import select

from trackway.clock import format_time
from trackway.control.database import State
from trackway.control.erased import find_erased
from trackway.control.privacy_requests import RUNNING, WAITING
from trackway.control.privacy_tables import PRIVACY_REQUESTS
from trackway.event_types import PAGE_VIEW_TYPES
from trackway.profiles.identifiers import read_profile_id
from trackway.profiles.traits import Trait
from trackway.query.activity import Whose, name_profiles, summarise
from trackway.query.answers import describe_event, format_profile
from trackway.query.compiler import compile_query, run_query
from trackway.query.people import Person, find_person, list_traits, read_person
from trackway.query.questions import QuestionError
from trackway.query.sessions import list_sessions
from trackway.query.tracardi_profile import render_profile
from trackway.store.client import EventStore

PROTOCOL = "tracardi"
JOURNEY = "journey"
VISIT_ENDED = "visit-ended"


def show_profile(store: EventStore, state: State, workspace: str, profile_id: str) -> dict[str, Any] | None:
    """The whole profile; None when nobody is known by this id, or somebody asked for their erasure."""
    person = find_living(state, workspace, profile_id)
    if person is None:
        return None
    figures = summarise(store, workspace, Whose(person.keys))
    if not figures["events"] and not person.known and not _list_traits(state, person):
        return None
    shown = render_profile(state, person.profile, private=True)
    times = shown["metadata"]["time"]
    times["insert"] = times["create"] = times["insert"] or figures["first_seen"] or None
    times["update"] = max(filter(None, (times["update"], figures["last_seen"])), default=None)
    visits = list_sessions(store, workspace, person.keys, limit=2)["items"]
    if len(visits) > 1:
        times["visit"]["last"] = visits[1]["started_at"]
    return shown


def find_living(state: State, workspace: str, profile_id: str) -> Person | None:
    """Whose id this is or was; None also when they are erased, or an erasure is on its way."""
    try:
        person = find_person(state, workspace, profile_id)
    except QuestionError:
        return None
    if person is None:
        return None
    t = PRIVACY_REQUESTS.c
    asked = select(t.id).where(
        t.profile == person.profile, t.workspace == workspace, t.kind == "erase", t.state.in_((WAITING, RUNNING))
    )
    with state.read() as connection:
        if connection.execute(asked).first() is not None:
            return None
        return None if not person.known and find_erased(connection, {person.profile}) else person


def _list_traits(state: State, person: Person) -> list[Trait]:
    with state.read() as connection:
        return list_traits(connection, {person.profile, *person.known})


def show_session(store: EventStore, state: State, workspace: str, session_id: str) -> dict[str, Any] | None:
    """A session that a Tracardi client named; None when no event of it is stored."""
    parameters = {
        "workspace": workspace,
        "session": session_id,
        "protocol": PROTOCOL,
        "page_view_types": list(PAGE_VIEW_TYPES),
    }
    (row,) = run_query(store, compile_query("describe_session", parameters))
    if not row["events"]:
        return None
    key = format_profile(row["profile_key_text"])
    with state.read() as connection:
        profile = read_person(connection, read_profile_id(key)).id if key else None
    return {
        "id": session_id,
        "profile": {"id": profile} if profile else None,
        "metadata": {
            "time": {
                "insert": format_time(row["first_ms"]),
                "update": format_time(row["last_ms"]),
                "duration": (row["last_ms"] - row["first_ms"]) / 1000,
            },
            "status": "ended" if row["last_type"] == VISIT_ENDED else "active",
        },
        "source": {"id": row["source"]},
        "events": row["events"],
        "page_views": row["page_views"],
        "device": {
            "type": row["device"],
            "geo": {"country": {"code": row["country"], "name": None}, "city": row["city"]},
        },
        "os": {"name": row["os"], "version": None},
        "app": {"name": row["browser"], "type": "browser" if row["browser"] else None},
        "utm": {name: row[f"utm_{name}"] for name in ("source", "medium", "campaign", "term", "content")},
        "context": {},
        "properties": {},
        "traits": {},
        "aux": {},
    }


def show_event(store: EventStore, state: State, workspace: str, event_id: str) -> dict[str, Any] | None:
    """A stored event by our id, or by the id that its Tracardi client gave it."""
    rows: list[dict[str, Any]] = []
    try:
        parameters = {"workspace": workspace, "event_id": str(UUID(event_id))}
        rows = run_query(store, compile_query("find_event", parameters))
    except ValueError:
        pass
    if not rows:
        named = {"workspace": workspace, "protocol": PROTOCOL, "key": event_id}
        rows = run_query(store, compile_query("find_event_by_key", named))
    if not rows:
        return None
    (event,) = name_profiles(state, [describe_event(rows[0])])
    context = msgspec.json.decode(event["context"])
    return {
        "id": event["event_id"] if not event["dedupe_key"] else event["dedupe_key"],
        "name": " ".join(word.capitalize() for word in event["event_type"].split("-")),
        "type": event["event_type"],
        "metadata": {
            "time": {"insert": event["occurred_at"], "create": event["received_at"], "update": None},
            "status": "processed",
            "valid": not event["plan_errors"],
            "error": False,
            "warning": False,
        },
        "source": {"id": event["source"]},
        "session": {"id": event["session_id"]} if event["session_id"] else None,
        "profile": {"id": event["profile_id"]} if event["profile_id"] else None,
        "properties": event["properties"],
        "traits": event["traits"],
        "context": context,
        "tags": {"values": context.get("tags", [])},
        "journey": {"state": context.get(JOURNEY)},
        "hit": {"url": event["url"], "name": event["title"], "referer": event["referrer_host"]},
        "device": {
            "type": event["device"],
            "ip": event["ip"],
            "geo": {"country": {"code": event["country"], "name": None}, "city": event["city"]},
        },
        "os": {"name": event["os"], "version": event["os_version"]},
        "app": {"name": event["browser"], "version": event["browser_version"]},
        "utm": {name: event[f"utm_{name}"] for name in ("source", "medium", "campaign", "term", "content")},
        "config": context.get("options", {}),
    }
