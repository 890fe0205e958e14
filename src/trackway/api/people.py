"""Routes about people: profiles, look-ups, links and decisions about them."""

from typing import Any

from trackway.api.bodies import read_text, refuse_unknown
from trackway.api.desk import ServerDesk
from trackway.api.parameters import Parameter
from trackway.api.replies import ApiError, ApiRefusal
from trackway.api.route import PREFIX, Answer, ApiRoute, Values
from trackway.profiles.decisions import (
    Decision,
    DecisionRefused,
    ask_decision,
    make_decision_id,
    wait_for_answer,
)
from trackway.profiles.people import read_guards
from trackway.query.activity import Whose, describe_engagement, list_timeline
from trackway.query.conversations import list_conversations
from trackway.query.people import Person, check_profile_id, find_person
from trackway.query.profiles import describe_links, find_profile, look_up, preview_decision
from trackway.query.sessions import list_sessions


def show_profile(desk: ServerDesk, values: Values) -> Answer:
    found = find_profile(desk.store, desk.state, desk.workspace, values["profile_id"])
    if found is None:
        raise _nobody(values["profile_id"])
    return found


def look_up_profile(desk: ServerDesk, values: Values) -> Answer:
    kind, value = values["kind"], values["value"]
    found = look_up(desk.store, desk.state, desk.workspace, kind, value, values["country"].upper())
    if found is None:
        raise ApiRefusal(ApiError.UNKNOWN_PERSON, f"nobody is known by {kind} {value[:100]!r}", "value")
    return found


def show_links(desk: ServerDesk, values: Values) -> Answer:
    return describe_links(desk.state, demand_person(desk, values["profile_id"]))


def show_timeline(desk: ServerDesk, values: Values) -> Answer:
    chosen = dict(values)
    person = demand_person(desk, chosen.pop("profile_id"))
    return list_timeline(desk.store, desk.state, desk.workspace, Whose(person.keys), **chosen)


def show_sessions(desk: ServerDesk, values: Values) -> Answer:
    chosen = dict(values)
    person = demand_person(desk, chosen.pop("profile_id"))
    return list_sessions(desk.store, desk.workspace, person.keys, **chosen)


def show_conversations(desk: ServerDesk, values: Values) -> Answer:
    person = demand_person(desk, values["profile_id"])
    return {"items": list_conversations(desk.store, desk.workspace, Whose(person.keys))}


def show_engagement(desk: ServerDesk, values: Values) -> Answer:
    person = demand_person(desk, values["profile_id"])
    return describe_engagement(desk.store, desk.workspace, Whose(person.keys), desk.clock(), values["days"])


def demand_person(desk: ServerDesk, profile_id: str) -> Person:
    person = find_person(desk.state, desk.workspace, profile_id)
    if person is None:
        raise _nobody(profile_id)
    return person


def demand_node(desk: ServerDesk, profile_id: str) -> bytes:
    """The id itself, of somebody who is known by it, current or not."""
    demand_person(desk, profile_id)
    return check_profile_id(profile_id)


def _nobody(profile_id: str) -> ApiRefusal:
    return ApiRefusal(ApiError.UNKNOWN_PERSON, f"no profile has or had the id {profile_id[:60]}", "profile_id")


def preview_merge(desk: ServerDesk, values: Values) -> Answer:
    a, b = (demand_node(desk, values[name]) for name in ("a", "b"))
    return _decide(lambda: preview_decision(desk.state, desk.workspace, "merge", read_guards(desk.settings), a=a, b=b))


def merge_profiles(desk: ServerDesk, values: Values) -> Answer:
    body = values["body"]
    refuse_unknown(body, ("a", "b"))
    ends = {name: read_text(body, name, required=True) for name in ("a", "b")}
    for name, text in ends.items():
        check_profile_id(text)
        if find_profile(desk.store, desk.state, desk.workspace, text) is None:
            raise ApiRefusal(ApiError.UNKNOWN_PERSON, f"no profile has or had the id {text}", name)
    a, b = (demand_node(desk, text) for text in ends.values())
    return carry_out(desk, values["by"], "merge", a=a, b=b)


def decide_edge(action: str) -> Any:
    def answer(desk: ServerDesk, values: Values) -> Answer:
        return carry_out(desk, values["by"], action, edge=values["edge"])

    return answer


def preview_undo(desk: ServerDesk, values: Values) -> Answer:
    about = {"edge": values["edge"]}
    return _decide(lambda: preview_decision(desk.state, desk.workspace, "undo", read_guards(desk.settings), **about))


def carry_out(desk: ServerDesk, by: str, action: str, **about: Any) -> Answer:
    """Ask for a decision and wait for the pipeline to carry it out."""
    decision = Decision(
        id=make_decision_id(), workspace=desk.workspace, action=action, asked_by=by, asked_at=desk.clock(), **about
    )
    ask_decision(desk.state, decision)
    answer = wait_for_answer(desk.state, decision.id)
    if answer is None:
        says = "the pipeline has not carried it out yet; it will"
        return {"decision": decision.id, "applied": False, "says": says}
    if "refused" in answer:
        raise ApiRefusal(ApiError.REFUSED, answer["refused"])
    return {"decision": decision.id, "applied": True, **answer}


def _decide(ask: Any) -> Answer:
    try:
        answer: Answer = ask()
    except DecisionRefused as refused:
        raise ApiRefusal(ApiError.REFUSED, str(refused)) from None
    return answer


LIMIT = Parameter("limit", 50, "How many, 1 to 1,000")
CURSOR = Parameter("cursor", "", "The field `next` of the page before")
TIMELINE = (
    LIMIT,
    Parameter("event_type", "", "Only events of this type"),
    Parameter("source", "", "Only events of the source with this id"),
    CURSOR,
)
DAYS = Parameter("days", 90, "How many days are told one by one, 1 to 366")

PROFILE = f"{PREFIX}/profiles/{{profile_id}}"

PEOPLE_ROUTES: tuple[ApiRoute, ...] = (
    # Before the profile itself, whose id it would be taken for.
    ApiRoute(
        f"{PREFIX}/profiles/lookup",
        "The profile that has an identifier",
        (
            Parameter("kind", "", "Kind of the identifier: anonymous_id, email, …"),
            Parameter("value", "", "The identifier"),
            Parameter("country", "", "Country of a national telephone number"),
        ),
        look_up_profile,
    ),
    ApiRoute(
        f"{PREFIX}/profiles/preview-merge",
        "What merging two profiles would change",
        (Parameter("a", "", "Id of the one profile"), Parameter("b", "", "Id of the other")),
        preview_merge,
    ),
    ApiRoute(f"{PREFIX}/profiles/merge", "Merge two profiles", (), merge_profiles, "POST", takes_body=True),
    ApiRoute(PROFILE, "Who somebody is: identifiers, traits, accounts, figures", (), show_profile),
    ApiRoute(f"{PROFILE}/identities", "Why each identifier belongs to a profile", (), show_links),
    ApiRoute(f"{PROFILE}/timeline", "What somebody did, newest first", TIMELINE, show_timeline),
    ApiRoute(f"{PROFILE}/sessions", "The sessions of a profile, newest first", (LIMIT, CURSOR), show_sessions),
    ApiRoute(f"{PROFILE}/conversations", "What was said in somebody's chats", (), show_conversations),
    ApiRoute(f"{PROFILE}/engagement", "Events per day, top pages and the score", (DAYS,), show_engagement),
    ApiRoute(f"{PREFIX}/edges/{{edge}}/preview-undo", "What undoing a link would change", (), preview_undo),
    ApiRoute(f"{PREFIX}/edges/{{edge}}/undo", "Undo a link: its profile splits", (), decide_edge("undo"), "POST"),
    ApiRoute(f"{PREFIX}/edges/{{edge}}/restore", "Take an undo or approval back", (), decide_edge("restore"), "POST"),
    ApiRoute(f"{PREFIX}/edges/{{edge}}/approve", "Let a quarantined link join", (), decide_edge("approve"), "POST"),
)
