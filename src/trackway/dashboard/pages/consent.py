"""Consent: the policy in words, a tester, what became of events by it, and an editor that says what a change would do."""

from collections.abc import Mapping, Sequence
from typing import Any

from trackway.control.sources import OWN_SOURCES, list_sources
from trackway.dashboard.charts import draw_shares
from trackway.dashboard.page import Answer, Page, Question, ShownAgain
from trackway.dashboard.policy_words import (
    MODES,
    OUTCOMES,
    WITHDRAWALS,
    compare_effects,
    describe_changes,
    list_signals,
    name_place,
    read_editor,
    write_rules,
)
from trackway.profiles.held import count_held
from trackway.profiles.policies import EVERYWHERE, GROUPS, PolicyError, Rule, read_rules
from trackway.profiles.policy_versions import PolicyVersion, change_policy, list_policy_versions
from trackway.query.consent import FATES, count_fates, describe_version, try_rules
from trackway.query.questions import QuestionError
from trackway.store.client import StoreUnavailable

TESTED = ("country", "region", "source", "state")
SIGNALS = ("gpc", "dnt")
SHOWN_RULES = 60
PERIOD_NAMES = {"day": "Last 24 hours", "week": "Last 7 days", "month": "Last 30 days"}
STATE_WORDS = {
    "unknown": "said nothing",
    "granted": "agreed",
    "withdrawn": "withdrew",
    "pending": "has not answered yet",
    "expired": "agreed, but that has expired",
}


def ask_consent(question: Question) -> Answer:
    """What the API says of the policy, with `fates`, how many are `held` now, and `test` when something was tried."""
    desk = question.desk
    versions = list_policy_versions(desk.state, desk.workspace)
    return {
        "policy": describe_version(versions[0]),
        "earlier": [describe_version(version) for version in versions[1:]],
        "groups": {name: sorted(places) for name, places in GROUPS.items()},
        "fates": count_if_possible(question),
        "held": count_waiting(question),
        "test": try_from_query(question, versions[0].rules),
    }


def count_if_possible(question: Question) -> dict[str, Any] | None:
    """None while the store is away: the policy can be read and changed without it."""
    desk = question.desk
    try:
        return count_fates(desk.store, desk.workspace, desk.clock())
    except StoreUnavailable:
        return None


def count_waiting(question: Question) -> int:
    """Events that are held until their person agrees."""
    with question.desk.state.read() as connection:
        return sum(count_held(connection, question.desk.workspace).values())


def try_from_query(question: Question, rules: Sequence[Rule]) -> dict[str, Any] | None:
    """What the policy makes of the event that the address describes; None when it describes none."""
    if not any(name in question.query for name in (*TESTED, *SIGNALS)):
        return None
    asked = {name: question.text(name) for name in TESTED}
    gpc, dnt = (question.text(name) == "1" for name in SIGNALS)
    try:
        return {"problem": "", "field": ""} | try_rules(rules, **asked, gpc=gpc, dnt=dnt)
    except QuestionError as error:
        return {"problem": str(error), "field": error.field}


def show_consent(question: Question, answer: Answer) -> Mapping[str, Any]:
    desk = question.desk
    versions = list_policy_versions(desk.state, desk.workspace)
    rules = versions[0].rules
    names = {
        source.id: source.name for source in list_sources(desk.state, desk.workspace) if source.id not in OWN_SOURCES
    }
    test = answer["test"]
    return {
        "rules": [describe_rule(rule, names) for rule in rules[:SHOWN_RULES]],
        "hidden_rules": max(0, len(rules) - SHOWN_RULES),
        "source_names": names,
        "state_words": STATE_WORDS,
        "tested": {name: question.text(name) for name in (*TESTED, *SIGNALS)},
        "verdict": word_verdict(question, test, names) if test and not test["problem"] else "",
        "periods": describe_periods(answer["fates"]) if answer["fates"] else [],
        "history": describe_history(versions),
        "editor": {"text": write_rules(rules), "version": versions[0].version},
        "problem": "",
        "field": "",
        "preview": None,
        "saved": question.text("saved"),
    }


def describe_periods(fates: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "name": PERIOD_NAMES[period],
            "counts": counts,
            "total": sum(counts.values()),
            "shares": draw_shares([counts[fate] for fate in FATES]),
        }
        for period, counts in fates["periods"].items()
    ]


def describe_rule(rule: Rule, source_names: Mapping[str, str]) -> dict[str, Any]:
    return {
        "id": rule.id,
        "places": [name_place(place) for place in rule.jurisdictions],
        "purpose": "every purpose" if rule.purpose == EVERYWHERE else rule.purpose,
        "sources": ["all"] if EVERYWHERE in rule.sources else [source_names.get(each, each) for each in rule.sources],
        "mode": MODES[rule.mode],
        "without": word_without_consent(rule),
        "signals": list_signals(rule),
        "withdrawal": WITHDRAWALS[rule.on_withdrawal],
    }


def word_without_consent(rule: Rule) -> str:
    if rule.mode != "opt_in":
        return ""
    return f"held up to {rule.hold_hours} h" if rule.without_consent == "hold" else OUTCOMES[rule.without_consent]


def word_verdict(question: Question, test: Mapping[str, Any], source_names: Mapping[str, str]) -> str:
    """One sentence: what becomes of the event that was described, by which rule and why."""
    region, country = question.text("region").upper(), question.text("country").upper()
    place = f"{country}-{region}" if region and "-" not in region else region or country or "an unknown place"
    source = question.text("source")
    sent = f" by {source_names.get(source, source)}" if source else ""
    says = STATE_WORDS[question.text("state") or "unknown"]
    rule = f"rule {test['rule']}" if test["rule"] else "no rule"
    return (
        f"An event from {place}{sent} of somebody who {says} is {OUTCOMES[test['outcome']]}, by {rule}: {test['why']}."
    )


def describe_history(versions: Sequence[PolicyVersion]) -> list[dict[str, Any]]:
    """Newest first, each with what it changed of the one before, where that is known."""
    told: list[dict[str, Any]] = []
    for version, before in zip(versions, [*versions[1:], None], strict=True):
        known = before is not None and before.version == version.version - 1
        told.append(
            {
                **describe_version(version),
                "changes": describe_changes(before.rules, version.rules) if before and known else [],
                "text": write_rules(version.rules),
            }
        )
    return told


def change_from_form(question: Question, form: Mapping[str, str]) -> str:
    """Put the editor's policy in force; where to go then. ShownAgain for a preview, and with what is wrong."""
    desk, text = question.desk, form.get("rules", "").replace("\r\n", "\n")
    in_force = list_policy_versions(desk.state, desk.workspace)[0]
    shown: dict[str, Any] = {"editor": {"text": text, "version": in_force.version}, "saved": ""}
    try:
        said = read_editor(text)
        rules = read_rules(said)
    except PolicyError as error:
        raise ShownAgain(shown | {"problem": str(error), "field": error.field}) from None
    meanwhile = form.get("version", "") != str(in_force.version)
    if meanwhile:
        who = in_force.changed_by or "somebody"
        shown |= {"problem": f"{who} changed the policy meanwhile, nothing was saved. Look at the preview again"}
    elif form.get("action") == "save":
        made = change_policy(desk.state, desk.workspace, said, question.viewer.user, desk.clock())
        return f"/app/consent?saved={made.version}"
    preview = {"changes": describe_changes(in_force.rules, rules), "effects": compare_effects(in_force.rules, rules)}
    raise ShownAgain(shown | {"preview": preview}, 422 if meanwhile else 200)


PAGE = Page("/consent", "consent.html", ask_consent, show_consent)
