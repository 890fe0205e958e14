"""Events: the list of what was stored, newest first."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from trackway.control.sources import list_sources
from trackway.dashboard.page import Answer, Page, Question
from trackway.query.events import find_events
from trackway.query.kpis import count_event_types

ROWS = 50
SUGGESTED_HOURS = 7 * 24
MOST_SUGGESTED = 100


def ask_events(question: Question) -> Answer:
    desk = question.desk
    return find_events(
        desk.store,
        desk.workspace,
        limit=question.number("limit", ROWS),
        event_type=question.text("event_type"),
        source=question.text("source"),
        plan=question.text("plan"),
        cursor=question.text("cursor"),
    )


def show_events(question: Question, answer: Answer) -> Mapping[str, Any]:
    desk = question.desk
    filters = {name: question.text(name) for name in ("event_type", "source", "plan", "limit") if question.text(name)}
    types = count_event_types(desk.store, desk.workspace, desk.clock(), SUGGESTED_HOURS, MOST_SUGGESTED)["items"]
    sources = list_sources(desk.state, desk.workspace)
    return {
        "filters": filters,
        "suggested_types": [item["event_type"] for item in types],
        "sources": [(source.id, source.name) for source in sources],
        "source_names": {source.id: source.name for source in sources},
        "older": urlencode({**filters, "cursor": answer["next"]}) if answer["next"] else "",
        "newest": urlencode(filters) if question.text("cursor") else None,
    }


PAGE = Page("/events", "events.html", ask_events, show_events)
