"""What only a browser can show: the feed that moves by itself, and that no event's text ever runs."""

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from trackway.testing.server import TestServer, start_server

from .conftest import Screen, Sender, Visitor, open_screen
from .naughty import NAUGHTY

pytestmark = pytest.mark.browser

LIVE = '[data-live-state="live"]'
ROWS = "[data-feed] tbody tr"


def open_tracking(screen: Screen, server: TestServer, query: str = "") -> None:
    screen.page.goto(f"{server.url}/app/tracking{query}")
    screen.page.wait_for_selector(LIVE)


def test_an_event_appears_without_a_reload(screen: Screen, server: TestServer, sender: Sender) -> None:
    open_tracking(screen, server)
    page = screen.page
    page.evaluate("window.sameDocument = true")
    [verdict] = sender.send({"event_type": "bell_rung", "title": "At the door", "user_id": "guest-1"})
    row = page.locator(f'{ROWS}[data-event="{verdict["event_id"]}"]')
    expect(row).to_contain_text("bell_rung")
    expect(row).to_contain_text("At the door")
    expect(row).to_contain_text("guest-1")
    assert page.locator(ROWS).first.get_attribute("data-event") == verdict["event_id"]
    row.locator(".type a").click()
    page.wait_for_url(f"**/app/events/{verdict['event_id']}")
    assert screen.complain() == []


def test_figures_and_chart_follow_the_feed(screen: Screen, server: TestServer, sender: Sender) -> None:
    open_tracking(screen, server)
    page = screen.page
    number = page.locator("#tile-events .tile-number")
    before = int((number.get_attribute("title") or "").replace(",", ""))
    page.locator(".numbers summary").click()
    sender.send({"event_type": "bell_rung"}, {"event_type": "bell_rung"})
    expect(number).not_to_have_attribute("title", f"{before:,}")
    assert int((number.get_attribute("title") or "").replace(",", "")) >= before + 2
    # The table that was opened stays open, and the chart is still there.
    expect(page.locator(".numbers table")).to_be_visible()
    expect(page.locator("tw-chart canvas")).to_be_visible()
    assert page.evaluate("document.querySelectorAll('tw-chart .uplot').length") == 1
    assert screen.complain() == []


def test_rows_that_came_live_read_like_rows_of_the_server(screen: Screen, server: TestServer, sender: Sender) -> None:
    open_tracking(screen, server)
    page = screen.page
    sent = sender.send(
        {"event_type": "x" * 150, "properties": {"list": [1], "n": 1.5, "yes": True, "none": None, "t": "y" * 99}},
        {"event_type": "a", "title": "T" * 400, "contact_id": "c" * 40},
        {"event_type": "b", "url": "https://example.com/path?q=1", "anonymous_id": "01890a5d-ac96-774b-bcce-b302099a8057"},
        {"event_type": "c", "properties": {"two": 2.0, "large": 1e21, "zero": -0.0, "int": 12345678901}},
    )  # fmt: skip
    ids = [verdict["event_id"] for verdict in sent]
    for event_id in ids:
        page.wait_for_selector(f'{ROWS}[data-event="{event_id}"]')

    def read_rows() -> list[list[str]]:
        read = "rows => rows.map(row => [row.dataset.event, ...[...row.cells].map(c => c.innerText.trim() + '|' + c.title)])"
        return [row for row in page.eval_on_selector_all(ROWS, read) if row[0] in ids]

    live = read_rows()
    page.reload()
    page.wait_for_selector(LIVE)
    assert read_rows() == live


def test_a_paused_feed_waits_and_then_shows_what_came(screen: Screen, server: TestServer, sender: Sender) -> None:
    open_tracking(screen, server)
    page = screen.page
    page.get_by_role("button", name="Pause").click()
    expect(page.locator("[data-live-state]")).to_have_text("Paused")
    [verdict] = sender.send({"event_type": "patient"})
    expect(page.locator("[data-feed-note]")).to_contain_text("since the pause")
    row = page.locator(f'{ROWS}[data-event="{verdict["event_id"]}"]')
    assert row.count() == 0
    page.get_by_role("button", name="Go on").click()
    expect(row).to_be_visible()
    expect(page.locator("[data-live-state]")).to_have_text("Live")


@pytest.mark.parametrize("every", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_no_text_of_an_event_ever_runs(screen: Screen, server: TestServer, sender: Sender, every: bool) -> None:
    """The lists show all; `make test` opens the page of each text's fullest event, `make test-all` of every one."""
    open_tracking(screen, server)
    page = screen.page
    ids = [
        verdict["event_id"]
        for text in NAUGHTY
        for verdict in sender.send(
            {
                "event_type": text[:200].strip(), "title": text, "url": text, "referrer": text, "user_id": text[:200],
                "session_id": text[:200], "properties": {text[:200]: text, "nested": [{"deep": text}]},
                "context": {text[:100]: text},
            },
            {"event_type": "link", "url": f"https://example.com/{text}", "referrer": f"https://example.com/?q={text}"},
            {"event_type": "bare", "properties": {text[:50]: text}},
        )
    ]  # fmt: skip
    page.wait_for_selector(f'{ROWS}[data-event="{ids[-1]}"]')
    server.wait_until_settled()
    paths = ["/app/tracking", "/app/events?limit=200", "/app/sources", f"/app/events?event_type={NAUGHTY[0]}"]
    for path in [*paths, *(f"/app/events/{event_id}" for event_id in (ids if every else ids[::3]))]:
        page.goto(server.url + path)
        assert page.evaluate("window.__xss") is None, path
        hrefs = page.eval_on_selector_all("[href], [src], [action]", "all => all.map(e => e.href || e.src || e.action)")
        assert {str(href).partition(":")[0] for href in hrefs} <= {"http", "https"}, path
        assert (
            page.evaluate(
                "document.querySelectorAll('[onerror], [onload], iframe, base, [style]:not(tw-chart *)').length"
            )
            == 0
        ), path
        assert screen.complain() == [], path


def test_a_naughty_source_name_stays_text(screen: Screen, server: TestServer) -> None:
    for number, text in enumerate(NAUGHTY[:16]):
        server.add_source(f"{number} {text[:180]}", channel="web")
    for path in ("/app/tracking", "/app/sources", "/app/events"):
        screen.page.goto(server.url + path)
        assert screen.page.evaluate("window.__xss") is None
        assert screen.complain() == []


def test_everything_that_can_be_used_is_reached_by_the_keyboard(
    screen: Screen, server: TestServer, sender: Sender
) -> None:
    sender.store({"event_type": "page_view"}, {"event_type": "page_view"})
    page = screen.page
    open_tracking(screen, server)
    page.evaluate(
        """for (const each of document.querySelectorAll("a[href], button, summary, [data-plot]"))
             if (each.checkVisibility()) each.dataset.wanted = "";"""
    )
    page.keyboard.press("Tab")
    skip = page.locator(":focus")
    expect(skip).to_have_text("Skip to the content")
    expect(skip).to_be_in_viewport()
    for _ in range(page.locator("[data-wanted]").count() + 20):
        outline = page.evaluate(
            """(() => { const e = document.activeElement, s = getComputedStyle(e), after = getComputedStyle(e, "::after");
                        e.removeAttribute("data-wanted");
                        return e === document.body || s.outlineStyle !== "none" || after.outlineStyle !== "none"; })()"""
        )
        assert outline, page.evaluate("document.activeElement.outerHTML")
        page.keyboard.press("Tab")
    left = page.eval_on_selector_all(
        "[data-wanted]", "all => all.filter(e => e.checkVisibility()).map(e => e.outerHTML)"
    )
    assert left == []


def test_the_chart_is_read_by_arrow_keys_as_its_table_says(screen: Screen, server: TestServer, sender: Sender) -> None:
    sender.store({"event_type": "page_view"})
    open_tracking(screen, server)
    page = screen.page
    expect(page.locator("tw-chart canvas")).to_be_visible()
    page.locator("[data-plot]").focus()
    page.keyboard.press("Home")
    readout = page.locator("[data-chart-readout]")
    expect(readout).to_have_text(re.compile(r"^\d\d:\d\d: [\d,]+ events, [\d,]+ visitors$"))
    cells = page.eval_on_selector("tw-chart tbody tr", "row => [...row.cells].map(cell => cell.textContent)")
    assert readout.inner_text() == f"{cells[0]}: {cells[1]} events, {cells[2]} visitors"


@pytest.mark.parametrize("width", [360, 375, 768, 1024, 1920])
def test_no_page_is_wider_than_the_screen(
    chromium: Browser, member: Visitor, server: TestServer, sender: Sender, width: int
) -> None:
    [event_id] = sender.store({"event_type": "w" * 200, "url": "https://example.com/" + "p" * 500, "title": "t" * 300})
    for screen in open_screen(chromium, member):
        screen.page.set_viewport_size({"width": width, "height": 800})
        for path in ("/app/tracking", "/app/events", f"/app/events/{event_id}", "/app/sources", "/app/none"):
            screen.page.goto(server.url + path)
            assert screen.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path


def test_the_theme_is_chosen_and_kept(screen: Screen, server: TestServer) -> None:
    page = screen.page
    page.goto(f"{server.url}/app/sources")
    paper = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(paper)
    switch = page.locator("[data-theme-switch]")
    switch.click()
    switch.click()
    expect(switch).to_contain_text("Dark")
    dark = page.evaluate(paper)
    assert dark != light
    page.goto(f"{server.url}/app/events")
    assert page.evaluate(paper) == dark
    assert screen.complain() == []


def test_filters_change_the_list_and_the_address(screen: Screen, server: TestServer, sender: Sender) -> None:
    wanted, _ = sender.store({"event_type": "wanted thing"}, {"event_type": "other thing"})
    page = screen.page
    page.goto(f"{server.url}/app/events")
    page.evaluate("window.sameDocument = true")
    page.get_by_label("Event type").fill("wanted thing")
    page.get_by_role("button", name="Filter").click()
    page.wait_for_url("**event_type=wanted+thing**")
    expect(page.locator("#event-list tbody tr")).to_have_count(1)
    assert page.locator("#event-list tbody tr").get_attribute("data-event") == wanted
    assert screen.complain() == []


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visitor]:
    """Somebody who has just installed it."""
    data: Path = tmp_path_factory.mktemp("fresh") / "data"
    with start_server(data) as server:
        visitor = Visitor(server)
        visitor.log_in()
        yield visitor


def test_the_empty_page_says_how_to_begin_and_fills_itself(chromium: Browser, fresh: Visitor) -> None:
    """Runs first of those on the fresh installation."""
    server = fresh.server
    for screen in open_screen(chromium, fresh):
        open_tracking(screen, server)
        page = screen.page
        snippet, curl = page.locator(".first-steps code").filter(has_text=server.url).all_inner_texts()
        key = re.search(r"tw_pub_[0-9a-f]+", snippet)
        assert key
        assert snippet == f'<script async src="{server.url}/js/trackway.js" data-key="{key[0]}"></script>'
        assert page.locator("#figures").is_hidden()
        body = re.search(r"-d '(.+)'$", curl)
        assert body
        assert server.request("POST", "/v1/events", body[1], {"authorization": f"Bearer {key[0]}"}).status == 200
        expect(page.locator(".first-steps")).to_have_count(0)
        expect(page.locator(ROWS)).to_have_count(1)
        expect(page.locator("#tile-events .tile-number")).to_have_text("1")
        expect(page.locator("tw-chart canvas")).to_be_visible()
        assert screen.complain() == []


def test_an_event_that_the_pipeline_has_not_reached_has_a_page(fresh: Visitor) -> None:
    server = fresh.server
    key = server.add_source("waits")["credentials"]["write_key"]
    pipeline = server.child_pid("pipeline")
    os.kill(pipeline, signal.SIGSTOP)
    try:
        [verdict] = server.post("/v1/events", [{"event_type": "still_on_its_way"}], key).json["results"]
        page = fresh.text(f"/app/events/{verdict['event_id']}")
        books = fresh.text("/app/tracking/state")
    finally:
        os.kill(pipeline, signal.SIGCONT)
    assert "In flight" in page
    assert "It is durable in the log; the pipeline has not reached it yet." in page
    assert "<b>1</b> in flight" in books
    server.wait_until_settled()
    assert "Stored" in fresh.text(f"/app/events/{verdict['event_id']}")


def test_the_feed_comes_back_after_the_server_was_away(chromium: Browser, fresh: Visitor) -> None:
    server = fresh.server
    key = server.add_source("after the fall")["credentials"]["write_key"]
    for screen in open_screen(chromium, fresh):
        open_tracking(screen, server)
        page = screen.page
        server.kill_child("server-0")
        expect(page.locator("[data-live-state]")).to_have_text("Connection lost, retrying")
        page.wait_for_selector(LIVE)
        [verdict] = server.post("/v1/events", [{"event_type": "back_again"}], key).json["results"]
        expect(page.locator(f'{ROWS}[data-event="{verdict["event_id"]}"]')).to_be_visible()


def test_while_the_store_is_away_the_page_says_so_and_comes_back_by_itself(chromium: Browser, fresh: Visitor) -> None:
    server = fresh.server
    for screen in open_screen(chromium, fresh):
        page = screen.page
        server.kill_child("engine")
        answer = fresh.get("/app/tracking")
        assert (answer.status, answer.headers["retry-after"]) == (503, "3")
        assert "Events are still being collected" in answer.body.decode()
        twin = fresh.get("/app/events.json")
        if twin.status != 200:
            assert twin.json["error"]["reason"] == "store_unavailable"
        page.goto(f"{server.url}/app/events")
        expect(page.get_by_role("heading", name="Events")).to_be_visible()
        server.kill_child("engine")
        visitors = fresh.get("/app/visitors")
        assert visitors.status == 503
        assert "Waiting for the event store" in visitors.body.decode()
