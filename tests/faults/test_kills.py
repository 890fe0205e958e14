"""kill -9 of any process while eight clients send: nothing acknowledged is lost or stored twice.

The killed child comes back by itself; only for a killed supervisor somebody starts `serve` again.
"""

import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from trackway.testing.ledger import Load
from trackway.testing.server import TestServer, start_server

Audit = Callable[..., dict[str, Any]]
Recover = Callable[..., float]


def find_key(source: dict[str, Any]) -> str:
    return str(source["credentials"]["write_key"])


def test_the_engine_dies_and_collection_does_not_notice(
    battered: TestServer, source: dict[str, Any], ledger_folder: Path, audit: Audit, recover: Recover
) -> None:
    with Load(battered.url, find_key(source), ledger_folder, name="engine", seed=11) as load:
        load.wait_for_acked(300)
        killed, acked = battered.kill_child("engine"), load.acked
        seconds = recover(battered, "engine", killed)
        assert load.acked > acked
        load.wait_for_acked(300)
    assert set(load.statuses) == {200}
    audit(battered, source["id"], load.stop(), "engine killed", kills=1, recovery_s=round(seconds, 2))


def test_the_engine_dies_in_the_middle_of_an_insert(
    battered: TestServer, source: dict[str, Any], ledger_folder: Path, audit: Audit, recover: Recover
) -> None:
    """The pipeline cannot know whether its insert arrived; it asks for the places before it sends again."""
    chance = random.Random(12)
    longest = 0.0
    with Load(battered.url, find_key(source), ledger_folder, name="insert", seed=12, batch=20) as load:
        for _ in range(3):
            load.wait_for_acked(200)
            time.sleep(chance.uniform(0, 0.4))
            killed = battered.kill_child("engine")
            longest = max(longest, recover(battered, "engine", killed))
    assert set(load.statuses) == {200}
    audit(battered, source["id"], load.stop(), "engine killed 3 times", kills=3, recovery_s=round(longest, 2))


def test_the_pipeline_dies_at_random_moments(
    battered: TestServer, source: dict[str, Any], ledger_folder: Path, audit: Audit, recover: Recover
) -> None:
    chance = random.Random(13)
    longest = 0.0
    with Load(battered.url, find_key(source), ledger_folder, name="pipeline", seed=13, batch=10) as load:
        for _ in range(4):
            load.wait_for_acked(100)
            time.sleep(chance.uniform(0, 0.5))
            killed = battered.kill_child("pipeline")
            longest = max(longest, recover(battered, "pipeline", killed))
    assert set(load.statuses) == {200}
    audit(battered, source["id"], load.stop(), "pipeline killed", kills=4, recovery_s=round(longest, 2))


def test_the_server_dies_and_the_clients_send_again(
    battered: TestServer, source: dict[str, Any], ledger_folder: Path, audit: Audit, recover: Recover
) -> None:
    chance = random.Random(14)
    longest = 0.0
    with Load(battered.url, find_key(source), ledger_folder, name="server", seed=14) as load:
        for _ in range(3):
            load.wait_for_acked(100)
            time.sleep(chance.uniform(0, 0.3))
            killed = battered.kill_child("server-0")
            longest = max(longest, recover(battered, "server-0", killed))
    ledger = load.stop()
    keyed_unanswered = ledger.sent - ledger.acked
    assert set(load.statuses) <= {0, 200}
    assert len(keyed_unanswered) < len(ledger.sent) / 10
    audit(battered, source["id"], ledger, "server killed", kills=3, recovery_s=round(longest, 2))


def test_after_the_server_died_a_repeat_is_still_told_which_event_was_the_first(
    battered: TestServer, source: dict[str, Any], until: Callable[..., float], recover: Recover
) -> None:
    """What the pipeline has not settled is read from the log again; a repeat in there is not taken for the first."""
    key, event = find_key(source), {"event_type": "order", "dedupe_key": "the same"}
    battered.post("/v1/events", {"event_type": "warm up"}, key)
    pipeline = battered.child_pid("pipeline")
    os.kill(pipeline, signal.SIGSTOP)
    try:
        first = battered.post("/v1/events", event, key).json["results"][0]["event_id"]
        battered.post("/v1/events", event, key)
        killed = battered.kill_child("server-0")
        until(lambda: battered.child_pid("server-0") not in (0, killed), "the server runs again")
        told = battered.post("/v1/events", event, key).json["results"][0]
    finally:
        os.kill(pipeline, signal.SIGCONT)
    recover(battered, "server-0", killed)
    assert (told["status"], told["first_event_id"]) == ("duplicate", first)


def test_the_supervisor_dies_its_children_follow_and_a_new_one_goes_on(
    tmp_path: Path, ledger_folder: Path, audit: Audit, until: Callable[..., float]
) -> None:
    data = tmp_path / "data"
    with start_server(data) as first:
        source = first.add_source("supervised")
        pids = [first.child_pid(name) for name in ("engine", "pipeline", "server-0")]
        with Load(first.url, find_key(source), ledger_folder, name="supervisor", seed=15) as load:
            load.wait_for_acked(300)
            first.kill()
            gone = until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids), "the children are gone")
            began = time.monotonic()
            with start_server(data) as second:
                seconds = time.monotonic() - began
                load.url = second.url
                load.wait_for_acked(300)
                ledger = load.stop()
                audit(
                    second,
                    source["id"],
                    ledger,
                    "supervisor killed",
                    kills=1,
                    children_gone_s=round(gone, 2),
                    recovery_s=round(seconds, 2),
                )
