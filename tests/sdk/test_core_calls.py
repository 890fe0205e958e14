"""The public calls of the browser script, from the page to what the real collector stored."""

import re
from datetime import datetime
from functools import partial
from pathlib import Path

import pytest

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parents[2]
STUB = (ROOT / "src/trackway/collect/static/stub.js").read_text().strip()


@pytest.fixture
def open_visit(open_visit):
    return partial(open_visit, agrees=False)


@pytest.fixture
def time_zone():
    return "Asia/Tokyo"  # where events are stored in full without a consent


def test_early_calls_arrive_in_order_with_the_times_at_which_they_were_made(open_visit, page):
    visit = open_visit("early")
    visit.go()
    events = visit.finish()

    assert [e["event_type"] for e in events] == [
        *("page_view", "first", "identify", "group", "second", "end"),
    ]
    by_type = {event["event_type"]: event for event in events}
    said = page.evaluate("said")
    for name in ("first", "identify", "group"):
        assert abs(datetime.fromisoformat(by_type[name]["occurred_at"]).timestamp() * 1000 - said) < 200
    assert by_type["first"]["properties"] == {"n": 1}
    assert (by_type["identify"]["user_id"], by_type["identify"]["traits"]) == ("user-7", {"plan": "growth"})
    assert (by_type["second"]["account_id"], by_type["second"]["user_id"]) == ("acme", "user-7")
    assert page.evaluate("kept === trackway && kept.version.length > 0")


def test_what_happens_after_the_early_calls_has_its_own_time(site, receiver, page):
    head = f"<script>{STUB}</script><script>trackway.track('early')</script>"
    page.goto(site.add("/", "<button>Go</button>", head=head))
    (early,) = receiver.wait_for("early", page=page)
    before = page.evaluate("Date.now()")
    page.click("button")
    (click,) = receiver.wait_for("click", page=page)
    assert early["occurred_at"] < before <= click["occurred_at"]


def test_the_stub_of_the_pages_and_of_the_docs_is_the_one_that_is_built():
    assert STUB in (ROOT / "tests/sdk/pages/early.html").read_text()
    assert f"<script>{STUB}</script>" in (ROOT / "docs/reference/browser-sdk.md").read_text()


FORMS = {
    "track(type)": ("track('x')", "x", {}, {}),
    "track(type, properties)": ("track('x', {a: 1})", "x", {"a": 1}, {}),
    "track(type, properties, options)": ("track('x', {a: 1}, {instance_id: 7})", "x", {"a": 1}, {"instance_id": "7"}),
    "track(type, null, options)": ("track('x', null, {instance_id: 'c'})", "x", {}, {"instance_id": "c"}),
    "track(type, callback)": ("track('x', done)", "x", {}, {}),
    "track(type, properties, callback)": ("track('x', {a: 1}, done)", "x", {"a": 1}, {}),
    "page()": ("page()", "page_view", {}, {}),
    "page(properties)": ("page({a: 1})", "page_view", {"a": 1}, {}),
    "page(name)": ("page('Prices')", "page_view", {"name": "Prices"}, {}),
    "page(category, name, properties, options, callback)": (
        "page('Docs', 'Prices', {a: 1}, {instance_id: 'c'}, done)",
        "page_view",
        {"category": "Docs", "name": "Prices", "a": 1},
        {"instance_id": "c"},
    ),
    "identify(id)": ("identify('u')", "identify", {}, {"user_id": "u", "traits": {}}),
    "identify(number, traits)": ("identify(42, {a: 1})", "identify", {}, {"user_id": "42", "traits": {"a": 1}}),
    "identify(traits)": ("identify({a: 1})", "identify", {}, {"user_id": "", "traits": {"a": 1}}),
    "identify(null, traits)": ("identify(null, {a: 1})", "identify", {}, {"user_id": "", "traits": {"a": 1}}),
    "identify(id, traits, options, callback)": (
        "identify('u', {a: 1}, {instance_id: 'c'}, done)",
        "identify",
        {},
        {"user_id": "u", "traits": {"a": 1}, "instance_id": "c"},
    ),
    "track('identify', {user_id, traits})": (
        "track('identify', {user_id: 'u', a: 1})",
        "identify",
        {},
        {"user_id": "u", "traits": {"a": 1}},
    ),
    "track('identify', {traits})": ("track('identify', {a: 1})", "identify", {}, {"user_id": "", "traits": {"a": 1}}),
    "group(id, traits)": ("group('acme', {a: 1})", "group", {}, {"account_id": "acme", "account_traits": {"a": 1}}),
    "set(traits)": ("set({a: 1})", "set", {}, {"traits": {"a": 1}}),
    "alias(id, previous)": ("alias('u', 'v')", "alias", {}, {"user_id": "u", "identifiers": {"user_id": ["v"]}}),
    "alias(id)": ("alias('u')", "alias", {}, {"user_id": "u", "identifiers": {}}),
}


@pytest.mark.parametrize(("call", "event_type", "properties", "fields"), FORMS.values(), ids=FORMS.keys())
def test_a_call_becomes_one_event(open_visit, page, call, event_type, properties, fields):
    visit = open_visit("calls", "data-pages='off' data-leave='off'")
    visit.go(until="")
    page.wait_for_function("window.trackway && trackway.version")
    page.evaluate(f"called = 0; done = () => called++; trackway.{call}")
    event, _ = visit.finish()

    assert (event["event_type"], event["properties"]) == (event_type, properties)
    assert {name: event[name] for name in fields} == fields
    assert page.evaluate("called") == (1 if "done" in call else 0)


def test_an_alias_without_a_previous_id_is_one_of_whom_the_page_knows(open_visit, page):
    visit = open_visit("calls")
    visit.go()
    page.evaluate("trackway.identify('before'); trackway.alias('after')")
    (alias,) = visit.wait_for("alias")
    assert (alias["user_id"], alias["identifiers"]) == ("after", {"user_id": ["before"]})


def test_a_callback_that_throws_reaches_nobody(open_visit, page):
    visit = open_visit("calls")
    visit.go()
    page.evaluate("trackway.track('x', {}, () => { throw new Error('of the page') })")
    assert len(visit.wait_for("x")) == 1  # the fixture fails the test when an error reached the page


def test_reset_makes_a_new_visitor_of_the_same_browser(open_visit, page):
    visit = open_visit("calls")
    visit.go()
    page.evaluate(
        "trackway.identify('u-1'); trackway.group('acme'); trackway.track('before'); trackway.reset(); trackway.track('after')"
    )
    (before,), (after,) = visit.wait_for("before"), visit.wait_for("after")
    assert (before["user_id"], before["account_id"]) == ("u-1", "acme")
    assert (after["user_id"], after["account_id"]) == ("", "")
    assert before["anonymous_id"] != after["anonymous_id"] != ""
    assert before["session_id"] != after["session_id"] != ""


def test_the_module_is_silent_until_init_and_then_the_same(site, receiver, page):
    module = f"""<script type="module">
      import {{ init }} from "{receiver.url}/js/trackway.mjs";
      window.before = typeof trackway;
      const tracker = init({{ key: "key-1", endpoint: "{receiver.url}/v1/events", clicks: false, scrub: (url) => url.split("?")[0] }});
      tracker.track("from_module", {{ a: 1 }});
    </script>"""
    page.goto(site.add("/", "<button>Buy</button>", tag=module) + "?secret=1")
    (event,) = receiver.wait_for("from_module", page=page)
    page.click("button")
    page.evaluate("trackway.track('end')")
    receiver.wait_for("end", page=page)
    assert page.evaluate("before") == "undefined"
    assert (event["properties"], event["url"]) == ({"a": 1}, site.url + "/")
    assert receiver.events("click") == []
    assert len(receiver.events("page_view")) == 1


def test_a_scrub_rule_that_throws_gives_no_address_and_no_error(site, receiver, page):
    head = "<script>window.broken = () => { throw new Error('of the page') }</script>"
    tag = f'<script async src="{receiver.url}/js/trackway.js" data-key="key-1" data-scrub="broken"></script>'
    page.goto(site.add("/", head=head, tag=tag))
    (view,) = receiver.wait_for("page_view", page=page)
    assert view["url"] == ""


def test_the_core_records_nothing_by_itself(site, receiver, page):
    tag = f'<script async src="{receiver.url}/js/trackway.core.js" data-key="key-1"></script>'
    page.goto(site.add("/", "<button onclick=\"trackway.track('own')\">Buy</button>", tag=tag))
    page.wait_for_function("window.trackway && trackway.version")
    page.click("button")
    receiver.wait_for("own", page=page)
    assert [event["event_type"] for event in receiver.events()] == ["own"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", page.evaluate("trackway.version"))
