"""Tracardi's script in a browser: what it needs of the answers to another origin, sent as it sends them."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import Page
from tests.collect.tracardi_client import Source, Stored, add_source, make_session

from trackway.testing.browser import launch_chromium
from trackway.testing.server import TestServer
from trackway.testing.waiting import wait_until

pytestmark = pytest.mark.browser

# The calls of the original script: fetch with a header of its own and without cookies, a beacon with cookies.
FETCH = """async ([url, payload]) => {
  const response = await fetch(url + '/track', {
    method: 'POST', mode: 'cors', credentials: 'omit',
    headers: {'Content-Type': 'application/json', 'x-timestamp': String(Date.now())},
    body: JSON.stringify(payload)})
  return [response.status, await response.json()]
}"""
BEACON = """([url, payload]) =>
  navigator.sendBeacon(url + '/track', new Blob([JSON.stringify(payload)], {type: 'application/json'}))
"""


class EmptyPage(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>A shop</title>")

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    """A page of another origin."""
    site = ThreadingHTTPServer(("127.0.0.1", 0), EmptyPage)
    threading.Thread(target=site.serve_forever, daemon=True).start()
    with launch_chromium() as browser:
        page = browser.new_page()
        page.goto(f"http://localhost:{site.server_port}/")
        yield page
    site.shutdown()
    site.server_close()


@pytest.fixture
def source(server: TestServer) -> Source:
    return add_source(server, "web", system_events="no")


def make_payload(source: Source, session: str) -> dict[str, object]:
    return {
        "source": {"id": source["id"]},
        "session": {"id": session},
        "profile": None,
        "device": {"id": "device-1"},
        "events": [{"type": "page-view", "time": {"create": "2026-11-20T09:00:00.000Z"}, "properties": {}}],
    }


def test_the_script_reads_the_profile_from_another_origin(server: TestServer, source: Source, page: Page) -> None:
    status, said = page.evaluate(FETCH, [server.url, make_payload(source, make_session())])

    assert status == 200
    assert said["profile"]["id"]
    assert said["ux"] == []


def test_the_script_reads_a_refusal_as_json(server: TestServer, source: Source, page: Page) -> None:
    """A batch that its first event was taken out of has no source."""
    refused = page.evaluate(FETCH, [server.url, {"events": None}])
    denied = page.evaluate(FETCH, [server.url, make_payload({"id": "nobody"}, make_session())])

    assert [status for status, _ in (refused, denied)] == [422, 401]
    assert all(said["detail"] for _, said in (refused, denied))


def test_a_beacon_arrives(server: TestServer, source: Source, page: Page, stored: Stored) -> None:
    session = make_session()
    page.evaluate(BEACON, [server.url, make_payload(source, session)])
    events = wait_until(lambda: stored(source))

    assert [(event["event_type"], event["session_id"]) for event in events] == [("page-view", session)]
