"""Rejections and dead letters: a part of Diagnostics, and a page of their own with what was sent."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from trackway.control.sources import list_sources
from trackway.dashboard.page import Answer, NotThere, Page, Question
from trackway.outcome import REASONS, Outcome
from trackway.query.rejections import KINDS, Wanted, count_nobodys, count_not_kept, find_rejection, list_rejections

ROWS = 10
SHOWN_OF_A_BODY = 2000
KIND_WORDS = {"rejected": "rejected", "dead_letter": "dead letter", "conflict": "conflict"}
FILTERS = ("source", "reason", "kind", "replayed")
# What a letter can be kept for.
LETTER_REASONS = tuple(
    reason.value
    for reason, meaning in REASONS.items()
    if meaning.outcome in (Outcome.REJECTED, Outcome.DEAD_LETTERED, Outcome.DUPLICATE)
)


def ask_letters(question: Question, hours: int) -> Answer:
    """{"items", "next", "not_kept", "nobodys"}: a page of letters, what was too much to keep, who is not known."""
    desk = question.desk
    wanted = Wanted(**{name: question.text(name) for name in FILTERS})
    page = list_rejections(desk.state, desk.workspace, wanted, limit=ROWS, cursor=question.text("letters"))
    sources = [source.id for source in list_sources(desk.state, desk.workspace)]
    not_kept = count_not_kept(desk.state, sources, desk.clock(), hours)
    return {**page, "not_kept": not_kept, "nobodys": count_nobodys()}


def show_letters(question: Question, letters: Mapping[str, Any], chosen_range: str) -> Mapping[str, Any]:
    desk = question.desk
    chosen = {name: question.text(name) for name in FILTERS if question.text(name)}
    kept = {**chosen, "range": chosen_range}
    return {
        "letter_filters": chosen,
        "letter_kinds": {kind: KIND_WORDS[kind] for kind in KINDS},
        "letter_reasons": LETTER_REASONS,
        "letter_bodies": {
            each["id"]: show_body(find_rejection(desk.state, desk.workspace, each["id"])) for each in letters["items"]
        },
        "older_letters": urlencode({**kept, "letters": letters["next"]}) if letters["next"] else "",
        "newest_letters": urlencode(kept) if question.text("letters") else "",
    }


def show_body(letter: Mapping[str, Any] | None, most: int = SHOWN_OF_A_BODY) -> str:
    """The beginning of what was sent, or of the event it became; "" when nothing of it is kept."""
    sent = (letter or {}).get("sent") or (letter or {}).get("event") or {}
    text = sent.get("body")
    if text is None:
        text = sent.get("body_base64", "")
    return f"{text[:most]} …" if len(text) > most else str(text)


def ask_letter(question: Question) -> Answer:
    found = find_rejection(question.desk.state, question.desk.workspace, question.path["rejection_id"])
    if found is None:
        raise NotThere(
            f"No rejection or dead letter {question.path['rejection_id'][:60]} is kept in this workspace.", "rejection"
        )
    return found


def show_letter(question: Question, answer: Answer) -> Mapping[str, Any]:
    desk = question.desk
    return {
        "source_names": {source.id: source.name for source in list_sources(desk.state, desk.workspace)},
        "kind_word": KIND_WORDS[answer["kind"]],
        "body_text": show_body(answer, 1_000_000),
    }


PAGE = Page("/rejections/{rejection_id}", "rejection.html", ask_letter, show_letter)
