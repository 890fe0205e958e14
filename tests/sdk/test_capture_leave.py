"""How long and how far a page was read, recorded without a line of the site's own code."""

import pytest

pytestmark = pytest.mark.browser


def test_only_time_that_is_visible_and_focused_counts(open_visit, page):
    visit = open_visit("leave")
    visit.go()
    page.evaluate("focusWindow(false)")
    page.wait_for_timeout(2000)
    page.evaluate("focusWindow(true)")
    page.wait_for_timeout(300)
    page.evaluate("showTab(false)")
    (leave,) = visit.wait_for("page_leave")
    (view,) = visit.events("page_view")
    passed = page.evaluate("performance.now()")
    assert 300 <= leave["properties"]["engaged_ms"] <= passed - 2000
    assert (leave["url"], leave["title"]) == (view["url"], "Long read")


def test_the_lowest_point_that_was_seen_is_told_in_percent(open_visit, page):
    visit = open_visit("leave")
    visit.go()
    for y in (1440, 0):
        page.evaluate("y => scrollTo(0, y)", y)
        page.wait_for_timeout(150)
    page.evaluate("showTab(false)")
    (leave,) = visit.wait_for("page_leave")
    assert leave["properties"]["scroll_depth"] == 60


def test_several_looks_at_a_page_add_up_and_nothing_is_told_twice(open_visit, page):
    visit = open_visit("leave")
    visit.go()
    page.evaluate("showTab(false)")
    visit.wait_for("page_leave")
    page.wait_for_timeout(1000)
    page.evaluate("showTab(true)")
    page.wait_for_timeout(200)
    page.evaluate("showTab(false)")
    first, second = visit.wait_for("page_leave", 2)
    assert 200 <= second["properties"]["engaged_ms"] < 1000
    page.evaluate("dispatchEvent(new PageTransitionEvent('pagehide'))")
    visit.finish()
    assert visit.events("page_leave") == [first, second]


def test_a_page_that_loses_the_focus_once_it_is_hidden_was_left_once(open_visit, page):
    visit = open_visit("leave")
    visit.go()
    page.wait_for_timeout(100)
    page.evaluate("showTab(false); focusWindow(false)")
    visit.wait_for("page_leave")
    visit.finish()
    assert len(visit.events("page_leave")) == 1


def test_a_real_leave_is_told_once_with_the_page_that_was_left(open_visit, page):
    visit = open_visit("leave")
    visit.go()
    page.wait_for_timeout(100)
    visit.go("/next")
    visit.finish()
    (leave,) = visit.events("page_leave")
    assert leave["url"] == visit.url


def test_a_script_that_changes_the_address_leaves_the_page_before_it(open_visit, page):
    visit = open_visit("leave")
    visit.go()
    page.evaluate("scrollTo(0, 2880)")
    page.wait_for_timeout(150)
    page.evaluate("history.pushState({}, '', '/leave/next'); scrollTo(0, 0); document.title = 'Next'")
    page.wait_for_timeout(150)
    visit.wait_for("page_view", 2)
    page.evaluate("showTab(false)")
    leaves = visit.wait_for("page_leave", 2)
    told = [(e["url"].removeprefix(visit.url), e["title"], e["properties"]["scroll_depth"]) for e in leaves]
    assert told == [("", "Long read", 100), ("/next", "Next", 20)]
    assert [e["event_type"] for e in visit.events()] == ["page_view", "page_leave", "page_view", "page_leave"]


def test_engaged_time_is_the_sessions(open_visit, page, server):
    visit = open_visit("leave")
    visit.go()
    page.wait_for_timeout(200)
    page.evaluate("showTab(false)")
    (leave,) = visit.wait_for("page_leave")
    (session,) = [s for s in server.api("sessions", limit=1000)["items"] if s["session_id"] == leave["session_id"]]
    assert session["engaged_ms"] == leave["properties"]["engaged_ms"]


def test_leaving_can_be_switched_off(open_visit, page):
    visit = open_visit("leave", "data-leave='off'")
    visit.go()
    page.evaluate("showTab(false)")
    assert [event["event_type"] for event in visit.finish()] == ["page_view", "end"]
