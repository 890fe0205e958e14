"""Pages that really come back from Chromium's back/forward cache: seen again, and nothing lost or sent anew."""

from collections import Counter
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, sync_playwright
from tests.sdk.conftest import LiveSite, Receiver, Site, wait_until_heard

from trackway.testing.browser import ARGUMENTS, find_chromium
from trackway.testing.waiting import wait_until

pytestmark = pytest.mark.browser

# What the page's own life was, in `shown`: each time it was shown, was it brought back?
WATCH = "window.shown = []; addEventListener('pageshow', (event) => shown.push(event.persisted))"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Playwright starts Chromium without its back/forward cache, unless it is told not to."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=find_chromium(),
            args=list(ARGUMENTS),
            ignore_default_args=["--disable-back-forward-cache"],
        )
        yield browser
        browser.close()


@pytest.fixture
def time_zone() -> str:
    return "Asia/Tokyo"  # where events are stored in full without a consent


@pytest.fixture
def page(page: Page) -> Iterator[Page]:
    page.add_init_script(WATCH)
    yield page
    page.goto("about:blank")


def follow(page: Page, path: str) -> None:
    """Goes there as a visitor does. What a script of Playwright's holds on to would not be kept in the cache."""
    page.evaluate("path => { location = path }", path)
    page.wait_for_url("**" + path)


def travel(page: Page, steps: int, path: str) -> None:
    """Back or forward. Of a page that comes from the cache Playwright never hears that it was loaded."""
    page.evaluate("steps => history.go(steps)", steps)
    page.wait_for_function("path => location.pathname === path && shown.includes(true)", arg=path)


def test_each_time_that_a_page_is_brought_back_it_is_seen_once_more_after_it_was_left(
    live_site: LiveSite, page: Page
) -> None:
    live_site.add("/b")
    page.goto(live_site.add("/a"))
    live_site.wait_for("page_view")
    follow(page, "/b")
    live_site.wait_for("page_view", 2)
    travel(page, -1, "/a")
    live_site.wait_for("page_view", 3)
    travel(page, 1, "/b")
    live_site.wait_for("page_view", 4)
    page.evaluate("trackway.track('end')")
    live_site.wait_for("end")
    stored = live_site.events()
    # Two pages are two processes: the one is shown in the moment in which the other is told that it was left.
    visits = ["page_view", "page_leave"] * 2
    assert [kind for kind, path in live_site.tell() if path == "/a"] == visits
    assert [kind for kind, path in live_site.tell() if path == "/b"] == [*visits[:-1], "end"]
    assert page.evaluate("shown") == [False, True]
    assert len({event["session_id"] for event in stored}) == 1
    assert all(event["properties"]["engaged_ms"] > 0 for event in stored if event["event_type"] == "page_leave")


def test_what_waits_when_a_page_is_left_is_not_sent_again_when_it_is_brought_back(
    live_site: LiveSite, page: Page
) -> None:
    live_site.add_bare("/elsewhere")
    page.goto(live_site.add("/a", options="data-leave='off'"))
    live_site.wait_for("page_view")
    page.evaluate("for (let n = 0; n < 5; n++) trackway.track('waits', {n}); location = '/elsewhere'")
    page.wait_for_url("**/elsewhere")
    travel(page, -1, "/a")
    page.evaluate("trackway.track('end')")
    live_site.wait_for("end")
    stored = live_site.events()
    assert Counter(event["event_type"] for event in stored) == {"page_view": 2, "waits": 5, "end": 1}
    assert {event["properties"]["n"] for event in stored if event["event_type"] == "waits"} == set(range(5))
    assert live_site.read_book()["duplicate"] == 0


def test_what_could_not_be_sent_is_sent_once_the_page_is_brought_back(
    site: Site, receiver: Receiver, page: Page
) -> None:
    site.pages["/elsewhere"] = "<!doctype html><title>Elsewhere</title>"
    page.goto(site.add("/a"))
    receiver.wait_for("page_view", page=page)
    receiver.statuses = [503] * 100
    page.evaluate("trackway.track('waits')")
    receiver.wait_for_posts(2, page)
    follow(page, "/elsewhere")
    travel(page, -1, "/a")
    receiver.statuses = []
    receiver.wait_for("waits", page=page)
    receiver.wait_for("page_view", 2, page=page)
    wait_until_heard(page)
    keys = Counter(event["dedupe_key"] for event in receiver.events())
    assert set(keys.values()) == {1}


def test_a_page_that_was_left_while_its_request_was_on_the_way_goes_on(
    site: Site, receiver: Receiver, page: Page
) -> None:
    site.pages["/elsewhere"] = "<!doctype html><title>Elsewhere</title>"
    page.goto(site.add("/a"))
    receiver.wait_for("page_view", page=page)
    receiver.answers.clear()
    page.evaluate("trackway.track('on_the_way')")
    receiver.wait_for_posts(2, page)
    follow(page, "/elsewhere")
    receiver.answers.set()
    travel(page, -1, "/a")
    page.evaluate("trackway.track('end')")
    receiver.wait_for("end", page=page)
    wait_until_heard(page)
    assert len({event["dedupe_key"] for event in receiver.wait_for("on_the_way", page=page)}) == 1


def test_what_another_page_took_over_meanwhile_counts_once(live_site: LiveSite, page: Page) -> None:
    page.add_init_script("if (location.pathname === '/a') navigator.sendBeacon = () => false")
    live_site.add("/b", options="data-leave='off'")
    page.goto(live_site.add("/a", options="data-leave='off'"))
    live_site.wait_for("page_view")
    page.evaluate("trackway.track('waits'); location = '/b'")
    page.wait_for_url("**/b")
    live_site.wait_for("waits")
    travel(page, -1, "/a")
    page.evaluate("trackway.track('end')")
    live_site.wait_for("end")
    stored = Counter(event["event_type"] for event in live_site.events())
    assert stored == {"page_view": 3, "waits": 1, "end": 1}


def test_a_no_on_the_next_page_holds_on_the_page_that_is_brought_back(live_site: LiveSite, page: Page) -> None:
    live_site.add("/no")
    page.goto(live_site.add("/unasked"))
    live_site.wait_for("page_view")
    follow(page, "/no")
    live_site.wait_for("page_view", 2)
    page.evaluate("trackway.consent('denied')")
    told = ["page_view", "page_leave", "page_view", "consent_updated"]
    wait_until(live_site.read_book, lambda book: book["received"] == len(told), live_site.tell)
    travel(page, -1, "/unasked")
    page.evaluate("trackway.track('silent')")
    page.wait_for_timeout(400)
    assert page.evaluate("[document.cookie, ...Object.keys(localStorage)]") == ["", "tw.consent"]
    assert live_site.read_book()["received"] == len(told)
