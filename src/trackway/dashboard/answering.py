"""From a request to an answer: HTML, a fragment of it, or JSON, all of the same page.

The store and the state answer synchronously, so each request is one visit to a thread.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import quote

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from trackway.dashboard.access import check_csrf, check_origin, find_viewer, is_secure, read_form
from trackway.dashboard.page import Answer, Page, Question
from trackway.dashboard.pages import decision, sources, visitors
from trackway.dashboard.rendering import render_page
from trackway.dashboard.spaces import choose_desk, looks_at_test, offers_test
from trackway.profiles.decisions import DecisionRefused
from trackway.query.questions import QuestionError

Endpoint = Callable[[Request], Awaitable[Response]]

THEMES = ("light", "dark")
THEME_COOKIE = "tw_theme"
_HOST = re.compile(r"[A-Za-z0-9.\-_\[\]:]{1,255}")


class Answered(msgspec.Struct, frozen=True):
    """A page's question, the bare answer, and what its template needs besides."""

    question: Question
    answer: Answer
    shown: Mapping[str, Any]


def name_site(request: Request) -> str:
    """Our own address as the browser wrote it, `https://tracking.example.org`."""
    host = request.headers.get("host", "")
    if not _HOST.fullmatch(host):
        settings = request.app.state.desk.settings
        host = f"{settings.host}:{settings.port}"
    return f"{'https' if is_secure(request) else 'http'}://{host}"


def make_question(request: Request) -> Question:
    """LoginNeeded when nobody is logged in. Reads the state: call it in a thread."""
    desk = choose_desk(request)
    viewer = find_viewer(desk, request)
    request.state.viewer = viewer
    request.state.offers_test = offers_test(desk)
    return Question(desk, viewer, name_site(request), request.path_params, dict(request.query_params))


def render(request: Request, template: str, status: int = 200, **context: Any) -> HTMLResponse:
    """A template with what every page has around it."""
    theme = request.cookies.get(THEME_COOKIE, "")
    around = {
        "viewer": getattr(request.state, "viewer", None),
        "in_test": looks_at_test(request),
        "offers_test": getattr(request.state, "offers_test", False),
        "theme": theme if theme in THEMES else "auto",
        "path": request.url.path,
        "query": request.url.query,
        "now_ms": request.app.state.desk.clock(),
        "twin": "",
    }
    return HTMLResponse(render_page(template, **(around | context)), status)


def reply_json(content: object, status: int = 200) -> Response:
    """`content` may hold `msgspec.Raw`, which is spliced in as it is."""
    return Response(msgspec.json.encode(content), status, media_type="application/json")


def answer_html(page: Page) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        return show_answer(request, page, await run_in_threadpool(answer_page, request, page))

    return endpoint


def answer_json(page: Page) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        return reply_json(await run_in_threadpool(lambda: page.ask(make_question(request))))

    return endpoint


def answer_page(request: Request, page: Page) -> Answered:
    question = make_question(request)
    answer = page.ask(question)
    return Answered(question, answer, page.show(question, answer))


def show_answer(request: Request, page: Page, answered: Answered, status: int = 200, **context: Any) -> Response:
    query = request.url.query
    twin = f"{request.url.path}.json" + (f"?{query}" if query else "")
    page_context = {**answered.shown, "answer": answered.answer, "twin": twin, **context}
    return render(request, page.template, status, **page_context)


async def add_source(request: Request) -> Response:
    """The form of the Sources page."""
    check_origin(request)
    question = await run_in_threadpool(make_question, request)
    form = await read_form(request)
    check_csrf(form.get("csrf", ""), question.viewer.csrf)
    try:
        added = await run_in_threadpool(sources.add_from_form, question, form)
    except sources.SourceRefused as refused:
        answered = await run_in_threadpool(answer_page, request, sources.PAGE)
        again = {"problem": refused.problem, "form": refused.form}
        return show_answer(request, sources.PAGE, answered, 422, **again)
    return render(request, "sources/added.html", 201, **added)


async def decide(request: Request) -> Response:
    """The form that carries out what the page Decision showed; back to the profile with what came of it."""
    check_origin(request)
    question = await run_in_threadpool(make_question, request)
    form = await read_form(request)
    check_csrf(form.get("csrf", ""), question.viewer.csrf)
    try:
        made = await run_in_threadpool(decision.decide, question, form)
    except DecisionRefused as refused:
        raise QuestionError(f"Nothing was changed: {refused}", "action") from None
    return RedirectResponse(f"/app/profiles/{quote(question.path['profile_id'])}?done={made}", 303)


async def search_visitors(request: Request) -> Response:
    """To the profile when exactly one has what was typed, else a page that says who."""
    answered = await run_in_threadpool(answer_page, request, visitors.SEARCH)
    found = answered.answer["items"]
    if len(found) == 1:
        return RedirectResponse(f"/app/profiles/{found[0]['profile_id']}", 303)
    return show_answer(request, visitors.SEARCH, answered)


async def go_home(request: Request) -> Response:
    return RedirectResponse("/app/tracking", 303)
