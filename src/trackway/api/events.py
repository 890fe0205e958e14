"""Routes that ask about events, sessions, sources and the books: each answer asks one question.

They run in a thread, because the store and the state answer synchronously.
"""

from trackway.api.desk import ServerDesk
from trackway.api.parameters import Parameter
from trackway.api.replies import ApiError, ApiRefusal
from trackway.api.route import PREFIX, Answer, ApiRoute, Values
from trackway.query.books import balance_books
from trackway.query.events import find_event, find_events
from trackway.query.kpis import TYPES_SHOWN, count_by_minute, count_event_types
from trackway.query.sessions import find_sessions
from trackway.query.sources import describe_sources


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


def list_sessions(desk: ServerDesk, values: Values) -> Answer:
    return find_sessions(desk.store, desk.workspace, desk.clock(), **values)


def list_sources(desk: ServerDesk, values: Values) -> Answer:
    return describe_sources(desk.store, desk.state, desk.workspace, desk.clock())


def list_kpis(desk: ServerDesk, values: Values) -> Answer:
    return count_event_types(desk.store, desk.workspace, desk.clock(), **values)


def list_minutes(desk: ServerDesk, values: Values) -> Answer:
    return count_by_minute(desk.store, desk.workspace, desk.clock(), **values)


def show_books(desk: ServerDesk, values: Values) -> Answer:
    return balance_books(desk.store, desk.state, desk.log, desk.workspace, desk.clock(), **values)


EVENT_TYPE = Parameter("event_type", "", "Only events of this type")

EVENT_ROUTES: tuple[ApiRoute, ...] = (
    ApiRoute(
        f"{PREFIX}/events",
        "Stored events, newest first",
        (
            Parameter("limit", 50, "How many events, 1 to 1,000"),
            EVENT_TYPE,
            Parameter("source", "", "Only events of the source with this id"),
            Parameter("plan", "", "`broken` for events that break the tracking plan"),
            Parameter("cursor", "", "The field `next` of the page before"),
        ),
        list_events,
    ),
    ApiRoute(f"{PREFIX}/events/{{event_id}}", "What became of one event", (), explain_event),
    ApiRoute(
        f"{PREFIX}/sessions",
        "Sessions of everyone, newest first",
        (
            Parameter("hours", 24, "How far back, 1 to 8,784"),
            Parameter("limit", 50, "How many sessions, 1 to 1,000"),
            Parameter("cursor", "", "The field `next` of the page before"),
        ),
        list_sessions,
    ),
    ApiRoute(f"{PREFIX}/sources", "The sources and how alive they are", (), list_sources),
    ApiRoute(
        f"{PREFIX}/kpis",
        "Event types of the highest volume, visitors and sessions",
        (
            Parameter("hours", 24, "How far back, 1 to 8,784"),
            Parameter("limit", TYPES_SHOWN, "How many event types are listed, 1 to 1,000"),
        ),
        list_kpis,
    ),
    ApiRoute(
        f"{PREFIX}/timeseries",
        "Events and visitors per minute",
        (Parameter("minutes", 60, "How many minutes, 1 to 1,440"), EVENT_TYPE),
        list_minutes,
    ),
    ApiRoute(
        f"{PREFIX}/live",
        "Events as they are stored, as server-sent events",
        (Parameter("cursor", "", "The `id` of a live event, to begin behind it"),),
        None,
    ),
    ApiRoute(
        f"{PREFIX}/books",
        "The accounting equation per source and minute",
        (Parameter("minutes", 0, "How many minutes of receipt get lines of their own, 0 to 1,440"),),
        show_books,
    ),
)
