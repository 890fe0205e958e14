"""Accounting for fault tests: what was sent and answered, against what is stored.

    with Load(server.url, key, tmp_path / "ledger") as load:
        ...                                   # kill something
    load.stop()
    check_accounts(read_ledger(tmp_path / "ledger"), Counter(stored_ids)).require()

Several clients send small batches and write each event's id into a file of their own before the
batch is sent, and the answer's verdicts after it came. Whatever is killed meanwhile, the files say
what the product has promised. Part of the public test kit. It does not sync its files: the
machine of the load generator is not the one that loses power.
"""

import http.client
import itertools
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO
from urllib.parse import urlsplit

PATIENCE_S = 60.0
ANSWER_S = 10.0


@dataclass
class Ledger:
    """`acked` were answered 2xx, `rejected` refused each by name, the rest of `sent` had no such answer."""

    sent: set[str] = field(default_factory=set)
    acked: set[str] = field(default_factory=set)
    rejected: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class Verdict:
    """What is wrong with a store, by event id; empty everywhere when the promises were kept."""

    lost: tuple[str, ...]
    doubled: tuple[str, ...]
    ghosts: tuple[str, ...]
    rejected_yet_stored: tuple[str, ...]

    def require(self) -> None:
        """AssertionError naming what is wrong."""
        wrong = {name: getattr(self, name) for name in self.__dataclass_fields__ if getattr(self, name)}
        if wrong:
            raise AssertionError(
                "; ".join(f"{len(ids)} {name}, such as {', '.join(ids[:5])}" for name, ids in wrong.items())
            )


def check_accounts(ledger: Ledger, stored: Counter[str], elsewhere: Iterable[str] = ()) -> Verdict:
    """Compare promises with deeds.

    `stored` counts each id as often as it is in the store; `elsewhere` are ids with another
    outcome that was told (dropped, dead-lettered).
    """
    there = stored.keys() | set(elsewhere)
    return Verdict(
        lost=tuple(sorted(ledger.acked - there)),
        doubled=tuple(sorted(name for name, times in stored.items() if times > 1)),
        ghosts=tuple(sorted(there - ledger.sent)),
        rejected_yet_stored=tuple(sorted((ledger.rejected - ledger.acked) & there)),
    )


def read_ledger(folder: Path) -> Ledger:
    """All clients' files together. A line that was cut off by the end of its writer counts as not written."""
    ledger = Ledger()
    for file in sorted(folder.glob("*.jsonl")):
        for line in file.read_text().splitlines():
            try:
                entry = json.loads(line)
            except json.JSONDecodeError:
                continue
            for name, ids in entry.items():
                getattr(ledger, name).update(ids)
    return ledger


@dataclass
class Batch:
    """Events of one request. `keyed` ones carry a dedupe_key, so they may be sent until they are answered."""

    events: list[dict[str, Any]]
    keyed: bool

    @property
    def ids(self) -> list[str]:
        return [str(event["properties"]["id"]) for event in self.events]


class Client(threading.Thread):
    """One sender with a connection and a ledger file of its own."""

    def __init__(self, load: "Load", number: int) -> None:
        super().__init__(name=f"client-{number}", daemon=True)
        self._load, self._number = load, number
        self._random = random.Random(f"{load.seed}/{number}")
        self._numbers = itertools.count()
        self._connection: http.client.HTTPConnection | None = None
        self._connected_to = ""

    def run(self) -> None:
        self._load.folder.mkdir(parents=True, exist_ok=True)
        with (self._load.folder / f"{self._load.name}-{self._number}.jsonl").open("a", buffering=1) as ledger:
            while not self._load.stopping.is_set():
                self._deliver(self._make_batch(), ledger)
                time.sleep(self._random.uniform(0, 2 * self._load.pause_s))
        if self._connection:
            self._connection.close()

    def _make_batch(self) -> Batch:
        keyed = self._random.random() >= self._load.keyless
        events = []
        for _ in range(self._random.randint(1, self._load.batch)):
            name = f"{self._load.name}-{self._number}-{next(self._numbers)}"
            event: dict[str, Any] = {"event_type": "load", "anonymous_id": f"client {self._number}"}
            event["properties"] = {"id": name, "padding": "x" * self._random.randint(0, 300)}
            if keyed:
                event["dedupe_key"] = name
            events.append(event)
        return Batch(events, keyed)

    def _deliver(self, batch: Batch, ledger: TextIO) -> None:
        """Until it is answered; a batch without keys only once, because sent twice it is two."""
        ledger.write(json.dumps({"sent": batch.ids}) + "\n")
        body = json.dumps({"events": batch.events}).encode()
        gives_up_at = time.monotonic() + PATIENCE_S
        while True:
            status, retry_after = self._post(body, batch, ledger)
            self._load.note(status, len(batch.events), retry_after)
            if 200 <= status < 300 or not batch.keyed or time.monotonic() > gives_up_at:
                return
            time.sleep(0.05)

    def _post(self, body: bytes, batch: Batch, ledger: TextIO) -> tuple[int, bool]:
        """The status, 0 when there was no answer, and whether it said when to come again."""
        try:
            connection = self._connect()
            headers = {"content-type": "application/json", "authorization": f"Bearer {self._load.key}"}
            connection.request("POST", "/v1/events", body, headers)
            response = connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException):
            self._connected_to = ""
            return 0, False
        if self._load.powerless.is_set():
            return 0, False
        if 200 <= response.status < 300:
            ids = batch.ids
            told: dict[str, list[str]] = {"acked": [], "rejected": []}
            for result in json.loads(content)["results"]:
                told["rejected" if result["status"] == "rejected" else "acked"].append(ids[result["index"]])
            ledger.write(json.dumps(told) + "\n")
        return response.status, response.getheader("retry-after") is not None

    def _connect(self) -> http.client.HTTPConnection:
        url = self._load.url
        if self._connection is None or self._connected_to != url:
            if self._connection:
                self._connection.close()
            where = urlsplit(url)
            self._connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=ANSWER_S)
            self._connected_to = url
        return self._connection


class Load:
    """Clients that send until `stop`. Set `url` anew when the server comes back at another port."""

    def __init__(
        self,
        url: str,
        key: str,
        folder: Path,
        *,
        name: str = "load",
        clients: int = 8,
        batch: int = 4,
        pause_s: float = 0.02,
        keyless: float = 0.2,
        seed: int = 1,
    ) -> None:
        """`keyless` is the share of batches without a dedupe_key; `name` is the beginning of every id."""
        self.url, self.key, self.folder, self.name, self.seed = url, key, folder, name, seed
        self.batch, self.pause_s, self.keyless = batch, pause_s, keyless
        self.stopping = threading.Event()
        # Set just before a simulated power cut: what answers after it would be dead in life. Its answer does not count.
        self.powerless = threading.Event()
        self.statuses: Counter[int] = Counter()
        self.without_retry_after: Counter[int] = Counter()
        self.acked = 0
        self._noting = threading.Lock()
        self._clients = [Client(self, number) for number in range(clients)]

    def __enter__(self) -> "Load":
        for client in self._clients:
            client.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.stop()

    def stop(self) -> Ledger:
        """Let every client finish its batch, retries included; the ledger."""
        self.stopping.set()
        for client in self._clients:
            client.join()
        return read_ledger(self.folder)

    def note(self, status: int, events: int, retry_after: bool) -> None:
        with self._noting:
            self.statuses[status] += 1
            if 200 <= status < 300:
                self.acked += events
            elif not retry_after:
                self.without_retry_after[status] += 1

    def wait_for_acked(self, events: int, patience_s: float = PATIENCE_S) -> None:
        """Until so many more events were acknowledged than now."""
        aim, deadline = self.acked + events, time.monotonic() + patience_s
        while self.acked < aim:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.acked} of {aim} events acknowledged; answers so far: {dict(self.statuses)}")
            time.sleep(0.01)
