"""A server that may be hurt, and the audit that follows: ledger against store, books, API and command line."""

import http.client
import itertools
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from trackway.app.folder import Folder
from trackway.app.supervisor import find_store_url
from trackway.settings import Settings
from trackway.store.client import EventStore, StoreUnavailable
from trackway.testing.ledger import Ledger, check_accounts
from trackway.testing.server import TestServer, start_server

PATIENCE_S = 60.0
_NUMBERS = itertools.count()


# Of a module and no longer: to idle through the tests of other folders costs more than another start.
@pytest.fixture(scope="module")
def battered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestServer]:
    """One server for all tests of a file that kill only its children: it must be as good as new after each."""
    with start_server(tmp_path_factory.mktemp("battered") / "data", dedupe_window_days=30) as running:
        yield running


def wait_until(claim: Callable[[], bool], what: str | Callable[[], str], patience_s: float = PATIENCE_S) -> float:
    """Seconds until `claim` was true. It may fail meanwhile in the ways a hurt server fails."""
    began = time.monotonic()
    while True:
        try:
            if claim():
                return time.monotonic() - began
        except (OSError, http.client.HTTPException, AssertionError, StoreUnavailable, StopIteration, ValueError):
            pass
        if time.monotonic() - began > patience_s:
            raise TimeoutError(f"not within {patience_s} s: {what if isinstance(what, str) else what()}")
        time.sleep(0.05)


@pytest.fixture(scope="session")
def until() -> Callable[..., float]:
    return wait_until


@pytest.fixture(scope="session")
def recover() -> Callable[..., float]:
    """Seconds until a killed child runs again and the server says that it is well."""

    def wait(server: TestServer, name: str, killed: int) -> float:
        def is_back() -> bool:
            return server.child_pid(name) not in (0, killed) and server.request("GET", "/health").status == 200

        return wait_until(is_back, lambda: f"{name} runs again\n{server.log.read_text()[-2000:]}")

    return wait


@pytest.fixture
def source(battered: TestServer) -> dict[str, Any]:
    """A fresh source of the battered server."""
    return battered.add_source(f"battered {next(_NUMBERS)}")


def count_stored(server: TestServer, source: str) -> Counter[str]:
    """How often the store has each id of a source, asked without the product's own questions."""
    store = EventStore(find_store_url(Folder(server.data), Settings()))
    try:
        rows = store.select(
            "SELECT JSONExtractString(properties_text, 'id') AS id, count() AS times FROM events "
            "WHERE source = {source:String} GROUP BY id",
            {"source": source},
        )
    finally:
        store.close()
    return Counter({row["id"]: row["times"] for row in rows})


def list_through_api(server: TestServer, source: str) -> Counter[str]:
    found: Counter[str] = Counter()
    cursor = ""
    while cursor is not None:
        page = server.api("events", source=source, limit=1000, cursor=cursor)
        found.update(item["properties"]["id"] for item in page["items"])
        cursor = page["next"]
    return found


def settle(server: TestServer) -> dict[str, Any]:
    """The books, once everybody answers again and nothing is in flight."""
    books: dict[str, Any] = {}

    def is_settled() -> bool:
        books.update(server.api("books"))
        return all(line["in_flight"] == 0 for line in books["sources"])

    wait_until(is_settled, lambda: f"nothing in flight: {books}\n{server.log.read_text()[-2000:]}")
    return books


@pytest.fixture(scope="session")
def audit() -> Callable[..., dict[str, Any]]:
    """Close the accounts of one source; returns its line of the books."""

    def close(server: TestServer, source: str, ledger: Ledger, told: str, **figures: Any) -> dict[str, Any]:
        books = settle(server)
        line = next(entry for entry in books["sources"] if entry["source"] == source)
        stored = count_stored(server, source)
        verdict = check_accounts(ledger, stored)
        summary = {
            "test": told,
            "sent": len(ledger.sent),
            "acked": len(ledger.acked),
            "stored": stored.total(),
            "lost": len(verdict.lost),
            "dup": len(verdict.doubled),
            "ghost": len(verdict.ghosts),
            "duplicates_told": line["duplicate"],
            **figures,
        }
        sys.stdout.write(f"FAULT {json.dumps(summary)}\n")
        verdict.require()
        assert list_through_api(server, source) == stored
        sql = f"SELECT count() AS rows, uniqExact(event_id) AS events FROM events WHERE source = '{source}'"
        said = json.loads(server.run_cli("query", sql, "--format", "json"))
        assert (int(said["rows"]), int(said["events"])) == (stored.total(), stored.total())
        assert line["stored"] == stored.total()
        assert line["balanced"], line
        assert line["dead_lettered"] == 0
        return line

    return close


@pytest.fixture
def ledger_folder(tmp_path: Path) -> Path:
    return tmp_path / "ledger"
