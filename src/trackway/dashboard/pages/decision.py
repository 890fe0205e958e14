"""Decision: what merging two profiles, or undoing, restoring or approving a link would change, before it is done."""

from collections.abc import Mapping, Sequence
from typing import Any

from trackway.dashboard.page import Answer, Page, Question
from trackway.dashboard.pages.profile import demand_person
from trackway.profiles.decisions import (
    ACTIONS,
    Decision,
    DecisionRefused,
    ask_decision,
    make_decision_id,
    wait_for_answer,
)
from trackway.profiles.identifiers import KINDS
from trackway.profiles.people import read_guards
from trackway.query.people import Person, find_person
from trackway.query.profiles import find_profile, preview_decision
from trackway.query.questions import QuestionError
from trackway.query.visitors import name_people

TITLES = {
    "merge": "Merge two profiles",
    "undo": "Undo a link",
    "restore": "Let the rules decide again",
    "approve": "Approve a link",
}
BUTTONS = {"merge": "Merge them", "undo": "Undo the link", "restore": "Restore", "approve": "Approve the link"}


def read_decision(desk: Any, person: Person, fields: Mapping[str, str]) -> dict[str, Any]:
    """What is to be decided: {"action", and "edge" or "a" and "b"}.

    QuestionError for an unknown action; DecisionRefused when the other profile is none.
    """
    action = fields.get("action", "").strip()
    if action not in ACTIONS:
        raise QuestionError(f"action must be one of {', '.join(ACTIONS)}, not {action[:60]!r}", "action")
    if action != "merge":
        return {"action": action, "edge": fields.get("edge", "").strip()}
    # The address of a profile's page is as good as its id.
    given = fields.get("other", "").strip().partition("?")[0].rstrip("/").rpartition("/")[2]
    try:
        other = find_person(desk.state, desk.workspace, given)
    except QuestionError as error:
        raise DecisionRefused(str(error)) from None
    if other is None or find_profile(desk.store, desk.state, desk.workspace, other.id) is None:
        raise DecisionRefused(f"no profile has or had the id {given[:60]}")
    return {"action": action, "a": person.profile, "b": other.profile}


def ask_preview(question: Question) -> Answer:
    """{"action", "profile_id", "refused", "profiles", "moved", "edges_not_joining"}: a refusal is an answer too."""
    desk, person = question.desk, demand_person(question)
    said = {"action": question.text("action"), "profile_id": person.id}
    nothing: dict[str, Any] = {"profiles": [], "moved": [], "edges_not_joining": []}
    try:
        about = read_decision(desk, person, question.query)
        change = preview_decision(desk.state, desk.workspace, guards=read_guards(desk.settings), **about)
    except DecisionRefused as refused:
        return said | nothing | {"refused": str(refused)}
    return said | {"refused": ""} | change


def show_preview(question: Question, answer: Answer) -> Mapping[str, Any]:
    moved = {(each["kind"], each["value"]) for each in answer["moved"]}
    return {
        "title": TITLES[answer["action"]],
        "button": BUTTONS[answer["action"]],
        "fields": {name: question.text(name) for name in ("action", "edge", "other") if question.text(name)},
        "given": question.text("other"),
        "moved": moved,
        "names": name_people(question.desk.state, [profile["profile_id"] for profile in answer["profiles"]]),
        "joined_people": find_joined_people(answer["profiles"]),
    }


def find_joined_people(profiles: Sequence[Mapping[str, Any]]) -> list[str]:
    """The ids of people who are told apart by their senders and would be one profile."""
    for profile in profiles:
        for kind in (name for name, kind in KINDS.items() if kind.exclusive):
            values = [each["value"] for each in profile["identities"] if each["kind"] == kind]
            if len(values) > 1:
                return values
    return []


def decide(question: Question, form: Mapping[str, str]) -> str:
    """Ask for the decision and wait for it; its id. DecisionRefused, QuestionError."""
    desk, person = question.desk, demand_person(question)
    about = read_decision(desk, person, form)
    decision = Decision(
        id=make_decision_id(), workspace=desk.workspace, asked_by=question.viewer.user, asked_at=desk.clock(), **about
    )
    ask_decision(desk.state, decision)
    answer = wait_for_answer(desk.state, decision.id)
    if answer and "refused" in answer:
        raise DecisionRefused(answer["refused"])
    return decision.id


PAGE = Page("/profiles/{profile_id}/preview", "decision.html", ask_preview, show_preview)
