"""The client and the real server: nothing lost, nothing doubled, whichever of them dies."""

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.client.test_spool import count_cut_off, kill_while_tracking

from trackway.client import Client, Rejected
from trackway.testing.server import TestServer, start_server
from trackway.testing.waiting import wait_until


@pytest.fixture
def source(server: TestServer, request: pytest.FixtureRequest) -> dict[str, Any]:
    return server.add_source(str(request.node.name)[:100])


def find_key(source: dict[str, Any]) -> str:
    return str(source["credentials"]["write_key"])


def read_events(server: TestServer, source: str) -> list[dict[str, Any]]:
    """All stored events of a source, the oldest first."""
    server.wait_until_settled()
    events: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        page = server.api("events", source=source, limit=1000, **cursor)
        events += page["items"]
        if not page["next"]:
            return events[::-1]
        cursor = {"cursor": page["next"]}


def count_keys(server: TestServer, source: str) -> Counter[str]:
    return Counter(event["dedupe_key"] for event in read_events(server, source))


def test_events_arrive_as_they_were_tracked(server: TestServer, source: dict[str, Any]) -> None:
    with Client(server.url, find_key(source), context={"release": "1.2"}) as client:
        key = client.track(
            "signup",
            user_id=7,
            anonymous_id="a-1",
            url="https://example.com/signup",
            email="jane@example.com",
            properties={"plan": "growth", "seats": 5},
            occurred_at="2026-01-31T10:00:00Z",
        )
        client.identify("7", {"plan": "growth"}, anonymous_id="a-1")
        client.group("acc-1", {"industry": "steel"}, user_id="7")
    assert client.stats.accepted == 3
    signup, identify, group = read_events(server, source["id"])
    assert signup["event_type"] == "signup"
    assert (signup["user_id"], signup["anonymous_id"], signup["dedupe_key"]) == ("7", "a-1", key)
    assert signup["properties"] == {"plan": "growth", "seats": 5}
    assert signup["context"] == {"release": "1.2"}
    assert signup["occurred_at"] == "2026-01-31T10:00:00.000Z"
    assert signup["identifiers"] == {"email": ["jane@example.com"]}
    assert (signup["protocol"], signup["bot"], signup["trusted"]) == ("native", "", True)
    assert identify["traits"] == {"plan": "growth"}
    assert group["account_traits"] == {"industry": "steel"}
    assert len({signup["profile_id"], identify["profile_id"], group["profile_id"]}) == 1


def test_the_server_tells_duplicates_and_rejections_apart(server: TestServer, source: dict[str, Any]) -> None:
    told: list[Rejected] = []
    deep: dict[str, Any] = {}
    for _ in range(100):
        deep = {"a": deep}
    with Client(server.url, find_key(source), on_rejected=told.append, flush_every_s=60) as client:
        client.track("a", dedupe_key="same")
        assert client.flush()
        client.track("a", dedupe_key="same")
        client.track("b", properties=deep)
        client.track("c")
    assert (client.stats.accepted, client.stats.duplicate, client.stats.rejected) == (2, 1, 1)
    (rejected,) = told
    assert (rejected.event["event_type"], rejected.reason) == ("b", "too_deep")
    assert "events[1]" in rejected.field
    assert [event["event_type"] for event in read_events(server, source["id"])] == ["a", "c"]


def test_a_wrong_key_loses_nothing_once_it_is_mended(
    server: TestServer, source: dict[str, Any], tmp_path: Path
) -> None:
    with Client(server.url, "tw_secret_mistyped", spool=tmp_path) as client:
        sent = client.track("t")
    assert "answered 401" in client.stats.last_error
    (wrong,) = tmp_path.glob("key-*")
    with Client(server.url, find_key(source), spool=tmp_path):
        pass
    (right,) = set(tmp_path.glob("key-*")) - {wrong}
    for file in wrong.glob("*.events"):
        file.rename(right / file.name)
    with Client(server.url, find_key(source), spool=tmp_path):
        pass
    assert count_keys(server, source["id"]) == {sent: 1}


def test_an_event_larger_than_the_server_takes_is_rejected_and_the_rest_arrives(
    server: TestServer, source: dict[str, Any]
) -> None:
    told: list[Rejected] = []
    with Client(server.url, find_key(source), on_rejected=told.append, flush_every_s=60) as client:
        client.track("small")
        client.track("large", properties={"text": "x" * 1_100_000})
        client.track("small")
    assert [one.event["event_type"] for one in told] == ["large"]
    assert len(read_events(server, source["id"])) == 2


def test_a_sender_killed_again_and_again_loses_and_doubles_nothing(
    server: TestServer, source: dict[str, Any], tmp_path: Path
) -> None:
    printed: list[str] = []
    for least in (1, 150, 400):
        printed += kill_while_tracking(server.url, tmp_path, least, find_key(source))
    cut_off = count_cut_off(tmp_path)
    with Client(server.url, find_key(source), spool=tmp_path) as client:
        assert client.flush(60)
    stored = count_keys(server, source["id"])
    assert set(printed) <= set(stored)
    assert set(stored.values()) == {1}
    assert client.stats.damaged <= cut_off
    assert list(tmp_path.rglob("*.events")) == []


@contextlib.contextmanager
def keep_tracking(client: Client) -> Iterator[list[str]]:
    """A thread tracks all the while; the keys so far."""
    keys: list[str] = []
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            keys.append(client.track("t", user_id=len(keys) % 7, properties={"number": len(keys)}))
            time.sleep(0.002)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield keys
    finally:
        stop.set()
        thread.join()


def test_a_server_killed_in_the_middle_stores_each_event_once(tmp_path: Path) -> None:
    """kill -9 of the whole server, twice, while one client with a spool and one without go on tracking."""
    data = tmp_path / "data"
    with contextlib.ExitStack() as ending:
        first = ending.enter_context(start_server(data))
        source = first.add_source("back end")
        port = int(first.url.rsplit(":", 1)[1])
        clients = [
            Client(first.url, find_key(source), spool=spool, flush_at=20, flush_every_s=0.1)
            for spool in (None, tmp_path / "spool")
        ]
        with keep_tracking(clients[0]) as some, keep_tracking(clients[1]) as others:
            wait_for_each(clients, lambda client: client.stats.accepted >= 200)
            first.kill()
            wait_for_each(clients, lambda client: client.stats.failed_calls >= 1)
            second = ending.enter_context(start_server(data, port=port))
            before = {client: client.stats for client in clients}
            wait_for_each(clients, lambda client: client.stats.accepted >= before[client].accepted + 200)
            second.kill()
            wait_for_each(clients, lambda client: client.stats.failed_calls > before[client].failed_calls)
        third = ending.enter_context(start_server(data, port=port))
        for client, keys in zip(clients, (some, others), strict=True):
            assert client.flush(60)
            assert client.close()
            stats = client.stats
            assert stats.accepted + stats.duplicate == stats.tracked == len(keys)
            assert (stats.rejected, stats.dropped, stats.damaged, stats.waiting) == (0, 0, 0, 0)
        assert count_keys(third, source["id"]) == dict.fromkeys(some + others, 1)
        assert min(len(some), len(others)) > 400


def wait_for_each(clients: list[Client], claim: Callable[[Client], bool]) -> None:
    wait_until(lambda: all(claim(client) for client in clients), describe=lambda: [one.stats for one in clients])
