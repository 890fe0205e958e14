"""The page Plan in a real browser: by keyboard, narrow, dark, and with names that try to be markup."""

import json
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from trackway.testing.server import start_server

from .conftest import Screen, Visitor, open_screen
from .naughty import NAUGHTY

pytestmark = pytest.mark.browser

PATHS = ("/app/catalogue", "/app/catalogue?range=24h&edit=purchase", f"/app/catalogue?edit={'x' * 200}")


@pytest.fixture(scope="module")
def keeper(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visitor]:
    """Somebody logged in at a server of their own, where a plan is broken."""
    with start_server(tmp_path_factory.mktemp("plan") / "data") as server:
        visitor = Visitor(server)
        visitor.log_in()
        source = server.add_source(f"shop {NAUGHTY[0]}")
        entries = [
            {
                "event_type": "purchase",
                "mode": "mark",
                "schema": {"required": [NAUGHTY[0]], "additionalProperties": False},
            },
            {"event_type": "x" * 200, "schema": {"type": "object"}},
            {"event_type": NAUGHTY[1][:200], "source": source["id"], "mode": "reject", "schema": {"type": "object"}},
        ]
        headers = {"authorization": f"Bearer {server.admin_token}"}
        answer = server.request("PUT", "/api/v1/plan", json.dumps({"entries": entries}), headers)
        assert answer.status == 200, answer.body
        time.sleep(1.2)
        events = [{"event_type": text[:200], "properties": {text[:150]: text}} for text in NAUGHTY if text.strip()]
        events += [{"event_type": "purchase", "properties": {text[:150]: 1, "y" * 150: "z" * 500}} for text in NAUGHTY]
        server.post("/v1/events", events, next(iter(source["credentials"].values())))
        server.wait_until_settled()
        yield visitor


@pytest.fixture
def screen(chromium: Browser, keeper: Visitor) -> Iterator[Screen]:
    yield from open_screen(chromium, keeper)


def go(screen: Screen, keeper: Visitor, path: str) -> Page:
    screen.page.goto(f"{keeper.server.url}{path}")
    return screen.page


def test_no_name_ever_runs(screen: Screen, keeper: Visitor) -> None:
    for path in (*PATHS, f"/app/catalogue?edit={NAUGHTY[0]}"):
        page = go(screen, keeper, path)
        assert page.evaluate("window.__xss") is None
        assert screen.complain() == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_page_is_wider_than_a_telephone(chromium: Browser, keeper: Visitor, theme: str) -> None:
    for screen in open_screen(chromium, keeper, color_scheme=theme):
        screen.page.set_viewport_size({"width": 390, "height": 844})
        for path in PATHS:
            page = go(screen, keeper, path)
            page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
            assert page.evaluate("document.documentElement.scrollWidth") <= 390, path


def test_a_type_is_planned_by_keyboard_alone_and_without_scripts(chromium: Browser, keeper: Visitor) -> None:
    for screen in open_screen(chromium, keeper, java_script_enabled=False):
        page = go(screen, keeper, "/app/catalogue")
        page.get_by_label("Event type").fill("by keyboard")
        page.get_by_label("Mark").check()
        page.get_by_label("Schema").fill('{"required": ["price"]}')
        page.get_by_role("button", name="Try on stored events").press("Enter")
        expect(page.get_by_text("No event of this type came")).to_be_visible()
        page.get_by_role("button", name="Put in force").press("Enter")
        expect(page.get_by_role("status").filter(has_text="is planned")).to_be_visible()
        row = page.get_by_role("row").filter(has_text="by keyboard")
        expect(row.get_by_text("Mark", exact=True)).to_be_visible()
        row.get_by_role("link", name="Change").press("Enter")
        expect(page.get_by_label("Mark")).to_be_checked()
        page.get_by_role("button", name="End this entry").press("Enter")
        expect(page.get_by_role("status").filter(has_text="checked no more")).to_be_visible()


def test_traffic_becomes_a_schema_in_the_form(screen: Screen, keeper: Visitor) -> None:
    page = go(screen, keeper, "/app/catalogue")
    page.get_by_label("Event type").fill("purchase")
    page.get_by_role("button", name="Infer from traffic").press("Enter")
    expect(page.get_by_text("This is what the traffic of the last 7 days keeps")).to_be_visible()
    assert '"$comment": "Inferred from' in page.get_by_label("Schema").input_value()
    assert screen.complain() == []
