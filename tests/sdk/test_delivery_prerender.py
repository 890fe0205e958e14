"""Pages that Chromium really renders ahead of the visit (Speculation Rules): they count when they are opened.

Chromium renders nothing ahead on a page that DevTools looks at, so nobody does: the browser is started
on its own, and the pages wait for the site's word before they move.
"""

import subprocess
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from tests.sdk.conftest import LiveSite, SiteRequest, serve

from trackway.testing.browser import ARGUMENTS, find_chromium
from trackway.testing.server import TestServer
from trackway.testing.waiting import wait_until

pytestmark = pytest.mark.browser

RULES = '<script type="speculationrules">{"prerender": [{"urls": ["/ahead"], "eagerness": "immediate"}]}</script>'
# Goes to the address that the site names, once it does.
MOVES = "<script>fetch('/move').then((answer) => answer.text()).then((path) => { location = path })</script>"
# Says how it was made as soon as the script runs, and when it was opened.
TELLS = """<script>
  const tell = (what) => fetch(`/told?what=${what}&started=${performance.getEntriesByType("navigation")[0].activationStart}`);
  addEventListener("load", () => tell(`${document.prerendering ? "ahead" : "opened"} ${window.trackway?.version ? "with" : "without"} script`));
  document.addEventListener("prerenderingchange", () => tell("opened"));
</script>"""


class GuidedRequest(SiteRequest):
    """A site that tells its visitor when to move and where to, and hears what its pages tell."""

    to: list[str]
    word: threading.Event
    told: list[dict[str, list[str]]]

    def do_GET(self) -> None:  # noqa: N802
        where = urlsplit(self.path)
        if where.path == "/move":
            self.word.wait(60)
            self.reply(200, "text/plain", self.to[0].encode())
        elif where.path == "/told":
            self.told.append(parse_qs(where.query))
            self.reply(200, "text/plain", b"")
        else:
            super().do_GET()


class GuidedSite(LiveSite):
    """A site with a page `/start`, which has `/ahead` rendered ahead."""

    to: list[str]
    word: threading.Event
    told: list[dict[str, list[str]]]

    def move(self, path: str) -> None:
        """The visitor goes there."""
        self.to.append(path)
        self.word.set()

    def wait_until_told(self, what: str) -> dict[str, list[str]]:
        def find() -> list[dict[str, list[str]]]:
            return [one for one in list(self.told) if one["what"] == [what]]

        return wait_until(find, bool, lambda: self.told)[0]


@pytest.fixture
def guided(server: TestServer) -> Iterator[GuidedSite]:
    shared = {"pages": {}, "to": [], "word": threading.Event(), "told": []}
    for url in serve(type("Bound", (GuidedRequest,), shared)):
        source = server.add_source(f"guided {url}", channel="web")
        site = GuidedSite(url, shared["pages"], server, source)
        site.to, site.word, site.told = shared["to"], shared["word"], shared["told"]
        site.add("/start", head=RULES + MOVES)
        yield site
        site.word.set()


@pytest.fixture
def start_browser(tmp_path: Path) -> Iterator[Callable[[str], None]]:
    """Opens the address in a browser that nobody looks into."""
    running = []

    def start(address: str) -> None:
        command = [find_chromium(), "--headless", *ARGUMENTS, f"--user-data-dir={tmp_path / 'profile'}", address]
        running.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))

    yield start
    for process in running:
        process.terminate()
        process.wait(30)


def test_a_page_rendered_ahead_counts_once_and_from_the_moment_when_it_was_opened(
    guided: GuidedSite, start_browser: Callable[[str], None]
) -> None:
    guided.add("/ahead", head=TELLS)
    start_browser(guided.url + "/start")
    ahead = guided.wait_until_told("ahead with script")
    assert ahead["started"] == ["0"]
    guided.wait_for("page_view")
    assert guided.tell("page_view") == [("page_view", "/start")]
    before = datetime.now(UTC)
    guided.move("/ahead")
    opened = guided.wait_until_told("opened")
    assert float(opened["started"][0]) > 0
    _, view = guided.wait_for("page_view", 2)
    assert (urlsplit(view["url"]).path, urlsplit(view["referrer"]).path) == ("/ahead", "/start")
    assert datetime.fromisoformat(view["occurred_at"]) >= before
    assert view["time_rule"] == "client"  # so the moment is the page's, not that of the arrival
    guided.wait_for("page_leave")
    assert sorted(guided.tell()) == [("page_leave", "/start"), ("page_view", "/ahead"), ("page_view", "/start")]


def test_a_page_rendered_ahead_that_nobody_opens_counts_nothing(
    guided: GuidedSite, start_browser: Callable[[str], None]
) -> None:
    guided.add("/ahead", head=TELLS)
    guided.add("/other")
    start_browser(guided.url + "/start")
    guided.wait_until_told("ahead with script")
    guided.wait_for("page_view")
    guided.move("/other")
    guided.wait_for("page_view", 2)
    assert guided.tell("page_view") == [("page_view", "/start"), ("page_view", "/other")]
    assert "/ahead" not in [path for _, path in guided.tell()]
    assert "opened" not in [one["what"][0] for one in guided.told]
