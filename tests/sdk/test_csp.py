"""The script under `script-src 'self'`, on a site that passes two paths of its own on to the real collector.

The site's own host is then all that the page talks to, and the collector's answers renew the visitor's cookie.
"""

import contextlib
import http.client
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import BrowserContext, Page

from trackway.collect.script_files import read_manifest
from trackway.testing.server import TestServer, start_server

pytestmark = pytest.mark.browser

POLICY = "default-src 'none'; script-src 'self'; connect-src 'self'; img-src data:; form-action 'none'; base-uri 'none'"
A_DAY_S = 86_400
PASSED_ON = ("content-type", "set-cookie", "cache-control", "content-encoding", "access-control-allow-origin")
WATCH = """
window.breaches = [];
document.addEventListener("securitypolicyviolation", (breach) =>
  window.breaches.push(`${breach.violatedDirective} ${breach.blockedURI}`));
"""


class SiteWithProxy(BaseHTTPRequestHandler):
    """Pages of the site with its policy; everything below /a/ goes to the collector."""

    protocol_version = "HTTP/1.1"
    collector: str
    pages: dict[str, str]

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path.startswith("/a/"):
            self.pass_on()
            return
        html = self.pages.get(path, "").encode()
        policy = {} if path == "/subdomain" else {"content-security-policy": POLICY}
        headers = {"content-type": "text/html; charset=utf-8", **policy}
        self.answer(200 if html else 404, headers, html)

    def do_POST(self) -> None:
        self.pass_on()

    def pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items() if name.lower() != "connection"}
        with contextlib.closing(http.client.HTTPConnection(urlsplit(self.collector).netloc, timeout=20)) as collector:
            collector.request(self.command, self.path, body, headers | {"x-forwarded-for": self.client_address[0]})
            response = collector.getresponse()
            found = {name.lower(): value for name, value in response.getheaders() if name.lower() in PASSED_ON}
            content = response.read()
        # A page that was left does not wait for its beacon's answer.
        with contextlib.suppress(ConnectionError):
            self.answer(response.status, found, content)

    def answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestServer]:
    data = tmp_path_factory.mktemp("csp") / "data"
    with start_server(data, script_path="/a/s.js", collect_path="/a/e", pipeline_linger_ms=20) as running:
        yield running


@pytest.fixture
def source(collector: TestServer) -> dict[str, Any]:
    return collector.add_source(f"policy {time.time_ns()}", channel="web")


@pytest.fixture
def port(collector: TestServer, source: dict[str, Any]) -> Iterator[int]:
    key, built = source["credentials"]["write_key"], read_manifest()["trackway.js"]
    pinned = "/a/s" + built.file.removeprefix("trackway")
    options = f'data-key="{key}" data-endpoint="/a/e"'
    tags = {
        "/": f'<script async src="/a/s.js" {options}></script>',
        "/pinned": f'<script async src="{pinned}" integrity="{built.integrity}" crossorigin="anonymous" {options}></script>',
        "/wrong": f'<script async src="{pinned}" integrity="sha384-{"A" * 64}" crossorigin="anonymous" {options}></script>',
    }
    elsewhere = f"http://t.shop.localhost:{urlsplit(collector.url).port}"
    tags["/subdomain"] = f'<script async src="{elsewhere}/js/trackway.js" data-key="{key}"></script>'
    body = '<body><button id="buy">Buy</button><a href="/pinned">On</a></body>'
    pages = {
        path: f"<!doctype html><title>Shop</title><link rel=icon href=data:,>{tag}{body}" for path, tag in tags.items()
    }
    handler = type("Bound", (SiteWithProxy,), {"collector": collector.url, "pages": pages})
    site = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    site.daemon_threads = True
    thread = threading.Thread(target=site.serve_forever, args=(0.05,))
    thread.start()
    yield site.server_port
    site.shutdown()
    site.server_close()
    thread.join()


def wait_for(
    collector: TestServer, source: dict[str, Any], page: Page, event_type: str, count: int = 1
) -> list[dict[str, Any]]:
    deadline = time.monotonic() + 60
    while True:
        items: list[dict[str, Any]] = collector.api("events", source=source["id"], event_type=event_type)["items"]
        if len(items) >= count:
            return items
        assert time.monotonic() < deadline, f"{count} {event_type} expected, there are {len(items)}"
        page.wait_for_timeout(50)


def open_page(context: BrowserContext) -> tuple[Page, list[str]]:
    """With what its console says of errors."""
    context.add_init_script(WATCH)
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
    return page, errors


@pytest.mark.parametrize("host", ["127.0.0.1", "www.shop.localhost"])
def test_everything_works_under_script_src_self(
    collector: TestServer, source: dict[str, Any], port: int, open_context: Callable[..., BrowserContext], host: str
) -> None:
    page, errors = open_page(open_context())
    asked: list[str] = []
    page.on("request", lambda request: asked.append(urlsplit(request.url).netloc))
    page.goto(f"http://{host}:{port}/")
    [viewed] = wait_for(collector, source, page, "page_view")
    page.click("#buy")
    [clicked] = wait_for(collector, source, page, "click")
    assert clicked["anonymous_id"] == viewed["anonymous_id"] != ""
    page.evaluate("trackway.track('bought', {order: 'A-1'})")
    wait_for(collector, source, page, "bought")
    page.click("a")
    wait_for(collector, source, page, "page_view", 2)
    assert page.evaluate("window.breaches") == []
    assert errors == []
    assert {netloc for netloc in asked if netloc} == {f"{host}:{port}"}


@pytest.mark.parametrize(("host", "domain"), [("127.0.0.1", "127.0.0.1"), ("www.shop.localhost", ".shop.localhost")])
def test_an_answer_makes_a_short_lived_cookie_last(
    collector: TestServer,
    source: dict[str, Any],
    port: int,
    open_context: Callable[..., BrowserContext],
    host: str,
    domain: str,
) -> None:
    """As Safari does it: what the script wrote ends after seven days."""
    context = open_context()
    page, _ = open_page(context)
    page.goto(f"http://{host}:{port}/")
    wait_for(collector, source, page, "page_view")
    [cookie] = [cookie for cookie in context.cookies() if cookie["name"] == "tw_aid"]
    assert cookie["domain"] == domain
    limited = cookie | {"expires": time.time() + 7 * A_DAY_S}
    context.add_cookies([limited])  # type: ignore[list-item]
    page.evaluate("trackway.track('came_back')")
    [event] = wait_for(collector, source, page, "came_back")
    deadline = time.monotonic() + 60
    while True:
        # One cookie as before, not a second one beside it.
        [renewed] = [cookie for cookie in context.cookies() if cookie["name"] == "tw_aid"]
        if renewed["expires"] > time.time() + 399 * A_DAY_S:
            break
        assert time.monotonic() < deadline
        page.wait_for_timeout(50)
    assert renewed["value"] == cookie["value"] == event["anonymous_id"]
    assert (renewed["domain"], renewed["httpOnly"], renewed["sameSite"]) == (domain, False, "Lax")
    assert page.evaluate("document.cookie").count("tw_aid=") == 1


def test_a_collector_on_another_subdomain_renews_it_when_the_page_is_left(
    collector: TestServer, source: dict[str, Any], port: int, open_context: Callable[..., BrowserContext]
) -> None:
    context = open_context()
    page, errors = open_page(context)
    page.goto(f"http://www.shop.localhost:{port}/subdomain")
    [viewed] = wait_for(collector, source, page, "page_view")
    [cookie] = [cookie for cookie in context.cookies() if cookie["name"] == "tw_aid"]
    limited = cookie | {"expires": time.time() + 7 * A_DAY_S}
    context.add_cookies([limited])  # type: ignore[list-item]
    page.evaluate("trackway.track('last_words')")
    page.goto("about:blank")
    [said] = wait_for(collector, source, page, "last_words")
    assert said["anonymous_id"] == viewed["anonymous_id"] == cookie["value"]
    deadline = time.monotonic() + 60
    while True:
        [renewed] = [cookie for cookie in context.cookies() if cookie["name"] == "tw_aid"]
        if renewed["expires"] > time.time() + 399 * A_DAY_S:
            break
        assert time.monotonic() < deadline
        page.wait_for_timeout(50)
    assert errors == []


def test_under_global_privacy_control_no_answer_brings_a_cookie(
    collector: TestServer, source: dict[str, Any], port: int, open_context: Callable[..., BrowserContext]
) -> None:
    context = open_context(extra_http_headers={"Sec-GPC": "1"})
    context.add_init_script("Object.defineProperty(navigator, 'globalPrivacyControl', {value: true})")
    page, _ = open_page(context)
    brought: list[str] = []
    page.on("response", lambda response: brought.append(response.headers.get("set-cookie", "")))
    page.goto(f"http://127.0.0.1:{port}/")
    [viewed] = wait_for(collector, source, page, "page_view")
    assert viewed["anonymous_id"] == ""
    assert not any(brought)
    assert context.cookies() == []


def test_a_file_that_is_not_what_the_page_pinned_does_not_run(
    collector: TestServer, source: dict[str, Any], port: int, open_context: Callable[..., BrowserContext]
) -> None:
    page, errors = open_page(open_context())
    page.goto(f"http://127.0.0.1:{port}/wrong")
    page.wait_for_load_state("load")
    assert page.evaluate("window.trackway === undefined")
    assert any("digest" in error for error in errors)
    page.goto(f"http://127.0.0.1:{port}/pinned")
    [viewed] = wait_for(collector, source, page, "page_view")
    assert viewed["path"] == "/pinned"
