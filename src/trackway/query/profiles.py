"""A profile as pages, API and command line show it; the links that make it; what a decision would change.

Station 5. Puts together what `people` and `activity` answer.
"""

from typing import Any

from trackway.clock import format_time
from trackway.control.database import State
from trackway.profiles.decisions import (
    Decision,
    change_edges,
    describe_change,
    list_applied,
    make_decision_id,
)
from trackway.profiles.graph import WHY
from trackway.profiles.identifiers import format_profile_id
from trackway.profiles.ledger import Known, count_edges_at, read_edges_at, read_known, read_standings
from trackway.profiles.people import Guards, People, Settled
from trackway.query.activity import Whose, count_person_sessions, suggest_links, summarise
from trackway.query.compiler import compile_query, run_query
from trackway.query.domains import suggest_accounts
from trackway.query.people import (
    Person,
    describe_accounts,
    describe_identities,
    describe_trait,
    find_by_identifier,
    find_person,
    list_traits,
    name_person,
)
from trackway.store.client import EventStore

RULES = {
    "same_event": "one event named both",
    "calc_group": "the hash was computed from this address",
    "operator": "a person merged them",
}
MOST_EDGES = 500


def find_profile(store: EventStore, state: State, workspace: str, profile_id: str) -> dict[str, Any] | None:
    """Everything about a profile but its events; None when nobody is known by this id.

    QuestionError when it is no UUID.
    """
    person = find_person(state, workspace, profile_id)
    return _describe_profile(store, state, workspace, person) if person else None


def look_up(
    store: EventStore, state: State, workspace: str, kind: str, value: str, country: str = ""
) -> dict[str, Any] | None:
    """The profile that has an identifier; None when nobody has."""
    return _describe_profile(store, state, workspace, find_by_identifier(state, workspace, kind, value, country))


def _describe_profile(store: EventStore, state: State, workspace: str, person: Person) -> dict[str, Any] | None:
    figures = summarise(store, workspace, Whose(person.keys))
    if not figures["events"] and not person.known:
        return None
    with state.read() as connection:
        traits = list_traits(connection, {person.profile, *person.known})
        accounts = describe_accounts(connection, {person.profile, *person.known})
        suggested_accounts = suggest_accounts(connection, workspace, person.known)
    identities = describe_identities(person.known) or _find_own_identifier(store, workspace, person)
    return {
        "profile_id": person.id,
        "ids": person.keys,
        "name": name_person(person.id, traits, identities),
        "identified": person.identified,
        "identities": identities,
        "traits": [describe_trait(trait) for trait in traits],
        "accounts": accounts,
        "suggested_accounts": suggested_accounts,
        "figures": figures | {"sessions": count_person_sessions(store, workspace, person.keys)},
        "suggested": suggest_links(store, state, workspace, person.keys),
    }


def _find_own_identifier(store: EventStore, workspace: str, person: Person) -> list[dict[str, Any]]:
    """Of somebody whom the ledger does not have: what their events say."""
    rows = run_query(store, compile_query("find_own_identifier", {"workspace": workspace, "key": person.id}))
    return [
        {"kind": kind, "value": rows[0][kind], "profile_key": person.id}
        for kind in ("anonymous_id", "instance_id", "session_id")
        if rows and rows[0][kind]
    ][:1]


def describe_links(state: State, person: Person) -> dict[str, Any]:
    """{"profile_id", "identities", "links"}: why each identifier is in the profile, and what was kept out of it."""
    own = {person.profile, *person.known}
    with state.read() as connection:
        edges = read_edges_at(connection, own, MOST_EDGES)
        in_all = count_edges_at(connection, own)
        ends = read_known(connection, {end for edge in edges for end in (edge.a, edge.b)})
        standings = read_standings(connection, [edge.id for edge in edges])
        decided = list_applied(connection, [edge.id for edge in edges])
    links = [
        {
            "edge": edge.id,
            "a": _describe_end(ends[edge.a], edge.a),
            "b": _describe_end(ends[edge.b], edge.b),
            "rule": edge.rule,
            "says": RULES.get(edge.rule, edge.rule),
            "trusted": edge.trusted,
            "state": standings[edge.id].state.value,
            "why": WHY.get(standings[edge.id].why, ""),
            "occurred_at": format_time(edge.occurred_at),
            "event_id": edge.event_id,
            "source": edge.source,
            "decisions": [
                {"action": d["action"], "by": d["by"], "at": format_time(d["at"])}
                for d in decided
                if d["edge"] == edge.id
            ],
        }
        for edge in edges[:MOST_EDGES]
    ]
    return {
        "profile_id": person.id,
        "identities": describe_identities(person.known),
        "links": links,
        "links_in_all": in_all,
    }


def _describe_end(known: Known, node: bytes) -> dict[str, Any]:
    return {
        "kind": known.identifier.kind,
        "value": known.identifier.value,
        "profile_key": format_profile_id(node),
        "profile_id": format_profile_id(known.profile),
    }


def preview_decision(state: State, workspace: str, action: str, guards: Guards, **about: Any) -> dict[str, Any]:
    """What a decision would change, as its answer would say it. DecisionRefused when it makes no sense."""
    decision = Decision(
        id=make_decision_id(), workspace=workspace, action=action, asked_by="preview", asked_at=0, **about
    )
    people, settled = People(guards), Settled()
    with state.read() as connection:
        change = change_edges(connection, decision)
        people.resolve_neighbourhood(change.near, settled, 0)
    return describe_change(change, settled)
