"""`trackway.hash` in headless Chromium: the same hash as everywhere, and "" where the browser has none."""

from pathlib import Path

import pytest
from tests.client.vectors import VECTORS

pytestmark = pytest.mark.browser

SCRIPT = Path(__file__).parents[2] / "src/trackway/collect/static/trackway.js"
HASH_ALL = "values => Promise.all(values.map((value) => trackway.hash(value)))"


def test_the_browser_makes_the_hashes_of_the_page(site, receiver, page):
    page.goto(site.add("/"))
    receiver.wait_for("page_view", page=page)

    assert page.evaluate(HASH_ALL, [value for value, _, _ in VECTORS]) == [right for _, right, _ in VECTORS]


def test_hashing_sends_and_stores_nothing(site, receiver, page):
    page.goto(site.add("/"))
    receiver.wait_for("page_view", page=page)
    page.evaluate(HASH_ALL, ["jane.doe@example.com"])
    page.evaluate("trackway.track('after')")
    receiver.wait_for("after", page=page)

    assert [event["event_type"] for event in receiver.events()] == ["page_view", "after"]
    assert "jane.doe" not in page.evaluate("JSON.stringify({...localStorage}) + document.cookie")


def test_a_page_that_is_not_secure_gets_an_empty_text(page):
    html = '<!doctype html><script src="/js/trackway.js" data-key="key-1"></script>'
    kinds = {"/": ("text/html", html), "/js/trackway.js": ("text/javascript", SCRIPT.read_text())}

    def answer(route, request):
        kind, body = kinds.get(request.url.removeprefix("http://shop.example"), ("application/json", "{}"))
        route.fulfill(status=200, content_type=kind, body=body)

    warnings = []
    page.on("console", lambda message: warnings.append(message.text))
    page.route("http://shop.example/**", answer)
    page.goto("http://shop.example/")

    assert page.evaluate("isSecureContext") is False
    assert page.evaluate(HASH_ALL, ["jane.doe@example.com"]) == [""]
    assert warnings == []
