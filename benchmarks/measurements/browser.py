"""The browser script: its size, what a visit sends, what outlives a page that is closed, how long it takes to start."""

import contextlib
import gzip
import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import brotli
from playwright.sync_api import Browser, BrowserContext, Page
from playwright.sync_api import Error as PlaywrightError

from benchmarks.effort import Effort
from benchmarks.subject import Subject, start_subject
from benchmarks.tables import Row, Table
from benchmarks.visited_site import Relay, serve, serve_pages
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
SCRIPTS = tuple(json.loads((BUILT / "manifest.json").read_text()))
# What a site loads as its tracking; the others are loaded for the sake of another product's calls.
STARTED = tuple(name for name in SCRIPTS if name.startswith("trackway.") and name.endswith(".js"))
SLOWED = 4
STARTS = 3
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
    files = [BUILT / name for name in SCRIPTS]
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
    for label, film in (("without the film", []), ("with it", FILM_STEPS)):
        runs = [_visit(subject, browser, STEPS + film, f"visit {label} {run}") for run in range(effort.runs)]
        rows.append(Row(label, runs))
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


def _visit(subject: Subject, browser: Browser, steps: list[tuple[str, str, str]], name: str) -> dict[str, float]:
    source, key = _add_site(subject.server, name)
    counted: dict[str, Any] = {"server_port": subject.port, "bodies": [], "preflights": []}
    with (
        serve(type("Bound", (Relay,), counted)) as collector,
        serve_pages(collector, key) as site,
        _open_context(browser) as context,
    ):
        page = context.new_page()
        _take_steps(page, site, film=FILM_STEPS[0] in steps)
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


def _take_steps(page: Page, site: str, *, film: bool) -> None:
    page.goto(f"{site}/?utm_source=letter&utm_medium=email&utm_campaign=spring")
    page.wait_for_function("window.trackway?.version")
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    page.click("#buy")
    page.click("#pdf")
    page.fill("#join [name=email]", "ada@example.org")
    page.evaluate("join.requestSubmit()")
    if film:
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


def _close(page: Page, number: int) -> None:
    """As a visitor does it, and as whoever shuts down the browser."""
    with page.expect_event("close"):
        page.close(run_before_unload=number % 2 == 0)


def _leave(page: Page, number: int) -> None:
    page.goto(urljoin(page.url.replace("127.0.0.1", "localhost"), "/elsewhere"))
    page.close()


def _kill(page: Page, number: int) -> None:
    """Ends the page's process in the midst of what it does."""
    with page.expect_event("crash"), contextlib.suppress(PlaywrightError):
        page.goto("chrome://crash")
    page.close()


# How the page ends, and how much of the closes that is; what kills a page leaves it no time to say anything.
ENDS: dict[str, tuple[Callable[[Page, int], None], float]] = {
    "closed": (_close, 0.5),
    "left for another site": (_leave, 0.5),
    "its process killed": (_kill, 0.2),
}


def _measure_closes(effort: Effort, subject: Subject, browser: Browser) -> Table:
    rows = [
        Row(label, [_close_pages(subject, browser, label, int(share * effort.page_closes), end)])
        for label, (end, share) in ENDS.items()
    ]
    return Table(
        "browser-closes",
        "Pages that are closed",
        f"Each page records {STEPS_BEFORE_CLOSE} events and ends 0 to {CLOSED_AFTER_MS[-1]} ms later, whatever is on its way. "
        "`arrived at once` is what was stored before the visitor came back, `arrived` what was after one more page. `dropped repeats` came again and were not "
        "stored again. Aims of the first two: 99.5 % arrived, 0 stored twice. A killed page says nothing more; its events wait on disk.",
        rows,
    )


def _close_pages(
    subject: Subject, browser: Browser, label: str, closes: int, end: Callable[[Page, int], None]
) -> dict[str, float]:
    server = subject.server
    source, key = _add_site(server, label.replace(" ", "-"))
    with serve_pages(server.url, key) as site, _open_context(browser) as context:
        for number in range(closes):
            page = context.new_page()
            page.goto(f"{site}/{number}")
            page.wait_for_function("window.trackway?.version")
            page.evaluate(
                "([page, steps]) => { for (let n = 0; n < steps; n++) trackway.track('step', {name: `${page}-${n}`}) }",
                [number, STEPS_BEFORE_CLOSE],
            )
            page.wait_for_timeout(CLOSED_AFTER_MS[number % len(CLOSED_AFTER_MS)])
            end(page, number)
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
    rows = []
    for script in STARTED:
        with serve_pages(subject.server.url, key, script) as site:
            rows.append(Row(script, [_time_start(browser, site, script) for _ in range(STARTS * effort.runs)]))
    return Table(
        "browser-start",
        "How long the script takes to start",
        "From Chromium's own trace of a page that loads the built file by its tag, in a fresh browser profile each time: compiling and running it "
        f"(`EvaluateScript`). `CPU ms` is the processor time of that, times {SLOWED}: what a processor {SLOWED} times slower needs, whatever else the machine does. "
        f"`elapsed ms` is how long it takes while Chromium slows the page down {SLOWED} times, waits for cookies and storage included. Aim: at most 5 ms.",
        rows,
    )


def _time_start(browser: Browser, site: str, script: str) -> dict[str, float]:
    plain, slowed = _trace_start(browser, site, script, 1), _trace_start(browser, site, script, SLOWED)
    return {"CPU ms": SLOWED * plain["tdur"] / 1000, "elapsed ms": slowed["dur"] / 1000}


def _trace_start(browser: Browser, site: str, script: str, slowed: int) -> dict[str, float]:
    """What Chromium noted of the script's first run: its processor time `tdur` and how long it took, `dur`, in µs."""
    with _open_context(browser) as context:
        page = context.new_page()
        context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": slowed})
        browser.start_tracing(page=page, categories=["devtools.timeline"])
        page.goto(site + "/bare")
        page.wait_for_function("window.trackway?.version")
        noted = json.loads(browser.stop_tracing())["traceEvents"]
    (run,) = [
        event
        for event in noted
        if event["name"] == "EvaluateScript" and event["args"]["data"]["url"].endswith("/" + script)
    ]
    return {"tdur": run["tdur"], "dur": run["dur"]}
