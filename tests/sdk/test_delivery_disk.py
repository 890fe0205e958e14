"""What waits is on disk from the moment it happened, and leaves in requests of which none fails."""

import pytest
from tests.sdk.conftest import STRANDED, wait_until_heard

pytestmark = pytest.mark.browser

COUNT_FAILURES = """window.failed = []; const real = fetch;
  window.fetch = (...said) => { const sent = real(...said); sent.catch((error) => failed.push(String(error))); return sent }"""


def test_a_long_queue_leaves_in_requests_of_which_none_fails(site, receiver, page):
    page.add_init_script(COUNT_FAILURES)
    page.goto(site.add("/"))
    receiver.wait_for("page_view", page=page)
    page.evaluate("for (let i = 0; i < 400; i++) trackway.track('many', {i, filling: 'x'.repeat(500)})")
    receiver.wait_for("many", 400, page=page)
    assert page.evaluate("failed") == []


def test_what_was_taken_over_and_what_is_new_is_on_disk_until_it_is_answered(site, receiver, page):
    receiver.answers.clear()
    page.goto(site.add("/blank", tag="<script></script>"))
    page.evaluate("localStorage['tw_key-1:0.5'] = JSON.stringify([{event_type: 'stranded', dedupe_key: 'k-1'}])")
    page.goto(site.add("/"))
    receiver.wait_for_posts(1, page)
    page.evaluate("trackway.track('new')")
    assert page.evaluate(STRANDED) == ["stranded", "page_view", "new"]
    receiver.answers.set()
    wait_until_heard(page)


def test_what_was_taken_over_is_on_disk_although_the_page_says_nothing_itself(site, receiver, page):
    receiver.answers.clear()
    page.goto(site.add("/blank", tag="<script></script>"))
    page.evaluate("localStorage['tw_key-1:0.5'] = JSON.stringify([{event_type: 'stranded', dedupe_key: 'k-1'}])")
    tag = f'<script async src="{receiver.url}/js/trackway.js" data-key="key-1" data-pages="off" data-leave="off"></script>'
    page.goto(site.add("/", tag=tag))
    receiver.wait_for_posts(1, page)
    assert page.evaluate(STRANDED) == ["stranded"]
    assert page.evaluate("localStorage['tw_key-1:0.5']") is None
    receiver.answers.set()
    wait_until_heard(page)


def test_the_page_view_carries_its_title_also_when_a_click_led_to_it(site, receiver, page):
    page.goto(site.add("/", "<button>On</button>", title="Home"))
    receiver.wait_for("page_view", page=page)
    page.evaluate("""document.querySelector("button").onclick = () => setTimeout(() => {
      history.pushState({}, "", "/next");
      setTimeout(() => document.title = "Next", 120);
    }, 90)""")
    page.click("button")
    assert receiver.wait_for("page_view", 2, page=page)[1]["title"] == "Next"
