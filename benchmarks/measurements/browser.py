"""The browser script: its size, what a visit sends, what outlives a page that is closed, how long it takes to start."""

import contextlib
import gzip
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import brotli
from playwright.sync_api import Browser, BrowserContext, Page

from benchmarks.effort import Effort
from benchmarks.subject import Subject, start_subject
from benchmarks.tables import Row, Table
from benchmarks.visited_site import Relay, serve, serve_bare_page, serve_pages
from trackway.testing.browser import launch_chromium
from trackway.testing.server import TestServer

BUILT = Path(__file__).resolve().parents[2] / "src/trackway/collect/static"
ANCHORS = {
    "GoatCounter": 1_848,
    "Umami": 1_921,
    "Plausible 0.4.6": 2_355,
    "OpenPanel": 2_793,
    "Snowplow browser tracker": 15_642,
    "Matomo": 19_064,
    "Tracardi": 19_585,
    "Segment analytics-next": 27_445,
    "RudderStack": 30_396,
    "PostHog": 83_043,
}
SCRIPTS = ("trackway.all.js", "trackway.js")
STARTED = ("trackway.core.js", "trackway.js", "trackway.all.js")
SLOWED = 4
TIME_ZONE = "Intl.DateTimeFormat().resolvedOptions().timeZone"
STARTS = 5
STEPS_BEFORE_CLOSE = 3
# At once, while events wait for company, when they leave, when they are on their way, and after that.
CLOSED_AFTER_MS = (0, 50, 150, 200, 220, 250, 400)
# Events of a page that could not be sent wait for the visitor's next page.
NEXT_PAGE_MS = 3000

# What the scripted visit does, as type, path of the page and what tells it from others of its type. Each once.
STEPS = [
    ("page_view", "/", ""),
    ("click", "/", "buy"),
    ("download_pdf", "/", "pdf"),
    ("form_submit", "/", "join"),
    ("page_leave", "/", ""),
    ("page_view", "/second", ""),
    ("quote_requested", "/second", ""),
    ("click", "/second", "next"),
    ("page_leave", "/second", ""),
    ("page_view", "/next", "first"),
    ("click", "/next", "out"),
    ("page_leave", "/next", "first"),
    ("page_view", "/next", "again"),
    ("page_leave", "/next", "again"),
]
FILM_STEPS = [
    ("video_play", "/", "0"),
    ("video_progress", "/", "25"),
    ("video_progress", "/", "50"),
    ("video_progress", "/", "75"),
    ("video_complete", "/", "100"),
]


def measure_browser(effort: Effort, folder: Path) -> list[Table]:
    sizes = [_measure_sizes(), _compare_sizes()]
    with start_subject(folder) as subject, launch_chromium() as browser:
        tables = [
            _measure_visits(effort, subject, browser),
            _measure_closes(effort, subject, browser),
            _measure_start(effort, subject, browser),
        ]
        subject.check_books()
    return [*sizes, *tables]


def _pack(file: Path) -> int:
    return len(brotli.compress(file.read_bytes(), quality=11))


def _measure_sizes() -> Table:
    files = [BUILT / name for name in json.loads((BUILT / "manifest.json").read_text())]
    rows = [
        Row(
            file.name,
            [
                {
                    "bytes": file.stat().st_size,
                    "gzip 9": len(gzip.compress(file.read_bytes(), 9, mtime=0)),
                    "brotli 11": _pack(file),
                }
            ],
        )
        for file in sorted(files, key=_pack)
    ]
    says = "Aims with brotli: `trackway.js` 4,096, `trackway.core.js` 3,072, `stub.js` 250."
    return Table("browser-sizes", "The browser scripts in bytes", says, rows)


def _compare_sizes() -> Table:
    own = {f"Trackway, {name}": _pack(BUILT / name) for name in STARTED}
    full = _pack(BUILT / "trackway.js")
    rows = [
        Row(name, [{"brotli 11": size, "of trackway.js": size / full}])
        for name, size in sorted((ANCHORS | own).items(), key=lambda item: item[1])
    ]
    says = "The others' sizes were taken once, packed the same way; only our own are measured anew."
    return Table("browser-anchors", "Beside other scripts, in bytes", says, rows)


@contextlib.contextmanager
def _open_context(browser: Browser) -> Iterator[BrowserContext]:
    """A visitor. A headless browser says that it is one, which makes it a bot."""
    probe = browser.new_page()
    agent = str(probe.evaluate("navigator.userAgent")).replace("Headless", "")
    probe.close()
    context = browser.new_context(locale="en-GB", timezone_id="Europe/Berlin", user_agent=agent)
    try:
        yield context
    finally:
        context.close()


def _add_site(server: TestServer, name: str) -> tuple[str, str]:
    """Id and public key of a new source."""
    source = server.add_source(name, channel="web")
    return source["id"], source["credentials"]["write_key"]


def _read_events(server: TestServer, source: str, **query: Any) -> list[dict[str, Any]]:
    """What is stored of a source, oldest first."""
    server.wait_until_settled(60)
    items: list[dict[str, Any]] = server.api("events", source=source, limit=1000, **query)["items"]
    return sorted(items, key=lambda event: event["occurred_at"])


def _measure_visits(effort: Effort, subject: Subject, browser: Browser) -> Table:
    rows = []
    for script in SCRIPTS:
        steps = STEPS + (FILM_STEPS if script == "trackway.all.js" else [])
        runs = [_visit(subject, browser, script, steps, f"visit-{script}-{run}") for run in range(effort.runs)]
        rows.append(Row(script, runs))
    return Table(
        "browser-visit",
        "One scripted visit",
        "Load with campaign parameters, scroll, click, PDF, form, a film of 4 s watched to its end, navigation by a "
        "script, an event of the site's own, a link that is followed at once, a link to another site, back, close. No pauses "
        "but the film's. `requests` are the POSTs that reached the server's door, `bytes up` their bodies; each of the steps must be "
        "stored once. Aims: at most 10 requests, 0 preflights, 0 missing, 0 twice. The answer of the visitor about consent is "
        "sent, too, and is no step.",
        rows,
    )


def _visit(
    subject: Subject, browser: Browser, script: str, steps: list[tuple[str, str, str]], name: str
) -> dict[str, float]:
    source, key = _add_site(subject.server, name)
    counted: dict[str, Any] = {"server_port": subject.port, "bodies": [], "preflights": []}
    with (
        serve(type("Bound", (Relay,), counted)) as collector,
        serve_pages(collector, key, script) as site,
        _open_context(browser) as context,
    ):
        page = context.new_page()
        _take_steps(page, site)
        page.close()
        browser.new_page().close()  # the browser is done with what the page left to it
        stored = _wait_for_steps(subject.server, source, len(steps))
    seen = Counter(stored)
    return {
        "steps": len(steps),
        "stored once": sum(seen[step] == 1 for step in steps),
        "missing": sum(seen[step] == 0 for step in steps),
        "twice": sum(count > 1 for count in seen.values()),
        "requests": len(counted["bodies"]),
        "preflights": len(counted["preflights"]),
        "bytes up": sum(counted["bodies"]),
        "bytes/step": sum(counted["bodies"]) / len(steps),
    }


def _take_steps(page: Page, site: str) -> None:
    page.goto(f"{site}/?utm_source=letter&utm_medium=email&utm_campaign=spring")
    page.wait_for_function("window.trackway?.version")
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    page.click("#buy")
    page.click("#pdf")
    page.fill("#join [name=email]", "ada@example.org")
    page.evaluate("join.requestSubmit()")
    page.evaluate("new Promise(done => { film.onended = done; film.play() })")
    page.evaluate("history.pushState(null, '', '/second')")
    page.evaluate("trackway.track('quote_requested', {seats: 5})")
    page.click("#next")
    page.wait_for_url("**/next")
    page.wait_for_function("window.trackway?.version")
    page.click("#out")
    page.wait_for_url("**/elsewhere")
    page.go_back()
    page.wait_for_function("window.trackway?.version")


def _wait_for_steps(server: TestServer, source: str, count: int) -> list[tuple[str, str, str]]:
    """The steps as stored, in the words of `STEPS`; what is still missing after a while is missing."""
    for _ in range(50):
        steps = _name_steps(_read_events(server, source))
        if len(steps) >= count:
            break
    return steps


def _name_steps(events: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    steps: list[tuple[str, str, str]] = []
    for event in events:
        kind, path, properties = event["event_type"], urlsplit(event["url"]).path, event["properties"]
        detail = str(properties.get("percent", properties.get("id", "")))
        if path == "/next" and kind in ("page_view", "page_leave"):
            # The page is come to twice; more often than that is a repeat.
            detail = "again" if (kind, path, "first") in steps else "first"
        if kind != "consent_updated":
            steps.append((kind, path, detail))
    return steps


def _measure_closes(effort: Effort, subject: Subject, browser: Browser) -> Table:
    closes = effort.page_closes // 2
    rows = [
        Row(label, [_close_pages(subject, browser, label, closes, leaving)])
        for label, leaving in (("tab closed", False), ("left for another site", True))
    ]
    return Table(
        "browser-closes",
        "Pages that are closed",
        f"Each page records {STEPS_BEFORE_CLOSE} events and is closed 0 to {CLOSED_AFTER_MS[-1]} ms later, whatever is on its way. "
        "`arrived at once` is what was stored before the visitor came back, `arrived` what was after one more page. `dropped repeats` came again and were not "
        "stored again. Aims: 99.5 % arrived, 0 stored twice.",
        rows,
    )


def _close_pages(subject: Subject, browser: Browser, label: str, closes: int, leaving: bool) -> dict[str, float]:
    server = subject.server
    source, key = _add_site(server, label.replace(" ", "-"))
    with serve_pages(server.url, key, "trackway.js") as site, _open_context(browser) as context:
        for number in range(closes):
            page = context.new_page()
            page.goto(f"{site}/{number}")
            page.wait_for_function("window.trackway?.version")
            page.evaluate(
                "([page, steps]) => { for (let n = 0; n < steps; n++) trackway.track('step', {name: `${page}-${n}`}) }",
                [number, STEPS_BEFORE_CLOSE],
            )
            page.wait_for_timeout(CLOSED_AFTER_MS[number % len(CLOSED_AFTER_MS)])
            if leaving:
                page.goto(site.replace("127.0.0.1", "localhost") + "/elsewhere")
            page.close()
        at_once = _read_steps(server, source)
        page = context.new_page()
        page.goto(site)
        page.wait_for_timeout(NEXT_PAGE_MS)
        arrived = _read_steps(server, source)
    (book,) = [book for book in server.api("books")["sources"] if book["source"] == label.replace(" ", "-")]
    expected = closes * STEPS_BEFORE_CLOSE
    return {
        "closes": closes,
        "events": expected,
        "arrived at once %": 100 * len(at_once) / expected,
        "arrived %": 100 * len(arrived) / expected,
        "stored twice": sum(count - 1 for count in arrived.values()),
        "dropped repeats": book["duplicate"],
    }


def _read_steps(server: TestServer, source: str) -> Counter[str]:
    """How often each step of the closed pages is stored."""
    return Counter(event["properties"]["name"] for event in _read_events(server, source, event_type="step"))


def _measure_start(effort: Effort, subject: Subject, browser: Browser) -> Table:
    _, key = _add_site(subject.server, "timed")
    codes = {name: (BUILT / name).read_text() for name in STARTED} | {"the time zone alone": TIME_ZONE}
    with serve_bare_page(subject.server.url, key) as address:
        rows = [
            Row(name, [_time_start(browser, address, code) for _ in range(STARTS * effort.runs)])
            for name, code in codes.items()
        ]
    return Table(
        "browser-start",
        "How long the script takes to start",
        f"Compiled and run within the page, in a fresh browser profile each time, on a processor that Chromium slows down {SLOWED} times. Aim: at "
        "most 5 ms. The last row is what the browser takes to tell its time zone for the first time, which is part of the first event; other "
        "work of the machine shows in all rows.",
        rows,
    )


def _time_start(browser: Browser, address: str, code: str) -> dict[str, float]:
    with _open_context(browser) as context:
        page = context.new_page()
        page.goto(address)
        context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": SLOWED})
        took: float = page.evaluate(
            "code => { const began = performance.now(); (0, eval)(code); return performance.now() - began }", code
        )
        if code != TIME_ZONE:
            assert page.evaluate("trackway.version"), "the script did not start"
        return {"ms": took}
