"""Profile: who somebody is and why we think so, and what they did."""

from collections.abc import Mapping
from typing import Any

from trackway.clock import format_time, parse_time
from trackway.control.sources import list_sources
from trackway.dashboard.charts import draw_days
from trackway.dashboard.folding import fold_timeline
from trackway.dashboard.page import Answer, NotThere, Page, Question
from trackway.profiles.consents import read_stands
from trackway.profiles.decisions import read_answer
from trackway.profiles.identifiers import KINDS
from trackway.query.activity import Whose, describe_engagement, list_timeline
from trackway.query.conversations import list_conversations
from trackway.query.cursors import SessionCursor, encode_cursor
from trackway.query.people import Person, find_person
from trackway.query.profiles import describe_links, find_profile
from trackway.query.questions import QuestionError
from trackway.query.sessions import list_sessions
from trackway.query.visitors import name_people
from trackway.store.client import EventStore

EVENTS = 100
SHOWN_IDENTITIES = 12
SHOWN_REASONS = 3


def demand_person(question: Question) -> Person:
    """NotThere when nobody has or had the id."""
    desk, profile_id = question.desk, question.path["profile_id"]
    unknown = NotThere(f"No profile has or had the id {profile_id[:60]}.", "profile")
    try:
        person = find_person(desk.state, desk.workspace, profile_id)
    except QuestionError:
        raise unknown from None
    if person is None:
        raise unknown
    return person


def ask_profile(question: Question) -> Answer:
    desk, person = question.desk, demand_person(question)
    profile = find_profile(desk.store, desk.state, desk.workspace, person.id)
    if profile is None:
        raise NotThere(f"No profile has or had the id {person.id}.", "profile")
    whose = Whose(person.keys)
    links = describe_links(desk.state, person)
    timeline = list_timeline(
        desk.store,
        desk.state,
        desk.workspace,
        whose,
        limit=question.number("limit", EVENTS),
        cursor=question.text("cursor"),
    )
    return {
        **profile,
        "links": links["links"],
        "links_in_all": links["links_in_all"],
        "consent": list_consent(question, person),
        "engagement": describe_engagement(desk.store, desk.workspace, whose, desk.clock()),
        "conversations": list_conversations(desk.store, desk.workspace, whose),
        "sessions": find_sessions_of(desk.store, desk.workspace, person.keys, timeline["items"]),
        "timeline": timeline,
    }


def find_sessions_of(store: EventStore, workspace: str, keys: list[str], events: Any) -> list[dict[str, Any]]:
    """The sessions that `events`, newest first, can belong to."""
    if not events:
        return []
    behind = encode_cursor(SessionCursor(parse_time(events[0]["occurred_at"]) + 1, "", ""))
    found: list[dict[str, Any]] = list_sessions(store, workspace, keys, limit=len(events), cursor=behind)["items"]
    return found


def list_consent(question: Question, person: Person) -> list[dict[str, Any]]:
    desk = question.desk
    with desk.state.read() as connection:
        stands = read_stands(connection, {person.profile, *person.known}, desk.clock())
    return [
        {
            "channel": topic.channel,
            "purpose": topic.purpose,
            "state": stand.state,
            "since": format_time(stand.occurred_at),
        }
        for topic, stand in sorted(stands.items())
    ]


def show_profile(question: Question, answer: Answer) -> Mapping[str, Any]:
    own = set(answer["ids"])
    done = question.text("done")  # the decision that led back here
    identities = explain_identities(answer)
    # Computed from addresses that are shown, so they say nothing new.
    plain = [each for each in identities if each["kind"] != "email_hash"] or identities
    first = plain[:SHOWN_IDENTITIES]
    rest = [each for each in identities if each not in first]
    timeline = answer["timeline"]
    return {
        "asked_by_old_id": question.path["profile_id"].lower() != answer["profile_id"],
        "identities": first,
        "more_identities": rest,
        "only_hashes": all(each["kind"] == "email_hash" for each in rest),
        "shown_reasons": SHOWN_REASONS,
        "apart": [link for link in answer["links"] if not _holds(link, own)],
        "bars": draw_days(answer["engagement"]["days"]),
        "folds": fold_timeline(timeline["items"], answer["sessions"]),
        "is_newest": not question.text("cursor"),
        "source_names": {s.id: s.name for s in list_sources(question.desk.state, question.desk.workspace)},
        "names": name_people(question.desk.state, [each["profile_id"] for each in answer["suggested"]]),
        "asked_decision": bool(done),
        "done": read_answer(question.desk.state, done) if done else None,
    }


def _holds(link: Mapping[str, Any], own: set[str]) -> bool:
    return link["state"] == "active" and link["a"]["profile_key"] in own and link["b"]["profile_key"] in own


def explain_identities(answer: Answer) -> list[dict[str, Any]]:
    """Each identifier with the links that hold it, `other` being the other end; a link is told once, by its weaker end."""
    own = set(answer["ids"])
    reasons: dict[str, list[dict[str, Any]]] = {}
    for link in answer["links"]:
        if _holds(link, own):
            strong, weak = sorted((link["a"], link["b"]), key=lambda end: (KINDS[end["kind"]].rank, end["value"]))
            reasons.setdefault(weak["profile_key"], []).append({**link, "other": strong})
    return [
        {
            **identity,
            "names_profile": identity["profile_key"] == answer["profile_id"],
            "says": KINDS[identity["kind"]].says,
            "reasons": reasons.get(identity["profile_key"], []),
        }
        for identity in answer["identities"]
    ]


PAGE = Page("/profiles/{profile_id}", "profile.html", ask_profile, show_profile)
