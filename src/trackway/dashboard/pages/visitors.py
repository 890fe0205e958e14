"""Visitors: everyone who was there, last seen first, and the search for one of them."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from trackway.control.sources import list_sources
from trackway.dashboard.page import Answer, Page, Question
from trackway.query.questions import QuestionError
from trackway.query.visitors import list_visitors, search_people

ROWS = 50
LIVE_MINUTES = 5
FILTERS = ("live", "identified", "account", "source", "limit")


def ask_visitors(question: Question) -> Answer:
    desk = question.desk
    live = question.text("live")
    if live not in ("", "1"):
        raise QuestionError(f"live must be 1 or left out, not {live[:60]!r}", "live")
    return list_visitors(
        desk.store,
        desk.state,
        desk.workspace,
        desk.clock(),
        limit=question.number("limit", ROWS),
        minutes=LIVE_MINUTES if live else 0,
        identified=question.text("identified"),
        account=question.text("account"),
        source=question.text("source"),
        cursor=question.text("cursor"),
    )


def show_visitors(question: Question, answer: Answer) -> Mapping[str, Any]:
    desk = question.desk
    filters = {name: question.text(name) for name in FILTERS if question.text(name)}
    sources = list_sources(desk.state, desk.workspace)
    return {
        "filters": filters,
        "sources": [(source.id, source.name) for source in sources],
        "source_names": {source.id: source.name for source in sources},
        "live_minutes": LIVE_MINUTES,
        "live_from_ms": desk.clock() - LIVE_MINUTES * 60_000,
        "older": urlencode({**filters, "cursor": answer["next"]}) if answer["next"] else "",
        "newest": urlencode(filters) if question.text("cursor") else None,
    }


def ask_search(question: Question) -> Answer:
    desk, text = question.desk, question.text("q")
    return {"items": search_people(desk.store, desk.state, desk.workspace, text) if text else []}


def show_search(question: Question, answer: Answer) -> Mapping[str, Any]:
    return {"asked": question.text("q")}


SEARCH = Page("/visitors/search", "visitors_found.html", ask_search, show_search)
PAGE = Page("/visitors", "visitors.html", ask_visitors, show_visitors)
