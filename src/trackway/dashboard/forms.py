"""Forms that change what governs events: the consent policy, privacy requests, retention, addresses, rules for
personal data. Each is checked to have come from one of our pages before anything is read from it."""

from collections.abc import Callable, Mapping

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from trackway.dashboard.access import check_csrf, check_origin, read_form
from trackway.dashboard.answering import Endpoint, answer_page, make_question, show_answer
from trackway.dashboard.page import Page, Question
from trackway.dashboard.pages import consent

Form = Mapping[str, str]


class Again(Exception):
    """The page is shown again, with `shown` over what it usually shows; nothing was changed."""

    def __init__(self, shown: Mapping[str, object], status: int = 422) -> None:
        super().__init__("the form is shown again")
        self.shown, self.status = shown, status
