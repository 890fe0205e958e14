"""Who looks at the page, and whether a form really came from one of ours.

A session is a signed cookie (trackway.control.sessions); it ends when it is too old, when the
user's password changes, and with the browser's cookie. Forms carry the session's CSRF token, and
the browser must not say that another site sent them.
"""

import hmac
from urllib.parse import parse_qsl, urlsplit

from msgspec import Struct
from starlette.requests import Request

from trackway.control.sessions import csrf_token, read_session
from trackway.control.users import read_user
from trackway.dashboard.desk import ServerDesk

SESSION_COOKIE = "tw_session"
FORM_TYPE = "application/x-www-form-urlencoded"
FORM_FIELDS = 50
HOME = "/app/tracking"


class Viewer(Struct, frozen=True):
    """Someone who is logged in. `csrf` goes into every form of the session."""

    user: str
    csrf: str


class LoginNeeded(Exception):
    """Nobody is logged in."""


class FormRefused(Exception):
    """A form that did not come from our page, or of an older login; the text says so."""


def find_viewer(desk: ServerDesk, request: Request) -> Viewer:
    """Who is logged in; LoginNeeded when nobody is. Reads the state: call it in a thread."""
    session = read_session(desk.secret, request.cookies.get(SESSION_COOKIE, ""), desk.settings.session_hours * 3600)
    user = read_user(desk.state, session.user) if session else None
    if session is None or user is None or user.epoch != session.epoch:
        raise LoginNeeded
    return Viewer(user.name, csrf_token(desk.secret, session.nonce))


def check_origin(request: Request) -> None:
    """FormRefused when the browser says that another site sent the form.

    Sec-Fetch-Site is the browser's own judgement and right behind any proxy; where it is not sent
    (plain http, old browsers) Origin must name the host that was asked.
    """
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    if site is not None:
        foreign = site not in ("same-origin", "none")
    else:
        foreign = origin is not None and urlsplit(origin).netloc != request.headers.get("host")
    if foreign:
        raise FormRefused("Another site sent this form, so nothing was changed.")


def check_csrf(shown: str, expected: str) -> None:
    if not hmac.compare_digest(shown.encode(), expected.encode()):
        raise FormRefused("The form was of an older login, so nothing was changed. Open the page again and repeat it.")


async def read_form(request: Request) -> dict[str, str]:
    """The fields of a form. FormRefused for anything that none of our pages sends.

    How long a body may be is limited where the routes are mounted.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip() != FORM_TYPE:
        raise FormRefused(f"A form is sent as {FORM_TYPE}.")
    body = await request.body()
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=FORM_FIELDS))
    except ValueError:
        raise FormRefused("The form could not be read: too many fields, or no UTF-8.") from None


def choose_destination(wanted: str) -> str:
    """Where to go after the login: a page of ours that was asked for, else Tracking."""
    plain = wanted.isascii() and wanted.isprintable() and "\\" not in wanted
    return wanted if plain and wanted.startswith("/app/") and "//" not in wanted.partition("?")[0] else HOME


def is_secure(request: Request) -> bool:
    """Whether the browser came by https, maybe to a proxy of ours. A lie here harms the liar only."""
    return "https" in (request.url.scheme, request.headers.get("x-forwarded-proto", ""))
