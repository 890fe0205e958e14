"""Under which consent the browser script records, keeps and sends what; and the visitor's own opt-out."""

from functools import partial

import pytest

pytestmark = pytest.mark.browser

KEPT = "Object.keys(localStorage).sort()"
GPC = "Object.defineProperty(navigator, 'globalPrivacyControl', {value: true})"
IDS = {"anonymous_id", "session_id", "user_id", "account_id", "instance_id"}


@pytest.fixture
def open_visit(open_visit):
    return partial(open_visit, agrees=False)


@pytest.fixture
def time_zone():
    return "Asia/Tokyo"  # where events are stored in full without a consent


def ids_of(event):
    return {name for name in IDS if event.get(name)}


def state_of(event):
    return event["context"]["consent_state"]


def start(visit, page):
    page.goto(visit.url)
    page.wait_for_function("window.trackway && trackway.version")


def kept(page):
    return page.evaluate(KEPT), [cookie["name"] for cookie in page.context.cookies()]


def test_pending_writes_and_sends_nothing_and_a_yes_sends_what_waited(open_visit, page):
    visit = open_visit("consent", "data-consent='pending'")
    start(visit, page)
    page.evaluate("trackway.track('early')")
    page.click("button")
    page.wait_for_timeout(500)
    assert visit.sent == []
    assert kept(page) == ([], [])

    page.evaluate("trackway.consent('granted')")
    events = visit.finish()
    events += visit.events("consent_updated")
    assert {event["event_type"]: state_of(event) for event in events} == {
        **dict.fromkeys(("page_view", "early", "click"), "pending"),
        **dict.fromkeys(("consent_updated", "end"), "granted"),
    }
    assert len({event["anonymous_id"] for event in events}) == 1
    assert all(event["consent"] == {"tracking": "granted"} and ids_of(event) for event in events)


def test_pending_and_a_no_drops_what_waited(open_visit, page):
    visit = open_visit("consent", "data-consent='pending'")
    start(visit, page)
    page.evaluate("trackway.track('early'); trackway.consent('denied'); trackway.track('late')")
    page.wait_for_timeout(500)
    assert visit.sent == []
    assert kept(page) == (["tw.consent"], [])


def test_pending_and_cookieless_sends_what_waited_without_ids(open_visit, page):
    visit = open_visit("consent", "data-consent='pending'")
    start(visit, page)
    page.evaluate(
        "trackway.identify('u-1', {email: 'ada@example.org'}); trackway.track('early'); trackway.consent('cookieless')"
    )
    events = visit.finish()
    assert "identify" not in {event["event_type"] for event in events}
    assert "u-1" not in repr(visit.sent)
    assert [ids_of(event) for event in events] == [set()] * len(events)
    assert kept(page) == (["tw.consent"], [])


def test_a_withdrawal_is_told_with_its_visitor_wipes_everything_and_holds_on_the_next_page(open_visit, page):
    visit = open_visit("consent")
    visit.go()
    page.evaluate("trackway.consent({tracking: 'granted', ads: true}); trackway.track('agreed')")
    (agreed,) = visit.wait_for("agreed")
    assert set(kept(page)[0]) >= {"tw_aid", "tw.consent", "tw_sid"}

    page.evaluate("trackway.consent('denied'); trackway.track('late')")
    assert kept(page) == (["tw.consent"], [])
    page.wait_for_timeout(500)
    told = b"".join(visit.sent).decode()
    assert '"consent":{"tracking":"denied","ads":true}' in told
    assert told.count(agreed["anonymous_id"]) >= 3  # page view, the yes, the no

    before = len(visit.sent)
    page.reload()
    page.wait_for_function("window.trackway && trackway.version")
    page.evaluate("trackway.track('next_page')")
    page.wait_for_timeout(500)
    assert len(visit.sent) == before
    assert kept(page) == (["tw.consent"], [])


def test_a_yes_after_a_no_begins_anew(open_visit, page):
    visit = open_visit("consent")
    visit.go()
    first = visit.events("page_view")[0]["anonymous_id"]
    page.evaluate("trackway.consent(false); trackway.consent(true); trackway.track('again')")
    (again,) = visit.wait_for("again")
    assert again["anonymous_id"] not in ("", first)
    assert state_of(again) == "granted"


WORDS = {
    "'granted'": "granted",
    "'yes'": "granted",
    "{tracking: true}": "granted",
    "{tracking: {state: 'granted', text_version: 'v3'}}": "granted",
    "{analytics: 'allowed'}": "granted",
    "{analytics_storage: 'granted'}": "granted",
    "{ads: 'granted'}": "unknown",
    "'cookieless'": "cookieless",
    "'unknown'": "unknown",
}


@pytest.mark.parametrize(("said", "state"), WORDS.items(), ids=WORDS.keys())
def test_what_is_said_of_tracking_is_the_state_of_the_events_after_it(open_visit, page, said, state):
    visit = open_visit("consent")
    visit.go()
    page.evaluate(f"trackway.consent({said})")
    assert state_of(visit.finish()[-1]) == state


@pytest.mark.parametrize("said", ["'denied'", "false", "{tracking: 'withdrawn'}", "{analytics: 'no'}", "'perhaps'"])
def test_a_no_and_every_unknown_word_end_the_recording(open_visit, page, said):
    visit = open_visit("consent")
    visit.go()
    page.evaluate(f"trackway.consent({said}); trackway.track('late')")
    page.wait_for_timeout(400)
    assert b"late" not in b"".join(visit.sent)


def test_cookieless_sends_no_id_and_keeps_nothing(open_visit, page):
    visit = open_visit("consent", "data-consent='cookieless'")
    visit.go()
    page.evaluate(
        "trackway.identify('u-1'); trackway.group('acme'); trackway.set({a: 1}); trackway.track('x', {}, {instance_id: 'c'})"
    )
    events = visit.finish()
    assert {event["event_type"] for event in events} == {"page_view", "x", "end"}
    assert [(ids_of(event), state_of(event)) for event in events] == [(set(), "cookieless")] * len(events)
    assert kept(page) == ([], [])


def test_global_privacy_control_is_cookieless_unless_the_visitor_agrees_on_this_page(open_visit, page):
    page.add_init_script(GPC)
    visit = open_visit("consent")
    visit.go()
    page.evaluate("trackway.track('by_default')")
    visit.wait_for("by_default")
    assert kept(page) == ([], [])
    page.evaluate("trackway.consent('granted'); trackway.track('agreed')")
    visit.wait_for("agreed")
    by_default, agreed = (e for e in visit.events("by_default", "agreed"))
    assert (state_of(by_default), ids_of(by_default)) == ("cookieless", set())
    assert (state_of(agreed), ids_of(agreed)) == ("granted", {"anonymous_id", "session_id"})


def test_global_privacy_control_does_not_loosen_what_is_stricter(open_visit, page):
    page.add_init_script(GPC)
    visit = open_visit("consent", "data-consent='pending'")
    start(visit, page)
    page.wait_for_timeout(400)
    assert visit.sent == []


def test_an_opt_out_stands_above_what_the_page_says_until_it_is_taken_back(open_visit, page):
    visit = open_visit("consent")
    visit.go()
    page.evaluate("trackway.optOut(); trackway.consent('granted'); trackway.track('silent')")
    page.reload()
    page.wait_for_function("window.trackway && trackway.version")
    page.evaluate("trackway.consent('granted'); trackway.track('silent')")
    page.wait_for_timeout(400)
    assert b"silent" not in b"".join(visit.sent)
    assert kept(page) == (["tw.consent", "tw.out"], [])

    page.evaluate("trackway.optIn(); trackway.track('back')")
    (back,) = visit.wait_for("back")
    assert state_of(back) == "granted"


def test_the_flag_alone_opts_out_before_anything_is_recorded(open_visit, page):
    page.add_init_script("localStorage['tw.out'] = '1'")
    visit = open_visit("consent")
    start(visit, page)
    page.click("button")
    page.wait_for_timeout(400)
    assert visit.sent == []
    assert kept(page) == (["tw.out"], [])


def test_an_early_opt_out_holds_for_the_first_page_view(open_visit, page):
    page.add_init_script("window.trackway = [['optOut']]")
    visit = open_visit("consent")
    start(visit, page)
    page.wait_for_timeout(400)
    assert visit.sent == []


@pytest.mark.parametrize("time_zone", ["Europe/Berlin"])
def test_an_event_that_the_server_stores_without_its_person_keeps_the_state(open_visit, page):
    visit = open_visit("consent", "data-consent='cookieless'")
    visit.go()
    (view,) = visit.events("page_view")
    assert (view["stored_as"], state_of(view)) == ("anonymous", "cookieless")
