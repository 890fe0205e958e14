"""Which space a viewer looks at: the real one, or the test space, chosen with a button and kept in a cookie.

A choice of view, not a right: whoever is logged in may look at both.
"""

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from trackway.control.sources import list_sources
from trackway.control.workspaces import TEST_WORKSPACE
from trackway.dashboard.access import HOME, check_csrf, check_origin, find_viewer, is_secure, read_form
from trackway.dashboard.desk import ServerDesk

SPACE_COOKIE = "tw_space"


def looks_at_test(request: Request) -> bool:
    return request.cookies.get(SPACE_COOKIE) == TEST_WORKSPACE and request.app.state.desk.test is not None


def choose_desk(request: Request) -> ServerDesk:
    desk: ServerDesk = request.app.state.desk
    return desk.test if desk.test is not None and looks_at_test(request) else desk


def offers_test(desk: ServerDesk) -> bool:
    """Whether anything sends to the test space; the way there is not shown before."""
    return bool(list_sources(desk.state, TEST_WORKSPACE))


async def choose_space(request: Request) -> Response:
    """The form at the foot of the menu."""
    check_origin(request)
    viewer = await run_in_threadpool(find_viewer, request.app.state.desk, request)
    form = await read_form(request)
    check_csrf(form.get("csrf", ""), viewer.csrf)
    response = RedirectResponse(HOME, 303)
    if form.get("space") == TEST_WORKSPACE:
        response.set_cookie(
            SPACE_COOKIE, TEST_WORKSPACE, path="/", httponly=True, secure=is_secure(request), samesite="lax"
        )
    else:
        response.delete_cookie(SPACE_COOKIE, path="/")
    return response
