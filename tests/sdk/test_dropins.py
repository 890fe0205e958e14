"""The drop-in scripts in headless Chromium, against the real collector: what is stored, and that it is stored once."""

import http.client
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import brotli
import pytest
from playwright.sync_api import BrowserContext, Page
from tests.sdk.conftest import serve

from trackway.app.supervisor import find_free_port
from trackway.testing.server import TestServer, start_server

pytestmark = pytest.mark.browser

ROOT = Path(__file__).resolve().parents[2]
BUILT = ROOT / "src/trackway/collect/static"
PAGES = Path(__file__).parent / "pages"
PRIVACY = "Object.defineProperty(Navigator.prototype, 'globalPrivacyControl', {get: () => true})"
DOCUMENT = (ROOT / "docs/reference/drop-ins.md").read_text()
# Its own name is a bot's, which names nobody.
CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"
CLARM_STUB = next(line for line in DOCUMENT.splitlines() if line.startswith("<script>window.ClarmTrack"))


class Relay(BaseHTTPRequestHandler):
    """Stands between the page and the real collector, so that every request is seen: Playwright shows no preflight."""

    protocol_version = "HTTP/1.1"
    server_url: str
    seen: list[str]

    def relay(self) -> None:
        self.seen.append(f"{self.command} {self.path}")
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        where = urlsplit(self.server_url)
        connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=30)
        connection.request(self.command, self.path, body, dict(self.headers))
        answer = connection.getresponse()
        content = answer.read()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("content-length", "connection", "date", "server"):
                self.send_header(name, value)
        if answer.status != 204:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        connection.close()

    do_GET = do_POST = do_OPTIONS = relay  # noqa: N815 (names of the base class)

    def log_message(self, format: str, *args: object) -> None:
        pass


@dataclass
class Dropin:
    """One of the three on a page, and what the collector has stored of its source."""

    name: str
    server: TestServer
    source: dict[str, Any]
    pages: dict[str, str]
    site: str
    host: str = ""

    @property
    def tag(self) -> str:
        host = self.host or self.server.url
        return {
            "clarm": f'<script src="{host}/widget/loader.js" data-widget-id="{self.key}" async></script>',
            "orbee": f'<script async src="{host}/js/orbee.js"></script>',
            "tracardi": f'<script async src="{host}/tracker/tracker.js"></script>',
        }[self.name]

    @property
    def key(self) -> str:
        return next(iter(self.source["credentials"].values()))

    @property
    def head(self) -> str:
        """What a page of its own needs beside the tag."""
        if self.name == "tracardi":
            return f"<script>const options = {{tracker: {{url: {{api: '{self.host or self.server.url}'}}, source: {{id: '{self.key}'}}}}}}</script>"
        if self.name == "orbee":
            return f"<script>window.orb = function () {{ (orb.q ??= []).push(arguments) }}; orb('config', '{self.key}', {{}})</script>"
        return ""

    @property
    def ready(self) -> str:
        return {"clarm": "!!window.ClarmTrack", "orbee": "orb.q.push !== [].push", "tracardi": "!!window.tracardi"}[
            self.name
        ]

    def add(self, path: str = "/", body: str = "", *, head: str = "", tag: str | None = None) -> str:
        found = self.tag if tag is None else tag
        self.pages[path] = f"<!doctype html><title>Shop</title>{head}{self.head}{found}<body>{body}</body>"
        return self.site + path

    def add_file(self, path: str = "/", **replaced: str) -> str:
        """The page of tests/sdk/pages with the name of the drop-in."""
        page = (PAGES / f"{self.name}.html").read_text()
        words = {
            "<!-- the tag -->": self.tag,
            "HOST": self.host or self.server.url,
            "SOURCE": self.key,
            "TRACKER": self.key,
        }
        for word, value in {**words, **replaced}.items():
            page = page.replace(word, value)
        self.pages[path] = page
        return self.site + path

    def open(self, page: Page, address: str) -> None:
        page.goto(address)
        page.wait_for_function(self.ready)

    def call(self, name: str) -> str:
        """A call that records an event which is stored as `name`."""
        return {
            "clarm": f"ClarmTrack.track('{name}', {{n: 1}})",
            "orbee": f"orb('track', '{name}', {{action: '{name}', object: 'it'}})",
            "tracardi": f"void window.tracker.track('{name}', {{n: 1}})",
        }[self.name]

    def type_of(self, name: str) -> str:
        return f"{name} it" if self.name == "orbee" else name

    def stored(self, *types: str) -> list[dict[str, Any]]:
        """Oldest first; the events that Tracardi's server adds are left out."""
        items = self.server.api("events", source=self.source["id"], limit=1000)["items"][::-1]
        added = ("profile-created", "session-opened", "visit-started")
        return [e for e in items if e["event_type"] not in added and (not types or e["event_type"] in types)]

    def wait_for(self, page: Page, event_type: str, count: int = 1) -> list[dict[str, Any]]:
        deadline = time.monotonic() + 60
        while len(found := self.stored(event_type)) < count:
            if time.monotonic() > deadline:
                pytest.fail(f"{count} {event_type} expected, stored are {[e['event_type'] for e in self.stored()]}")
            page.wait_for_timeout(50)
        return found


def make_dropin(name: str, server: TestServer, site: Any) -> Dropin:
    number = str(uuid.uuid4().int)[:12]
    settings = {"orbee": {"tracker_id": number}, "tracardi": {"returns_profile": "yes"}}.get(name, {})
    return Dropin(name, server, server.add_source(f"{name} {number}", name, "web", **settings), site.pages, site.url)


@pytest.fixture(params=["clarm", "tracardi", "orbee"])
def dropin(request: pytest.FixtureRequest, server: TestServer, site: Any) -> Dropin:
    return make_dropin(request.param, server, site)


@pytest.fixture
def clarm(server: TestServer, site: Any) -> Dropin:
    return make_dropin("clarm", server, site)


@pytest.fixture
def tracardi(server: TestServer, site: Any) -> Dropin:
    return make_dropin("tracardi", server, site)


@pytest.fixture
def orbee(server: TestServer, site: Any) -> Dropin:
    return make_dropin("orbee", server, site)


@pytest.fixture
def page(open_context: Callable[..., BrowserContext]) -> Iterator[Page]:
    """Somebody in New York, where the consent policy asks for nothing; an error that reaches the page fails the test."""
    page = open_context(locale="en-US", timezone_id="America/New_York", user_agent=CHROME).new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    assert errors == []


@pytest.fixture
def relay(server: TestServer) -> Iterator[type[Relay]]:
    """`relay.url` is the collector, too; `relay.seen` has every request."""
    bound = type("Bound", (Relay,), {"server_url": server.url, "seen": []})
    for url in serve(bound):
        bound.url = url  # type: ignore[attr-defined]
        yield bound
    assert not [request for request in bound.seen if request.startswith("OPTIONS")]  # type: ignore[attr-defined]


# Clarm


@pytest.mark.parametrize("stub", [False, True], ids=["after the page has loaded", "before, with the stub"])
def test_the_four_examples_of_clarms_documentation_are_stored_once(clarm, page, relay, stub):
    clarm.host = relay.url
    address = clarm.add_file(**{"<!-- the tag -->": (CLARM_STUB if stub else "") + clarm.tag})
    html = clarm.pages["/"]
    run = "runExamples()" if stub else "addEventListener('load', runExamples)"
    clarm.pages["/"] = html.replace("<body>", f"<script>{run}</script><body>")
    page.goto(address)
    clarm.wait_for(page, "goal_achieved")

    events = clarm.stored()
    assert [event["event_type"] for event in events] == ["page_view", "identify", "purchase", "click", "goal_achieved"]
    view, identify, purchase, click, goal = events
    assert {name: trait for name, trait in identify["traits"].items() if name != "email"} == {
        "name": "Jane Smith",
        "company": "Acme Inc",
        "plan": "enterprise",
    }
    assert purchase["properties"] == {"amount": 299, "currency": "USD", "plan": "growth", "orderId": "ord_123"}
    assert click["properties"] == {"element": "pricing_cta", "page": "/pricing"}
    assert goal["properties"] == {"goal": "demo_booked", "value": 500}
    assert view["title"] == "Clarm's documentation, as printed"
    assert {event["url"] for event in events} == {address}
    assert len({event["anonymous_id"] for event in events}) == 1
    assert len({event["session_id"] for event in events}) == 1
    assert view["anonymous_id"].startswith("v_")
    assert page.evaluate("localStorage.tw_vid") == view["anonymous_id"]


def test_clarms_global_is_callable_and_follows_an_application_of_one_page(clarm, page):
    clarm.open(page, clarm.add())
    page.evaluate("ClarmTrack('first'); history.pushState({}, '', '/pricing')")
    clarm.wait_for(page, "page_view", 2)
    page.evaluate("ClarmTrack.track('second'); ClarmTrack(); ClarmTrack('', {})")
    clarm.wait_for(page, "second")
    assert [event["event_type"] for event in clarm.stored()] == ["page_view", "first", "page_view", "second"]
    assert clarm.stored("page_view")[1]["url"] == clarm.site + "/pricing"
    assert clarm.stored("page_view")[1]["referrer"] == clarm.site + "/"


def test_clarms_calls_to_action_are_recorded_by_their_attribute(clarm, page):
    clarm.open(page, clarm.add_file())
    page.click("#cta")
    page.click("#link b")
    page.click("#private")
    page.evaluate("ClarmTrack('end')")
    clarm.wait_for(page, "end")
    assert [event["properties"] for event in clarm.stored("cta_clicked")] == [
        {"cta": "book_demo"},
        {"cta": "pricing", "href": clarm.site + "/#pricing"},
    ]


def test_clarms_guesses_are_flagged_are_no_revenue_and_can_be_switched_off(clarm, page):
    clarm.add("/checkout/pay")
    clarm.add("/off/checkout/", tag=clarm.tag.replace(" async", ' data-heuristics="off" async'))
    clarm.add("/order-received")
    for path in ("/off/checkout/", "/checkout/pay", "/checkout/pay", "/order-received?order_id=77"):
        views = len(clarm.stored("page_view"))
        page.goto(clarm.site + path)
        clarm.wait_for(page, "page_view", views + 1)
    page.evaluate("ClarmTrack('end')")
    clarm.wait_for(page, "end")
    guesses = clarm.stored("payment_page_view", "payment_success")
    assert [(e["event_type"], e["url"].removeprefix(clarm.site)) for e in guesses] == [
        ("payment_page_view", "/checkout/pay"),
        ("payment_success", "/order-received?order_id=77"),
    ]
    assert all(e["properties"] == {"auto": True, "heuristic": True} for e in guesses)
    assert all(not e.get("revenue") for e in guesses)


def test_messages_of_clarms_visitor_are_one_conversation(clarm, page):
    clarm.open(page, clarm.add())
    page.evaluate("ClarmTrack('message_sent', {message: 'Hello', conversation_id: 'c-1', sequence: 1})")
    (message,) = clarm.wait_for(page, "message_sent")
    assert message["instance_id"] == "c-1"


# Tracardi


def test_tracardis_snippet_works_when_its_addresses_are_changed(tracardi, page, relay):
    tracardi.host = relay.url
    page.goto(tracardi.add_file())
    tracardi.wait_for(page, "interest")

    events = tracardi.stored()
    assert [event["event_type"] for event in events] == ["page-view", "purchase-order", "interest"]
    assert [event["properties"] for event in events] == [
        {"section": "home"},
        {"product": "Sunglasses", "price": 13.45},
        {"Eletronics": ["Mobile phones", "Accessories"]},
    ]
    assert {event["url"] for event in events} == {tracardi.site + "/"}
    assert events[0]["title"] == "Tracardi's documentation, with its way of loading"
    assert events[0]["context"]["time_zone"] == "America/New_York"
    (cookie,) = [cookie for cookie in page.context.cookies() if cookie["name"] == "tracardi-session-id"]
    assert {event["session_id"] for event in events} == {cookie["value"]}
    assert 1700 < cookie["expires"] - time.time() <= 1800
    page.wait_for_function("window.told")
    profile = page.evaluate("localStorage['tracardi-profile-id']")
    assert page.evaluate("told") == {"profile": profile, "source": tracardi.key, "same": True}
    assert {event["profile_id"] for event in events} == {profile}


def test_tracardis_calls_made_before_the_script_leave_in_one_request(tracardi, page, relay):
    tracardi.host = relay.url
    page.goto(tracardi.add_file())
    tracardi.wait_for(page, "interest")
    assert relay.seen == ["GET /tracker/liliput.min.js", "POST /track"]


def test_events_of_two_of_tracardis_sessions_keep_their_own(tracardi, page):
    tracardi.open(page, tracardi.add())
    page.evaluate("""void tracker.track('one');
      document.cookie = "tracardi-session-id=;Max-Age=0;Path=/";
      void tracker.track('two')""")
    (two,) = tracardi.wait_for(page, "two")
    (one,) = tracardi.wait_for(page, "one")
    (cookie,) = [cookie for cookie in page.context.cookies() if cookie["name"] == "tracardi-session-id"]
    assert one["session_id"] != two["session_id"] == cookie["value"]


def test_tracardis_helpers_give_the_answer_of_their_event(tracardi, page):
    page.goto(tracardi.add_file())
    page.wait_for_function("window.told")
    page.click("#button")
    page.wait_for_function("document.querySelector('#answer').textContent")
    assert page.text_content("#answer") == "200 " + page.evaluate("localStorage['tracardi-profile-id']")
    assert [e["properties"] for e in tracardi.wait_for(page, "new-page-view")] == [{"page": "hello"}]


def test_tracardis_triggers_record_what_becomes_visible_hovered_and_selected(tracardi, page):
    page.goto(tracardi.add_file())
    page.wait_for_function("window.told")
    page.hover("[data-tracardi-tag=card]")
    page.dblclick("[data-tracardi-tag=quote]")
    tracardi.wait_for(page, "text-selected")
    assert tracardi.stored("offer-seen") == []
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    (offer,) = tracardi.wait_for(page, "offer-seen")
    assert offer["properties"] == {"offer": "boots"}
    assert len(tracardi.stored("card-hovered")) == 1


def test_tracardis_newest_profile_is_kept_and_the_full_one_is_given_when_asked(tracardi, page):
    page.goto(tracardi.add())
    page.evaluate("localStorage['tracardi-profile-id'] = 'stale'; window.response = {context: {profile: true}}")
    answer = page.evaluate("tracker.track('Page View')")
    assert answer["status"] == 200
    assert answer["data"]["profile"]["id"] == page.evaluate("localStorage['tracardi-profile-id']") != "stale"
    assert "traits" in answer["data"]["profile"]
    assert [e["event_type"] for e in tracardi.stored()] == ["page-view"]


def test_tracardis_links_to_other_shops_carry_the_profile_and_the_other_shop_takes_it(tracardi, page):
    page.goto(tracardi.add_file())
    page.wait_for_function("window.told")
    page.click("#other")
    profile = page.evaluate("localStorage['tracardi-profile-id']")
    target = page.get_attribute("#other", "href")
    assert target == f"http://localhost:9/shop?a=b&__tr_pid={profile}&__tr_src={tracardi.key}"

    tracardi.add("/other")
    elsewhere = tracardi.site.replace("127.0.0.1", "localhost") + "/other?" + target.split("?")[1] + "&utm_source=shop"
    page.goto(elsewhere)
    page.evaluate("tracker.track('arrived')")
    (arrived,) = tracardi.wait_for(page, "arrived")
    assert arrived["profile_id"] == profile
    assert arrived["context"]["utm"] == {"source": "shop"}


def test_tracardis_elements_of_an_answer_are_added_and_scripts_are_not(tracardi, page):
    ux = (
        '[{"tag": "div", "props": {"id": "made", "onclick": "alert(1)"}, "content": "<b>Hi</b>"},'
        ' {"tag": "script", "content": "window.ran = 1"}]'
    )
    answer = '{"profile": {"id": "p-1"}, "ux": ' + ux + "}"
    page.route(
        "**/track",
        lambda route: route.fulfill(body=answer, headers={"access-control-allow-origin": "*"}),
    )
    page.goto(tracardi.add())
    page.evaluate("tracker.track('x')")
    assert page.inner_text("#made") == "<b>Hi</b>"
    assert page.get_attribute("#made", "onclick") is None
    assert page.evaluate("[window.ran, document.querySelectorAll('body script').length]") == [None, 0]


def test_tracardi_says_in_the_console_what_the_server_refuses(tracardi, page):
    page.goto(tracardi.add(head="<script>window.tracker = {q: [['x']]}</script>").replace("id: '", "id: 'no"))
    tracardi.pages["/"] = tracardi.pages["/"].replace(f"id: '{tracardi.key}'", "id: 'nobody'")
    with page.expect_console_message(lambda message: "Access denied" in message.text):
        page.reload()


def test_tracardi_respects_do_not_track_when_the_page_says_so(tracardi, page):
    page.add_init_script("Object.defineProperty(Navigator.prototype, 'doNotTrack', {get: () => '1'})")
    head = tracardi.head.replace("tracker: {", "tracker: {settings: {respectDoNotTrack: true}, ")
    tracardi.pages["/"] = f"<!doctype html>{head}{tracardi.tag}"
    with page.expect_response("**/tracker.js"):
        page.goto(tracardi.site + "/")
    page.wait_for_timeout(300)
    assert page.evaluate("[typeof tracardi, document.cookie, localStorage.length]") == ["undefined", "", 0]


# Orbee


def test_orbs_queue_is_replayed_in_order_and_events_are_routed(orbee, page, relay):
    orbee.host = relay.url
    page.goto(orbee.add_file())
    (event,) = orbee.wait_for(page, "view video")
    assert event["properties"] == {
        "action": "view",
        "object": "video",
        "label": "view video",
        "vendor": "Acme Chat",
        "product": "Messenger",
    }
    assert event["url"] == orbee.site + "/"
    assert event["anonymous_id"] == page.evaluate("localStorage.tw_aid")
    assert event["session_id"]
    page.click("button")
    orbee.wait_for(page, "start chat")
    assert [e["properties"]["label"] for e in orbee.stored()] == ["view video", "chat started"]


@pytest.mark.parametrize("server_first", [False, True], ids=["page first", "back end first"])
def test_an_event_of_a_back_end_with_the_same_instance_meets_the_visitor(orbee, page, server_first):
    chat = f"chat-{uuid.uuid4()}"
    number = str(uuid.uuid4().int)[:12]
    back_end = orbee.server.add_source(f"orbee back end {number}", "orbee", "server", tracker_id=number)
    path = f"/collect/{back_end['credentials']['tracker']}/event"
    lead = {
        "action": "Complete",
        "object": "chat",
        "vendor": "Acme Chat",
        "product": "Messenger",
        "instance_id": chat,
        "email": f"{chat}@customer.example",
    }
    if server_first:
        orbee.server.post(path, lead)
    page.goto(orbee.add_file(CHAT=chat))
    page.click("button")
    (started,) = orbee.wait_for(page, "start chat")
    if not server_first:
        orbee.server.post(path, lead)
    orbee.server.wait_until_settled()
    assert started["instance_id"] == chat
    person = orbee.server.api("profiles/lookup", kind="email", value=f"{chat}@customer.example")
    visitor = orbee.server.api("profiles/lookup", kind="anonymous_id", value=started["anonymous_id"])
    assert person["profile_id"] == visitor["profile_id"]


def test_the_tag_names_the_tracker_where_the_page_has_a_token_of_orbees(orbee, page):
    tag = orbee.tag.replace(" async", f' data-tracker="{orbee.key}" async')
    orbee.pages["/"] = f"""<!doctype html><script>window.orb = function () {{ (orb.q ??= []).push(arguments) }};
      orb("config", "abc123", {{scope: "oa"}})</script>{tag}"""
    page.goto(orbee.site + "/")
    page.wait_for_function(orbee.ready)
    page.evaluate("orb('track', 'seen', {action: 'View', object: 'page', token: 'abc123'})")
    (event,) = orbee.wait_for(page, "view page")
    assert (event["properties"]["vendor"], event["properties"]["product"]) == ("Website", "orb")
    assert uuid.UUID(event["instance_id"])


# All three


def test_an_event_just_before_the_page_is_left_is_stored_once(dropin, page):
    dropin.open(page, dropin.add())
    page.evaluate(dropin.call("first"))
    dropin.wait_for(page, dropin.type_of("first"))
    page.evaluate(f"{dropin.call('leaving')}; location.href = 'about:blank'")
    dropin.wait_for(page, dropin.type_of("leaving"))
    dropin.server.wait_until_settled()
    assert len(dropin.stored(dropin.type_of("leaving"))) == 1


def test_an_event_just_before_the_tab_is_closed_is_stored_once(dropin, page):
    address = dropin.add()
    tab = page.context.new_page()
    dropin.open(tab, address)
    tab.evaluate(dropin.call("closing"))
    tab.close(run_before_unload=True)
    dropin.wait_for(page, dropin.type_of("closing"))
    dropin.open(page, address)
    page.evaluate(dropin.call("end"))
    dropin.wait_for(page, dropin.type_of("end"))
    dropin.server.wait_until_settled()
    assert len(dropin.stored(dropin.type_of("closing"))) == 1


@pytest.fixture
def start_again(tmp_path: Path) -> Callable[[], Any]:
    """The same server, as often as it is asked for: same data, same port."""
    port = find_free_port()
    return lambda: start_server(tmp_path / "data", port=port)


@pytest.mark.parametrize("name", ["clarm", "tracardi", "orbee"])
def test_what_a_page_records_while_the_server_is_down_is_stored_once_when_it_is_up(name, site, page, start_again):
    with start_again() as server:
        dropin = make_dropin(name, server, site)
        address = dropin.add()
        tab = page.context.new_page()
        dropin.open(tab, address)
        tab.evaluate(dropin.call("before"))
        dropin.wait_for(tab, dropin.type_of("before"))
    with tab.expect_event("requestfailed"):
        tab.evaluate(f"{dropin.call('down-1')}; {dropin.call('down-2')}")
    with start_again() as server:
        # The page that is still open brings it by itself; so does the next one, when this one is closed.
        dropin.server = server
        dropin.wait_for(tab, dropin.type_of("down-2"))
    with tab.expect_event("requestfailed"):
        tab.evaluate(dropin.call("down-3"))
    tab.close(run_before_unload=True)
    with start_again() as server:
        dropin.server = server
        dropin.open(page, address)
        dropin.wait_for(page, dropin.type_of("down-3"))
        server.wait_until_settled()
        wanted = [dropin.type_of(name) for name in ("before", "down-1", "down-2", "down-3")]
        assert [e["event_type"] for e in dropin.stored(*wanted)] == wanted


def test_a_page_that_may_store_nothing_is_recorded_without_ids(dropin, page):
    dropin.add(
        "/inner",
        head=f"<script>setInterval(() => {{ if ({dropin.ready} && !window.told) {{ window.told = 1; {dropin.call('inside')} }} }}, 20)</script>",
    )
    page.goto(dropin.add("/", '<iframe sandbox="allow-scripts" src="/inner"></iframe>', tag=""))
    (event,) = dropin.wait_for(page, dropin.type_of("inside"))
    assert not event.get("anonymous_id")
    assert not event.get("profile_id") or dropin.name != "tracardi"


def test_under_global_privacy_control_nothing_is_stored_and_no_id_is_sent(dropin, page):
    address = dropin.add()
    dropin.open(page, address)
    page.evaluate(dropin.call("first"))
    (first,) = dropin.wait_for(page, dropin.type_of("first"))
    assert first["session_id"]
    page.add_init_script(PRIVACY)
    dropin.open(page, address)
    page.evaluate(dropin.call("second"))
    (second,) = dropin.wait_for(page, dropin.type_of("second"))
    assert not second.get("anonymous_id")
    assert second["session_id"] != first["session_id"]
    assert page.context.cookies() == []
    assert page.evaluate("Object.keys(localStorage)") == []


def test_where_the_law_asks_for_consent_the_policy_stores_no_id(dropin, open_context):
    page = open_context(timezone_id="Europe/Berlin").new_page()
    dropin.open(page, dropin.add())
    page.evaluate(dropin.call("seen"))
    (seen,) = dropin.wait_for(page, dropin.type_of("seen"))
    assert (seen["country"], seen["anonymous_id"], seen["session_id"], seen["profile_id"]) == ("DE", "", "", "")


def test_under_global_privacy_control_nobody_is_identified_and_no_instance_is_named(clarm, orbee, page):
    page.add_init_script(PRIVACY)
    clarm.open(page, clarm.add())
    page.evaluate(
        "ClarmTrack('identify', {email: 'a@b.example'}); ClarmTrack('message_sent', {conversation_id: 'c-9'})"
    )
    (message,) = clarm.wait_for(page, "message_sent")
    assert not message["instance_id"]
    assert clarm.stored("identify") == []
    orbee.open(page, orbee.add("/orbee"))
    page.evaluate("orb('track', 'x', {action: 'Start', object: 'chat', instance_id: 'chat-9'})")
    (started,) = orbee.wait_for(page, "start chat")
    assert started["instance_id"] != "chat-9"


def test_a_visitor_who_has_opted_out_of_the_browser_script_is_not_recorded(dropin, page):
    page.goto(dropin.add("/empty", tag=""))
    page.evaluate("localStorage['tw.out'] = '1'")
    dropin.open(page, dropin.add())
    page.evaluate(dropin.call("refused"))
    page.evaluate("delete localStorage['tw.out']")
    dropin.open(page, dropin.add("/again"))
    page.evaluate(dropin.call("taken"))
    dropin.wait_for(page, dropin.type_of("taken"))
    assert dropin.stored(dropin.type_of("refused")) == []


HOSTILE = {
    "no crypto": "Object.defineProperty(window, 'crypto', {value: undefined})",
    "fetch that throws": "window.fetch = () => { throw new Error('hooked') }; navigator.sendBeacon = null",
    "a global of another shape": "window.ClarmTrack = window.orb = 'mine'; window.tracker = 7",
    "no time zone": "Intl.DateTimeFormat = () => { throw new RangeError('no zone') }",
    "storage that throws": "Object.defineProperty(window, 'localStorage', {get() { throw new DOMException('denied') }})",
}


@pytest.mark.parametrize("hook", HOSTILE.values(), ids=HOSTILE.keys())
def test_nothing_that_a_page_does_makes_a_drop_in_throw_into_it(dropin, page, hook):
    page.add_init_script(hook)
    page.goto(dropin.add())
    page.wait_for_timeout(300)
    page.evaluate(f"try {{ {dropin.call('x')} }} catch (error) {{ if (!/is not a function/.test(error)) throw error }}")
    page.wait_for_timeout(300)  # the fixture fails the test when an error reached the page


PLACES = {
    "/widget/loader.js": "clarm.js",
    "/js/clarm.js": "clarm.js",
    "/tracker/tracker.js": "tracardi.js",
    "/tracker/liliput.min.js": "tracardi.js",
    "/js/orbee.js": "orbee.js",
}


@pytest.mark.parametrize(("path", "name"), PLACES.items())
def test_the_scripts_are_served_where_the_tags_look_for_them(server, path, name):
    answer = server.request("GET", path)
    assert (answer.status, answer.body) == (200, (BUILT / name).read_bytes())
    assert answer.headers["content-type"].startswith("text/javascript")
    assert answer.headers["cache-control"] == "public, max-age=3600"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "path", ["/widget/", "/widget/trackway.js", "/tracker/manifest.json", "/tracker/../settings.py"]
)
def test_nothing_else_is_served_there(server, path):
    assert server.request("GET", path).status == 404


MOST_BROTLI_BYTES = {"clarm.js": 2_432, "tracardi.js": 2_816, "orbee.js": 2_304}


@pytest.mark.parametrize(("name", "most"), MOST_BROTLI_BYTES.items())
def test_the_drop_ins_stay_small(capsys, name, most):
    script = (BUILT / name).read_bytes()
    size = len(brotli.compress(script, quality=11))
    with capsys.disabled():
        print(f"\n{name}: {len(script)} bytes, {size} with brotli (at most {most})")  # noqa: T201
    assert size <= most
