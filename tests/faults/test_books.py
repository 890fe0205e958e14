"""The books balance under random crashes: whatever is sent and whoever dies, every event has one outcome."""

import http.client
import itertools
import json
import random
import time
from collections.abc import Callable
from typing import Any

import pytest

from trackway.testing.ledger import Ledger
from trackway.testing.server import TestServer

Audit = Callable[..., dict[str, Any]]

OPERATIONS = 100
KILL_EVERY_S = (1.5, 4.0)
GOOGLEBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


class Sender:
    """Sends what chance says, keeps the ledger of one source, and what the door must have counted."""

    def __init__(self, server: TestServer, source: dict[str, Any], chance: random.Random) -> None:
        self.server, self.source, self.chance = server, source, chance
        self.ledger = Ledger()
        self.acked = self.unanswered = self.rejected = self.bots = 0
        self._numbers = itertools.count()
        self._keys: list[str] = []

    def send_something(self) -> None:
        self.chance.choice([self._send_good, self._send_good, self._send_repeats, self._send_bad, self._send_bots])()

    def _make(self, keyed: bool, **more: Any) -> dict[str, Any]:
        name = f"{self.source['id']}-{next(self._numbers)}"
        if keyed:
            self._keys.append(name)
        return {"event_type": "books", "properties": {"id": name}, **({"dedupe_key": name} if keyed else {}), **more}

    def _send_good(self) -> None:
        keyed = self.chance.random() < 0.7
        self._post([self._make(keyed) for _ in range(self.chance.randint(1, 30))], keyed)

    def _send_repeats(self) -> None:
        keys = [self.chance.choice(self._keys) for _ in range(self.chance.randint(1, 10))] if self._keys else []
        events = [{"event_type": "books", "dedupe_key": key, "properties": {"id": key}} for key in keys]
        events.append(self._make(keyed=True))
        self._post(events, keyed=True)

    def _send_bad(self) -> None:
        bad = [
            {"event_type": "", "properties": {"id": "never"}},
            {"event_type": "books", "properties": []},
            {"event_type": "books", "occurred_at": "tomorrow"},
        ]
        good = [self._make(keyed=True) for _ in range(self.chance.randint(0, 3))]
        self._post(good + self.chance.sample(bad, self.chance.randint(1, 3)), keyed=True)

    def _send_bots(self) -> None:
        """Dropped by this source; without a key, because a dropped event holds none."""
        events = [{"event_type": "books"} for _ in range(self.chance.randint(1, 5))]
        if self._post(events, keyed=False, user_agent=GOOGLEBOT):
            self.bots += len(events)

    def _post(self, events: list[dict[str, Any]], keyed: bool, user_agent: str = FIREFOX) -> bool:
        """Until it is answered, or once when nothing makes a repeat harmless. Whether it was answered 2xx."""
        names = [event.get("properties") and event["properties"].get("id", "") for event in events]
        if user_agent == FIREFOX:
            self.ledger.sent.update(name for name in names if name and name != "never")
        key = self.source["credentials"]["write_key"]
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                answer = self.server.post("/v1/events", {"events": events}, key, {"user-agent": user_agent})
            except (OSError, http.client.HTTPException):
                self.unanswered += len(events)
                if not keyed:
                    return False
                time.sleep(0.05)
                continue
            assert answer.status in (200, 207, 422), (answer.status, answer.body)
            for result in answer.json["results"]:
                if result["status"] == "rejected":
                    self.rejected += 1
                    continue
                self.acked += 1
                if names[result["index"]]:
                    self.ledger.acked.add(names[result["index"]])
            return True
        raise TimeoutError("the server did not answer for a minute")


@pytest.mark.parametrize("seed", [41])
def test_received_is_stored_or_duplicate_or_dropped_or_in_flight_whoever_dies(
    battered: TestServer, audit: Audit, recover: Callable[..., float], seed: int
) -> None:
    chance = random.Random(seed)
    sources = [battered.add_source(f"books {seed} {n}", channel="web", bots="drop") for n in range(2)]
    senders = [Sender(battered, source, chance) for source in sources]
    kills, kill_at, looks = 0, time.monotonic(), 0
    killed: tuple[str, int] | None = None
    for _ in range(OPERATIONS):
        chance.choice(senders).send_something()
        if time.monotonic() > kill_at:
            name = chance.choice(["engine", "pipeline", "pipeline", "server-0"])
            killed = (name, battered.kill_child(name))
            kills += 1
            kill_at = time.monotonic() + chance.uniform(*KILL_EVERY_S)
        looks += look_at_books(battered)
        time.sleep(chance.uniform(0, 0.1))
    if killed:
        recover(battered, *killed)
    for sender in senders:
        line = audit(
            battered, sender.source["id"], sender.ledger, f"books, seed {seed}", kills=kills, looks_meanwhile=looks
        )
        assert line["received"] == line["stored"] + line["duplicate"] + sum(line["dropped"].values())
        assert sender.acked <= line["received"] <= sender.acked + sender.unanswered
        assert sender.bots <= line["dropped"].get("bot", 0)
        assert sender.rejected <= sum(line["rejected"].values())


def look_at_books(server: TestServer) -> int:
    """They balance at every moment at which they can be read; how often they could (0 or 1)."""
    try:
        answer = server.request("GET", "/api/v1/books", headers={"authorization": f"Bearer {server.admin_token}"})
    except (OSError, http.client.HTTPException):
        return 0
    if answer.status != 200:
        assert answer.status == 503, answer.body
        return 0
    unbalanced = [line for line in answer.json["sources"] if not line["balanced"]]
    assert unbalanced == [], json.dumps(unbalanced)
    return 1
