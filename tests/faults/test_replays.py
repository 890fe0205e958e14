"""What was refused is stored once when it is replayed, and what is different replaced once, however often it is asked for and whoever dies meanwhile."""

import contextlib
import http.client
import itertools
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import update

from trackway.control.database import State, bump_version, make_url
from trackway.control.plans import change_plan, read_change
from trackway.control.tables import SOURCES
from trackway.control.workspaces import list_workspaces
from trackway.testing.ledger import Ledger
from trackway.testing.server import TestServer

Audit = Callable[..., dict[str, Any]]

ROUNDS = 60
EVENTS = 60
KILLED_COMMANDS = 4
KILL_EVERY_S = (1.5, 4.0)
PATIENCE_S = 60.0


class Shop:
    """A source whose sales are refused until its tracking plan is mended; keeps the ledger of what it sent."""

    def __init__(self, server: TestServer, source: dict[str, Any]) -> None:
        self.server, self.source = server, source["id"]
        self.ledger = Ledger()
        self.refused = 0
        self._key = next(iter(source["credentials"].values()))
        self._numbers = itertools.count()

    def ask_for(self, *required: str) -> None:
        schema = {"type": "object", "required": list(required)}
        said = {"event_type": "sale", "mode": "reject", "schema": schema, "source": self.source}
        state = State(make_url(self.server.data, ""))
        try:
            change_plan(state, list_workspaces(state)[0].id, [read_change(said, [self.source])], "tests", 1)
        finally:
            state.close()
        time.sleep(1.5)

    def send(self, *event_types: str) -> None:
        """Once: nothing makes a repeat of an event without a key harmless."""
        names = [f"{self.source}-{next(self._numbers)}" for _ in event_types]
        events = [
            {"event_type": kind, "properties": {"id": name}} for kind, name in zip(event_types, names, strict=True)
        ]
        self.ledger.sent.update(names)
        answer = self.server.post("/v1/events", {"events": events}, self._key)
        assert answer.status in (200, 207, 422, 503), answer.body
        if answer.status != 503:
            # An event that is refused is promised too: that it can be found and replayed.
            self.ledger.acked.update(names)
            self.refused += answer.json["rejected"]

    def list_waiting(self) -> list[str]:
        found: list[str] = []
        cursor = ""
        while cursor is not None:
            page = self.server.api("rejections", source=self.source, replayed="no", limit=200, cursor=cursor)
            found += [item["id"] for item in page["items"]]
            cursor = page["next"]
        return found

    def replay(self, *ids: str) -> int:
        """How many events were put into the log."""
        asked = {"apply": True, "ids": list(ids)}
        answer = self.server.post("/api/v1/rejections/replay", asked, self.server.admin_token)
        assert answer.status in (200, 503), answer.body
        return sum(item["events"] for item in answer.json["items"]) if answer.status == 200 else 0


@contextlib.contextmanager
def hurt_server_may_fail() -> Iterator[None]:
    with contextlib.suppress(OSError, http.client.HTTPException, AssertionError):
        yield


def test_a_replay_that_was_in_the_log_when_the_pipeline_died_is_not_stored_twice(
    battered: TestServer, source: dict[str, Any], audit: Audit, recover: Callable[..., float]
) -> None:
    shop = Shop(battered, source)
    shop.ask_for("price")
    shop.send("sale", "view", "sale")
    deadline = time.monotonic() + PATIENCE_S
    while not (letters := shop.list_waiting()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    shop.ask_for()
    pipeline = battered.child_pid("pipeline")
    os.kill(pipeline, signal.SIGSTOP)
    # In the log, and nobody can mark it: who asks again must not see it stored again.
    assert [shop.replay(*letters) for _ in range(3)] == [2, 2, 2]
    recover(battered, "pipeline", battered.kill_child("pipeline"))
    line = audit(battered, shop.source, shop.ledger, "replays in the log when the pipeline died")
    assert (line["received"], line["stored"], line["duplicate"]) == (7, 3, 4)
    assert shop.list_waiting() == []
    assert shop.replay(*letters) == 0


@pytest.mark.parametrize("seed", [43])
def test_whatever_was_refused_is_stored_once_by_replays_whoever_dies(
    battered: TestServer, source: dict[str, Any], audit: Audit, recover: Callable[..., float], seed: int
) -> None:
    chance, shop = random.Random(seed), Shop(battered, source)
    shop.ask_for("price")
    kills, kill_at, replayed = 0, time.monotonic() + 2, 0
    killed: tuple[str, int] | None = None
    for number in range(ROUNDS):
        if number == ROUNDS // 2:
            if killed:
                recover(battered, *killed)
            shop.ask_for()
        with hurt_server_may_fail():
            shop.send(*chance.choices(["view", "sale"], k=chance.randint(1, 10)))
        if number >= ROUNDS // 2:
            with hurt_server_may_fail():
                waiting = shop.list_waiting()
                for _ in range(2):
                    replayed += shop.replay(*chance.sample(waiting, min(len(waiting), chance.randint(1, 20))))
        if time.monotonic() > kill_at:
            name = chance.choice(["engine", "pipeline", "pipeline", "server-0"])
            killed = (name, battered.kill_child(name))
            kills += 1
            kill_at = time.monotonic() + chance.uniform(*KILL_EVERY_S)
        time.sleep(chance.uniform(0, 0.1))
    if killed:
        recover(battered, *killed)
    deadline = time.monotonic() + PATIENCE_S
    while waiting := shop.list_waiting():
        assert time.monotonic() < deadline, waiting
        replayed += shop.replay(*waiting[:100])
        battered.wait_until_settled()
    line = audit(
        battered,
        shop.source,
        shop.ledger,
        f"replays, seed {seed}",
        kills=kills,
        refused=shop.refused,
        replayed=replayed,
    )
    assert line["received"] == line["stored"] + line["duplicate"]
    assert shop.refused <= sum(line["rejected"].values())


def test_a_replay_that_replaces_and_dies_with_the_pipeline_replaces_once(
    battered: TestServer, source: dict[str, Any], audit: Audit, recover: Callable[..., float]
) -> None:
    chance, ledger = random.Random(44), Ledger()
    key = next(iter(source["credentials"].values()))
    names = [f"{source['id']}-{number}" for number in range(EVENTS)]
    events = [{"event_type": "view", "anonymous_id": name, "properties": {"id": name}} for name in names]
    for start in range(0, EVENTS, 10):
        assert battered.post("/v1/events", {"events": events[start : start + 10]}, key).status == 200
    ledger.sent.update(names)
    ledger.acked.update(names)
    battered.wait_until_settled()
    change_channel(battered, source["id"], "mobile")
    asked = ("replay", "--from", "2020-01-01", "--source", source["id"], "--apply")
    command = [sys.executable, "-m", "trackway", *asked, "--data", str(battered.data)]
    kills = 0
    for _ in range(KILLED_COMMANDS):
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
            time.sleep(chance.uniform(1.0, 4.0))
            recover(battered, "pipeline", battered.kill_child("pipeline"))
            running.kill()
        kills += 2
    battered.run_cli(*asked)
    assert f"{EVENTS} events as they are stored, 0 different, 0 new, 0 gone" in battered.run_cli(*asked)
    line = audit(battered, source["id"], ledger, "rows replaced while command and pipeline died", kills=kills)
    assert line["stored"] == EVENTS
    assert line["dropped"]["replaced"] + line["duplicate"] == line["received"] - EVENTS
    assert line["dropped"]["replaced"] >= EVENTS
    items = battered.api("events", source=source["id"], limit=1000)["items"]
    assert {item["channel"] for item in items} == {"mobile"}


def change_channel(server: TestServer, source: str, channel: str) -> None:
    """What the adapter makes of the same bytes is another event then."""
    state = State(make_url(server.data, ""))
    try:
        with state.write() as connection:
            connection.execute(update(SOURCES).where(SOURCES.c.id == source).values(channel=channel))
            bump_version(connection)
    finally:
        state.close()
    time.sleep(1.5)
