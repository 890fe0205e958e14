"""Forms that change what governs events: the consent policy, the tracking plan, privacy requests, retention, rules for personal data, sources.

Each is checked to have come from one of our pages before anything is read from it.
"""

from collections.abc import Callable, Mapping

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from trackway.dashboard.access import check_csrf, check_origin, read_form
from trackway.dashboard.answering import Endpoint, answer_page, make_question, show_answer
from trackway.dashboard.page import Page, Question, ShownAgain
from trackway.dashboard.pages import consent, diagnostics, install, plan, privacy, source

# Carries a form out and says where to go then; ShownAgain when the page is to be shown instead.
Act = Callable[[Question, Mapping[str, str]], str]


def take_form(page: Page, act: Act) -> Endpoint:
    """The endpoint of a form that stands on `page`."""

    async def endpoint(request: Request) -> Response:
        check_origin(request)
        question = await run_in_threadpool(make_question, request)
        form = await read_form(request)
        check_csrf(form.get("csrf", ""), question.viewer.csrf)
        try:
            place = await run_in_threadpool(act, question, form)
        except ShownAgain as again:
            answered = await run_in_threadpool(answer_page, request, page)
            twin = f"/app{page.path}.json".format(**question.path)
            return show_answer(request, page, answered, again.status, **{"twin": twin} | dict(again.shown))
        return RedirectResponse(place, 303)

    return endpoint


FORM_ROUTES: tuple[BaseRoute, ...] = (
    Route("/consent", take_form(consent.PAGE, consent.change_from_form), methods=["POST"]),
    Route("/privacy", take_form(privacy.PAGE, privacy.ask_from_form), methods=["POST"]),
    Route("/privacy/retention", take_form(privacy.PAGE, privacy.set_retention_from_form), methods=["POST"]),
    Route("/privacy/addresses", take_form(privacy.PAGE, privacy.set_ip_mode_from_form), methods=["POST"]),
    Route("/catalogue", take_form(plan.PAGE, plan.change_from_form), methods=["POST"]),
    Route("/sources/{source_id}", take_form(source.PAGE, source.change_from_form), methods=["POST"]),
    Route("/install", take_form(install.PAGE, install.change_from_form), methods=["POST"]),
    Route("/diagnostics", take_form(diagnostics.PAGE, diagnostics.set_rule_from_form), methods=["POST"]),
)
