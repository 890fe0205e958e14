"""What a visitor answers in one tab holds in those that are open beside it."""

import pytest

pytestmark = pytest.mark.browser

KEPT = "Object.keys(localStorage).filter((name) => name.startsWith('tw_')).join() + document.cookie"


@pytest.fixture
def time_zone():
    return "Asia/Tokyo"  # where events are stored in full without a consent


@pytest.fixture
def open_tabs(site, receiver, page):
    """Two tabs of one visitor. `answer(CALL)` says it in the first and waits until the second has heard."""

    def open_two(tag=""):
        tab = page.context.new_page()
        # Hears before the script does, in the same turn.
        tab.add_init_script(
            "addEventListener('storage', ({key}) => { if (key?.startsWith('tw.')) heard = (window.heard || 0) + 1 })"
        )
        for which, path in ((page, "/a"), (tab, "/b")):
            which.goto(site.add(path, tag=tag))
            which.wait_for_function("window.trackway && trackway.version")

        def answer(call):
            before = tab.evaluate("window.heard || 0")
            page.evaluate(call)
            tab.wait_for_function("before => window.heard > before", arg=before)

        return tab, answer

    return open_two


@pytest.mark.parametrize("call", ["trackway.consent('denied')", "trackway.optOut()"])
def test_a_no_ends_the_recording_in_every_tab_and_nothing_is_kept_again(open_tabs, receiver, page, call):
    tab, answer = open_tabs()
    receiver.wait_for("page_view", 2, page=page)
    answer(call)
    tab.evaluate("trackway.track('after_the_no')")
    tab.wait_for_timeout(600)
    assert receiver.events("after_the_no") == []
    assert tab.evaluate(KEPT) == ""


def test_cookieless_in_one_tab_is_so_in_every_one(open_tabs, receiver, page):
    tab, answer = open_tabs()
    receiver.wait_for("page_view", 2, page=page)
    answer("trackway.consent('cookieless')")
    tab.evaluate("trackway.track('x')")
    (event,) = receiver.wait_for("x", page=page)
    assert event["context"]["consent_state"] == "cookieless"
    assert {"anonymous_id", "session_id"}.isdisjoint(event)
    assert tab.evaluate(KEPT) == ""


def test_a_yes_in_one_tab_lets_the_others_record(open_tabs, receiver, page):
    tag = f'<script async src="{receiver.url}/js/trackway.js" data-key="key-1" data-consent="pending"></script>'
    tab, answer = open_tabs(tag)
    answer("trackway.consent('granted')")
    tab.evaluate("trackway.track('x')")
    (event,) = receiver.wait_for("x", page=page)
    assert (event["context"]["consent_state"], bool(event["anonymous_id"])) == ("granted", True)
