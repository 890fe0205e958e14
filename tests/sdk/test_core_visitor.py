"""Who is visiting: ids, sessions, cookies and links between domains."""

import json
import re
import time
from urllib.parse import urlsplit

import pytest
from tests.sdk.conftest import BUILT, Post, wait_until_heard

pytestmark = pytest.mark.browser

AGE = "ms => { const [id, at, ...more] = localStorage.tw_sid.split(' '); localStorage.tw_sid = [id, at - ms, ...more].join(' ') }"
# Begun that long ago, and used just now.
BEGIN_EARLIER = """ms => { const [id, at, ...more] = localStorage.tw_sid.split(' ');
  const begun = (parseInt(id.replace('-', '').slice(0, 12), 16) - ms).toString(16).padStart(12, '0');
  localStorage.tw_sid = [begun.slice(0, 8) + '-' + begun.slice(8) + id.slice(13), at, ...more].join(' ') }"""


def track(page, receiver, name):
    page.evaluate(f"trackway.track('{name}')")
    return receiver.wait_for(name, page=page)[-1]


@pytest.mark.parametrize(
    ("change", "milliseconds", "goes_on"),
    [
        (AGE, 29 * 60_000, True),
        (AGE, 31 * 60_000, False),
        (BEGIN_EARLIER, 23 * 3600_000, True),
        (BEGIN_EARLIER, 25 * 3600_000, False),
    ],
    ids=["29 idle minutes", "31 idle minutes", "23 hours of use", "25 hours of use"],
)
def test_a_session_lasts_until_30_idle_minutes_or_24_hours(site, receiver, page, change, milliseconds, goes_on):
    page.goto(site.add("/"))
    receiver.wait_for("page_view", page=page)
    track(page, receiver, "first")
    page.evaluate(change, milliseconds)
    before = page.evaluate("localStorage.tw_sid.split(' ')[0]")
    assert (track(page, receiver, "second")["session_id"] == before) is goes_on


def test_another_campaign_begins_a_session_and_the_same_one_does_not(site, receiver, page):
    address = site.add("/")
    sessions = []
    for number, query in enumerate(["", "?utm_source=a", "?x=1", "?utm_source=a", "?utm_source=b", "?gclid=1"], 1):
        page.goto(address + query)
        sessions.append(receiver.wait_for("page_view", number, page=page)[-1]["session_id"])
        assert track(page, receiver, f"track_{number}")["session_id"] == sessions[-1]
    plain, first, on, again, other, click = sessions
    assert first == on == again
    assert len({plain, first, other, click}) == 4


CAMPAIGNS = [
    *("utm_source=a", "utm_campaign=b", "mtm_campaign=c", "trc_mcmp_id=1"),
    *(f"{name}=1" for name in ("gclid", "fbclid", "msclkid", "ttclid", "twclid", "li_fat_id")),
]


def test_every_kind_of_campaign_parameter_and_click_id_begins_a_session(site, receiver, page):
    address = site.add("/")
    for number, query in enumerate(["", *CAMPAIGNS], 1):
        page.goto(f"{address}?page=2&{query}&sort=price")
        receiver.wait_for("page_view", number, page=page)
        wait_until_heard(page)
    assert len({view["session_id"] for view in receiver.events("page_view")}) == 1 + len(CAMPAIGNS)


def test_use_keeps_a_session_going(site, receiver, page):
    page.goto(site.add("/"))
    receiver.wait_for("page_view", page=page)
    sessions = set()
    for number in range(3):
        sessions.add(track(page, receiver, f"use_{number}")["session_id"])
        page.evaluate(AGE, 20 * 60_000)
    assert len(sessions) == 1


def test_a_session_of_one_campaign_is_not_torn_by_a_tab_of_another(site, receiver, page):
    address = site.add("/")
    page.goto(address + "?utm_source=a")
    receiver.wait_for("page_view", 1, page=page)
    tab = page.context.new_page()
    tab.goto(address + "?utm_source=b")
    receiver.wait_for("page_view", 2, page=tab)
    sessions = [track(which, receiver, f"t{n}")["session_id"] for n, which in enumerate([page, tab, page, tab])]
    assert len(set(sessions)) == 1


@pytest.fixture
def open_site(page, receiver):
    """Pages of any host that a test names, with the script that it names: no browser asks a name server."""

    def open_one(address, script="trackway.js", options="", body=""):
        html = f'<!doctype html><script src="/js/{script}" data-key="key-1" {options}></script><body>{body}</body>'

        def answer(route, request):
            path = urlsplit(request.url).path
            if path == "/v1/events":
                receiver.posts.append(Post(json.loads(request.post_data), {}, 200, time.monotonic()))
                route.fulfill(status=200, content_type="application/json", body="{}")
            elif path.startswith("/js/"):
                route.fulfill(status=200, content_type="text/javascript", body=(BUILT / path[4:]).read_bytes())
            else:
                route.fulfill(status=200, content_type="text/html", body=html)

        page.route(re.compile(re.escape("{0.scheme}://{0.netloc}/".format(urlsplit(address)))), answer)
        before = len(receiver.events("page_view"))
        page.goto(address)
        # A beacon of a page that is left would pass by the answers above.
        return receiver.wait_for("page_view", before + 1, page=page)[-1]

    return open_one


@pytest.mark.parametrize(
    ("host", "domain"),
    [
        ("www.example.com", ".example.com"),
        ("a.shop.example.co.uk", ".example.co.uk"),
        ("example.com", ".example.com"),
        ("somebody.github.io", ".somebody.github.io"),
        ("localhost", "localhost"),
        ("127.0.0.1", "127.0.0.1"),
        ("intranet", "intranet"),
        ("[::1]", "[::1]"),
    ],
)
def test_the_cookie_is_on_the_widest_domain_that_takes_it(open_site, page, host, domain):
    view = open_site(f"http://{host}/")
    (cookie,) = page.context.cookies(f"http://{host}/")
    assert (cookie["name"], cookie["domain"].lstrip("."), cookie["value"]) == (
        *("tw_aid", domain.lstrip("."), view["anonymous_id"]),
    )
    assert cookie["domain"] == domain or "." not in host or host == "127.0.0.1"
    assert cookie["expires"] - time.time() == pytest.approx(400 * 86400, abs=86400)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_cookie_is_of_all_pages_and_secure_where_the_page_is(open_site, page, scheme):
    open_site(f"{scheme}://www.example.com/deep/page")
    (cookie,) = page.context.cookies()
    assert (cookie["path"], cookie["sameSite"], cookie["secure"]) == ("/", "Lax", scheme == "https")


def test_a_visitor_is_the_same_on_every_host_of_a_domain(open_site):
    first, second = open_site("http://www.example.com/"), open_site("http://shop.example.com/")
    assert first["anonymous_id"] == second["anonymous_id"]


LINK = '<a id="on" href="http://other.example/landing?a=1#part">On</a><a id="out" href="http://elsewhere.example/?b=2">Out</a>'
DOMAINS = 'data-link="shop.example, other.example"'


def open_both(open_site):
    open_site("http://other.example/", "trackway.js", DOMAINS)
    open_site("http://elsewhere.example/", "trackway.js", DOMAINS)
    open_site("http://shop.example/", "trackway.js", DOMAINS, LINK)


def test_a_link_to_a_domain_of_the_site_carries_the_visitor_over(open_site, receiver, page):
    before = open_site("http://other.example/", "trackway.js", DOMAINS)["anonymous_id"]
    shop = open_site("http://shop.example/", "trackway.js", DOMAINS, LINK)
    page.click("#on")
    page.wait_for_url("http://other.example/**")
    landing = receiver.wait_for("page_view", 3, page=page)[2]

    assert landing["anonymous_id"] == shop["anonymous_id"] != before
    assert page.url == landing["url"] == "http://other.example/landing?a=1#part"
    assert "tw_link" not in repr(receiver.events())


@pytest.mark.parametrize("button", ["left", "middle"])
def test_a_link_carries_the_visitor_with_either_button_and_is_the_pages_own_again(open_site, page, button):
    shop = open_site("http://shop.example/", "trackway.js", DOMAINS, LINK)
    page.evaluate(
        "for (const type of ['click', 'auxclick']) addEventListener(type, (event) => { event.preventDefault(); led = event.target.href })"
    )
    page.click("#on", button=button)
    led = page.evaluate("led")
    assert led.startswith(f"http://other.example/landing?a=1#parttw_link={shop['anonymous_id']}.")
    page.wait_for_function("document.querySelector('#on').href === 'http://other.example/landing?a=1#part'")


def test_a_link_to_another_site_carries_nothing(open_site, page):
    open_both(open_site)
    page.click("#out")
    page.wait_for_url("http://elsewhere.example/**")
    assert page.url == "http://elsewhere.example/?b=2"


@pytest.mark.parametrize("how", ["three minutes old", "from a page that is not of the site"])
def test_an_id_in_an_address_that_proves_nothing_is_not_adopted(open_site, receiver, page, how):
    open_both(open_site)
    at = int(time.time() * 1000) - (180_000 if how.startswith("three") else 0)
    address = f"http://other.example/?x=1#parttw_link=somebody-else.{at}"
    if how.startswith("three"):
        page.evaluate("address => { location = address }", address)
    else:
        page.goto(address)
    page.wait_for_url("http://other.example/**")
    landing = receiver.wait_for("page_view", 4, page=page)[3]
    assert landing["anonymous_id"] != "somebody-else"
    assert landing["url"] == "http://other.example/?x=1#part"
