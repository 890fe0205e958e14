"""The browser script in Firefox and in WebKit, Safari's engine, where they are installed; the other tests use Chromium."""

from collections import Counter

import pytest
from tests.conftest import skip_if_missing
from tests.sdk.conftest import STRANDED, LiveSite, Receiver, Site
from tests.sdk.test_dropins import make_dropin

from trackway.testing.other_browsers import OtherBrowser, launch_firefox
from trackway.testing.server import TestServer
from trackway.testing.waiting import wait_until

pytestmark = [pytest.mark.browser, pytest.mark.slow]

AGREES = '<script>(window.trackway ??= []).push(["consent", {tracking: "granted"}])</script>'
SHOP = """
<button id="buy">Buy</button> <a id="pdf" href="/guide.pdf" onclick="return false">Guide</a> <a id="next" href="/next">Next</a>
<a id="out" href="{elsewhere}">Elsewhere</a>
<form id="join" onsubmit="return false"><input name="email"><input type="submit"></form>
<div style="height: 3000px"></div>"""
KEPT = "return [document.cookie, ...Object.keys(localStorage)].join(' ')"
PAGES_LEFT = 10


def wait_for_script(browser: OtherBrowser) -> None:
    wait_until(lambda: browser.run("return window.trackway?.version"), bool, lambda: "no script")


def wait_for_path(browser: OtherBrowser, path: str) -> None:
    wait_until(lambda: browser.run("return location.pathname"), lambda now: now == path, lambda: "another page")


def count_steps(site: LiveSite) -> Counter[tuple[str, str]]:
    return Counter(step for step in site.tell() if step[0] != "consent_updated")


def test_every_step_of_a_visit_is_stored_once(other_browser: OtherBrowser, live_site: LiveSite) -> None:
    browser, site = other_browser, live_site
    elsewhere = site.add_bare("/elsewhere").replace("127.0.0.1", "localhost")
    for path in ("/shop", "/next"):
        site.add(path, head=AGREES)
        site.pages[path] += SHOP.format(elsewhere=elsewhere)

    browser.goto(f"{site.url}/shop?utm_source=letter")
    wait_for_script(browser)
    browser.run("scrollTo(0, document.body.scrollHeight); scrollTo(0, 0)")
    browser.click("#buy")
    browser.run("pdf.click()")
    browser.run("document.querySelector('[name=email]').value = 'ada@example.org'; join.requestSubmit()")
    browser.run("history.pushState(null, '', '/second')")
    browser.run("trackway.track('quote_requested', {seats: 5})")
    browser.click("#next")
    wait_for_path(browser, "/next")
    wait_for_script(browser)
    browser.click("#out")
    wait_for_path(browser, "/elsewhere")
    browser.back()
    wait_for_path(browser, "/next")
    wait_for_script(browser)
    browser.goto(elsewhere)

    expected = Counter(
        {
            ("page_view", "/shop"): 1,
            ("click", "/shop"): 1,
            ("download_pdf", "/shop"): 1,
            ("form_submit", "/shop"): 1,
            ("page_leave", "/shop"): 1,
            ("page_view", "/second"): 1,
            ("quote_requested", "/second"): 1,
            ("click", "/second"): 1,
            ("page_leave", "/second"): 1,
            ("page_view", "/next"): 2,
            ("click", "/next"): 1,
            ("page_leave", "/next"): 2,
        }
    )
    wait_until(lambda: count_steps(site), lambda steps: steps == expected, lambda: count_steps(site))
    events = site.events()
    assert len({event["anonymous_id"] for event in events} - {""}) == 1
    assert len({event["session_id"] for event in events}) == 1
    (out,) = [event for event in events if event["properties"].get("id") == "out"]
    assert out["properties"]["outbound"] is True
    (form,) = site.events("form_submit")
    assert "ada@example.org" not in str(form)
    assert site.events("page_view")[0]["utm_source"] == "letter"


def test_pages_that_are_left_at_once_lose_nothing_and_double_nothing(
    other_browser: OtherBrowser, live_site: LiveSite
) -> None:
    browser, site = other_browser, live_site
    for number in range(PAGES_LEFT):
        browser.goto(site.add(f"/page-{number}", head=AGREES))
        wait_for_script(browser)
        browser.run("for (const n of [0, 1, 2]) trackway.track('step', {name: location.pathname + n})")
    browser.goto(site.add("/last", head=AGREES))
    names = [f"/page-{page}{step}" for page in range(PAGES_LEFT) for step in range(3)]
    site.wait_for("step", len(names))
    book = site.read_book()
    assert sorted(event["properties"]["name"] for event in site.events("step")) == names
    assert book["received"] == book["stored"] + book["duplicate"]


def test_what_a_page_could_not_send_leaves_with_the_next_page(
    other_browser: OtherBrowser, site: Site, receiver: Receiver
) -> None:
    browser = other_browser
    receiver.statuses = [0] * 100
    browser.goto(site.add("/first", head=AGREES))
    wait_for_script(browser)
    browser.run("trackway.track('stranded')")
    receiver.wait_for_posts(1)
    browser.goto(site.add("/second", head=AGREES))
    receiver.statuses.clear()
    wait_for_script(browser)
    assert receiver.wait_for("stranded")[0]["url"] == f"{site.url}/first"
    wait_until(lambda: browser.run(f"return {STRANDED}"), lambda left: not left, lambda: "events left on disk")
    assert receiver.preflights == 0


@pytest.mark.parametrize("name", ["clarm", "tracardi", "orbee"])
def test_a_drop_in_records_on_every_page_once_and_as_one_visitor(
    other_browser: OtherBrowser, server: TestServer, site: Site, name: str
) -> None:
    browser, dropin = other_browser, make_dropin(name, server, site)
    asks_nothing = (
        "<script>Intl.DateTimeFormat.prototype.resolvedOptions = () => ({timeZone: 'America/New_York'})</script>"
    )
    for path in ("/one", "/two"):
        browser.goto(dropin.add(path, head=asks_nothing))
        wait_until(lambda: browser.run(f"return {dropin.ready}"), bool, lambda: "no drop-in")
        browser.run(dropin.call(f"seen{path[1:]}"))
    names = [dropin.type_of("seenone"), dropin.type_of("seentwo")]
    events = wait_until(lambda: dropin.stored(*names), lambda found: len(found) >= 2, dropin.stored)
    assert [event["event_type"] for event in events] == names
    assert len({event["profile_id"] for event in events}) == 1


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_an_id_is_kept_and_a_no_removes_it(
    other_browser: OtherBrowser, site: Site, receiver: Receiver, host: str
) -> None:
    browser = other_browser
    address = site.add("/kept").replace("127.0.0.1", host)
    browser.goto(address)
    wait_for_script(browser)
    (first,) = receiver.wait_for("page_view")
    assert f"tw_aid={first['anonymous_id']}" in browser.run(KEPT)
    browser.goto(address)
    wait_for_script(browser)
    assert receiver.wait_for("page_view", 2)[1]["anonymous_id"] == first["anonymous_id"]
    browser.run("trackway.consent('denied')")
    receiver.wait_for("consent_updated")
    wait_until(lambda: browser.run(KEPT).split(), lambda kept: kept == ["tw.consent"], lambda: browser.run(KEPT))


def test_global_privacy_control_means_no_id(site: Site, receiver: Receiver) -> None:
    with (
        skip_if_missing(),
        launch_firefox(
            privacy__globalprivacycontrol__enabled=True, privacy__globalprivacycontrol__functionality__enabled=True
        ) as browser,
    ):
        browser.goto(site.add("/private"))
        wait_for_script(browser)
        assert browser.run("return navigator.globalPrivacyControl") is True
        (seen,) = receiver.wait_for("page_view")
        assert "anonymous_id" not in seen
        assert seen["context"] == {"consent_state": "cookieless"}
        assert browser.run(KEPT).split() == []


def test_a_browser_that_denies_all_storage_still_counts(site: Site, receiver: Receiver) -> None:
    reject_all = 2
    complaints = "<script>window.complaints = []; addEventListener('error', (e) => complaints.push(e.message))</script>"
    with skip_if_missing(), launch_firefox(network__cookie__cookieBehavior=reject_all) as browser:
        browser.goto(site.add("/denied", head=complaints))
        wait_for_script(browser)
        with pytest.raises(RuntimeError, match="SecurityError"):
            browser.run("return localStorage.length")
        browser.run("trackway.track('signup', {plan: 'growth'})")
        (signup,) = receiver.wait_for("signup")
        assert not signup.get("anonymous_id")
        assert not signup.get("session_id")
        assert browser.run("return complaints") == []
