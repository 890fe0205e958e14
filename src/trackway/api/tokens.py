"""`POST /user/token`: the login of a program, as Tracardi's clients do it (OAuth2 password form).

The token is the session of whoever logged in: it ends after `session_hours`, or when they change
their password. Guessing is slowed down as at the login page.
"""

import math
import time
from urllib.parse import parse_qs

import anyio
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from trackway.api.desk import ServerDesk
from trackway.api.replies import reply_json
from trackway.control.attempts import Attempts
from trackway.control.sessions import BEARER, sign_session
from trackway.control.users import User, check_password

TOKEN_PATH = "/user/token"
LONGEST_FORM = 10_000
LONGEST_GIVEN = 1000
# One check of a password takes 64 MB and a core for some 50 ms.
CHECKS_AT_ONCE = 2
WRONG = "Incorrect username or password"


class TokenEndpoint:
    """An ASGI application; holds the failed attempts of this process."""

    def __init__(self) -> None:
        self._attempts = Attempts(time.monotonic)
        self._limiter: anyio.CapacityLimiter | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        if request.method == "POST":
            response = await self._log_in(request)
        else:
            response = reply_json({"detail": "Method Not Allowed"}, 405, {"allow": "POST"})
        await response(scope, receive, send)

    async def _log_in(self, request: Request) -> Response:
        form = await _read_form(request)
        if form is None:
            return reply_json({"detail": f"send username and password as a form of at most {LONGEST_FORM} bytes"}, 422)
        name, password = form
        desk: ServerDesk = request.app.state.desk
        peer = request.client.host if request.client else ""
        address = desk.proxies.find_address(peer, request.headers.get("x-forwarded-for", ""))
        wait = math.ceil(self._attempts.begin(name, address))
        if wait > 0:
            said = {"detail": f"Too many attempts. Wait {wait} seconds, then try again."}
            return reply_json(said, 429, {"retry-after": str(wait)})
        user = await self._check(desk, name, password)
        if user is None:
            return reply_json({"detail": WRONG}, 400)
        self._attempts.forgive(name, address)
        token = sign_session(desk.secret, user, BEARER)
        # Everyone who may log in may do everything.
        return reply_json({"access_token": token, "token_type": "bearer", "roles": ["admin"], "preference": {}})

    async def _check(self, desk: ServerDesk, name: str, password: str) -> User | None:
        if self._limiter is None:
            self._limiter = anyio.CapacityLimiter(CHECKS_AT_ONCE)
        return await anyio.to_thread.run_sync(check_password, desk.state, name, password, limiter=self._limiter)


async def _read_form(request: Request) -> tuple[str, str] | None:
    """Name and password; None when the body is no form that holds both."""
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > LONGEST_FORM:
                return None
        fields = parse_qs(body.decode(), keep_blank_values=True, max_num_fields=20)
    except (ClientDisconnect, ValueError):
        return None
    name, password = (fields.get(each, [""])[0][:LONGEST_GIVEN] for each in ("username", "password"))
    return (name.strip(), password) if name and password else None
