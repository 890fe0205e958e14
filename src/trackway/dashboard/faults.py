"""What is answered when a page cannot be: a page that says what happened and what to do, or JSON.

A part of a page that a script asked for (`HX-Request`) gets the status and nothing to put in its place.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from msgspec import Struct
from sqlalchemy.exc import OperationalError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ExceptionHandler

from trackway.dashboard.access import FormRefused, LoginNeeded
from trackway.dashboard.answering import render, reply_json
from trackway.dashboard.page import NotThere
from trackway.query.questions import QuestionError
from trackway.store.client import StoreRefused, StoreUnavailable

LOGIN = "/app/login"
TRY_AGAIN_S = 3


class Fault(Struct, frozen=True, kw_only=True):
    """`reason` is the word in JSON; `retries` says that the page asks again by itself."""

    status: int
    reason: str
    title: str
    message: str
    field: str = ""
    retries: bool = False


def reply_fault(request: Request, fault: Fault) -> Response:
    response: Response
    if request.url.path.endswith(".json"):
        error = {"reason": fault.reason, "message": fault.message, "field": fault.field}
        response = reply_json({"error": error}, fault.status)
    elif "hx-request" in request.headers:
        response = Response(status_code=fault.status)
    else:
        response = render(request, "fault.html", fault.status, fault=fault, try_again_s=TRY_AGAIN_S)
    if fault.retries:
        response.headers["retry-after"] = str(TRY_AGAIN_S)
    return response


async def ask_for_login(request: Request, exc: Exception) -> Response:
    """To the login and back; a script is sent there by a header that htmx follows."""
    if request.url.path.endswith(".json"):
        message = "log in, or ask /api/v1 with a token"
        return reply_json({"error": {"reason": "missing_key", "message": message, "field": "cookie"}}, 401)
    if "hx-request" in request.headers:
        return Response(status_code=401, headers={"hx-redirect": LOGIN})
    wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return RedirectResponse(f"{LOGIN}?next={quote(wanted, safe='')}" if request.method == "GET" else LOGIN, 303)


async def refuse_form(request: Request, exc: Exception) -> Response:
    return reply_fault(
        request, Fault(status=403, reason="form_refused", title="This form was not accepted", message=str(exc))
    )


async def say_not_there(request: Request, exc: Exception) -> Response:
    what = exc.what if isinstance(exc, NotThere) else "page"
    return reply_fault(
        request, Fault(status=404, reason=f"unknown_{what}", title=f"There is no such {what}", message=str(exc))
    )


async def refuse_question(request: Request, exc: Exception) -> Response:
    field = exc.field if isinstance(exc, QuestionError) else ""
    title = "This page cannot be shown as asked"
    return reply_fault(request, Fault(status=400, reason="out_of_range", title=title, message=f"{exc}.", field=field))


async def say_store_is_away(request: Request, exc: Exception) -> Response:
    message = (
        "The event store does not answer at the moment. Events are still being collected and nothing is lost: "
        "they are in the log and will show here as soon as the store is back."
    )
    fault = Fault(
        status=503, reason="store_unavailable", title="Waiting for the event store", message=message, retries=True
    )
    return reply_fault(request, fault)


async def say_store_refused(request: Request, exc: Exception) -> Response:
    message = f"The event store could not answer this question: {str(exc)[:300]}"
    fault = Fault(status=503, reason="store_refused", title="The store could not answer", message=message)
    return reply_fault(request, fault)


async def say_state_is_away(request: Request, exc: Exception) -> Response:
    message = (
        "The database with sources, users and positions does not answer at the moment. Events are still collected."
    )
    fault = Fault(
        status=503, reason="state_unavailable", title="Waiting for the database", message=message, retries=True
    )
    return reply_fault(request, fault)


_TITLES = {404: "There is no such page", 405: "That is not possible here", 413: "That was too much at once"}


async def say_http_error(request: Request, exc: Exception) -> Response:
    status = exc.status_code if isinstance(exc, HTTPException) else 500
    detail = exc.detail if isinstance(exc, HTTPException) else ""
    message = f"{request.method} {request.url.path[:200]} leads nowhere." if status == 404 else f"{detail}."
    fault = Fault(status=status, reason="http_error", title=_TITLES.get(status, "That did not work"), message=message)
    response = reply_fault(request, fault)
    response.headers.update((exc.headers or {}) if isinstance(exc, HTTPException) else {})
    return response


HANDLERS: Mapping[Any, ExceptionHandler] = {
    LoginNeeded: ask_for_login,
    FormRefused: refuse_form,
    NotThere: say_not_there,
    QuestionError: refuse_question,
    StoreUnavailable: say_store_is_away,
    StoreRefused: say_store_refused,
    OperationalError: say_state_is_away,
    HTTPException: say_http_error,
}
