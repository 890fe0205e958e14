"""Dead letters are replayed too: of a source that was gone, and of an event that the store refused."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import delete, insert, select

from trackway.app.folder import Folder
from trackway.app.supervisor import find_store_url
from trackway.clock import now_ms
from trackway.control.database import State, bump_version, make_url
from trackway.control.tables import CREDENTIALS, SOURCES
from trackway.event import LogPlace
from trackway.outcome import Outcome, Reason
from trackway.pipeline.letters import set_event_aside
from trackway.pipeline.progress import keep_letters
from trackway.settings import Settings
from trackway.store.client import EventStore, OutcomeRow
from trackway.store.rows import EVENT_SELECT, make_event
from trackway.testing.server import TestServer

PATIENCE_S = 60.0


@pytest.fixture
def state(battered: TestServer) -> Iterator[State]:
    made = State(make_url(battered.data, ""))
    yield made
    made.close()


def list_letters(server: TestServer, source: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = server.api("rejections", source=source)["items"]
    return items


def replay(server: TestServer, source: str, apply: bool) -> list[dict[str, Any]]:
    answer = server.post("/api/v1/rejections/replay", {"source": source, "apply": apply}, server.admin_token)
    assert answer.status == 200, answer.body
    items: list[dict[str, Any]] = answer.json["items"]
    return items


def find_line(server: TestServer, source: str) -> dict[str, Any]:
    books = server.wait_until_settled()
    return next(dict(line) for line in books["sources"] if line["source"] == source)


def test_events_of_a_source_that_was_gone_are_replayed_when_it_is_back(
    battered: TestServer, source: dict[str, Any], state: State, recover: Callable[..., float]
) -> None:
    key, own = next(iter(source["credentials"].values())), source["id"]
    # The pipeline stands still while the source goes, so that it finds it gone.
    with state.write() as connection:
        of_source = connection.execute(select(SOURCES).where(SOURCES.c.id == own)).mappings().one()
        keys = connection.execute(select(CREDENTIALS).where(CREDENTIALS.c.source == own)).mappings().all()
    os.kill(battered.child_pid("pipeline"), signal.SIGSTOP)
    answer = battered.post("/v1/events", [{"event_type": "view"}, {"event_type": ""}, {"event_type": "view"}], key)
    assert answer.status == 207
    with state.write() as connection:
        connection.execute(delete(CREDENTIALS).where(CREDENTIALS.c.source == own))
        connection.execute(delete(SOURCES).where(SOURCES.c.id == own))
        bump_version(connection)
    recover(battered, "pipeline", battered.kill_child("pipeline"))
    deadline = time.monotonic() + PATIENCE_S
    while len(letters := list_letters(battered, own)) < 3:
        assert time.monotonic() < deadline, letters
        time.sleep(0.05)
    dead = [letter for letter in letters if letter["kind"] == "dead_letter"]
    assert {letter["reason"] for letter in dead} == {"source_gone"}
    assert {each["reason"] for item in replay(battered, own, apply=True) for each in item["refused"]} == {"source_gone"}

    with state.write() as connection:
        connection.execute(insert(SOURCES).values(**of_source))
        connection.execute(insert(CREDENTIALS), [dict(each) for each in keys])
        bump_version(connection)
    time.sleep(1.5)
    assert sum(item["events"] for item in replay(battered, own, apply=False)) == 2
    assert sum(item["events"] for item in replay(battered, own, apply=True)) == 2
    line = find_line(battered, own)
    # Received twice: once they became dead letters, once they were stored.
    assert (line["received"], line["dead_lettered"], line["stored"], line["duplicate"]) == (4, 2, 2, 0)
    assert line["balanced"]
    for letter in dead:
        assert battered.api(f"events/{letter['event_id']}")["outcome"] == "stored"
        assert battered.api(f"rejections/{letter['id']}")["replayed_events"] == 1
    assert {item["events"] for item in replay(battered, own, apply=True)} == {0}


def test_an_event_that_the_store_refused_is_taken_from_the_log(
    battered: TestServer, source: dict[str, Any], state: State
) -> None:
    """The door lets nothing through that the store refuses; so its refusal is written by hand."""
    key, own = next(iter(source["credentials"].values())), source["id"]
    [result] = battered.post("/v1/events", [{"event_type": "view", "properties": {"n": 7}}], key).json["results"]
    event_id = result["event_id"]
    battered.wait_until_settled()
    store = EventStore(find_store_url(Folder(battered.data), Settings()))
    try:
        where = f"event_id = '{event_id}'"
        [row] = store.select(f"SELECT {EVENT_SELECT}, log_segment, log_record, log_index FROM events WHERE {where}")
        event, place = make_event(row), LogPlace(row["log_segment"], row["log_record"], row["log_index"])
        store.execute(f"ALTER TABLE events DELETE WHERE {where}", {"mutations_sync": 2})
        told = {name: getattr(event, name) for name in ("event_id", "workspace", "source", "protocol", "event_type")}
        outcome = OutcomeRow(
            **told,
            outcome=Outcome.DEAD_LETTERED,
            reason=Reason.STORE_REFUSED,
            received_at=event.received_at,
            place=place,
        )
        store.insert_outcomes([outcome], now_ms())
    finally:
        store.close()
    keep_letters(state, [set_event_aside(event, "dead_letter", f"dead:{event_id}", Reason.STORE_REFUSED, "by hand")])
    [letter] = list_letters(battered, own)
    assert battered.api(f"rejections/{letter['id']}")["event"]["body"].startswith("{")
    [item] = replay(battered, own, apply=True)
    assert (item["events"], item["event_ids"]) == (1, [event_id])
    line = find_line(battered, own)
    assert (line["received"], line["dead_lettered"], line["stored"]) == (2, 1, 1)
    assert line["balanced"]
    assert battered.api(f"events/{event_id}")["event"]["properties"] == {"n": 7}
