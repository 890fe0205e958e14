"""Somebody who is logged in: over plain HTTP, and in a browser that reports every breach of the page's policy."""

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import unescape
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from trackway.testing.browser import launch_chromium
from trackway.testing.server import Answer, TestServer

PATIENCE_MS = 30_000
FORM = {"content-type": "application/x-www-form-urlencoded"}


def read_cookies(answer: Answer) -> dict[str, str]:
    """Cookies that an answer with one Set-Cookie line sets."""
    name, _, rest = answer.headers.get("set-cookie", "").partition("=")
    return {name: rest.partition(";")[0]} if name else {}


def read_csrf(answer: Answer) -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', answer.body.decode())
    assert found, "the page has no form with a token"
    return found[1]


@dataclass
class Visitor:
    """A browser without a screen: keeps cookies and follows nothing by itself."""

    server: TestServer
    cookies: dict[str, str] = field(default_factory=dict)

    def get(self, path: str, **headers: str) -> Answer:
        return self._ask("GET", path, None, headers)

    def post(self, path: str, fields: dict[str, str], **headers: str) -> Answer:
        return self._ask("POST", path, urlencode(fields), FORM | headers)

    def _ask(self, method: str, path: str, body: str | None, headers: dict[str, str]) -> Answer:
        cookie = {"cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        answer = self.server.request(
            method, path, body, cookie | {name.replace("_", "-"): v for name, v in headers.items()}
        )
        self.cookies |= read_cookies(answer)
        return answer

    def log_in(self, name: str = "admin", password: str = "", **headers: str) -> Answer:
        form = self.get("/app/login")
        fields = {"name": name, "password": password or self.server.password, "csrf": read_csrf(form)}
        return self.post("/app/login", fields, **headers)

    def text(self, path: str) -> str:
        """The page's HTML, with entities as the characters they stand for."""
        answer = self.get(path)
        assert answer.status == 200, answer.body[:500]
        return unescape(answer.body.decode())


@pytest.fixture
def stranger(server: TestServer) -> Visitor:
    return Visitor(server)


@pytest.fixture(scope="session")
def member(server: TestServer) -> Visitor:
    visitor = Visitor(server)
    answer = visitor.log_in()
    assert answer.status == 303
    return visitor


@dataclass
class Sender:
    """A source of its own on the shared server."""

    server: TestServer
    source: dict[str, Any]
    headers: dict[str, str] = field(default_factory=dict)

    def send(self, *events: dict[str, Any]) -> list[dict[str, Any]]:
        """The door's verdicts."""
        key = next(iter(self.source["credentials"].values()))
        answer = self.server.post("/v1/events", list(events), key, self.headers)
        assert answer.status == 200, answer.body
        results: list[dict[str, Any]] = answer.json["results"]
        return results

    def store(self, *events: dict[str, Any]) -> list[str]:
        """Ids of events, when they are settled."""
        ids = [result["event_id"] for result in self.send(*events)]
        self.server.wait_until_settled()
        return ids


@pytest.fixture
def sender(server: TestServer, request: pytest.FixtureRequest) -> Sender:
    return Sender(server, server.add_source(f"{request.node.name[:100]} {time.time_ns()}", channel="web"))


# Without one, a web source's events count as a bot's, and a bot is nobody.
BROWSER = {"user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0"}


@pytest.fixture
def browsing(sender: Sender) -> Sender:
    """A source whose events come from a browser, so that they are somebody's."""
    return Sender(sender.server, sender.source, BROWSER)


# One browser for each module and no longer: while it runs, no other test can start an event loop.
@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    expect.set_options(timeout=PATIENCE_MS)
    with launch_chromium() as browser:
        yield browser


@dataclass
class Screen:
    """A browser's page, with what it complained about. `complaints` must stay empty."""

    page: Page
    complaints: list[str]

    def complain(self) -> list[str]:
        """What went wrong so far, breaches of the content security policy and script errors."""
        return self.complaints + self.page.evaluate("window.__breaches ?? []")


WATCH_POLICY = """
window.__breaches = [];
document.addEventListener("securitypolicyviolation", (breach) =>
  window.__breaches.push(`${breach.violatedDirective} ${breach.blockedURI} ${breach.sample}`));
"""


def open_screen(browser: Browser, visitor: Visitor, **options: Any) -> Iterator[Screen]:
    context: BrowserContext = browser.new_context(viewport={"width": 1280, "height": 800}, **options)
    where = urlsplit(visitor.server.url)
    kept = {name: visitor.cookies[name] for name in ("tw_session", "tw_space") if name in visitor.cookies}
    cookies = [{"name": name, "value": value, "domain": where.hostname, "path": "/"} for name, value in kept.items()]
    context.add_cookies(cookies)  # type: ignore[arg-type]
    context.add_init_script(WATCH_POLICY)
    page = context.new_page()
    screen = Screen(page, [])
    page.on("pageerror", lambda error: screen.complaints.append(f"error: {error}"))
    page.on(
        "console", lambda said: screen.complaints.append(f"{said.type}: {said.text}") if "Policy" in said.text else None
    )
    page.set_default_timeout(PATIENCE_MS)
    yield screen
    context.close()


@pytest.fixture
def screen(chromium: Browser, member: Visitor) -> Iterator[Screen]:
    yield from open_screen(chromium, member)
