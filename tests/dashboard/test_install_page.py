"""The page Install: what it gives to paste works as it stands, and it says when the first event has arrived."""

import contextlib
import re
import threading
import time
from collections.abc import Iterator, Sequence
from html import unescape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, Page, expect

from trackway.app.aliases import Aliases
from trackway.collect.script_files import read_manifest
from trackway.dashboard.desk import ScriptPlaces
from trackway.dashboard.install_snippets import FROM_SERVER_ONLY, NAMES, VARIANTS, Tag, write_policy
from trackway.dashboard.install_trouble import say_reach
from trackway.dashboard.pages.install import read_origins
from trackway.settings import Settings
from trackway.testing.server import Answer, TestServer
from trackway.testing.waiting import wait_until

from .conftest import Screen, Visitor, open_screen, read_csrf

CODE = re.compile(r"<pre[^>]*><code>(.*?)</code></pre>", re.DOTALL)


@pytest.fixture
def web(server: TestServer, request: pytest.FixtureRequest) -> dict[str, Any]:
    return server.add_source(f"{request.node.name[:80]} {time.time_ns()}", channel="web")


@contextlib.contextmanager
def serve_page(html: str) -> Iterator[str]:
    """A site with this one page, at a port of its own."""

    class OnePage(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = self.path.startswith("/pasted")
            self.send_response(200 if found else 404)
            self.send_header("content-type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(html.encode() if found else b"")

        def log_message(self, format: str, *args: object) -> None:
            pass

    site = ThreadingHTTPServer(("127.0.0.1", 0), OnePage)
    thread = threading.Thread(target=site.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{site.server_port}/pasted?a=1"
    finally:
        site.shutdown()
        site.server_close()
        thread.join()


def key_of(source: dict[str, Any]) -> str:
    return str(source["credentials"]["write_key"])


def read_codes(member: Visitor, source: dict[str, Any], variant: str = "html") -> list[str]:
    """What the page gives to paste; the last one is the content security policy."""
    answer = member.get(f"/app/install?source={source['id']}&for={variant}")
    assert answer.status == 200
    return [unescape(code) for code in CODE.findall(answer.body.decode())]


def wait_for_event(
    page: Page, server: TestServer, source: dict[str, Any], event_type: str, errors: Sequence[str] = ()
) -> dict[str, Any]:
    deadline = time.monotonic() + 60
    while not (found := server.api("events", source=source["id"], event_type=event_type)["items"]):
        assert time.monotonic() < deadline, errors
        page.wait_for_timeout(100)
    event: dict[str, Any] = found[0]
    return event


def post(member: Visitor, **fields: str) -> Answer:
    token = read_csrf(member.get("/app/install"))
    return member.post("/app/install", {"csrf": token, **fields}, origin=member.server.url)


def test_the_tag_names_the_version_its_hash_and_the_key(
    member: Visitor, server: TestServer, web: dict[str, Any]
) -> None:
    built = read_manifest()["trackway.js"]
    tag, stub, stable, policy = read_codes(member, web)
    assert tag == (
        f'<script async src="{server.url}/js/{built.file}" integrity="{built.integrity}" crossorigin="anonymous" '
        f'data-key="{key_of(web)}"></script>'
    )
    assert server.request("GET", f"/js/{built.file}").status == 200
    assert stub.startswith("<script>(")
    assert stable == f'<script async src="{server.url}/js/trackway.js" data-key="{key_of(web)}"></script>'
    assert f"script-src {server.url} 'sha256-" in policy
    assert f"connect-src {server.url}" in policy


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_names_the_key_and_where_it_goes(
    member: Visitor, server: TestServer, web: dict[str, Any], variant: str
) -> None:
    assert set(VARIANTS) == set(NAMES)
    *codes, _ = read_codes(member, web, variant)
    # The stub, the import of Next.js and what fetches the module are the same for every source.
    keyless = ("<script>(", "import Script", "curl ")
    assert all(key_of(web) in code for code in codes if not code.startswith(keyless))
    assert any(server.url in code for code in codes)
    pinned = read_manifest()["trackway.js"].integrity in "".join(codes)
    assert pinned is (variant not in ("pixel", "module"))


def test_the_tag_manager_gets_javascript_of_its_age(member: Visitor, web: dict[str, Any]) -> None:
    code = read_codes(member, web, "gtm")[0]
    assert re.search(r"=>|`|\.\.\.|\b(const|let|class|async function)\b", code) is None


@pytest.fixture(scope="module")
def renamed() -> ScriptPlaces:
    return Aliases(Settings(script_path="/a/s.js", collect_path="/a/e")).describe()


@pytest.mark.parametrize("name", VARIANTS)
def test_with_other_paths_every_variant_says_where_events_go(renamed: ScriptPlaces, name: str) -> None:
    tag = Tag("https://t.example", "https://t.example", renamed, "tw_pub_1")
    text = "".join(code.text for code in VARIANTS[name](tag).codes)
    assert "/js/" not in text
    assert "/v1/events" not in text
    assert "/a/e" in text


@pytest.mark.parametrize("name", sorted(set(VARIANTS) - set(FROM_SERVER_ONLY)))
def test_from_the_sites_own_domain_no_variant_names_this_server_to_a_page(renamed: ScriptPlaces, name: str) -> None:
    tag = Tag("", "https://t.example", renamed, "tw_pub_1")
    *pasted, policy = [*(code.text for code in VARIANTS[name](tag).codes), write_policy(tag)]
    # What is fetched once by a developer comes from here all the same.
    assert "t.example" not in "".join(text for text in pasted if not text.startswith("curl "))
    assert re.search(r'"/a/e(\.gif\?k=tw_pub_1)?', "".join(pasted))
    assert policy.startswith("script-src 'self' 'sha256-")
    assert policy.endswith("; connect-src 'self'; img-src 'self'")


def test_the_twin_says_the_same(member: Visitor, server: TestServer, web: dict[str, Any]) -> None:
    path = f"/app/install.json?source={web['id']}"
    answer = member.get(path).json
    assert answer["source"] == {
        **{"id": web["id"], "name": web["name"], "enabled": True, "key": key_of(web), "origins": ""}
    }
    assert answer["script"]["src"] == f"{server.url}/js/{read_manifest()['trackway.js'].file}"
    assert answer["script"]["endpoint"] == f"{server.url}/v1/events"
    assert [answer[name] for name in ("event", "rejection", "unstored", "trouble")] == [None] * 4
    assert web["id"] in [source["id"] for source in answer["sources"]]
    server.post("/v1/events", {"event_type": "seen"}, key_of(web))
    server.wait_until_settled()
    assert member.get(path).json["event"]["event_type"] == "seen"


def test_only_sources_that_the_script_can_send_to_are_offered(member: Visitor, server: TestServer) -> None:
    others = [server.add_source(f"not for pages {n} {time.time_ns()}", *what) for n, what in enumerate(
        [("native", "server"), ("clarm", "web"), ("native", "mobile")])]  # fmt: skip
    offered = {source["id"] for source in member.get("/app/install.json").json["sources"]}
    assert not offered & {source["id"] for source in others}
    for source in others:
        assert member.get(f"/app/install?source={source['id']}").status == 404


@pytest.mark.parametrize(
    ("query", "status"),
    [("source=none", 404), ("source=" + quote("<script>"), 404), ("for=none", 400)],
)
def test_what_there_is_not_is_said(member: Visitor, query: str, status: int) -> None:
    assert member.get(f"/app/install?{query}").status == status


@pytest.mark.parametrize(
    ("typed", "origins"),
    [
        ("shop.example, www.shop.example", "https://shop.example,https://www.shop.example"),
        ("http://127.0.0.1:3000/start", "http://127.0.0.1:3000"),
        ("https://Shop.example:443", "https://shop.example"),
        ("http://shop.example:80", "http://shop.example"),
        ("http://[::1]:3000", "http://[::1]:3000"),
        ("MÜNCHEN.example", "https://xn--mnchen-3ya.example"),
    ],
)
def test_an_address_is_kept_as_browsers_tell_it(typed: str, origins: str) -> None:
    assert read_origins(typed) == origins


@pytest.mark.parametrize(
    "typed",
    ["https://www.shop.example/", "www.Shop.example", "https://www.shop.example/start?a=1", "www.shop.example/"],
)
def test_a_site_is_made_here(member: Visitor, server: TestServer, typed: str) -> None:
    name = f"Made here {time.time_ns()}"
    answer = post(member, name=name, origin=typed)
    assert answer.status == 303
    page = member.text(answer.headers["location"])
    assert "Waiting for your first event" in page
    assert "https://www.shop.example" in page
    made = answer.headers["location"].partition("source=")[2]
    source = server.api(f"sources/{made}")
    assert (source["protocol"], source["channel"]) == ("native", "web")
    assert source["settings"] == {"origins": "https://www.shop.example"}


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"name": " ", "origin": ""}, "a source needs a name"),
        ({"name": "Two words", "origin": "our shop"}, "'our shop' is no address of a site, such as https://"),
        ({"name": "An app", "origin": "android-app://com.example"}, "is no address of a site"),
        ({"name": "A list", "origin": "https://a.example,,https://b.example"}, "is no address of a site"),
        ({"name": "A login", "origin": "https://me:word@shop.example"}, "is no address of a site"),
        ({"name": "Half an address", "origin": "https://["}, "is no address of a site"),
    ],
)
def test_what_cannot_be_made_comes_back_with_the_reason(member: Visitor, fields: dict[str, str], says: str) -> None:
    answer = post(member, **fields)
    assert answer.status == 422
    assert says in unescape(answer.body.decode())
    assert f'value="{fields["name"].strip()}"' in answer.body.decode()


def test_nothing_is_made_without_the_sessions_token(member: Visitor) -> None:
    fields = {"csrf": "0" * 64, "name": "forged"}
    assert member.post("/app/install", fields, origin=member.server.url).status == 403


def test_menu_sources_and_a_new_source_lead_here(member: Visitor, web: dict[str, Any]) -> None:
    assert 'href="/app/install"' in member.text("/app/tracking")
    assert f'href="/app/install?source={web["id"]}"' in member.text("/app/sources")
    form = {"csrf": read_csrf(member.get("/app/sources")), "name": f"n {time.time_ns()}", "protocol": "native"}
    added = member.post("/app/sources", form | {"channel": "web"}, origin=member.server.url)
    assert 'href="/app/install?source=' in added.body.decode()


@pytest.mark.browser
def test_it_turns_green_when_the_first_event_arrives(screen: Screen, server: TestServer, web: dict[str, Any]) -> None:
    page = screen.page
    page.goto(f"{server.url}/app/install?source={web['id']}")
    expect(page.locator(".check-says:visible")).to_have_text("Waiting for your first event")
    other = server.add_source(f"another {time.time_ns()}", channel="web")
    server.post("/v1/events", {"event_type": "of_another_site"}, key_of(other))
    server.wait_until_settled()
    expect(page.locator('[data-check="waiting"]')).to_be_visible()
    sent = server.post("/v1/events", {"event_type": "<b>hello</b>", "url": "https://shop.example/?a=<i>"}, key_of(web))
    expect(page.locator('[data-check="arrived"]')).to_be_visible()
    expect(page.locator(".check-says:visible")).to_have_text("Events arrive")
    newest = page.locator('[data-slot="type"]')
    expect(newest).to_have_text("<b>hello</b>")
    expect(newest).to_have_attribute("href", f"/app/events/{sent.json['results'][0]['event_id']}")
    expect(page.locator('[data-slot="url"]')).to_have_text("https://shop.example/?a=<i>")
    server.post("/v1/events", {"event_type": "the_next"}, key_of(web))
    expect(newest).to_have_text("the_next")
    assert screen.complain() == []


@pytest.mark.browser
def test_what_is_refused_while_one_waits_is_said_and_an_origin_can_be_allowed(
    screen: Screen, server: TestServer
) -> None:
    source = server.add_source(f"strict {time.time_ns()}", channel="web", origins="https://shop.example")
    page, other = screen.page, {"origin": "https://www.shop.example"}
    page.goto(f"{server.url}/app/install?source={source['id']}&for=gtm")
    answer = server.post("/v1/events", {"event_type": "x"}, key_of(source), other)
    assert answer.status == 403
    trouble = page.locator("[data-trouble]")
    expect(trouble).to_contain_text("was refused: origin_not_allowed")
    expect(trouble).to_contain_text("with and without www are two origins")
    expect(page.locator('[data-check="waiting"]')).to_be_visible()
    assert screen.complain() == []

    page.get_by_role("button", name="Allow pages of https://www.shop.example").click()
    expect(page.locator(".hint").first).to_contain_text("https://shop.example, https://www.shop.example")
    assert (
        server.api(f"sources/{source['id']}")["settings"]["origins"] == "https://shop.example,https://www.shop.example"
    )
    wait_until(
        lambda: server.post("/v1/events", {"event_type": "x"}, key_of(source), other).status, lambda seen: seen == 200
    )
    expect(page.locator('[data-check="arrived"]')).to_be_visible()
    assert screen.complain() == []


def test_what_cannot_be_allowed_is_said_with_the_reason(
    member: Visitor, server: TestServer, web: dict[str, Any]
) -> None:
    path, token = f"/app/install?source={web['id']}", read_csrf(member.get("/app/install"))
    for origin in ("null null", "", "*"):
        answer = member.post(path, {"csrf": token, "allow": "yes", "origin": origin}, origin=server.url)
        assert answer.status == 422, origin
        assert "is no address of a site" in unescape(answer.body.decode())
    assert server.api(f"sources/{web['id']}")["settings"] == {}


@pytest.mark.browser
def test_a_key_that_nobody_has_is_said_while_one_waits(screen: Screen, server: TestServer, web: dict[str, Any]) -> None:
    server.post("/v1/events", {"event_type": "before"}, "tw_pub_nobodys")
    page = screen.page
    with page.expect_response("**/app/install.json*"):
        page.goto(f"{server.url}/app/install?source={web['id']}")
    expect(page.locator("[data-keyless]")).to_be_hidden()
    assert server.post("/v1/events", {"event_type": "x"}, "tw_pub_nobodys").status == 401
    expect(page.locator("[data-keyless]")).to_contain_text("a key that no source here has")
    assert screen.complain() == []


def read_trouble(member: Visitor, source: dict[str, Any]) -> dict[str, str]:
    trouble: dict[str, str] = member.get(f"/app/install.json?source={source['id']}").json["trouble"]
    page = member.text(f"/app/install?source={source['id']}")
    assert f'data-slot="reason">{trouble["reason"]}</b>' in page
    assert trouble["says"][:300] in page
    assert trouble["advice"] in page
    assert f'href="{trouble["href"]}">{trouble["link"]}</a>' in page
    return trouble


@pytest.mark.parametrize(
    ("reason", "status", "place"),
    [("source_disabled", 403, "/app/sources/{source}#end"), ("missing_field", 422, "/app/diagnostics")],
)
def test_why_something_was_refused_is_said_with_where_to_mend_it(
    member: Visitor, server: TestServer, web: dict[str, Any], reason: str, status: int, place: str
) -> None:
    """What is sent is refused by a source that is on, too: an event stored before the switch arrives would end the page's wait."""
    if reason == "source_disabled":
        server.run_cli("sources", "switch", web["id"], "off")
    wait_until(lambda: server.post("/v1/events", {"kind": "x"}, key_of(web)).status, lambda seen: seen == status)
    server.wait_until_settled()
    trouble = read_trouble(member, web)
    assert (trouble["reason"], trouble["href"]) == (reason, place.format(source=web["id"]))
    assert trouble["what"] == "Something came and was refused"


def test_what_came_and_was_not_stored_is_said_too(member: Visitor, server: TestServer) -> None:
    made = server.add_source(f"no bots {time.time_ns()}", channel="web", bots="drop")
    assert server.post("/v1/events", {"event_type": "x"}, key_of(made), {"user-agent": "curl/8.0"}).status == 200
    server.wait_until_settled()
    trouble = read_trouble(member, made)
    assert (trouble["reason"], trouble["what"]) == ("bot", "Something came and was not stored")
    assert trouble["href"] == f"/app/sources/{made['id']}?setting=bots#change"


@pytest.mark.parametrize(
    ("site", "says"),
    [
        ("http://127.0.0.1:8000", "Only this machine reaches"),
        ("http://localhost:8000", "Only this machine reaches"),
        ("http://[::1]:8000", "Only this machine reaches"),
        ("https://192.168.1.4", "Only your own network reaches"),
        ("http://trackway:8000", "Only your own network reaches"),
        ("http://t.shop.example", "Pages of https load no script from http://t.shop.example"),
        ("https://t.shop.example", ""),
        ("https://1.2.3.4:8443", ""),
        ("https://[::1", ""),
    ],
)
def test_an_address_that_visitors_cannot_load_from_is_told(site: str, says: str) -> None:
    told = say_reach(site)
    assert (says in told) if says else told == ""


def test_the_page_tells_the_address_as_it_was_asked_for(member: Visitor, web: dict[str, Any]) -> None:
    path = f"/app/install?source={web['id']}"
    assert "Only this machine reaches" in member.text(path)
    public = member.get(path, host="t.shop.example", x_forwarded_proto="https").body.decode()
    assert "Only this machine reaches" not in public
    assert "https://t.shop.example/js/" in public


@pytest.mark.browser
def test_without_scripts_the_page_is_asked_for_again(
    chromium: Browser, member: Visitor, server: TestServer, web: dict[str, Any]
) -> None:
    context = chromium.new_context(java_script_enabled=False)
    context.add_cookies([{"name": "tw_session", "value": member.cookies["tw_session"], "url": server.url}])
    page = context.new_page()
    page.goto(f"{server.url}/app/install?source={web['id']}&for=pixel")
    server.post("/v1/events", {"event_type": "quiet"}, key_of(web))
    server.wait_until_settled()
    page.get_by_role("link", name="Look again").click()
    expect(page.locator(".check-says:visible")).to_have_text("Events arrive")
    expect(page.locator("[aria-current=true]", has_text="Pixel")).to_be_visible()
    context.close()


@pytest.mark.browser
@pytest.mark.parametrize("variant", ["html", "gtm", "module", "pixel"])
def test_what_is_pasted_into_a_page_of_another_site_records_its_view(
    chromium: Browser, member: Visitor, server: TestServer, web: dict[str, Any], variant: str
) -> None:
    code = read_codes(member, web, variant)[2 if variant == "module" else 0]
    scripted = variant != "pixel"
    html = f"<!doctype html><title>Pasted</title><link rel=icon href=data:,>{code if scripted else ''}<body>{'' if scripted else code}"
    context = chromium.new_context(java_script_enabled=scripted)
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
    with serve_page(html) as url:
        page.goto(url)
        found = wait_for_event(page, server, web, "page_view", errors)
        context.close()
    assert found["url"] == url
    assert errors == []


# What Shopify's documentation says that a custom pixel finds: https://shopify.dev/docs/api/web-pixels-api
SANDBOX = """<!doctype html><title>Checkout</title><link rel=icon href=data:,>
<iframe sandbox="allow-scripts allow-forms" srcdoc='<script>
  const said = {id: "e-1", timestamp: new Date().toISOString(), context: {document: {location: {href: "https://shop.example/thanks"}}},
    data: {checkout: {order: {id: "4501"}, token: "t", totalPrice: {amount: 89.9, currencyCode: "EUR"}, currencyCode: "EUR"}}};
  const analytics = {subscribe: async (name, act) => name === "checkout_completed" && act(said)};
  const browser = {cookie: {get: async (name) => name === "tw_aid" ? "visitor-1" : ""}};
  CODE
</script>'></iframe>"""


@pytest.mark.browser
def test_the_pixel_of_a_shop_tells_a_purchase_of_its_visitor(
    chromium: Browser, member: Visitor, server: TestServer, web: dict[str, Any]
) -> None:
    pixel = read_codes(member, web, "shopify")[1]
    assert "'" not in pixel
    page = chromium.new_page()
    with serve_page(SANDBOX.replace("CODE", pixel)) as url:
        page.goto(url)
        # The frame is a process of its own, whose first requests playwright does not see.
        found = wait_for_event(page, server, web, "purchase")
        page.close()
    assert (found["event_type"], found["url"]) == ("purchase", "https://shop.example/thanks")
    assert (found["revenue"], found["currency"]) == (89.9, "EUR")
    assert found["properties"]["order_id"] == "4501"


@pytest.mark.browser
@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("variant", VARIANTS)
def test_it_fits_the_screen(chromium: Browser, member: Visitor, server: TestServer, width: int, variant: str) -> None:
    name = f"{'w' * 150} {width} {variant}"
    source = server.add_source(name, channel="web", origins=f"https://{'o' * 60}.example")
    for screen in open_screen(chromium, member):
        screen.page.set_viewport_size({"width": width, "height": 800})
        screen.page.goto(f"{server.url}/app/install?source={source['id']}&for={variant}")
        screen.page.locator("details.more summary").first.click()
        assert screen.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert screen.complain() == []
