"""Tracking: what is happening now, whether every source is well, and whether the books balance."""

from collections.abc import Mapping
from typing import Any

from trackway.control.sources import list_keys, list_sources
from trackway.dashboard.first_steps import make_curl, make_snippet
from trackway.dashboard.page import Answer, Page, Question
from trackway.query.books import balance_books
from trackway.query.events import find_events
from trackway.query.kpis import count_by_minute, count_event_types
from trackway.query.questions import QuestionError
from trackway.query.sources import describe_sources

RANGES = {"1h": 1, "24h": 24, "7d": 7 * 24, "30d": 30 * 24}
DEFAULT_RANGE = "24h"
TILES = 5
CHART_MINUTES = 60
FEED_ROWS = 30


def ask_tracking(question: Question) -> Answer:
    desk = question.desk
    newest = find_events(desk.store, desk.workspace, limit=FEED_ROWS)
    return {**ask_figures(question), **ask_state(question), "events": newest}


def ask_figures(question: Question) -> Answer:
    desk, now = question.desk, question.desk.clock()
    return {
        "kpis": count_event_types(desk.store, desk.workspace, now, RANGES[read_range(question)]),
        "minutes": count_by_minute(desk.store, desk.workspace, now, CHART_MINUTES),
    }


def ask_state(question: Question) -> Answer:
    desk, now = question.desk, question.desk.clock()
    return {
        "sources": describe_sources(desk.store, desk.state, desk.workspace, now),
        "books": balance_books(desk.store, desk.state, desk.log, desk.workspace, now),
    }


def read_range(question: Question) -> str:
    chosen = question.text("range") or DEFAULT_RANGE
    if chosen not in RANGES:
        raise QuestionError(f"range must be one of {', '.join(RANGES)}, not {chosen[:60]!r}", "range")
    return chosen


def show_tracking(question: Question, answer: Answer) -> Mapping[str, Any]:
    began = bool(answer["events"]["items"])
    return {
        **show_figures(question, answer),
        **show_state(question, answer),
        "began": began,
        "first_steps": None if began else find_first_steps(question),
    }


def show_figures(question: Question, answer: Answer) -> Mapping[str, Any]:
    kpis = answer["kpis"]
    shown = kpis["items"][:TILES]
    return {
        "ranges": list(RANGES),
        "chosen_range": read_range(question),
        "tiles": shown,
        "other_types": kpis["types"] - len(shown),
        "other_events": kpis["events"] - sum(item["count"] for item in shown),
        "most": max((item["count"] for item in shown), default=0),
        "last_hour": sum(item["events"] for item in answer["minutes"]["items"]),
    }


def show_state(question: Question, answer: Answer) -> Mapping[str, Any]:
    return {"source_names": {item["id"]: item["name"] for item in answer["sources"]["items"]}}


def find_first_steps(question: Question) -> Mapping[str, str]:
    """The first web source that browsers may send to, and how; empty when there is none."""
    desk = question.desk
    sources = {source.id: source for source in list_sources(desk.state, desk.workspace)}
    for key in list_keys(desk.state, desk.workspace):
        source = sources.get(key.source)
        if source is None or not source.enabled or key.trusted:
            continue
        if snippet := make_snippet(question.site, source, key.shown):
            curl = make_curl(question.site, desk.show_example(source, key.shown))
            return {"source": source.name, "key": key.shown, "snippet": snippet, "curl": curl}
    return {}


FRAGMENTS = (
    Page("/tracking/figures", "tracking/figures.html", ask_figures, show_figures),
    Page("/tracking/state", "tracking/state.html", ask_state, show_state),
)
PAGE = Page("/tracking", "tracking.html", ask_tracking, show_tracking, FRAGMENTS)
