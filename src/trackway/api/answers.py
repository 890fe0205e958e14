"""The routes' answers: each takes the desk and the request's values and asks one question.

They run in a thread, because the store and the state answer synchronously.
"""

from collections.abc import Mapping
from typing import Any

from trackway.api.desk import ServerDesk
from trackway.api.replies import ApiError, ApiRefusal
from trackway.query.books import balance_books
from trackway.query.events import find_event, find_events
from trackway.query.kpis import count_by_minute, count_event_types
from trackway.query.sources import describe_sources

Values = Mapping[str, Any]
Answer = Mapping[str, Any]


def list_events(desk: ServerDesk, values: Values) -> Answer:
    return find_events(desk.store, desk.workspace, **values)


def explain_event(desk: ServerDesk, values: Values) -> Answer:
    found = find_event(desk.store, desk.state, desk.log, desk.workspace, values["event_id"], desk.stages)
    if found is None:
        raise ApiRefusal(
            ApiError.UNKNOWN_EVENT,
            f"no event {values['event_id']} is stored, set aside or in flight in this workspace",
            "event_id",
        )
    return found


def list_sources(desk: ServerDesk, values: Values) -> Answer:
    return describe_sources(desk.store, desk.state, desk.workspace, desk.clock())


def list_kpis(desk: ServerDesk, values: Values) -> Answer:
    return count_event_types(desk.store, desk.workspace, desk.clock(), **values)


def list_minutes(desk: ServerDesk, values: Values) -> Answer:
    return count_by_minute(desk.store, desk.workspace, desk.clock(), **values)


def show_books(desk: ServerDesk, values: Values) -> Answer:
    return balance_books(desk.store, desk.state, desk.log, desk.workspace, desk.clock(), **values)
