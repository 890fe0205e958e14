"""The browser script in headless Chromium, against a collector that records what arrives."""

import re
import time
import uuid
from pathlib import Path

import pytest
from tests.sdk.conftest import wait_until_heard

pytestmark = pytest.mark.browser

STUB_FILE = Path(__file__).parents[2] / "src/trackway/collect/static/stub.js"
STUB = f"<script>{STUB_FILE.read_text().strip()}</script>"


def test_a_page_view_says_what_the_page_was_and_who_saw_it(site, receiver, page):
    address = site.add("/", title="Boots")
    page.goto(address + "?utm_source=letter")

    (event,) = receiver.wait_for("page_view", page=page)

    assert event["url"] == address + "?utm_source=letter"
    assert event["title"] == "Boots"
    assert event["referrer"] == ""
    assert event["properties"] == {}
    assert event["context"] == {
        "consent_state": "unknown",
        **{name: event["context"][name] for name in ("first_touch", "last_touch")},
    }
    assert uuid.UUID(event["dedupe_key"]).version == 7
    assert uuid.UUID(event["anonymous_id"]).version == 7
    assert uuid.UUID(event["session_id"]).version == 7
    assert receiver.posts[0].body["context"] == {"screen": "1280x720", "time_zone": "Europe/Berlin"}
    assert abs(time.time() - event["occurred_at"] / 1000) < 300


def test_a_request_carries_the_key_in_a_plain_text_body_and_needs_no_preflight(site, receiver, page):
    page.goto(site.add("/"))
    receiver.wait_for("page_view", page=page)

    (post,) = receiver.posts
    assert post.headers["Content-Type"].lower() == "text/plain;charset=utf-8"
    assert post.body["write_key"] == "key-1"
    assert abs(time.time() - post.body["sent_at"] / 1000) < 300
    assert set(post.body) == {"write_key", "sent_at", "script", "context", "events"}
    assert receiver.preflights == 0


def test_data_endpoint_sends_the_events_elsewhere(site, receiver, page):
    tag = f'<script async src="{receiver.url}/js/trackway.js" data-key="key-1" data-endpoint="/proxied"></script>'
    with page.expect_request(site.url + "/proxied") as request:
        page.goto(site.add("/", tag=tag))
    assert '"write_key":"key-1"' in request.value.post_data


def test_a_visitor_keeps_the_id_and_the_session_across_pages_and_tabs(site, receiver, page):
    page.goto(site.add("/"))
    receiver.wait_for("page_view", page=page)
    wait_until_heard(page)
    tab = page.context.new_page()
    tab.goto(site.add("/other"))
    first, second = receiver.wait_for("page_view", 2, page=page)

    assert first["anonymous_id"] == second["anonymous_id"]
    assert first["session_id"] == second["session_id"]
    (cookie,) = [cookie for cookie in page.context.cookies() if cookie["name"] == "tw_aid"]
    assert cookie["value"] == first["anonymous_id"]
    assert cookie["sameSite"] == "Lax"
    assert page.evaluate("localStorage.tw_aid") == first["anonymous_id"]


@pytest.mark.parametrize(
    "lost", ["document.cookie = 'tw_aid=; Max-Age=0; Path=/'", "localStorage.removeItem('tw_aid')"]
)
def test_a_visitor_keeps_the_id_when_the_cookie_or_the_storage_is_emptied(site, receiver, page, lost):
    page.goto(site.add("/"))
    receiver.wait_for("page_view", page=page)
    page.evaluate(lost)
    page.reload()
    first, second = receiver.wait_for("page_view", 2, page=page)
    assert first["anonymous_id"] == second["anonymous_id"]


def test_a_session_ends_after_thirty_idle_minutes(site, receiver, page):
    page.goto(site.add("/"))
    receiver.wait_for("page_view", page=page)
    age_session = "minutes => { const [id, at] = localStorage.tw_sid.split(' '); localStorage.tw_sid = `${id} ${at - minutes * 60000}` }"

    page.evaluate(age_session, 29)
    page.evaluate("trackway.track('still_there')")
    page.evaluate(age_session, 31)
    page.evaluate("trackway.track('back_again')")

    (view,) = receiver.wait_for("page_view", page=page)
    (still,) = receiver.wait_for("still_there", page=page)
    (back,) = receiver.wait_for("back_again", page=page)
    assert view["session_id"] == still["session_id"] != back["session_id"]
    assert view["anonymous_id"] == back["anonymous_id"]


def test_calls_made_before_the_script_had_loaded_arrive_in_order_after_the_page_view(site, receiver, page):
    early = """<script>
      window.trackway = window.trackway || [];
      trackway.push(["identify", "user-7", {plan: "growth"}]);
      trackway.push(["track", "trial_started", {days: 14}]);
    </script>"""
    page.goto(site.add("/", head=early))
    receiver.wait_for("trial_started", page=page)

    events = receiver.events()
    assert [event["event_type"] for event in events] == ["page_view", "identify", "trial_started"]
    assert [event.get("user_id") for event in events] == [None, "user-7", "user-7"]
    assert [event["properties"] for event in events] == [{}, {}, {"days": 14}]
    assert [event.get("traits") for event in events] == [None, {"plan": "growth"}, None]


def test_a_visitors_answer_holds_for_the_first_page_view_and_all_after_it(site, receiver, page):
    early = """<script>
      window.trackway = window.trackway || [];
      trackway.push(["consent", {tracking: "granted", ads: false}]);
      trackway.push(["consent", 7n]);
      trackway.push(["track", "trial_started", {}]);
    </script>"""
    page.goto(site.add("/", head=early))
    receiver.wait_for("trial_started", page=page)

    events = receiver.events()
    assert [event["event_type"] for event in events] == ["consent_updated", "page_view", "trial_started"]
    assert all(event["consent"] == {"tracking": "granted", "ads": False} for event in events)


def test_the_stub_keeps_the_times_of_early_calls_and_references_to_it_stay_good(site, receiver, page):
    head = STUB + "<script>window.kept = trackway; trackway.track('early'); window.said = Date.now()</script>"
    slow = f"""<script>setTimeout(() => {{
      const tag = document.createElement('script');
      tag.src = '{receiver.url}/js/trackway.js'; tag.dataset.key = 'key-1';
      tag.onload = () => kept.track('late', {{via: 'kept'}});
      document.head.append(tag);
    }}, 300)</script>"""
    page.goto(site.add("/", head=head, tag=slow))

    (early,) = receiver.wait_for("early", page=page)
    (late,) = receiver.wait_for("late", page=page)
    assert late["properties"] == {"via": "kept"}
    said = page.evaluate("said")
    assert abs(early["occurred_at"] - said) < 100
    (view,) = receiver.events("page_view")
    assert view["occurred_at"] <= early["occurred_at"]


def test_navigation_inside_a_single_page_application_is_a_page_view(site, receiver, page):
    home = site.add("/", title="Home")
    page.goto(home)
    receiver.wait_for("page_view", page=page)

    page.evaluate("history.pushState({}, '', '/list?sort=price'); setTimeout(() => document.title = 'List', 20)")
    receiver.wait_for("page_view", 2, page=page)
    page.evaluate("history.replaceState({}, '', '/list?sort=name')")
    receiver.wait_for("page_view", 3, page=page)
    page.evaluate("history.replaceState({}, '', '/list?sort=name#top')")
    page.evaluate("history.pushState({}, '', location.href)")
    page.go_back()
    page.go_back()
    views = receiver.wait_for("page_view", 4, page=page)

    assert [view["url"].removeprefix(site.url) for view in views] == ["/", "/list?sort=price", "/list?sort=name", "/"]
    assert views[1]["title"] == "List"
    assert views[1]["referrer"] == home
    assert views[2]["referrer"] == site.url + "/list?sort=price"


def test_a_page_view_waits_for_its_title_though_an_answer_comes_before_it(site, receiver, page):
    receiver.answers.clear()
    page.goto(site.add("/", title="Home"))
    receiver.wait_for("page_view", page=page)
    page.evaluate("history.pushState({}, '', '/list'); setTimeout(() => document.title = 'List', 120)")
    receiver.answers.set()
    assert [view["title"] for view in receiver.wait_for("page_view", 2, page=page)] == ["Home", "List"]


def test_clicks_say_what_was_clicked(site, receiver, page):
    body = """
      <a id="guide" href="/guide" onclick="return false"> Size
         <b>guide</b></a>
      <button id="buy" data-track="buy">Buy now</button>
      <div data-track="card">A card</div>
      <p id="text">Nothing</p>"""
    page.goto(site.add("/", body))
    receiver.wait_for("page_view", page=page)

    page.click("#guide b")
    page.click("#buy")
    page.click("div")
    page.click("#text")
    clicks = receiver.wait_for("click", 3, page=page)

    assert [click["properties"] for click in clicks] == [
        {"tag": "a", "text": "Size guide", "id": "guide", "href": site.url + "/guide"},
        {"tag": "button", "text": "Buy now", "id": "buy", "name": "buy"},
        {"tag": "div", "text": "A card", "id": "", "name": "card"},
    ]


def test_a_click_that_the_page_stops_is_recorded_and_its_text_is_cut_at_80_characters(site, receiver, page):
    page.goto(site.add("/", f'<button onclick="event.stopPropagation()">{"long " * 40}</button>'))
    receiver.wait_for("page_view", page=page)
    page.click("button")
    (click,) = receiver.wait_for("click", page=page)
    assert click["properties"]["text"] == ("long " * 40)[:80]


def test_a_click_that_leaves_the_page_arrives(site, receiver, page):
    site.add("/next", title="Next")
    page.goto(site.add("/", '<a href="/next">On</a>'))
    receiver.wait_for("page_view", page=page)
    page.click("a")
    receiver.wait_for("page_view", 2, page=page)
    (click,) = receiver.wait_for("click", page=page)
    assert click["url"] == site.url + "/"


def test_a_sent_form_says_its_field_names_and_never_a_value(site, receiver, page):
    body = """
      <form id="join" name="newsletter" action="/join?from=foot" method="post">
        <input name="email" value="ada@example.org"><input name="id" value="secret-1"><input name="action" value="secret-2">
        <textarea name="note">secret-3</textarea><select name="size"><option>secret-4</option></select>
        <input type="hidden" name="token" value="secret-5"><span data-no-track><input name="salary" value="secret-6"></span>
        <button name="go" value="secret-7">Join</button>
      </form>"""
    page.goto(site.add("/", body))
    receiver.wait_for("page_view", page=page)
    page.fill("[name=email]", "grace@example.org")
    page.click("button")

    (sent,) = receiver.wait_for("form_submit", page=page)
    assert sent["properties"] == {
        "id": "join",
        "name": "newsletter",
        "action": "/join",
        "fields": ["email", "id", "action", "note", "size"],
    }
    said = repr(receiver.events())
    assert "secret" not in said
    assert "@example.org" not in said


def test_clicks_never_carry_what_a_visitor_typed(site, receiver, page):
    body = """
      <button id="a">Ask <select><option>typed-1</option></select></button>
      <div id="b" data-track contenteditable>typed-2</div>
      <textarea id="c" data-track>typed-3</textarea>
      <div id="d" data-track>Say <textarea>typed-4</textarea></div>"""
    page.goto(site.add("/", body))
    receiver.wait_for("page_view", page=page)
    for name in "abcd":
        page.dispatch_event(f"#{name}", "click")
    clicks = receiver.wait_for("click", 4, page=page)
    assert [click["properties"]["text"] for click in clicks] == ["", "", "", ""]


def test_data_no_track_silences_clicks_and_forms_inside_it(site, receiver, page):
    body = """
      <div data-no-track><button type="button" id="a">Quiet</button>
        <form onsubmit="return false"><input name="q"><button id="b">Quiet too</button></form></div>
      <a id="c" data-no-track onclick="return false" href="/x">Quiet three</a><button id="d">Loud <i data-no-track>pin 1234</i></button>"""
    page.goto(site.add("/", body))
    receiver.wait_for("page_view", page=page)
    for name in "abc":
        page.click(f"#{name}")
    page.dispatch_event("#d", "click")
    (click,) = receiver.wait_for("click", page=page)
    assert click["properties"] == {"tag": "button", "text": "", "id": "d"}
    assert receiver.events("form_submit") == []


def test_the_collector_down_for_a_while_costs_no_event_and_keeps_their_order(site, receiver, page):
    receiver.statuses = [503, 500, 429]
    page.goto(site.add("/", head=STUB + "<script>trackway.track('one'); trackway.track('two')</script>"))
    receiver.wait_for("two", page=page)

    assert [event["event_type"] for event in receiver.events()] == ["page_view", "one", "two"]
    assert [post.status for post in receiver.posts] == [503, 500, 429, 200]
    keys = [[event["dedupe_key"] for event in post.body["events"]] for post in receiver.posts]
    assert keys[0] == keys[1] == keys[2] == keys[3]


def test_events_wait_for_the_network_to_come_back(site, receiver, page):
    page.goto(site.add("/"))
    receiver.wait_for("page_view", page=page)
    page.context.set_offline(True)
    page.evaluate("trackway.track('in_the_tunnel')")
    page.wait_for_timeout(500)
    assert receiver.events("in_the_tunnel") == []
    page.context.set_offline(False)
    assert len(receiver.wait_for("in_the_tunnel", page=page)) == 1


def test_what_the_collector_refuses_is_not_sent_again(site, receiver, page):
    receiver.statuses = [422]
    page.goto(site.add("/"))
    page.wait_for_function("window.trackway && trackway.version")
    while not receiver.posts:
        page.wait_for_timeout(20)
    page.evaluate("trackway.track('next')")
    receiver.wait_for("next", page=page)
    assert [post.status for post in receiver.posts] == [422, 200]
    assert [event["event_type"] for event in receiver.posts[1].body["events"]] == ["next"]


def test_leaving_at_once_loses_nothing(site, receiver, page):
    site.add("/next", tag="<script></script>")
    burst = "for (let i = 0; i < 40; i++) trackway.track('burst', {i})"
    page.goto(site.add("/", f'<a href="/next" onclick="{burst}">Away</a>'))
    receiver.wait_for("page_view", page=page)
    wait_until_heard(page)
    page.click("a")
    page.wait_for_url("**/next")
    sent = receiver.wait_for("burst", 40, page=page)
    assert [event["properties"]["i"] for event in sent] == list(range(40))


def test_a_closed_tab_still_delivers(site, receiver, page):
    tab = page.context.new_page()
    tab.goto(site.add("/"))
    tab.wait_for_function("window.trackway && trackway.version")
    tab.evaluate("trackway.track('last_words')")
    tab.close(run_before_unload=True)
    assert len(receiver.wait_for("last_words", page=page)) == 1


def test_a_large_load_is_split_into_requests_that_may_outlive_the_page(site, receiver, page):
    page.goto(site.add("/"))
    receiver.wait_for("page_view", page=page)
    page.evaluate("for (let i = 0; i < 300; i++) trackway.track('many', {filling: 'ä'.repeat(300)})")
    page.evaluate("trackway.track('huge', {filling: 'x'.repeat(200_000)})")
    receiver.wait_for("huge", page=page)
    assert len(receiver.wait_for("many", 300, page=page)) == 300
    sizes = [int(post.headers["Content-Length"]) for post in receiver.posts]
    assert len([size for size in sizes if size > 60_000]) == 1


def test_global_privacy_control_stores_and_sends_no_id(site, receiver, page):
    page.goto(site.add("/"))
    receiver.wait_for("page_view", page=page)
    wait_until_heard(page)
    page.add_init_script("Object.defineProperty(navigator, 'globalPrivacyControl', {value: true})")
    page.reload()
    receiver.wait_for("page_view", 2, page=page)
    page.evaluate(
        "trackway.identify('user-7', {email: 'ada@example.org'}); trackway.track('seen', {}, {instance_id: 'chat-1'})"
    )
    (seen,) = receiver.wait_for("seen", page=page)

    for event in (receiver.events("page_view")[1], seen):
        assert {"anonymous_id", "session_id", "user_id", "instance_id"}.isdisjoint(event)
    assert receiver.events("identify") == []
    assert page.context.cookies() == []
    assert page.evaluate("Object.keys(localStorage)") == []


def test_an_event_may_name_the_interaction_that_a_back_end_sees_too(site, receiver, page):
    early = "<script>trackway.track('chat_started', {topic: 'SUV'}, {instance_id: 'chat-991'})</script>"
    page.goto(site.add("/", head=STUB + early))
    (started,) = receiver.wait_for("chat_started", page=page)
    page.evaluate("trackway.track('call_started', {}, {instance_id: 7}); trackway.track('none', {}, {instance_id: ''})")
    (call,), (none,) = receiver.wait_for("call_started", page=page), receiver.wait_for("none", page=page)
    assert (started["instance_id"], started["properties"]) == ("chat-991", {"topic": "SUV"})
    assert call["instance_id"] == 7
    assert not none["instance_id"]


def test_a_page_that_may_store_nothing_is_recorded_without_ids(site, receiver, page):
    site.add("/inner", title="Inner")
    page.goto(site.add("/", '<iframe sandbox="allow-scripts" src="/inner"></iframe>', tag="<script></script>"))
    (event,) = receiver.wait_for("page_view", page=page)
    assert event["title"] == "Inner"
    assert (event["anonymous_id"], event["session_id"]) == ("", "")


HOSTILE = {
    "no crypto": "Object.defineProperty(window, 'crypto', {value: undefined})",
    "fetch that throws": "window.fetch = () => { throw new Error('hooked') }; navigator.sendBeacon = null",
    "frozen history": "Object.freeze(history)",
    "a global of another shape": "window.trackway = 'mine'",
    "no time zone": "Intl.DateTimeFormat = () => { throw new RangeError('no zone') }",
    "storage that throws": "Object.defineProperty(window, 'localStorage', {get() { throw new DOMException('denied') }})",
}


@pytest.mark.parametrize("hook", HOSTILE.values(), ids=HOSTILE.keys())
def test_nothing_that_a_page_does_makes_the_script_throw_into_it(site, receiver, page, hook):
    page.add_init_script(hook)
    page.goto(site.add("/", '<button>Go</button><form onsubmit="return false"><input name="a"></form>'))
    page.wait_for_timeout(300)
    page.click("button")
    page.evaluate("document.querySelector('form').requestSubmit(); history.pushState({}, '', '/b')")
    page.evaluate("if (trackway.track) trackway.track('x')")
    page.wait_for_timeout(300)  # the fixture fails the test when an error reached the page


def test_a_global_of_another_shape_gives_way_to_the_script(site, receiver, page):
    page.add_init_script("window.trackway = 'mine'")
    page.goto(site.add("/"))
    receiver.wait_for("page_view", page=page)
    page.evaluate("trackway.track('x')")
    assert len(receiver.wait_for("x", page=page)) == 1


WRONG_CALLS = {
    "no event type": "trackway.track()",
    "circular properties": "const a = {}; a.a = a; trackway.track('x', a)",
    "no user": "trackway.identify()",
    "unknown method": "trackway.push(['treck', 'x'])",
    "no call at all": "trackway.push(undefined)",
    "big integers": "trackway.track('x', {n: 10n})",
}


@pytest.mark.parametrize("call", WRONG_CALLS.values(), ids=WRONG_CALLS.keys())
def test_a_wrong_call_is_named_in_the_console_and_nothing_is_sent(site, receiver, page, call):
    page.goto(site.add("/"))
    receiver.wait_for("page_view", page=page)
    with page.expect_console_message(lambda message: message.text.startswith("trackway: ")):
        page.evaluate(call)
    page.evaluate("trackway.track('end')")
    receiver.wait_for("end", page=page)
    assert [event["event_type"] for event in receiver.events()] == ["page_view", "end"]


def test_properties_that_are_no_object_are_left_out_and_the_event_still_counts(site, receiver, page):
    page.goto(site.add("/"))
    receiver.wait_for("page_view", page=page)
    page.evaluate(
        "trackway.track('x', ['a']); trackway.track('x', 'text'); trackway.track('x', {at: new Date(0), f() {}})"
    )
    events = receiver.wait_for("x", 3, page=page)
    assert [event["properties"] for event in events] == [{}, {}, {"at": "1970-01-01T00:00:00.000Z"}]


def test_the_script_twice_on_a_page_counts_once(site, receiver, page):
    tag = f'<script async src="{receiver.url}/js/trackway.js" data-key="key-1"></script>'
    page.goto(site.add("/", head=tag, tag=tag))
    receiver.wait_for("page_view", page=page)
    page.evaluate("trackway.track('end')")
    receiver.wait_for("end", page=page)
    assert len(receiver.events("page_view")) == 1


def test_a_tag_without_a_key_says_so_in_the_console(site, receiver, page):
    with page.expect_console_message(lambda message: "no data-key" in message.text):
        page.goto(site.add("/", tag=f'<script async src="{receiver.url}/js/trackway.js"></script>'))
    assert receiver.posts == []


def test_a_page_in_the_background_counts_when_it_is_seen(site, receiver, page):
    page.add_init_script("""
      let state = 'hidden';
      Object.defineProperty(document, 'visibilityState', {get: () => state});
      Object.defineProperty(document, 'hidden', {get: () => state === 'hidden'});
      window.show = () => { state = 'visible'; document.dispatchEvent(new Event('visibilitychange')) };""")
    page.goto(site.add("/"))
    page.wait_for_function("window.trackway && trackway.version")
    page.wait_for_timeout(400)
    assert receiver.events() == []
    page.evaluate("show()")
    assert len(receiver.wait_for("page_view", page=page)) == 1


def test_the_script_works_under_a_strict_content_security_policy(site, receiver, page):
    policy = f"default-src 'none'; script-src {receiver.url}; connect-src {receiver.url}"
    page.goto(site.add("/", head=f'<meta http-equiv="Content-Security-Policy" content="{policy}">'))
    assert len(receiver.wait_for("page_view", page=page)) == 1


def test_ids_sort_by_time_and_differ(site, receiver, page):
    page.goto(site.add("/"))
    receiver.wait_for("page_view", page=page)
    page.evaluate("for (let i = 0; i < 200; i++) trackway.track('tick')")
    keys = [event["dedupe_key"] for event in receiver.wait_for("tick", 200, page=page)]
    assert len(set(keys)) == 200
    assert all(
        re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", key) for key in keys
    )
    assert [key[:13] for key in keys] == sorted(key[:13] for key in keys)
