"""The dashboard in Firefox and in WebKit, Safari's engine, where they are installed; the other tests use Chromium."""

import time
from typing import Any

import pytest
from tests.dashboard.conftest import Sender

from trackway.testing.other_browsers import OtherBrowser
from trackway.testing.server import TestServer

pytestmark = [pytest.mark.browser, pytest.mark.slow]

HEADINGS = "return [...document.querySelectorAll('h1')].map((heading) => heading.textContent.trim()).join()"
FILL_IN = """const [name, password] = ["name", "password"].map((field) => document.querySelector(`[name=${field}]`));
  name.value = "admin"; password.value = given[0]"""


@pytest.fixture
def signed_in(other_browser: OtherBrowser, server: TestServer) -> OtherBrowser:
    other_browser.goto(f"{server.url}/app/")
    other_browser.run(FILL_IN, server.password)
    other_browser.click("form button")
    wait_for(other_browser, "location.pathname === '/app/tracking'")
    return other_browser


def wait_for(browser: OtherBrowser, truth: str) -> None:
    """Until an expression is true in the page, a minute at most."""
    deadline = time.monotonic() + 60
    while not browser.run(f"return Boolean({truth})"):
        assert time.monotonic() < deadline, truth
        time.sleep(0.05)


def test_every_page_shows(signed_in: OtherBrowser, server: TestServer, sender: Sender) -> None:
    sender.store({"event_type": "seen_elsewhere", "anonymous_id": "elsewhere"})
    pages: list[Any] = signed_in.run(
        "return [...document.querySelector('nav').querySelectorAll('a')].map((a) => [a.pathname, a.textContent.trim()])"
    )
    assert len(pages) >= 10
    for path, name in pages:
        signed_in.goto(server.url + path)
        assert signed_in.run(HEADINGS) == name
        assert signed_in.run("return document.documentElement.scrollWidth <= innerWidth"), name


def test_the_page_tracking_draws_and_shows_what_comes(signed_in: OtherBrowser, sender: Sender) -> None:
    wait_for(signed_in, "document.querySelector('tw-chart canvas')")
    wait_for(signed_in, """document.querySelector('[data-live-state="live"]')""")
    sender.send({"event_type": "came_live_elsewhere", "anonymous_id": "elsewhere"})
    wait_for(signed_in, "document.body.innerText.includes('came_live_elsewhere')")


def test_the_page_install_turns_green(signed_in: OtherBrowser, server: TestServer) -> None:
    source = server.add_source(f"green elsewhere {time.time_ns()}", channel="web")
    signed_in.goto(f"{server.url}/app/install?source={source['id']}")
    assert source["credentials"]["write_key"] in signed_in.run("return document.body.innerText")
    wait_for(signed_in, "document.body.innerText.includes('Waiting for your first event')")
    assert server.post("/v1/events", {"event_type": "first"}, source["credentials"]["write_key"]).status == 200
    wait_for(signed_in, "!document.body.innerText.includes('Waiting for your first event')")
