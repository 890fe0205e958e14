"""Page views, recorded without a line of the site's own code."""

import pytest

pytestmark = pytest.mark.browser

OLD_BROWSER = "Object.defineProperty(window, 'navigation', {value: undefined})"


def tell(visit, event):
    return event["url"].removeprefix(visit.url)


@pytest.mark.parametrize("old", [False, True], ids=["with the Navigation API", "without it"])
def test_push_replace_and_back_are_page_views_and_fragments_are_not(open_visit, page, old):
    if old:
        page.add_init_script(OLD_BROWSER)
    visit = open_visit("pages")
    visit.go()
    page.evaluate("history.pushState({}, '', '/pages/list?sort=price'); setTimeout(() => document.title = 'List', 20)")
    visit.wait_for("page_view", 2)
    page.evaluate("history.replaceState({}, '', '/pages/list?sort=name')")
    visit.wait_for("page_view", 3)
    page.click("a")
    page.evaluate("history.pushState({}, '', location.href)")
    page.evaluate("history.go(-3)")
    visit.wait_for("page_view", 4)
    visit.finish()
    views = visit.events("page_view")
    assert [tell(visit, view) for view in views] == ["", "/list?sort=price", "/list?sort=name", ""]
    assert views[1]["title"] == "List"
    assert [tell(visit, {"url": view["referrer"]}) for view in views] == ["", "", "/list?sort=price", "/list?sort=name"]


def test_fragments_are_pages_where_the_site_says_so(open_visit, page):
    visit = open_visit("pages", "data-hashes='on'")
    visit.go("#/home")
    page.evaluate("location.hash = '/cart'")
    views = visit.wait_for("page_view", 2)
    assert [tell(visit, view) for view in views] == ["#/home", "#/cart"]


def test_a_page_that_the_browser_brings_back_from_its_cache_is_seen_again(open_visit, page):
    visit = open_visit("pages")
    visit.go()
    page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true}))")
    visit.wait_for("page_view", 2)


@pytest.mark.parametrize("how", ["opened in a background tab", "rendered ahead of the visit"])
def test_a_page_that_nobody_sees_counts_when_it_is_seen(open_visit, page, how):
    hide = """let hidden = true;
      Object.defineProperty(document, 'hidden', {get: () => hidden});
      Object.defineProperty(document, 'visibilityState', {get: () => hidden ? 'hidden' : 'visible'});
      window.show = () => { hidden = false; document.dispatchEvent(new Event('visibilitychange', {bubbles: true})) };"""
    if how.startswith("rendered"):
        hide += "Object.defineProperty(document, 'prerendering', {get: () => hidden});"
    page.add_init_script(hide)
    visit = open_visit("pages")
    page.goto(visit.url)
    page.wait_for_function("window.trackway && trackway.version")
    page.wait_for_timeout(500)
    assert b"page_view" not in b"".join(visit.sent)
    page.evaluate("show()")
    assert len(visit.wait_for("page_view")) == 1


def test_page_views_can_be_switched_off_and_made_by_the_page(open_visit, page):
    visit = open_visit("pages", "data-pages='off' data-leave='off'")
    page.goto(visit.url)
    page.wait_for_function("window.trackway && trackway.version")
    page.evaluate("history.pushState({}, '', '/pages/list'); trackway.page({made: 'by hand'})")
    events = visit.finish()
    assert [event["properties"] for event in events] == [{"made": "by hand"}, {}]
