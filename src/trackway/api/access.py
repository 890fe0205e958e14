"""Who may ask: a bearer token, or the session of someone who is logged in.

Tokens: the admin token of the settings, the local token of run/server.json, one that
`trackway tokens create` made, or that of a login at `/user/token`, which ends like a session. A session (cookie) may read; to change something it must also show
its CSRF token. Which workspace is asked about never comes from the request; but whoever may ask about
it may also ask about the test space.
"""

import hmac

from starlette.requests import Request

from trackway.api.desk import ServerDesk
from trackway.api.replies import ApiError, ApiRefusal
from trackway.control.sessions import BEARER, csrf_token, read_session
from trackway.control.users import find_token, read_user

SESSION_COOKIE = "tw_session"
CSRF_HEADER = "x-csrf-token"
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


def check_access(desk: ServerDesk, request: Request) -> str:
    """Who asks, for the record; ApiRefusal when the request may not be answered. Reads the state: call it in a thread."""
    header = request.headers.get("authorization", "")
    if header:
        return check_bearer(desk, header)
    if cookie := request.cookies.get(SESSION_COOKIE, ""):
        return check_session(desk, cookie, request.method, request.headers.get(CSRF_HEADER, ""))
    raise ApiRefusal(
        ApiError.MISSING_KEY,
        "send a token as `Authorization: Bearer TOKEN`; `trackway tokens create NAME` makes one",
        "authorization",
    )


def check_bearer(desk: ServerDesk, header: str) -> str:
    scheme, _, token = header.partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token:
        raise ApiRefusal(ApiError.MISSING_KEY, "the header must read `Authorization: Bearer TOKEN`", "authorization")
    for who, known in (("admin token", desk.admin_token), ("command line", desk.local_token)):
        # Headers arrive as Latin-1; compared are the bytes that were sent, in constant time.
        if known and hmac.compare_digest(token.encode("latin-1"), known.encode()):
            return who
    name = find_token(desk.state, token)
    if name is not None:
        return f"token {name}"
    session = read_session(desk.secret, token, desk.settings.session_hours * 3600, BEARER)
    user = read_user(desk.state, session.user) if session else None
    if session is None or user is None or user.epoch != session.epoch:
        raise ApiRefusal(ApiError.UNKNOWN_KEY, "the token is unknown, was revoked or has ended", "authorization")
    return user.name


def check_session(desk: ServerDesk, cookie: str, method: str, shown: str) -> str:
    session = read_session(desk.secret, cookie, desk.settings.session_hours * 3600)
    user = read_user(desk.state, session.user) if session else None
    if session is None or user is None or user.epoch != session.epoch:
        raise ApiRefusal(ApiError.UNKNOWN_KEY, "the session has ended; log in again", "cookie")
    expected = csrf_token(desk.secret, session.nonce)
    if method not in SAFE_METHODS and not hmac.compare_digest(shown.encode(), expected.encode()):
        raise ApiRefusal(ApiError.CSRF_TOKEN, "send the session's token as X-CSRF-Token", CSRF_HEADER)
    return user.name
