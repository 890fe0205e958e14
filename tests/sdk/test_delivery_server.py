"""From pages of another origin to the real collector: tabs that close, a server that is down, full or strict, wrong clocks."""

import json
import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import BrowserContext, Page
from tests.sdk.conftest import STRANDED, WATCH_TIMERS, LiveSite, SiteRequest, serve, wait_until_heard

from trackway.control.database import State, make_url
from trackway.control.sources import set_enabled
from trackway.testing.server import TestServer, start_server
from trackway.testing.waiting import wait_until

pytestmark = pytest.mark.browser

STRANDED_EVENT = {"event_type": "stranded", "dedupe_key": "left-by-another-page", "anonymous_id": "a"}
LONGEST_BACKOFF_MS = 2000  # of the first failure, were it not for Retry-After


@pytest.fixture
def time_zone() -> str:
    return "Asia/Tokyo"  # where events are stored in full without a consent


def wait_for_script(page: Page) -> None:
    page.wait_for_function("window.trackway && trackway.version")


def count_types(site: LiveSite) -> Counter[str]:
    return Counter(event["event_type"] for event in site.events())


def switch(server: TestServer, source: dict[str, Any], on: bool) -> None:
    state = State(make_url(server.data, ""))
    try:
        set_enabled(state, source["id"], on)
    finally:
        state.close()


class Outage:
    """A server that goes down and comes up again at the same address, with a site that sends to it."""

    def __init__(self, data: Path, site_url: str, pages: dict[str, str]) -> None:
        self._data = data
        self._settings: dict[str, Any] = {}
        self._running = start_server(data)
        self.server = self._running.__enter__()
        self.site = LiveSite(site_url, pages, self.server, {})

    def begin(self, name: str) -> None:
        """A new source and no pages, on a server that is up and has no settings of its own."""
        if self._settings or self.server.process.poll() is not None:
            self.restart()
        self.site.pages.clear()
        self.site.source = self.server.add_source(name, channel="web")

    def stop(self) -> None:
        """Ends the server as a power cut does."""
        self.server.kill()
        self.close()

    def start(self, **settings: Any) -> None:
        """Starts it at the address that it had."""
        self._settings = settings
        self._running = start_server(self._data, port=urlsplit(self.server.url).port or 0, **settings)
        self.server = self.site.server = self._running.__enter__()

    def restart(self, **settings: Any) -> None:
        self.stop()
        self.start(**settings)

    def close(self) -> None:
        self._running.__exit__(None, None, None)


# To start a server takes seconds, so these tests share one.
@pytest.fixture(scope="module")
def one_outage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outage]:
    pages: dict[str, str] = {}
    for url in serve(type("Bound", (SiteRequest,), {"pages": pages})):
        outage = Outage(tmp_path_factory.mktemp("outage") / "data", url, pages)
        yield outage
        outage.close()


@pytest.fixture
def outage(one_outage: Outage, request: pytest.FixtureRequest) -> Outage:
    one_outage.begin(request.node.name)
    return one_outage


CLOSES: dict[str, Callable[[Page], None]] = {
    "by its cross": lambda tab: tab.close(run_before_unload=True),
    "by a script": lambda tab: tab.evaluate("setTimeout(close)"),
    "from outside": lambda tab: tab.close(),
}


@pytest.mark.parametrize("close", CLOSES.values(), ids=CLOSES.keys())
def test_what_a_tab_said_last_arrives_although_no_page_comes_after_it(
    live_site: LiveSite, open_context: Callable[..., BrowserContext], time_zone: str, close: Callable[[Page], None]
) -> None:
    context = open_context(timezone_id=time_zone)
    context.new_page()  # the browser stays open
    site = live_site
    site.add("/tab")
    with context.expect_page() as opening:
        context.pages[0].goto(site.add_bare("/opener", "<script>open('/tab')</script>"))
    tab = opening.value
    site.wait_for("page_view")
    tab.evaluate("for (let n = 0; n < 3; n++) trackway.track('last', {n})")
    close(tab)
    site.wait_for("last", 3)
    assert site.read_book()["duplicate"] == 0
    assert count_types(site)["last"] == 3


def test_a_visitor_who_follows_a_link_at_once_has_seen_the_page_and_left_it(live_site: LiveSite, page: Page) -> None:
    elsewhere = live_site.add_bare("/elsewhere").replace("127.0.0.1", "localhost")
    leave = f"""<script>addEventListener("load", () => setTimeout(() => {{
      trackway.track("last"); location = "{elsewhere}"
    }}, 50))</script>"""
    page.goto(live_site.add("/", head=leave), wait_until="commit")
    page.wait_for_url(elsewhere)
    live_site.wait_for("page_leave")
    assert count_types(live_site) == {"page_view": 1, "last": 1, "page_leave": 1}


def test_two_tabs_of_one_visitor_are_one_session_and_no_event_of_theirs_is_lost_or_doubled(
    live_site: LiveSite, page: Page
) -> None:
    say = "<script>addEventListener('load', () => { for (let n = 0; n < 40; n++) setTimeout(() => trackway.track('said', {n}), n * 10) })</script>"
    live_site.add("/a", head=say), live_site.add("/b", head=say)
    page.goto(live_site.add_bare("/opener", "<script>open('/a'); open('/b')</script>"))
    said = live_site.wait_for("said", 80)
    assert Counter(urlsplit(event["url"]).path for event in said) == {"/a": 40, "/b": 40}
    assert len(live_site.events("page_view")) == 2
    assert len({(event["anonymous_id"], event["session_id"]) for event in live_site.events()}) == 1
    assert live_site.read_book()["stored"] == len(live_site.events())


def test_a_page_that_stays_sends_by_itself_when_the_server_is_up_again(outage: Outage, page: Page) -> None:
    page.goto(outage.site.add("/"))
    outage.site.wait_for("page_view")
    outage.stop()
    for n in range(3):
        page.evaluate("n => trackway.track('during', {n})", n)
    page.wait_for_function(f"({STRANDED}).length === 3")
    outage.start()
    during = outage.site.wait_for("during", 3)
    assert [event["properties"]["n"] for event in during] == [0, 1, 2]
    wait_until_heard(page)
    assert count_types(outage.site) == {"page_view": 1, "during": 3}


def test_pages_of_an_outage_hand_on_what_they_could_not_send(outage: Outage, page: Page) -> None:
    first = outage.site.add("/first", options="data-leave='off'")
    tab = page.context.new_page()
    tab.goto(first)
    outage.site.wait_for("page_view")
    outage.stop()
    # Until the page knows that its collector is not well, it trusts a beacon.
    with tab.expect_event("requestfailed"):
        tab.evaluate("trackway.track('during', {n: 1})")
    tab.wait_for_function(f"({STRANDED}).includes('during')")
    tab.goto(outage.site.add("/second", options="data-leave='off'"))
    wait_for_script(tab)
    tab.evaluate("trackway.track('during', {n: 2})")
    tab.close(run_before_unload=True)
    outage.start()
    page.goto(outage.site.add("/third", options="data-leave='off'"))
    outage.site.wait_for("during", 2)
    outage.site.wait_for("page_view", 3)
    wait_until_heard(page)
    assert count_types(outage.site) == {"page_view": 3, "during": 2}


def test_a_tab_takes_over_what_another_one_cannot_send_and_both_count_once(outage: Outage, page: Page) -> None:
    page.goto(outage.site.add("/first", options="data-leave='off'"))
    outage.site.wait_for("page_view")
    outage.stop()
    page.evaluate("trackway.track('during')")
    page.wait_for_function(f"({STRANDED}).includes('during')")
    outage.start()
    tab = page.context.new_page()
    tab.goto(outage.site.add("/second", options="data-leave='off'"))
    outage.site.wait_for("page_view", 2)
    outage.site.wait_for("during")
    # The first tab, which did not see that its event was taken, sends it as well.
    page.evaluate("dispatchEvent(new Event('online')); trackway.track('end')")
    outage.site.wait_for("end")
    assert count_types(outage.site) == {"page_view": 2, "during": 1, "end": 1}


def test_a_full_server_is_asked_again_when_it_says_and_gets_everything(outage: Outage, page: Page) -> None:
    outage.restart(log_backlog_bytes=-1)
    key = outage.site.source["credentials"]["write_key"]
    refused = partial(outage.server.post, "/v1/events?validate=1", {"event_type": "asked"}, key)
    wait_until(lambda: refused().status, lambda status: status == 503, refused)
    page.add_init_script(WATCH_TIMERS)
    with page.expect_response(f"{outage.server.url}/v1/events") as answered:
        page.goto(outage.site.add("/"))
    assert (answered.value.status, answered.value.headers["retry-after"]) == (503, "2")
    page.wait_for_function(f"delays.some((delay) => delay > {LONGEST_BACKOFF_MS})")
    outage.restart()
    assert len(outage.site.wait_for("page_view")) == 1


def test_a_source_that_asked_too_often_is_left_alone_for_as_long_as_the_server_says(
    server: TestServer, live_site: LiveSite, page: Page
) -> None:
    live_site.source = server.add_source(f"limited {live_site.url}", channel="web", rate_limit="1")
    page.add_init_script(WATCH_TIMERS)
    page.goto(live_site.add("/"))
    live_site.wait_for("page_view")
    with page.expect_response(f"{server.url}/v1/events") as answered:
        page.evaluate("trackway.track('too_much')")
    assert answered.value.status == 429
    wait_ms = 1000 * int(answered.value.headers["retry-after"])
    assert wait_ms > 10_000
    page.wait_for_function("ms => delays.some((delay) => delay >= ms)", arg=wait_ms)
    assert page.evaluate(STRANDED) == ["too_much"]


def test_a_server_with_narrow_limits_gets_what_fits_in_smaller_requests(outage: Outage, page: Page) -> None:
    outage.restart(body_bytes=6000)
    page.goto(outage.site.add("/"))
    outage.site.wait_for("page_view")
    refused = []
    page.on("response", lambda response: refused.append(response.status) if response.status != 200 else None)
    page.evaluate("for (let n = 0; n < 20; n++) trackway.track('fits', {n, filling: 'x'.repeat(300)})")
    page.evaluate("trackway.track('never', {filling: 'x'.repeat(7000)}); trackway.track('end')")
    outage.site.wait_for("end")
    wait_until_heard(page)
    assert set(refused) == {413}
    assert [event["properties"]["n"] for event in outage.site.events("fits")] == list(range(20))
    assert count_types(outage.site) == {"page_view": 1, "fits": 20, "end": 1}


def test_what_a_source_that_is_off_refuses_is_dropped_and_what_comes_later_arrives(
    server: TestServer, live_site: LiveSite, page: Page
) -> None:
    page.goto(live_site.add("/"))
    live_site.wait_for("page_view")
    key = live_site.source["credentials"]["write_key"]
    ask = partial(server.post, "/v1/events?validate=1", {"event_type": "asked"}, key)
    switch(server, live_site.source, False)
    wait_until(lambda: ask().status, lambda status: status == 403, ask)
    with page.expect_response(f"{server.url}/v1/events") as answered:
        page.evaluate("trackway.track('refused')")
    assert answered.value.status == 403
    switch(server, live_site.source, True)
    wait_until(lambda: ask().status, lambda status: status == 200, ask)
    page.evaluate("trackway.track('later')")
    live_site.wait_for("later")
    assert count_types(live_site) == {"page_view": 1, "later": 1}
    wait_until_heard(page)


def test_an_event_whose_collector_dies_before_it_answers_is_stored_once(outage: Outage, page: Page) -> None:
    page.goto(outage.site.add("/"))
    outage.site.wait_for("page_view")
    pid = outage.server.child_pid("server-0")
    os.kill(pid, signal.SIGSTOP)
    with page.expect_request(f"{outage.server.url}/v1/events"):
        page.evaluate("trackway.track('in_its_hands')")
    os.kill(pid, signal.SIGKILL)
    outage.site.wait_for("in_its_hands")
    page.evaluate("trackway.track('end')")
    outage.site.wait_for("end")
    assert count_types(outage.site) == {"page_view": 1, "in_its_hands": 1, "end": 1}


def test_a_frame_that_may_store_nothing_and_has_no_crypto_is_counted_without_ids(
    live_site: LiveSite, page: Page
) -> None:
    page.add_init_script("Object.defineProperty(window, 'crypto', {value: undefined})")
    live_site.add("/inner")
    page.goto(live_site.add_bare("/outer", '<iframe sandbox="allow-scripts" src="/inner"></iframe>'))
    (view,) = live_site.wait_for("page_view")
    assert urlsplit(view["url"]).path == "/inner"
    assert not view["anonymous_id"]
    assert not view["session_id"]


@pytest.mark.parametrize("hours", [-2, 2])
def test_a_clock_two_hours_wrong_is_corrected_and_the_event_says_so(
    live_site: LiveSite, page: Page, hours: int
) -> None:
    page.add_init_script(f"""{{
      const Real = Date, wrong = {hours} * 3600_000;
      window.Date = class extends Real {{
        constructor(...args) {{ args.length ? super(...args) : super(Real.now() + wrong) }}
        static now() {{ return Real.now() + wrong }}
      }} }}""")
    with page.expect_request(f"{live_site.server.url}/v1/events") as sending:
        page.goto(live_site.add("/", options="data-pages='off'"))
        wait_for_script(page)
        page.evaluate("trackway.track('x')")
    (event,) = live_site.wait_for("x")
    occurred = datetime.fromisoformat(event["occurred_at"])
    assert abs(datetime.now(UTC) - occurred) < timedelta(minutes=1)
    assert event["time_rule"] == "corrected"
    assert abs(read_moment(json.loads(sending.value.post_data or "")["sent_at"]) - occurred) > timedelta(hours=1.9)


def read_moment(said: str | int) -> datetime:
    """A moment as the script may send it: text, or milliseconds."""
    return datetime.fromisoformat(said) if isinstance(said, str) else datetime.fromtimestamp(said / 1000, UTC)


def test_what_two_tabs_that_open_at_once_both_found_on_disk_counts_once(live_site: LiveSite, page: Page) -> None:
    left = f"tw_{live_site.source['credentials']['write_key']}:0.5"
    page.goto(live_site.add_bare("/blank"))
    page.evaluate("([name, events]) => localStorage[name] = events", [left, json.dumps([STRANDED_EVENT])])
    end = "<script>addEventListener('load', () => setTimeout(() => trackway.track('end'), 1000))</script>"
    live_site.add("/a", head=end), live_site.add("/b", head=end)
    page.goto(live_site.add_bare("/opener", "<script>open('/a'); open('/b')</script>"))
    live_site.wait_for("end", 2)
    assert count_types(live_site)["stranded"] == 1
    wait_until_heard(page)


def test_what_a_page_has_sent_already_counts_once_when_the_next_one_sends_it_again(
    live_site: LiveSite, page: Page
) -> None:
    with page.expect_request(f"{live_site.server.url}/v1/events") as sending:
        page.goto(live_site.add("/", options="data-leave='off'"))
    batch = json.loads(sending.value.post_data or "")
    live_site.wait_for("page_view")
    again = [f"tw_{batch['write_key']}:0.5", json.dumps(batch["events"])]
    page.evaluate("([name, events]) => localStorage[name] = events", again)
    page.reload()
    live_site.wait_for("page_view", 2)
    page.evaluate("trackway.track('end')")
    live_site.wait_for("end")
    assert live_site.read_book()["duplicate"] == 1
    assert count_types(live_site) == {"page_view": 2, "end": 1}
