"""Consent, Privacy and Diagnostics in a real browser: by keyboard, narrow, and with texts that try to be markup."""

import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from trackway.testing.server import start_server
from trackway.testing.waiting import wait_until

from .conftest import BROWSER, Screen, Visitor, open_screen
from .naughty import NAUGHTY

pytestmark = pytest.mark.browser

PATHS = ("/app/consent?country=US&region=CA&gpc=1", "/app/privacy", "/app/diagnostics")


@pytest.fixture(scope="module")
def keeper(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visitor]:
    """Somebody logged in at a server of their own, where much went wrong."""
    with start_server(tmp_path_factory.mktemp("rules") / "data") as server:
        visitor = Visitor(server)
        visitor.log_in()
        source = server.add_source(f"shop {NAUGHTY[0]}", channel="web")
        key = next(iter(source["credentials"].values()))
        names = [text for text in NAUGHTY if "." not in text[:150]]
        server.post(
            "/v1/events",
            [
                {
                    "event_type": name[:100],
                    "anonymous_id": f"{number % 2}",
                    "dedupe_key": name[:100],
                    "properties": {name[:150]: "joe@mail.example"},
                }
                for number, name in enumerate((*names, *names[::-1]))
            ],
            key,
            BROWSER,
        )
        server.post(
            "/api/v1/privacy/export", {"kind": "user_id", "value": NAUGHTY[0], "reason": NAUGHTY[4]}, server.admin_token
        )
        for text in NAUGHTY:
            server.request("POST", "/v1/events", text[:500].encode(), {"authorization": f"Bearer {key}"})
        server.post("/v1/events", [{"event_type": "", "properties": dict.fromkeys(names, 1)}], key)
        server.wait_until_settled()
        wait_for_letters(visitor)
        yield visitor


def wait_for_letters(visitor: Visitor) -> None:
    wait_until(lambda: len(visitor.server.api("rejections")["items"]), lambda count: count > len(NAUGHTY))


@pytest.fixture
def screen(chromium: Browser, keeper: Visitor) -> Iterator[Screen]:
    yield from open_screen(chromium, keeper)


def go(screen: Screen, keeper: Visitor, path: str) -> Page:
    screen.page.goto(f"{keeper.server.url}{path}")
    return screen.page


def test_no_text_ever_runs(screen: Screen, keeper: Visitor) -> None:
    for path in (*PATHS, f"/app/consent?country={NAUGHTY[0]}"):
        page = go(screen, keeper, path)
        page.wait_for_load_state("networkidle")
        assert page.evaluate("window.__xss") is None
    assert screen.complain() == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_page_is_wider_than_a_telephone(chromium: Browser, keeper: Visitor, theme: str) -> None:
    for screen in open_screen(chromium, keeper, color_scheme=theme):
        screen.page.set_viewport_size({"width": 390, "height": 844})
        for path in PATHS:
            page = go(screen, keeper, path)
            assert page.evaluate("document.documentElement.scrollWidth") <= 390, path


def test_a_policy_is_changed_by_keyboard_alone_and_without_scripts(chromium: Browser, keeper: Visitor) -> None:
    for screen in open_screen(chromium, keeper, java_script_enabled=False):
        page = go(screen, keeper, "/app/consent")
        text = page.get_by_label("The policy as JSON")
        text.fill(text.input_value().replace("anonymise", "drop"))
        page.get_by_role("button", name="Preview the change").press("Enter")
        expect(page.get_by_text("without consent anonymise becomes drop")).to_be_visible()
        page.get_by_role("button", name="Put in force").press("Enter")
        expect(page.get_by_role("status").filter(has_text="is in force")).to_be_visible()


def test_a_person_is_erased_and_the_page_follows(screen: Screen, keeper: Visitor) -> None:
    page = go(screen, keeper, "/app/privacy")
    page.get_by_label("What is known of them").select_option("anonymous_id")
    page.get_by_label("Its value").fill(f"nobody-{time.time_ns()}")
    page.get_by_role("button", name="Look first").press("Enter")
    expect(page.get_by_text("Nothing is stored of this identifier")).to_be_visible()
    word = page.get_by_label("Type ERASE to confirm")
    expect(word).to_be_focused()
    word.fill("ERASE")
    word.press("Enter")
    expect(page.get_by_role("heading", name="Erasure")).to_be_visible()
    # The certificate comes without a reload, and the page asks no more.
    expect(page.get_by_role("heading", name="The certificate")).to_be_visible()
    expect(page.locator("[hx-trigger]")).to_have_count(0)
    assert screen.complain() == []


def test_what_was_refused_is_read_and_never_run(chromium: Browser, keeper: Visitor) -> None:
    letters = keeper.server.api("rejections")["items"]
    for screen in open_screen(chromium, keeper, color_scheme="dark"):
        screen.page.set_viewport_size({"width": 390, "height": 844})
        page = go(screen, keeper, "/app/diagnostics")
        page.get_by_text("what was sent", exact=True).first.press("Enter")
        expect(page.locator(".letters pre").first).to_be_visible()
        for letter in letters:
            page = go(screen, keeper, f"/app/rejections/{letter['id']}")
            expect(page.get_by_role("heading", name=letter["reason"])).to_be_visible()
            assert page.evaluate("document.documentElement.scrollWidth") <= 390, letter
            assert page.evaluate("window.__xss") is None
        assert screen.complain() == []


def test_a_path_is_masked_by_keyboard(screen: Screen, keeper: Visitor) -> None:
    page = go(screen, keeper, "/app/diagnostics")
    page.get_by_role("button", name="Mask").first.press("Enter")
    expect(page.get_by_role("status").filter(has_text="is masked")).to_be_visible()
    page.get_by_role("button", name="Remove").first.press("Enter")
    expect(page.get_by_role("status").filter(has_text="is kept as it comes")).to_be_visible()
    assert screen.complain() == []
