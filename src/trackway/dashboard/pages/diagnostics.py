"""Diagnostics: what failed and why, personal data in properties and rules that hide it, keys that swallow events."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from trackway.control.pii import DROP, KEEP, MASK, set_pii_rule
from trackway.control.sources import list_sources
from trackway.dashboard.page import Answer, Page, Question
from trackway.dashboard.pages.rejections import ask_letters, show_letters
from trackway.query.diagnostics import (
    count_rejected,
    count_set_aside,
    describe_personal_data,
    list_swallowing_keys,
)
from trackway.query.questions import QuestionError
from trackway.store.client import StoreUnavailable

RANGES = {"24h": 24, "7d": 7 * 24, "30d": 30 * 24}
DEFAULT_RANGE = "7d"
KINDS = {"email": "mail address", "phone": "phone number", "card": "card number", "iban": "bank account"}
SHOWN = 100
DONE = {MASK: "is masked", DROP: "is dropped", KEEP: "is kept as it comes"}


def ask_diagnostics(question: Question) -> Answer:
    """{"letters", "pii", "swallowing_keys", "rejected", "set_aside"}; the last is null while the store is away."""
    desk = question.desk
    hours = RANGES[choose_range(question)]
    try:
        set_aside = count_set_aside(desk.store, desk.workspace, desk.clock(), hours)
    except StoreUnavailable:
        set_aside = None
    return {
        "letters": ask_letters(question, hours),
        "pii": describe_personal_data(desk.state, desk.workspace),
        "swallowing_keys": list_swallowing_keys(desk.state, desk.workspace),
        "rejected": count_rejected(desk.state, desk.workspace, desk.clock(), hours),
        "set_aside": set_aside,
    }


def choose_range(question: Question) -> str:
    """QuestionError for a range that there is not."""
    chosen = question.text("range") or DEFAULT_RANGE
    if chosen not in RANGES:
        raise QuestionError(f"range must be one of {', '.join(RANGES)}, not {chosen[:40]!r}", "range")
    return chosen


def show_diagnostics(question: Question, answer: Answer) -> Mapping[str, Any]:
    desk = question.desk
    path, did = question.text("path"), question.text("did")
    return {
        **show_letters(question, answer["letters"], choose_range(question)),
        "source_names": {source.id: source.name for source in list_sources(desk.state, desk.workspace)},
        "pii_kinds": KINDS,
        "ranges": list(RANGES),
        "chosen_range": choose_range(question),
        "shown": SHOWN,
        "done": f"{path[:200]} {DONE[did]}" if did in DONE and path else "",
        "counts": (
            ("rejected", "Rejected at the door", "never received; the sender was told why", answer["rejected"]),
            *((outcome, title, says, pick(answer["set_aside"], outcome)) for outcome, title, says in OUTCOMES),
        ),
    }


OUTCOMES = (
    ("dead_lettered", "Dead-lettered", "received, and could not be stored"),
    ("dropped", "Dropped", "received, and not to be stored"),
    ("duplicate", "Duplicates", "received again"),
)


def pick(set_aside: list[dict[str, Any]] | None, outcome: str) -> list[dict[str, Any]] | None:
    return None if set_aside is None else [row for row in set_aside if row["outcome"] == outcome]


def set_rule_from_form(question: Question, form: Mapping[str, str]) -> str:
    """Mask or drop a path from now on, or keep it again; where to go then. QuestionError for what is no path."""
    path, action = form.get("path", ""), form.get("action", "")
    try:
        set_pii_rule(
            question.desk.state, question.desk.workspace, path, action, question.viewer.user, question.desk.clock()
        )
    except ValueError as error:
        raise QuestionError(f"Nothing was changed: {error}", "path") from None
    return f"/app/diagnostics?{urlencode({'did': action, 'path': path})}"


PAGE = Page("/diagnostics", "diagnostics.html", ask_diagnostics, show_diagnostics)
