"""Every route of the API, once: from this table come the routing and the check of the docs page.

A request passes here in a fixed order: path, method, access, parameters, question. Whatever it is
refused for, and whatever is not available, becomes JSON here and nowhere else.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TypeVar

from anyio import to_thread
from sqlalchemy.exc import OperationalError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from trackway.api.access import check_access
from trackway.api.accounts import ACCOUNT_ROUTES
from trackway.api.bodies import read_body
from trackway.api.consent import CONSENT_ROUTES
from trackway.api.contacts import CONTACT_ROUTES
from trackway.api.desk import ServerDesk
from trackway.api.events import EVENT_ROUTES
from trackway.api.live import stream_live
from trackway.api.parameters import Parameter, read_parameters
from trackway.api.paths import SentPath
from trackway.api.people import PEOPLE_ROUTES
from trackway.api.plan import PLAN_ROUTES
from trackway.api.privacy import PRIVACY_ROUTES
from trackway.api.rejections import REJECTION_ROUTES
from trackway.api.replies import ApiError, ApiRefusal, Download, reply_download, reply_json, reply_refusal
from trackway.api.route import PREFIX, ApiRoute
from trackway.api.sources import SOURCE_ROUTES
from trackway.api.tokens import TOKEN_PATH, TokenEndpoint
from trackway.api.tracardi import TRACARDI_ROUTES, word_refusal
from trackway.api.visitors import VISITOR_ROUTES
from trackway.eventlog.interface import UnknownFormat
from trackway.query.questions import QuestionError
from trackway.store.client import StoreRefused, StoreUnavailable

T = TypeVar("T")

LOG = logging.getLogger(__name__)

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


API_ROUTES: tuple[ApiRoute, ...] = (
    *EVENT_ROUTES,
    *SOURCE_ROUTES,
    *PEOPLE_ROUTES,
    *VISITOR_ROUTES,
    *CONTACT_ROUTES,
    *ACCOUNT_ROUTES,
    *CONSENT_ROUTES,
    *PRIVACY_ROUTES,
    *PLAN_ROUTES,
    *REJECTION_ROUTES,
)


# Every route takes it.
WORKSPACE = Parameter("workspace", "", "`test` asks about the test space instead of the real one")


def choose_space(desk: ServerDesk, workspace: str) -> ServerDesk:
    """The desk of the workspace that the request names; ApiRefusal for any but its own and the test space."""
    if workspace in ("", desk.workspace):
        return desk
    if desk.test is None or workspace != desk.test.workspace:
        raise ApiRefusal(ApiError.OUT_OF_RANGE, "workspace must be `test`, or not be given", WORKSPACE.name)
    return desk.test


Refuse = Callable[[ApiRefusal], Response]


async def answer_request(routes: Mapping[str, ApiRoute], request: Request, refuse: Refuse) -> Response:
    """`routes` are those of one path, by method; HEAD is answered like GET."""
    desk: ServerDesk = request.app.state.desk
    path = next(iter(routes.values())).path
    try:
        route = routes.get("GET" if request.method == "HEAD" else request.method)
        if route is None:
            methods = [*routes, "HEAD"] if "GET" in routes else [*routes]
            raise ApiRefusal(
                ApiError.METHOD_NOT_ALLOWED,
                f"{path} answers {' and '.join(methods)}, not {request.method}",
                headers={"allow": ", ".join(methods)},
            )
        async with asyncio.timeout(ANSWER_SECONDS):
            return await _ask(route, desk, request)
    except ApiRefusal as refusal:
        return refuse(refusal)
    except QuestionError as error:
        return refuse(ApiRefusal(ApiError.OUT_OF_RANGE, str(error), error.field))
    except (StoreUnavailable, StoreRefused, OperationalError, UnknownFormat, OSError) as error:
        LOG.warning("%s: no answer: %s: %s", path, type(error).__name__, error)
        refused = next(why for kind, why in NOT_AVAILABLE if isinstance(error, kind))
        return refuse(ApiRefusal(refused, refused.value.meaning))


async def _ask(route: ApiRoute, desk: ServerDesk, request: Request) -> Response:
    who = await _run_in_thread(check_access, desk, request)
    given = dict(read_parameters(request.query_params, (*route.parameters, WORKSPACE)))
    desk = choose_space(desk, given.pop(WORKSPACE.name))
    values = {**given, **request.path_params}
    if route.method != "GET":
        values["by"] = who
    if route.takes_body:
        values["body"] = await read_body(request, route.lines)
    if route.answer is None:
        return await stream_live(desk, request, **values)
    answer = await _run_in_thread(route.answer, desk, values)
    return reply_download(answer) if isinstance(answer, Download) else reply_json(answer)


async def _run_in_thread(function: Callable[..., T], *arguments: object) -> T:
    """In a thread that is given up, not waited for, when the time for an answer is over."""
    return await to_thread.run_sync(partial(function, *arguments), abandon_on_cancel=True)


class ApiEndpoint:
    """The routes of one path as an ASGI application, so that it also answers the methods it does not have."""

    def __init__(self, routes: Mapping[str, ApiRoute], refuse: Refuse = reply_refusal) -> None:
        self._routes, self._refuse = routes, refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await answer_request(self._routes, Request(scope, receive), self._refuse)
        await response(scope, receive, send)


class UnknownRoute:
    """Answers every path below the prefix that no route has."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        known = ", ".join(dict.fromkeys(route.path for route in API_ROUTES))
        refusal = ApiRefusal(ApiError.UNKNOWN_ROUTE, f"there is no {scope['path'][:200]}; there are {known}", "path")
        await reply_refusal(refusal)(scope, receive, send)


def _gather_paths(table: Sequence[ApiRoute]) -> dict[str, dict[str, ApiRoute]]:
    """The routes of each path, by method."""
    by_path: dict[str, dict[str, ApiRoute]] = {}
    for route in table:
        by_path.setdefault(route.path, {})[route.method] = route
    return by_path


def make_api_routes() -> list[Route]:
    """Routes for the server's application, which keeps a `ServerDesk` in `app.state.desk`."""
    known = [
        SentPath(path, ApiEndpoint(routes, refuse))
        for table, refuse in ((API_ROUTES, reply_refusal), (TRACARDI_ROUTES, word_refusal))
        for path, routes in _gather_paths(table).items()
    ]
    known.append(SentPath(TOKEN_PATH, TokenEndpoint()))
    return [*known, Route(PREFIX, UnknownRoute()), Route(f"{PREFIX}/{{rest:path}}", UnknownRoute())]
