"""What an insert promises, and what to do when nobody can say whether it happened."""

import threading
import time
from typing import Any

import pytest

from trackway.event import LogPlace
from trackway.outcome import Outcome, Reason
from trackway.store import client
from trackway.store.client import EventStore, OutcomeRow, StoreRefused, StoreUnavailable

STORED_AT = 1_763_700_000_500


def count_rows(store: EventStore, segment: int) -> dict[str, int]:
    (found,) = store.select(
        "SELECT count() AS rows, uniqExact(log_record, log_index) AS places FROM events "
        "WHERE log_segment = {segment:UInt64}",
        {"segment": segment},
    )
    return found


def test_a_batch_of_ten_thousand_rows_becomes_one_part(store: EventStore, segment: int, make_row: Any) -> None:
    store.insert_events([make_row(segment, record) for record in range(10_000)], STORED_AT)
    (found,) = store.select(
        "SELECT uniqExact(_part) AS parts, count() AS rows FROM events WHERE log_segment = {segment:UInt64}",
        {"segment": segment},
    )
    assert found == {"parts": 1, "rows": 10_000}


def test_a_batch_of_events_from_many_months_still_becomes_one_part(
    store: EventStore, segment: int, make_row: Any
) -> None:
    month = 30 * 24 * 3600 * 1000
    store.insert_events([make_row(segment, record, occurred_at=record * month) for record in range(600)], STORED_AT)
    (found,) = store.select(
        "SELECT uniqExact(_part) AS parts FROM events WHERE log_segment = {segment:UInt64}", {"segment": segment}
    )
    assert found == {"parts": 1}


def test_an_empty_batch_is_nothing_to_do(store: EventStore) -> None:
    store.insert_events([], STORED_AT)
    store.insert_outcomes([], STORED_AT)


def test_a_batch_too_large_for_one_insert_is_stored_by_several(
    store: EventStore, segment: int, make_row: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "INSERT_BYTES", 20_000)
    store.insert_events([make_row(segment, record, title="x" * 500) for record in range(200)], STORED_AT)
    assert count_rows(store, segment) == {"rows": 200, "places": 200}


def test_a_row_refused_in_a_later_part_of_a_large_batch_is_not_called_a_clean_refusal(
    store: EventStore, segment: int, make_row: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "INSERT_BYTES", 20_000)
    rows = [make_row(segment, record, title="x" * 500) for record in range(200)]
    rows[-1] = make_row(segment, 199, event_id="no uuid")
    with pytest.raises(StoreUnavailable, match="stored only a part of 200 rows"):
        store.insert_events(rows, STORED_AT)
    present = store.places_present("events", segment, 0)
    missing = [row for row in rows if row.place not in present]
    assert 0 < len(missing) < 200
    with pytest.raises(StoreRefused):
        store.insert_events(missing[-1:], STORED_AT)
    store.insert_events(missing[:-1], STORED_AT)
    assert count_rows(store, segment) == {"rows": 199, "places": 199}


def test_places_present_tells_what_is_there_from_a_record_on(store: EventStore, segment: int, make_row: Any) -> None:
    store.insert_events([make_row(segment, record, index) for record in range(10) for index in range(3)], STORED_AT)
    expected = {LogPlace(segment, record, index) for record in range(8, 10) for index in range(3)}
    assert store.places_present("events", segment, 8) == expected
    assert store.places_present("events", segment + 1_000_000, 0) == set()
    assert store.places_present("outcomes", segment, 0) == set()


def test_places_present_tells_of_outcomes_too(store: EventStore, segment: int, make_row: Any) -> None:
    event, place = make_row(segment, 4).event, LogPlace(segment, 4, 0)
    outcome = OutcomeRow(
        event_id=event.event_id,
        workspace="main",
        source="shop",
        protocol="native",
        outcome=Outcome.DROPPED,
        reason=Reason.BOT,
        event_type="page_view",
        received_at=event.received_at,
        place=place,
    )
    store.insert_outcomes([outcome], STORED_AT)
    assert store.places_present("outcomes", segment, 0) == {place}


def test_there_are_no_other_tables_to_ask_for_places(store: EventStore) -> None:
    with pytest.raises(ValueError, match="no table 'migrations'"):
        store.places_present("migrations", 1, 0)


def test_an_insert_whose_answer_was_lost_is_doubtful_and_sent_only_once(
    store: EventStore, cut_line: Any, segment: int, make_row: Any, request: pytest.FixtureRequest
) -> None:
    if "embedded" not in request.node.name:
        pytest.skip("the broken line leads to the embedded engine")
    behind_line = EventStore(cut_line.url)
    behind_line.select("SELECT 1")
    rows = [make_row(segment, record) for record in range(100)]
    before = cut_line.requests
    cut_line.drops_answers = True
    with pytest.raises(StoreUnavailable):
        behind_line.insert_events(rows, STORED_AT)
    assert cut_line.requests == before + 1
    behind_line.close()
    present = store.places_present("events", segment, 0)
    store.insert_events([row for row in rows if row.place not in present], STORED_AT)
    assert count_rows(store, segment) == {"rows": 100, "places": 100}


def test_places_present_waits_for_an_insert_whose_sender_died(store: EventStore, segment: int) -> None:
    """The insert is slowed down by the engine itself; its places count although it began before the question."""
    slow = threading.Thread(
        target=store.execute,
        args=(
            "INSERT INTO events (event_id, log_segment, log_record, stored_at) "
            f"SELECT generateUUIDv4(), {segment}, number, {STORED_AT / 1000} FROM numbers(3) WHERE sleepEachRow(0.5) = 0",
            {"log_comment": f"trackway:events:{segment}", "function_sleep_max_microseconds_per_block": 10_000_000},
        ),
    )
    slow.start()
    running = {"n": 0}
    while not running["n"]:
        (running,) = store.select(
            "SELECT count() AS n FROM system.processes WHERE query_kind = 'Insert' AND query LIKE {text:String}",
            {"text": f"%{segment}%sleepEachRow%"},
        )
        time.sleep(0.01)
    places = store.places_present("events", segment, 0)
    slow.join()
    assert places == {LogPlace(segment, record, 0) for record in range(3)}


def test_a_failure_that_is_not_the_rows_fault_does_not_speak_against_them(
    store: EventStore, segment: int, make_row: Any
) -> None:
    store.execute("RENAME TABLE events TO events_away")
    try:
        with pytest.raises(StoreUnavailable, match="UNKNOWN_TABLE"):
            store.insert_events([make_row(segment, 0)], STORED_AT)
    finally:
        store.execute("RENAME TABLE events_away TO events")
    store.insert_events([make_row(segment, 0)], STORED_AT)
    assert count_rows(store, segment) == {"rows": 1, "places": 1}


def test_a_wrong_question_is_refused_with_the_engines_code(store: EventStore) -> None:
    with pytest.raises(StoreRefused, match="UNKNOWN_IDENTIFIER") as caught:
        store.select("SELECT nothing_of_this_name FROM events")
    assert caught.value.code == 47


def test_a_store_that_is_away_is_unavailable_and_says_so() -> None:
    store = EventStore("http://default:secret@127.0.0.1:9/trackway")
    with pytest.raises(StoreUnavailable):
        store.select("SELECT 1")
    assert store.ping() is False
    store.close()


@pytest.mark.parametrize("url", ["", "trackway", "ftp://host/db", "http:///db"])
def test_a_url_that_names_no_store_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="must look like"):
        EventStore(url)


def test_threads_share_one_store(store: EventStore, segment: int, make_row: Any) -> None:
    def work(number: int) -> None:
        for record in range(10):
            store.insert_events([make_row(segment, number * 10 + record)], STORED_AT)
            store.select("SELECT count() FROM events WHERE source = {source:String}", {"source": f"s{number}"})

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert count_rows(store, segment) == {"rows": 60, "places": 60}
