"""Privacy: what people asked of their own data, forms to ask for it, how long events are kept, what stays of addresses.

Whom a request is about travels in the body of a form and never in an address: addresses stay behind in
histories and in the logs of proxies, which no erasure reaches.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from trackway.control.privacy_requests import (
    Kind,
    Request,
    ask_request,
    describe_request,
    find_request,
    list_requests,
)
from trackway.control.retention import Rule, WrongRule, list_rules, put_rules, read_rules
from trackway.control.workspaces import IP_MODES, list_workspaces, set_ip_mode
from trackway.dashboard.page import Answer, NotThere, Page, Question, ShownAgain
from trackway.profiles.identifiers import KINDS
from trackway.query.privacy import Subject, count_beyond, describe_retention, find_subject, preview_removal
from trackway.query.questions import QuestionError, check_number
from trackway.store.client import StoreUnavailable

SHOWN_REQUESTS = 50
LONGEST_REASON = 300
# What has to be typed before anything is removed.
WORDS: dict[str, str] = {"erase": "ERASE", "anonymise": "ANONYMISE"}
ACTIONS: dict[str, Kind] = {"erase": "erase", "anonymise": "anonymise", "export": "export"}
KIND_WORDS = {"erase": "Erase", "anonymise": "Anonymise", "export": "Export"}
# Most asked for first; the rest as they rank.
FIRST_KINDS = ("email", "phone", "user_id", "contact_id", "profile_id", "anonymous_id")
IP_WORDS = {
    "full": "Kept as they are.",
    "truncated": "The last part is cut off: /24 of IPv4, /48 of IPv6.",
    "hashed": "Only a keyed hash: the same address can be recognised, not read.",
    "dropped": "Nothing of them is kept.",
}
# Steps of an erasure in their order, as docs/reference/privacy.md tells them.
STEPS = {
    "places": "finding their events in the log",
    "log": "reading the log for what is not in the store",
    "letters": "removing dead letters and rejected bodies",
    "records": "overwriting records of the log",
    "books": "accounting for every event that goes",
    "events": "removing events from the store",
    "outcomes": "removing quotes from outcomes",
    "overrides": "removing assignments to profiles",
    "files": "waiting for the store to delete old files, about a minute",
    "names": "removing the name from the request",
    "pages": "emptying the database's log",
    "certificate": "asking everything once more, and signing",
}
EMPTY_FORM = {"kind": "email", "value": "", "country": "", "action": "erase", "reason": ""}


def ask_privacy(question: Question) -> Answer:
    """{"requests", "retention", "ip_mode", "modes"}, each as the API has it."""
    desk = question.desk
    limit = check_number("limit", question.number("limit", SHOWN_REQUESTS), 1, 200)
    mode = next(each.ip_mode for each in list_workspaces(desk.state) if each.id == desk.workspace)
    return {
        "requests": [describe_request(each) for each in list_requests(desk.state, desk.workspace, limit)],
        "retention": describe_retention(desk.state, desk.workspace, list_rules(desk.state, desk.workspace)),
        "ip_mode": mode,
        "modes": list(IP_MODES),
    }


def show_privacy(question: Question, answer: Answer) -> Mapping[str, Any]:
    return {
        "kinds": [*FIRST_KINDS, *(kind for kind in KINDS if kind not in FIRST_KINDS)],
        "kind_says": {kind: each.says for kind, each in KINDS.items()},
        "kind_words": KIND_WORDS,
        "ip_words": IP_WORDS,
        "steps": STEPS,
        "form": EMPTY_FORM,
        "problem": "",
        "preview": None,
        "word": "",
        "retention_form": {"event_type": "", "days": ""},
        "retention_problem": "",
        "going": None,
        "done": question.text("done"),
    }


def ask_from_form(question: Question, form: Mapping[str, str]) -> str:
    """Ask for what the form says, when it was looked at and confirmed; where to go then. ShownAgain otherwise."""
    desk = question.desk
    given = {name: form.get(name, "").strip() for name in EMPTY_FORM}
    shown: dict[str, Any] = {"form": given}
    action = ACTIONS.get(given["action"])
    if action is None:
        raise ShownAgain(shown | {"problem": f"choose what to do: {', '.join(ACTIONS)}"})
    try:
        subject = find_subject(desk.state, desk.workspace, given["kind"], given["value"], given["country"])
    except QuestionError as error:
        raise ShownAgain(shown | {"problem": str(error)}) from None
    if subject is None:
        raise ShownAgain(shown | {"problem": f"no profile has or had the id {given['value'][:60]}"})
    word = WORDS.get(action, "")
    if form.get("step") != "do":
        raise ShownAgain(shown | {"preview": _preview(question, subject), "word": word}, 200)
    if word and form.get("word", "").strip() != word:
        problem = f"nothing was removed: type {word} to confirm"
        raise ShownAgain(shown | {"preview": _preview(question, subject), "word": word, "problem": problem})
    request = ask_request(
        desk.state,
        desk.workspace,
        action,
        subject.profile,
        subject.about,
        question.viewer.user,
        desk.clock(),
        given["reason"][:LONGEST_REASON],
    )
    return f"/app/privacy/{request.id}"


def _preview(question: Question, subject: Subject) -> dict[str, Any]:
    desk = question.desk
    about = {"kind": subject.about.kind, "value": subject.about.value}
    try:
        return about | preview_removal(desk.store, desk.state, desk.workspace, subject)
    except StoreUnavailable:
        return about | {"known": None}


def set_retention_from_form(question: Question, form: Mapping[str, str]) -> str:
    """Set or end one rule. ShownAgain when it is wrong, or would let events go and nobody said yes to that."""
    desk = question.desk
    given = {name: form.get(name, "").strip() for name in ("event_type", "days")}
    said = [
        {"event_type": rule.event_type, "days": rule.days}
        for rule in list_rules(desk.state, desk.workspace)
        if rule.event_type != given["event_type"]
    ]
    ends = form.get("action") == "remove"
    if not ends:
        days = given["days"]
        said.append({"event_type": given["event_type"], "days": int(days) if _is_small_number(days) else days})
    try:
        rules = read_rules(said)
    except WrongRule as error:
        raise ShownAgain({"retention_form": given, "retention_problem": str(error)}) from None
    if form.get("confirmed") != "yes":
        going = _count_going(question, rules)
        if going is None or going:
            events = sum(going.values()) if going else 0
            asked = {"events": events, "types": list((going or {}).items()), "known": going is not None, "ends": ends}
            raise ShownAgain({"retention_form": given, "going": asked}, 200)
    put_rules(desk.state, desk.workspace, rules, question.viewer.user, desk.clock())
    return "/app/privacy?done=retention#retention"


def _count_going(question: Question, rules: list[Rule]) -> dict[str, int] | None:
    """How many events of each type would go by these rules; None while the store is away."""
    desk = question.desk
    if not rules:
        return {}
    try:
        return count_beyond(desk.store, desk.workspace, rules, desk.clock())
    except StoreUnavailable:
        return None


def _is_small_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 10


def set_ip_mode_from_form(question: Question, form: Mapping[str, str]) -> str:
    mode = form.get("ip_mode", "")
    if mode not in IP_MODES:
        raise QuestionError(f"ip_mode must be one of {', '.join(IP_MODES)}, not {mode[:40]!r}", "ip_mode")
    set_ip_mode(question.desk.state, question.desk.workspace, mode)
    return "/app/privacy?done=addresses#addresses"


def demand_request(question: Question) -> Request:
    desk, request_id = question.desk, question.path["request_id"]
    found = find_request(desk.state, desk.workspace, request_id)
    if found is None:
        raise NotThere(f"No privacy request has the id {request_id[:60]}.", "request")
    return found


def ask_request_page(question: Question) -> Answer:
    return describe_request(demand_request(question))


def show_request_page(question: Question, answer: Answer) -> Mapping[str, Any]:
    """`signed` is the certificate's file, decoded; empty while there is none."""
    raw = answer["certificate"]
    signed = msgspec.json.decode(raw) if raw else {}
    order = list(STEPS)
    return {
        "signed": signed,
        "kind_words": KIND_WORDS,
        "steps": STEPS,
        "at": order.index(answer["step"]) if answer["step"] in STEPS else -1,
        "is_open": answer["state"] in ("waiting", "running"),
    }


PAGE = Page("/privacy", "privacy.html", ask_privacy, show_privacy)
STATE = Page("/privacy/{request_id}/state", "privacy/state.html", ask_request_page, show_request_page)
REQUEST = Page("/privacy/{request_id}", "privacy_request.html", ask_request_page, show_request_page, fragments=(STATE,))
