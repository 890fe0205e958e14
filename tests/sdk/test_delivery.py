"""The way of events from the browser to a collector that answers as the test says: failures, closed tabs, other tabs."""

import pytest
from tests.sdk.conftest import STRANDED, WATCH_TIMERS, wait_until_heard

pytestmark = pytest.mark.browser


@pytest.fixture
def time_zone():
    return "Asia/Tokyo"  # where events are stored in full without a consent


def wait_for_script(page):
    page.wait_for_function("window.trackway && trackway.version")


def wait_until_stranded(page, *event_types):
    """Until just these events are on disk."""
    page.wait_for_function(f"(types) => ({STRANDED}).join() === types", arg=",".join(event_types))


def wait_for_delay(page, least, most):
    """Until the script has set a timer of so many milliseconds."""
    page.wait_for_function(
        "([least, most]) => delays.some((delay) => least <= delay && delay <= most)", arg=[least, most]
    )


def keys_of(events):
    return {event["dedupe_key"] for event in events}


@pytest.mark.parametrize("status", [0, 408, 429, 500, 503])
def test_a_request_that_failed_is_sent_again_after_one_to_two_seconds(site, receiver, page, status):
    receiver.statuses = [status]
    page.add_init_script(WATCH_TIMERS)
    page.goto(site.add("/"))
    wait_for_delay(page, 1000, 2000)
    (view,) = receiver.wait_for("page_view", page=page)
    assert keys_of([view]) == keys_of(receiver.posts[0].body["events"])
    wait_until_stranded(page)


@pytest.mark.parametrize("chance", [0, 0.25, 0.75])
def test_chance_spreads_the_pages_that_try_again(site, receiver, page, chance):
    receiver.statuses = [503]
    page.add_init_script(f"Math.random = () => {chance}")
    page.add_init_script(WATCH_TIMERS)
    page.goto(site.add("/"))
    page.wait_for_function("delay => delays.includes(delay)", arg=1000 * (1 + chance))
    receiver.wait_for("page_view", page=page)


# What the script would wait, in `delays`; it waits a moment.
HURRY = """window.delays = []; Math.random = () => 0; const real = setTimeout;
  window.setTimeout = (task, delay, ...rest) => { delays.push(delay); return real(task, Math.min(delay, 20), ...rest) };"""
PAUSES = "delays.filter((delay) => delay >= 1000)"


def test_it_waits_twice_as_long_after_each_failure_up_to_a_bound_and_begins_anew_after_a_success(site, receiver, page):
    receiver.statuses = [503] * 11
    page.add_init_script(HURRY)
    page.goto(site.add("/"))
    receiver.wait_for("page_view", page=page)
    # Chance makes it twice as long at most: five minutes.
    assert page.evaluate(PAUSES) == [1000 * 2**n for n in range(8)] + [150_000] * 3
    receiver.statuses = [503]
    page.evaluate("delays.length = 0; trackway.track('later')")
    receiver.wait_for("later", page=page)
    assert page.evaluate(PAUSES) == [1000]


def test_progress_that_a_site_names_itself_leaves_by_itself(site, receiver, page):
    page.goto(site.add("/"))
    receiver.wait_for("page_view", page=page)
    page.evaluate("trackway.track('lesson_progress')")
    assert len(receiver.wait_for("lesson_progress", page=page)) == 1


def test_a_crowd_of_progress_does_not_keep_the_queue_from_leaving(site, receiver, page):
    page.goto(site.add("/"))
    receiver.wait_for("page_view", page=page)
    wait_until_heard(page)
    page.evaluate("for (let n = 0; n < 30; n++) trackway.track('video_progress', {n})")
    page.evaluate("trackway.track('purchase')")
    assert len(receiver.wait_for("purchase", page=page)) == 1
    assert len(receiver.events("video_progress")) == 30


def test_at_most_a_thousand_events_wait_and_the_first_ones_are_kept(site, receiver, page):
    page.goto(site.add("/"))
    receiver.wait_for("page_view", page=page)
    wait_until_heard(page)
    page.context.set_offline(True)
    page.evaluate("for (let i = 0; i < 1200; i++) trackway.track('many', {i})")
    page.context.set_offline(False)
    receiver.wait_for("many", 1000, page=page)
    page.evaluate("trackway.track('end')")
    receiver.wait_for("end", page=page)
    assert [event["properties"]["i"] for event in receiver.events("many")] == list(range(1000))


def test_retry_after_is_honoured(site, receiver, page):
    receiver.statuses, receiver.retry_after = [503], "4"
    page.add_init_script(WATCH_TIMERS)
    page.goto(site.add("/"))
    wait_for_delay(page, 4000, 8000)
    page.evaluate("trackway.track('meanwhile')")
    receiver.wait_for("meanwhile", page=page)
    first, second, *_ = receiver.posts
    assert second.at - first.at > 3.9


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_what_is_refused_for_good_is_dropped(site, receiver, page, status):
    receiver.statuses = [status]
    page.goto(site.add("/"))
    receiver.wait_for_posts(1, page)
    page.evaluate("trackway.track('next')")
    receiver.wait_for("next", page=page)
    assert [post.status for post in receiver.posts] == [status, 200]
    wait_until_stranded(page)


def test_413_halves_the_request_until_it_fits_and_drops_one_event_that_never_does(site, receiver, page):
    page.goto(site.add("/"))
    receiver.wait_for("page_view", page=page)
    receiver.statuses = [413, 413, 413, 413]
    page.evaluate("for (let i = 0; i < 8; i++) trackway.track('many', {i})")
    receiver.wait_for("many", 7, page=page)
    assert [len(post.body["events"]) for post in receiver.posts[1:6]] == [8, 4, 2, 1, 1]
    assert [event["properties"]["i"] for event in receiver.events("many")] == [1, 2, 3, 4, 5, 6, 7]


def test_nothing_is_tried_without_a_network_and_all_is_sent_when_it_is_back(site, receiver, page):
    page.goto(site.add("/"))
    receiver.wait_for("page_view", page=page)
    page.evaluate("tries = 0; const real = fetch; fetch = (...a) => (tries++, real(...a)); 0")
    page.context.set_offline(True)
    page.evaluate("trackway.track('in_the_tunnel')")
    page.wait_for_function(f"({STRANDED}).includes('in_the_tunnel')")
    assert page.evaluate("[tries, navigator.onLine]") == [0, False]
    page.context.set_offline(False)
    assert len(receiver.wait_for("in_the_tunnel", page=page)) == 1


def test_what_a_page_says_that_is_hidden_without_a_network_waits_for_it(site, receiver, page):
    page.goto(site.add("/"))
    receiver.wait_for("page_view", page=page)
    wait_until_stranded(page)
    page.context.set_offline(True)
    # A browser takes a beacon that it cannot send.
    page.evaluate(
        "trackway.track('in_the_tunnel'); document.dispatchEvent(new Event('visibilitychange', {bubbles: true}))"
    )
    assert page.evaluate(STRANDED) == ["in_the_tunnel"]
    page.context.set_offline(False)
    assert len(receiver.wait_for("in_the_tunnel", page=page)) == 1


def test_the_next_page_takes_over_what_a_closed_one_could_not_send(site, receiver, page):
    receiver.statuses = [503] * 20
    tab = page.context.new_page()
    tab.goto(site.add("/"))
    wait_for_script(tab)
    tab.evaluate("trackway.track('last_words')")
    receiver.wait_for_posts(1, tab)
    tab.close(run_before_unload=True)
    receiver.statuses = []

    page.goto(site.add("/next", title="Next"))
    receiver.wait_for("last_words", page=page)
    wait_until_stranded(page)
    lost = [event for post in receiver.posts if post.status == 503 for event in post.body["events"]]
    assert keys_of(lost) <= keys_of(receiver.events())


def test_another_tab_that_opens_takes_over_while_the_first_is_still_trying(site, receiver, page):
    receiver.statuses = [503] * 2
    page.goto(site.add("/"))
    receiver.wait_for_posts(1, page)
    tab = page.context.new_page()
    receiver.statuses = []
    tab.goto(site.add("/other", title="Other"))
    receiver.wait_for("page_view", 2, page=tab)
    assert {event["title"] for event in receiver.events("page_view")} == {"Home", "Other"}


def test_events_of_another_key_stay_for_the_pages_of_that_key(site, receiver, page):
    page.goto(site.add("/blank", tag="<script></script>"))
    page.evaluate("localStorage['tw_key-2:0.5'] = JSON.stringify([{event_type: 'stranded', dedupe_key: 'k-1'}])")
    page.goto(site.add("/"))
    receiver.wait_for("page_view", page=page)
    assert receiver.events("stranded") == []
    wait_until_stranded(page, "stranded")


def test_what_a_beacon_cannot_carry_stays_on_disk_for_the_next_page(site, receiver, page):
    page.goto(site.add("/"))
    receiver.wait_for("page_view", page=page)
    site.add("/next", title="Next")
    page.evaluate(
        "for (let i = 0; i < 150; i++) trackway.track('many', {i, filling: 'x'.repeat(500)}); location = '/next'"
    )
    page.wait_for_url("**/next")
    # What was in doubt arrives twice, so that the last one tells that all have come.
    wait_until_heard(page)
    receiver.wait_for("page_view", 2, page=page)
    assert {event["properties"]["i"] for event in receiver.events("many")} == set(range(150))


def test_a_page_that_comes_back_from_the_cache_goes_on(site, receiver, page):
    site.add("/next", title="Next")
    page.goto(site.add("/"))
    receiver.wait_for("page_view", page=page)
    wait_until_heard(page)
    page.evaluate("trackway.track('before')")
    page.goto(site.url + "/next")
    page.go_back()
    wait_for_script(page)
    page.evaluate("trackway.track('after')")
    receiver.wait_for("after", page=page)
    assert len(receiver.wait_for("before", page=page)) == 1


def test_a_page_hidden_and_left_sends_its_last_events_once(site, receiver, page):
    page.goto(site.add("/"))
    receiver.wait_for("page_view", page=page)
    wait_until_heard(page)
    leave = (
        "dispatchEvent(new Event('pagehide')); document.dispatchEvent(new Event('visibilitychange', {bubbles: true}))"
    )
    page.evaluate(f"trackway.track('last'); {leave}")
    receiver.wait_for("last", page=page)
    page.evaluate("trackway.track('end')")
    receiver.wait_for("end", page=page)
    assert len(receiver.events("last")) == 1


DENIED = {
    "a connection that the site's policy blocks": (
        """<meta http-equiv="Content-Security-Policy" content="connect-src 'none'">""",
        "",
    ),
    "fetch and beacon that throw": (
        "",
        "window.fetch = navigator.sendBeacon = () => { throw new Error('hooked') }",
    ),
    "storage that is full": ("", "Storage.prototype.setItem = () => { throw new DOMException('full') }"),
    "cookies that throw": (
        "",
        "Object.defineProperty(document, 'cookie', {get() { throw new DOMException('denied') }, set() { throw new DOMException('denied') }})",
    ),
    "no Blob": ("", "window.Blob = undefined"),
    "locks that throw": ("", "navigator.locks.request = () => { throw new Error('hooked') }"),
    "locks that refuse": ("", "navigator.locks.request = () => Promise.reject(new DOMException('denied'))"),
}


@pytest.mark.parametrize(("head", "hook"), DENIED.values(), ids=DENIED.keys())
def test_a_browser_or_page_that_denies_something_sees_no_error(site, receiver, page, head, hook):
    page.add_init_script(hook)
    page.add_init_script("addEventListener('unhandledrejection', () => window.rejected = true)")
    page.goto(site.add("/", "<button>Go</button>", head=head))
    wait_for_script(page)
    page.click("button")
    page.evaluate("trackway.track('x')")
    page.wait_for_timeout(400)
    page.evaluate("dispatchEvent(new Event('pagehide'))")
    page.goto(site.add("/next"))
    assert not page.evaluate("window.rejected")


def test_no_request_of_a_whole_visit_needs_a_preflight_or_a_header(site, receiver, page):
    receiver.statuses = [503, 429, 200, 413]
    page.goto(site.add("/", "<button>Go</button>"))
    page.click("button")
    page.evaluate("trackway.track('x'); dispatchEvent(new Event('pagehide'))")
    receiver.wait_for("x", page=page)
    assert receiver.preflights == 0
    for post in receiver.posts:
        assert post.headers["Content-Type"].lower() == "text/plain;charset=utf-8"
        assert post.body["write_key"] == "key-1"
        assert not {name for name in post.headers if name.lower().startswith(("x-", "authorization"))}
