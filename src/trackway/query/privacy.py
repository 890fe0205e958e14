"""Whom a privacy request is about, what it would remove, and how long events are kept.

Station 5. Asks and tells; carrying requests out is the business of `trackway.privacy`.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from trackway.clock import format_time
from trackway.control.database import State
from trackway.control.privacy_requests import About, list_runs
from trackway.control.retention import EVERY_TYPE, Rule
from trackway.profiles.identifiers import format_profile_id
from trackway.query.compiler import compile_query, run_query
from trackway.query.people import check_identifier, find_person, open_keys
from trackway.query.profiles import find_profile
from trackway.store.client import EventStore

DAY_MS = 86_400_000
SHOWN_RUNS = 30


class Subject(Struct, frozen=True):
    """`profile` is the person's profile, or the node of an identifier that was never linked."""

    about: About
    profile: bytes


def find_subject(state: State, workspace: str, kind: str, value: str, country: str = "") -> Subject | None:
    """Whom an identifier, or a profile's id, names; None when no profile has or had that id.

    Nobody need be known by an identifier: their events may still come. QuestionError when it is none of its kind.
    """
    if kind == "profile_id":
        person = find_person(state, workspace, value)
        return Subject(About(kind, person.id), person.profile) if person else None
    identifier = check_identifier(kind, value, country.upper())
    return Subject(About(identifier.kind, identifier.value), open_keys(state, workspace).make(identifier))


def preview_removal(store: EventStore, state: State, workspace: str, subject: Subject) -> dict[str, Any]:
    """What is known of the subject: {"known", "profile_id", "name", "identities", "traits", "accounts", "events", …}."""
    profile = find_profile(store, state, workspace, format_profile_id(subject.profile))
    if profile is None:
        return {"known": False}
    return {
        "known": True,
        "profile_id": profile["profile_id"],
        "name": profile["name"],
        "identities": profile["identities"],
        "traits": len(profile["traits"]),
        "accounts": len(profile["accounts"]),
        **{name: profile["figures"][name] for name in ("events", "sessions", "first_seen", "last_seen")},
    }


def describe_retention(state: State, workspace: str, rules: Sequence[Rule]) -> dict[str, Any]:
    """{"rules": […], "runs": […]}: the rules as they are given, and what went lately."""
    return {
        "rules": [
            {
                "event_type": rule.event_type,
                "days": rule.days,
                "changed_by": rule.changed_by,
                "changed_at": format_time(rule.changed_at),
            }
            for rule in rules
        ],
        "runs": [
            {
                "started_at": format_time(run.asked_at),
                "finished_at": format_time(run.finished_at) if run.finished_at else "",
                "state": run.state,
                "events": msgspec.json.decode(run.answer)["events"] if run.answer else None,
            }
            for run in list_runs(state, workspace, SHOWN_RUNS)
        ],
    }


def count_beyond(store: EventStore, workspace: str, rules: Sequence[Rule], now_ms: int) -> dict[str, int]:
    """How many events of each type the rules would let go now, the most first."""
    below = {rule.event_type: (now_ms // DAY_MS - rule.days) * DAY_MS for rule in rules}
    other = below.pop(EVERY_TYPE, 0)
    parameters = {
        "workspace": workspace,
        # An array without items has no type; no event has the empty type.
        "types": [*below, ""],
        "below": [*below.values(), 0],
        "other_below": other,
    }
    return {
        row["event_type"]: row["events"]
        for row in run_query(store, compile_query("count_beyond_retention", parameters))
    }
