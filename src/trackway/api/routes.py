"""Every route of the API, once: from this table come the routing and the check of the docs page.

A request passes here in a fixed order: path, method, access, parameters, question. Whatever it is
refused for, and whatever is not available, becomes JSON here and nowhere else.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar

from anyio import to_thread
from msgspec import Struct
from sqlalchemy.exc import OperationalError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from trackway.api import answers
from trackway.api.access import check_access
from trackway.api.desk import ServerDesk
from trackway.api.live import stream_live
from trackway.api.parameters import Parameter, read_parameters
from trackway.api.replies import ApiError, ApiRefusal, reply_json, reply_refusal
from trackway.eventlog.interface import UnknownFormat
from trackway.query.questions import QuestionError
from trackway.store.client import StoreRefused, StoreUnavailable

T = TypeVar("T")

LOG = logging.getLogger(__name__)

PREFIX = "/api/v1"
# What a route answers.
METHODS = ("GET", "HEAD")
# The engine ends a question after 20 s; one that hangs all the same is given up after these.
ANSWER_SECONDS = 30


# What is not there now, whose fault it is. TimeoutError comes before OSError, of which it is one.
NOT_AVAILABLE: tuple[tuple[type[Exception], ApiError], ...] = (
    (StoreUnavailable, ApiError.STORE_UNAVAILABLE),
    (StoreRefused, ApiError.STORE_REFUSED),
    (OperationalError, ApiError.STATE_UNAVAILABLE),
    (TimeoutError, ApiError.STORE_UNAVAILABLE),
    (UnknownFormat, ApiError.LOG_UNAVAILABLE),
    (OSError, ApiError.LOG_UNAVAILABLE),
)


class ApiRoute(Struct, frozen=True):
    """`answer` is None for the live feed, which streams."""

    path: str
    says: str
    parameters: tuple[Parameter, ...]
    answer: Callable[[ServerDesk, Mapping[str, Any]], Mapping[str, Any]] | None


EVENT_TYPE = Parameter("event_type", "", "Only events of this type")

API_ROUTES: tuple[ApiRoute, ...] = (
    ApiRoute(
        f"{PREFIX}/events",
        "Stored events, newest first",
        (
            Parameter("limit", 50, "How many events, 1 to 1,000"),
            EVENT_TYPE,
            Parameter("source", "", "Only events of the source with this id"),
            Parameter("cursor", "", "The field `next` of the page before"),
        ),
        answers.list_events,
    ),
    ApiRoute(f"{PREFIX}/events/{{event_id}}", "What became of one event", (), answers.explain_event),
    ApiRoute(f"{PREFIX}/sources", "The sources and how alive they are", (), answers.list_sources),
    ApiRoute(
        f"{PREFIX}/kpis",
        "Event types of the highest volume, visitors and sessions",
        (Parameter("hours", 24, "How far back, 1 to 8,784"),),
        answers.list_kpis,
    ),
    ApiRoute(
        f"{PREFIX}/timeseries",
        "Events and visitors per minute",
        (Parameter("minutes", 60, "How many minutes, 1 to 1,440"), EVENT_TYPE),
        answers.list_minutes,
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
        answers.show_books,
    ),
)


async def answer_request(route: ApiRoute, request: Request) -> Response:
    desk: ServerDesk = request.app.state.desk
    try:
        if request.method not in METHODS:
            raise ApiRefusal(
                ApiError.METHOD_NOT_ALLOWED,
                f"{route.path} answers {' and '.join(METHODS)}, not {request.method}",
                headers={"allow": ", ".join(METHODS)},
            )
        async with asyncio.timeout(ANSWER_SECONDS):
            return await _ask(route, desk, request)
    except ApiRefusal as refusal:
        return reply_refusal(refusal)
    except QuestionError as error:
        return reply_refusal(ApiRefusal(ApiError.OUT_OF_RANGE, str(error), error.field))
    except (StoreUnavailable, StoreRefused, OperationalError, UnknownFormat, OSError) as error:
        LOG.warning("%s: no answer: %s: %s", route.path, type(error).__name__, error)
        refused = next(why for kind, why in NOT_AVAILABLE if isinstance(error, kind))
        return reply_refusal(ApiRefusal(refused, refused.value.meaning))


async def _ask(route: ApiRoute, desk: ServerDesk, request: Request) -> Response:
    await _run_in_thread(check_access, desk, request)
    values = {**read_parameters(request.query_params, route.parameters), **request.path_params}
    if route.answer is None:
        return await stream_live(desk, request, **values)
    return reply_json(await _run_in_thread(route.answer, desk, values))


async def _run_in_thread(function: Callable[..., T], *arguments: object) -> T:
    """In a thread that is given up, not waited for, when the time for an answer is over."""
    return await to_thread.run_sync(partial(function, *arguments), abandon_on_cancel=True)


class ApiEndpoint:
    """One route as an ASGI application, so that it also answers the methods it does not have."""

    def __init__(self, route: ApiRoute) -> None:
        self._route = route

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await answer_request(self._route, Request(scope, receive))
        await response(scope, receive, send)


class UnknownRoute:
    """Answers every path below the prefix that no route has."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        known = ", ".join(route.path for route in API_ROUTES)
        refusal = ApiRefusal(ApiError.UNKNOWN_ROUTE, f"there is no {scope['path'][:200]}; there are {known}", "path")
        await reply_refusal(refusal)(scope, receive, send)


def make_api_routes() -> list[Route]:
    """Routes for the server's application, which keeps a `ServerDesk` in `app.state.desk`."""
    known = [Route(route.path, ApiEndpoint(route)) for route in API_ROUTES]
    return [*known, Route(PREFIX, UnknownRoute()), Route(f"{PREFIX}/{{rest:path}}", UnknownRoute())]
