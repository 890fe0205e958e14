"""Login and logout.

A form before any session has a token too: signed over a random value in a cookie of its own, so
that nobody can log a visitor in as somebody else. Wrong name and wrong password look the same and
take the same time; see `attempts` for how guessing is slowed down.
"""

import math
import secrets
import time

import anyio
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from trackway.control.attempts import Attempts
from trackway.control.sessions import csrf_token, sign_session
from trackway.control.users import User, check_password
from trackway.dashboard.access import (
    SESSION_COOKIE,
    LoginNeeded,
    check_csrf,
    check_origin,
    choose_destination,
    find_viewer,
    is_secure,
    read_form,
)
from trackway.dashboard.answering import render

LOGIN_COOKIE = "tw_login"
LOGIN_PATH = "/app/login"
LOGIN_COOKIE_S = 3600
LONGEST_GIVEN = 1000
# One check of a password takes 64 MB and a core for some 50 ms.
CHECKS_AT_ONCE = 2


class LoginForm:
    """The handlers of /app/login and /app/logout; holds the failed attempts of this process."""

    def __init__(self) -> None:
        self._attempts = Attempts(time.monotonic)
        self._limiter: anyio.CapacityLimiter | None = None

    async def show(self, request: Request) -> Response:
        destination = choose_destination(request.query_params.get("next", ""))
        try:
            await run_in_threadpool(find_viewer, request.app.state.desk, request)
        except LoginNeeded:
            return self._render_form(request, destination)
        return RedirectResponse(destination, 303)

    async def log_in(self, request: Request) -> Response:
        check_origin(request)
        form = await read_form(request)
        destination = choose_destination(form.get("next", ""))
        nonce = request.cookies.get(LOGIN_COOKIE, "")
        expected = csrf_token(request.app.state.desk.secret, nonce)
        if not nonce:
            problem = "The browser sent no cookie back. Allow cookies for this site, and log in again."
            return self._render_form(request, destination, form.get("name", ""), problem, 403)
        check_csrf(form.get("csrf", ""), expected)
        name, password = form.get("name", "").strip()[:LONGEST_GIVEN], form.get("password", "")[:LONGEST_GIVEN]
        peer = request.client.host if request.client else ""
        address = request.app.state.desk.proxies.find_address(peer, request.headers.get("x-forwarded-for", ""))
        wait = self._attempts.begin(name, address)
        if wait > 0:
            seconds = math.ceil(wait)
            problem = f"Too many attempts. Wait {seconds} seconds, then try again."
            response = self._render_form(request, destination, name, problem, 429)
            response.headers["retry-after"] = str(seconds)
            return response
        user = await self._check(request, name, password)
        if user is None:
            return self._render_form(request, destination, name, "Name or password is wrong.", 401)
        self._attempts.forgive(name, address)
        return self._begin_session(request, user, destination)

    async def log_out(self, request: Request) -> Response:
        check_origin(request)
        viewer = await run_in_threadpool(find_viewer, request.app.state.desk, request)
        check_csrf((await read_form(request)).get("csrf", ""), viewer.csrf)
        response = RedirectResponse(LOGIN_PATH, 303)
        response.delete_cookie(SESSION_COOKIE, path="/")
        return response

    async def _check(self, request: Request, name: str, password: str) -> User | None:
        if self._limiter is None:
            self._limiter = anyio.CapacityLimiter(CHECKS_AT_ONCE)
        state = request.app.state.desk.state
        return await anyio.to_thread.run_sync(check_password, state, name, password, limiter=self._limiter)

    def _render_form(
        self, request: Request, destination: str, name: str = "", problem: str = "", status: int = 200
    ) -> Response:
        nonce = request.cookies.get(LOGIN_COOKIE) or secrets.token_hex(16)
        token = csrf_token(request.app.state.desk.secret, nonce)
        context = {"destination": destination, "name": name, "problem": problem, "csrf": token}
        response = render(request, "login.html", status, **context)
        response.set_cookie(
            LOGIN_COOKIE,
            nonce,
            max_age=LOGIN_COOKIE_S,
            path=LOGIN_PATH,
            httponly=True,
            secure=is_secure(request),
            samesite="strict",
        )
        return response

    def _begin_session(self, request: Request, user: User, destination: str) -> Response:
        desk = request.app.state.desk
        response = RedirectResponse(destination, 303)
        response.set_cookie(
            SESSION_COOKIE,
            sign_session(desk.secret, user),
            max_age=desk.settings.session_hours * 3600,
            path="/",
            httponly=True,
            secure=is_secure(request),
            samesite="lax",
        )
        return response
