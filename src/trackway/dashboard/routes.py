"""The dashboard's routes. Each of `PAGES` has its HTML, its `.json` twin, and its fragments."""

from starlette.middleware import Middleware
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.responses import RedirectResponse
from starlette.routing import BaseRoute, Mount, Route

from trackway.dashboard.answering import add_source, answer_html, answer_json, decide, go_home, search_visitors
from trackway.dashboard.assets import send_asset
from trackway.dashboard.downloads import send_certificate, send_export, send_inferred_plan, send_plan
from trackway.dashboard.faults import HANDLERS
from trackway.dashboard.forms import FORM_ROUTES
from trackway.dashboard.headers import SecurityHeaders
from trackway.dashboard.page import Page
from trackway.dashboard.pages import (
    account,
    accounts,
    consent,
    decision,
    diagnostics,
    event,
    events,
    install,
    plan,
    privacy,
    profile,
    rejections,
    source,
    sources,
    tracking,
    visitors,
)
from trackway.dashboard.pages.login import LoginForm
from trackway.dashboard.spaces import choose_space

PAGES: tuple[Page, ...] = (
    tracking.PAGE,
    visitors.PAGE,
    profile.PAGE,
    decision.PAGE,
    accounts.PAGE,
    account.PAGE,
    events.PAGE,
    event.PAGE,
    sources.PAGE,
    source.PAGE,
    install.PAGE,
    consent.PAGE,
    privacy.PAGE,
    privacy.REQUEST,
    plan.PAGE,
    diagnostics.PAGE,
    rejections.PAGE,
)

# A consent policy of 200 rules fits.
FORM_BYTES = 256_000


def make_dashboard_routes() -> list[BaseRoute]:
    """Routes of everything below /app/."""
    login = LoginForm()
    routes: list[BaseRoute] = [
        Route("/", go_home),
        Route("/login", login.show),
        Route("/login", login.log_in, methods=["POST"]),
        Route("/logout", login.log_out, methods=["POST"]),
        Route("/space", choose_space, methods=["POST"]),
        Route("/static/{digits}/{path:path}", send_asset),
        Route("/sources", add_source, methods=["POST"]),
        Route("/visitors/search", search_visitors),
        Route("/profiles/{profile_id}/decide", decide, methods=["POST"]),
        *FORM_ROUTES,
        Route("/catalogue/plan.json", send_plan),
        Route("/catalogue/inferred.json", send_inferred_plan),
        Route("/privacy/{request_id}/certificate.json", send_certificate),
        Route("/privacy/{request_id}/export.zip", send_export),
    ]
    for page in PAGES:
        # The twin first: the path of an event would match its name too.
        routes.append(Route(f"{page.path}.json", answer_json(page)))
        routes.extend(Route(fragment.path, answer_html(fragment)) for fragment in page.fragments)
        routes.append(Route(page.path, answer_html(page)))
    middleware = [Middleware(SecurityHeaders), Middleware(ExceptionMiddleware, handlers=HANDLERS)]
    return [
        Route("/app", lambda request: RedirectResponse("/app/")),
        Mount("/app", routes=routes, middleware=middleware, max_body_size=FORM_BYTES),
    ]
