"""A site and a collector on two ports of loopback, so that every request crosses origins."""

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page
from playwright.sync_api import Error as PlaywrightError

from trackway.testing.browser import launch_chromium
from trackway.testing.server import TestServer
from trackway.testing.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]
BUILT = ROOT / "src/trackway/collect/static"
T = TypeVar("T")
SCRIPTS = {file.name for file in BUILT.iterdir() if file.suffix in (".js", ".mjs")}
# What the script keeps on disk for the next page.
STRANDED = "Object.entries(localStorage).filter(([name]) => /^tw_.*:/.test(name)).flatMap(([, text]) => JSON.parse(text)).map((event) => event.event_type)"
# How long the script means to wait, in `delays`.
WATCH_TIMERS = """window.delays = []; const real = setTimeout;
  window.setTimeout = (task, delay, ...rest) => { delays.push(delay); return real(task, delay, ...rest) };"""


def wait_until_heard(page: Page) -> None:
    """Until the page knows that all was taken: what it is in doubt about when it goes, arrives twice."""
    page.wait_for_function(f"({STRANDED}).length === 0")


@dataclass
class Post:
    """One request that reached the collector, `at` seconds of a clock that only counts."""

    body: dict[str, Any]
    headers: dict[str, str]
    status: int
    at: float


@dataclass
class Receiver:
    """What the collector of these tests saw, and what it answers. `statuses` are used up in order; 0 breaks off.

    While `answers` is clear, requests wait for their answer.
    """

    url: str = ""
    posts: list[Post] = field(default_factory=list)
    preflights: int = 0
    statuses: list[int] = field(default_factory=list)
    retry_after: str = ""
    answers: threading.Event = field(default_factory=threading.Event)
    arrived: threading.Condition = field(default_factory=threading.Condition)

    def events(self, event_type: str = "") -> list[dict[str, Any]]:
        """Events of the posts that were answered 200, in order of arrival."""
        taken = [event for post in list(self.posts) if post.status == 200 for event in post.body["events"]]
        return [event for event in taken if event_type in ("", event["event_type"])]

    def wait_for(self, event_type: str, count: int = 1, page: Page | None = None) -> list[dict[str, Any]]:
        """The events of that type as soon as there are `count`; fails after 30 seconds."""
        self._wait(lambda: len(self.events(event_type)) >= count, f"{count} {event_type}", page)
        return self.events(event_type)

    def wait_for_posts(self, count: int, page: Page | None = None) -> list[Post]:
        """All requests as soon as there are `count`, whatever was answered; fails after 30 seconds."""
        self._wait(lambda: len(self.posts) >= count, f"{count} requests", page)
        return list(self.posts)

    def _wait(self, came: Callable[[], bool], expected: str, page: Page | None) -> None:
        deadline = time.monotonic() + 60
        while not came():
            if time.monotonic() > deadline:
                seen = [(post.status, post.body) for post in self.posts]
                pytest.fail(f"{expected} expected, the collector has {seen}")
            if page:
                page.wait_for_timeout(20)  # lets playwright handle the browser's messages meanwhile
            else:
                with self.arrived:
                    self.arrived.wait(0.05)


class CollectorRequest(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    receiver = Receiver()

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        status = self.receiver.statuses.pop(0) if self.receiver.statuses else 200
        with self.receiver.arrived:
            self.receiver.posts.append(Post(body, dict(self.headers), status, time.monotonic()))
            self.receiver.arrived.notify_all()
        self.receiver.answers.wait(60)
        if not status:
            self.close_connection = True
            return
        verdicts = [{"status": "accepted"}] * len(body.get("events", [body]))
        self.reply(status, "application/json", json.dumps({"results": verdicts}).encode())

    def do_OPTIONS(self) -> None:
        self.receiver.preflights += 1
        self.reply(204, "text/plain", b"")

    def do_GET(self) -> None:
        name = self.path.removeprefix("/js/")
        if name in SCRIPTS:
            self.reply(200, "text/javascript", (BUILT / name).read_bytes())
        else:
            self.reply(404, "text/plain", b"")

    def reply(self, status: int, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Access-Control-Allow-Origin", self.headers.get("Origin", "*"))
        if self.receiver.retry_after and status >= 400:
            self.send_header("Retry-After", self.receiver.retry_after)
            self.send_header("Access-Control-Expose-Headers", "Retry-After")
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        # A page that was closed waits for no answer.
        with contextlib.suppress(ConnectionError):
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


class SiteRequest(CollectorRequest):
    pages: dict[str, str]

    def do_GET(self) -> None:
        page = self.pages.get(self.path.split("?")[0])
        self.reply(200 if page is not None else 404, "text/html; charset=utf-8", (page or "").encode())

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.reply(200, "text/html", b"<title>Thanks</title>")


def serve(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    receiver.answers.set()
    for url in serve(type("Bound", (CollectorRequest,), {"receiver": receiver})):
        receiver.url = url
        yield receiver


@dataclass
class Site:
    """A web site under test: `add` gives it a page that carries the snippet."""

    url: str
    pages: dict[str, str]
    collector: str

    def add(self, path: str, body: str = "", *, head: str = "", title: str = "Home", tag: str = "") -> str:
        snippet = tag or f'<script async src="{self.collector}/js/trackway.js" data-key="key-1"></script>'
        self.pages[path] = f"<!doctype html><title>{title}</title>{head}{snippet}<body>{body}</body>"
        return self.url + path


@pytest.fixture
def site(receiver: Receiver) -> Iterator[Site]:
    pages: dict[str, str] = {}
    for url in serve(type("Bound", (SiteRequest,), {"pages": pages})):
        yield Site(url, pages, receiver.url)


# One browser for each module and no longer: while it runs, no other test can start an event loop.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launch_chromium() as browser:
        yield browser


@pytest.fixture
def open_context(browser: Browser) -> Iterator[Callable[..., BrowserContext]]:
    """Makes fresh browser profiles; closes them at the end."""
    made: list[BrowserContext] = []

    def open_one(**options: Any) -> BrowserContext:
        made.append(browser.new_context(**options))
        return made[-1]

    yield open_one
    for context in made:
        context.close()


@pytest.fixture
def time_zone() -> str:
    """Where the visitor is; in Europe nothing but anonymous events is stored before a consent."""
    return "Europe/Berlin"


@pytest.fixture
def page(open_context: Callable[..., BrowserContext], time_zone: str) -> Iterator[Page]:
    """A page of a fresh profile; an error that reaches the page fails the test."""
    page = open_context(locale="en-GB", timezone_id=time_zone).new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    # A profile that is closed while a form is on its way can hang Chromium.
    if not page.is_closed():
        with contextlib.suppress(PlaywrightError):
            page.wait_for_load_state(timeout=5000)
    assert errors == []


class CapturePage(SiteRequest):
    """`/NAME` and all below it is tests/sdk/pages/NAME.html. Events come to this host, and go on to the real collector."""

    tag: str
    collector: TestServer
    sent: list[bytes]

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        if path in self.pages:
            self.reply(200, "audio/wav", self.pages[path].encode("latin-1"))
            return
        page = ROOT / f"tests/sdk/pages/{path.split('/')[1]}.html"
        body = page.read_text().replace("<!-- the tag -->", self.tag) if page.exists() else "<title>Elsewhere</title>"
        self.reply(200, "text/html; charset=utf-8", body.encode())

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path != "/v1/events":
            self.reply(200, "text/html", b"<title>Thanks</title>")
            return
        self.sent.append(body)
        # A headless browser is a bot, which no figure counts.
        headers = {name: value.replace("Headless", "") for name, value in self.headers.items()}
        answer = self.collector.request("POST", self.path, body, headers)
        self.reply(answer.status, "application/json", answer.body)


@dataclass
class Visit:
    """A page of tests/sdk/pages in the browser, and what the real collector stored of it."""

    url: str
    page: Page
    server: TestServer
    source: str
    sent: list[bytes]  # the body of every request with events, as it left the browser

    def go(self, address: str = "", until: str = "page_view") -> None:
        """Opens `url` + `address`, and waits until the script has recorded that."""
        before = len(self.events(until))
        self.page.goto(self.url + address)
        if until:
            self.wait_for(until, before + 1)

    def events(self, *types: str) -> list[dict[str, Any]]:
        """What is stored, oldest first; of all types but `consent_updated` if none is named."""
        items = self.server.api("events", source=self.source, limit=1000)["items"][::-1]
        return [e for e in items if (e["event_type"] in types if types else e["event_type"] != "consent_updated")]

    def wait_for(self, event_type: str, count: int = 1) -> list[dict[str, Any]]:
        deadline = time.monotonic() + 60
        while len(found := self.events(event_type)) < count:
            if time.monotonic() > deadline:
                pytest.fail(f"{count} {event_type} expected, stored are {[e['event_type'] for e in self.events()]}")
            self.page.wait_for_timeout(50)
        return found

    def finish(self) -> list[dict[str, Any]]:
        """Records `end`; everything before it is stored by the time it is."""
        self.page.evaluate("trackway.track('end')")
        self.wait_for("end")
        return self.events()


@pytest.fixture
def open_visit(server: TestServer, page: Page) -> Iterator[Callable[..., Visit]]:
    """`open_visit(NAME, "data-leave='off'", **sounds)`: a visit to that page with these options of the tag.

    The visitor agrees to be tracked, unless `agrees` is False, so that the server keeps whole addresses.
    """
    with contextlib.ExitStack() as stack:

        def open_one(
            name: str, options: str = "", *, script: str = "trackway.js", agrees: bool = True, **files: bytes
        ) -> Visit:
            if agrees:
                page.add_init_script("(window.trackway ??= []).push(['consent', {tracking: 'granted'}])")
            source = server.add_source(f"{name}-{time.time_ns()}", channel="web")
            key = source["credentials"]["write_key"]
            # This host stands between the page and the collector, so that every byte is seen.
            tag = f'<script async src="{server.url}/js/{script}" data-key="{key}" data-endpoint="/v1/events" {options}></script>'
            pages = {f"/{path}.wav": content.decode("latin-1") for path, content in files.items()}
            sent: list[bytes] = []
            bound = {"pages": pages, "tag": tag, "collector": server, "sent": sent}
            url = stack.enter_context(contextlib.contextmanager(serve)(type("Bound", (CapturePage,), bound)))
            return Visit(f"{url}/{name}", page, server, source["id"], sent)

        yield open_one


@dataclass
class LiveSite:
    """Pages of another origin than the real collector's, to which they send; and what it stored of them."""

    url: str
    pages: dict[str, str]
    server: TestServer
    source: dict[str, Any]

    def tag(self, options: str = "") -> str:
        key = self.source["credentials"]["write_key"]
        return f'<script async src="{self.server.url}/js/trackway.js" data-key="{key}" {options}></script>'

    def add(self, path: str, *, head: str = "", options: str = "") -> str:
        """The address of a new page with the script; its title is its path."""
        body = f'<link rel="icon" href="data:,">{head}{self.tag(options)}<body></body>'
        return self.add_bare(path, body)

    def add_bare(self, path: str, body: str = "") -> str:
        """The same without the script."""
        self.pages[path] = f"<!doctype html><title>{path}</title>{body}"
        return self.url + path

    def events(self, *types: str) -> list[dict[str, Any]]:
        """What is stored, oldest first; of all types if none is named."""
        items = self.server.api("events", source=self.source["id"], limit=1000)["items"][::-1]
        return [event for event in items if not types or event["event_type"] in types]

    def wait_for(self, event_type: str, count: int = 1) -> list[dict[str, Any]]:
        """The stored events of that type as soon as there are `count`."""
        return wait_until(lambda: self.events(event_type), lambda found: len(found) >= count, self.tell)

    def tell(self, *types: str) -> list[tuple[str, str]]:
        """Type and path of what is stored, oldest first."""
        return [(event["event_type"], urlsplit(event["url"]).path) for event in self.events(*types)]

    def read_book(self) -> dict[str, Any]:
        """The books of the source, once nothing is in flight."""
        books = self.server.wait_until_settled()["sources"]
        return next(book for book in books if book["source"] == self.source["name"])


@pytest.fixture
def live_site(server: TestServer) -> Iterator[LiveSite]:
    pages: dict[str, str] = {}
    for url in serve(type("Bound", (SiteRequest,), {"pages": pages})):
        yield LiveSite(url, pages, server, server.add_source(f"live-{time.time_ns()}", channel="web"))
