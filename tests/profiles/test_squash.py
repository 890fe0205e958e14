"""The squash and the look-up of profiles that have changed: before, meanwhile and after, the same people."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from trackway.control.database import State, migrate_state
from trackway.event import Event, LogPlace, Row
from trackway.profiles.identifiers import Identifier, ProfileKeys
from trackway.profiles.ledger import Known, write_identities
from trackway.profiles.projection import project_profiles
from trackway.profiles.squash import squash_profiles
from trackway.query.compiler import compile_query, run_query
from trackway.store.client import EventStore
from trackway.store.migrate import migrate
from trackway.testing.engine import start_engine

KEYS = ProfileKeys(b"k" * 32)
PEOPLE, DEVICES = 40, 3
NOW = 1_764_000_000_000


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EventStore]:
    with start_engine(tmp_path / "engine") as url:
        store = EventStore(url)
        migrate(store)
        yield store
        store.close()


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    state = State(f"sqlite:///{tmp_path / 'state.db'}")
    migrate_state(state)
    yield state
    state.close()


def device(person: int, number: int) -> Identifier:
    return Identifier("anonymous_id", f"device-{person}-{number}")


def store_visits(store: EventStore) -> None:
    """Three devices for each of 40 people, each seen twice, none known to belong to anybody."""
    rows = []
    for person in range(PEOPLE):
        for number in range(DEVICES):
            key = KEYS.name(device(person, number))
            for visit in range(2):
                place = LogPlace(1, len(rows), 0)
                event = Event(
                    event_id=f"01890000-0000-7000-8000-{len(rows):012x}", workspace="main", source="web",
                    protocol="native", channel="web", trusted=False, event_type="page_view", occurred_at=NOW + visit,
                    received_at=NOW, visitor_key=f"a:{person}-{number}", profile_key=key, profile_id=key,
                )  # fmt: skip
                rows.append(Row(event, place))
    store.insert_events(rows, NOW)


def merge_devices(state: State, people: range, version: int) -> None:
    """All devices of each of these people belong to their first."""
    known = {}
    for person in people:
        profile = KEYS.make(device(person, 0))
        for number in range(DEVICES):
            identifier = device(person, number)
            moved = version if number else 0
            known[KEYS.make(identifier)] = Known("main", identifier, profile, False, moved)
    with state.write() as connection:
        write_identities(connection, known)


def count_people(store: EventStore) -> int:
    query = compile_query("count_visitors", {"workspace": "main", "occurred_from": 0})
    return run_query(store, query)[0]["visitors"]


def list_people(store: EventStore) -> set[str]:
    everyone = {"workspace": "main", "before_ms": 10_413_791_999_999, "before_profile": "", "limit": 1000}
    return {row["profile_text"] for row in run_query(store, compile_query("list_visitors", everyone))}


def finish_squash(state: State, store: EventStore) -> None:
    deadline = time.monotonic() + 60
    while squash_profiles(state, store, 1):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_people_are_the_same_before_and_after_and_the_overrides_are_gone(state: State, store: EventStore) -> None:
    store_visits(store)
    assert count_people(store) == PEOPLE * DEVICES
    merge_devices(state, range(PEOPLE), version=7)
    assert project_profiles(state, store) == PEOPLE * (DEVICES - 1)
    assert project_profiles(state, store) == 0
    before = list_people(store)
    assert (count_people(store), len(before)) == (PEOPLE, PEOPLE)
    assert squash_profiles(state, store, least=10_000) is False
    finish_squash(state, store)
    assert store.select("SELECT count() AS n FROM profile_overrides FINAL")[0]["n"] == 0
    assert (count_people(store), list_people(store)) == (PEOPLE, before)
    (row,) = store.select("SELECT uniqExact(profile_id) AS profiles, uniqExact(profile_key) AS keys FROM events")
    assert (row["profiles"], row["keys"]) == (PEOPLE, PEOPLE * DEVICES)


def test_what_changes_while_a_squash_runs_is_not_lost(state: State, store: EventStore) -> None:
    store_visits(store)
    merge_devices(state, range(20), version=7)
    project_profiles(state, store)
    assert squash_profiles(state, store, 1) is True
    merge_devices(state, range(20, PEOPLE), version=8)
    project_profiles(state, store)
    finish_squash_of_the_first(state, store)
    assert count_people(store) == PEOPLE
    assert store.select("SELECT count() AS n FROM profile_overrides FINAL")[0]["n"] == 20 * (DEVICES - 1)


def finish_squash_of_the_first(state: State, store: EventStore) -> None:
    deadline = time.monotonic() + 60
    while squash_profiles(state, store, 10_000):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_an_undo_after_a_squash_splits_what_was_written_into_the_rows(state: State, store: EventStore) -> None:
    store_visits(store)
    merge_devices(state, range(PEOPLE), version=7)
    project_profiles(state, store)
    finish_squash(state, store)
    alone = device(0, 1)
    with state.write() as connection:
        write_identities(connection, {KEYS.make(alone): Known("main", alone, KEYS.make(alone), False, 9)})
    project_profiles(state, store)
    assert count_people(store) == PEOPLE + 1
    assert KEYS.name(alone) in list_people(store)
