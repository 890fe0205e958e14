"""The books, over a real log, a real state and a real engine: they balance, and they notice."""

from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import insert, update

from trackway.control.tables import POSITIONS
from trackway.event import Submission
from trackway.eventlog.interface import Position, RecordPlace
from trackway.outcome import Outcome, Reason
from trackway.pipeline.holding import look_at_held
from trackway.pipeline.work import make_outcome
from trackway.profiles.consent_tables import CONSENT_STATES
from trackway.profiles.held import HeldEvent, look_again, remove_held, write_held
from trackway.query.books import balance_books
from trackway.query.events import find_event
from trackway.query.questions import QuestionError
from trackway.records import Refusal
from trackway.testing.installation import Installation, next_moment

NOW = 1_795_000_000_000
MINUTE = 60_000


class Road:
    """Three submissions of `shop`, two events each, all stored and settled but for what a test leaves out."""

    def __init__(self, installation: Installation) -> None:
        self.installation = installation
        self.source = installation.add_source("shop")
        self.submissions = [installation.make_submission(self.source, NOW - n * MINUTE, 2) for n in range(3)]
        self.places = installation.append(self.submissions)

    def store(self, *which: tuple[int, int]) -> None:
        """Store events named by (submission, index)."""
        rows = [self.installation.make_row(self.submissions[s], self.places[s], i) for s, i in which]
        self.installation.store.insert_events(rows, next_moment())

    def position_at(self, record: int) -> Position:
        """The position behind the first `record` records."""
        return self.installation.log.read("0", Position.start(), record).next if record else Position.start()

    def settle(self, records: int) -> None:
        self.installation.settle(self.submissions[:records], self.position_at(records))

    def balance(self, minutes: int = 0) -> dict[str, Any]:
        i = self.installation
        return balance_books(i.store, i.state, i.log, i.workspace, NOW, minutes)


@pytest.fixture
def road(installation: Installation) -> Road:
    return Road(installation)


ALL = tuple((submission, index) for submission in range(3) for index in range(2))


def line(books: dict[str, Any], source: str = "shop") -> dict[str, Any]:
    (found,) = [entry for entry in books["sources"] if entry["source"] == source]
    return found


def test_nothing_at_all_balances(installation: Installation) -> None:
    installation.add_source("shop")
    books = balance_books(
        installation.store, installation.state, installation.log, installation.workspace, NOW, minutes=10
    )
    assert books["balanced"] is True
    assert books["minutes"] == []
    assert line(books) == {
        "source": "shop",
        "received": 0,
        "stored": 0,
        "duplicate": 0,
        "dropped": {},
        "dead_lettered": 0,
        "held": 0,
        "in_flight": 0,
        "rejected": {},
        "balanced": True,
    }


@pytest.mark.parametrize("settled", [0, 1, 2, 3])
def test_the_books_balance_wherever_the_pipeline_is(road: Road, settled: int) -> None:
    road.store(*ALL[: settled * 2])
    road.settle(settled)
    found = line(road.balance())
    assert (found["received"], found["stored"], found["in_flight"]) == (6, settled * 2, 6 - settled * 2)
    assert found["balanced"]


def hold(road: Road, submission: int, index: int) -> None:
    row = road.installation.make_row(road.submissions[submission], road.places[submission], index)
    with road.installation.state.write() as connection:
        write_held(connection, [HeldEvent(row.event, row.place, (b"n" * 16,), NOW + MINUTE)])


def move_commit(road: Road, committed_at: int) -> None:
    with road.installation.state.write() as connection:
        connection.execute(update(POSITIONS).values(committed_at=committed_at))


def tell(road: Road, reason: Reason, stored_at: int) -> None:
    """The outcome of the second event of the first submission."""
    row = road.installation.make_row(road.submissions[0], road.places[0], 1)
    outcome = make_outcome(row.event, row.place, Outcome.DROPPED, reason, "")
    road.installation.store.insert_outcomes([outcome], stored_at)


def test_an_event_that_is_held_is_in_the_books_once_while_it_is_released(road: Road) -> None:
    """Its row stands in the store before the transaction that takes it out of the state."""
    road.store(*(each for each in ALL if each != (0, 1)))
    road.settle(3)
    hold(road, 0, 1)
    committed_at = next_moment()
    move_commit(road, committed_at)

    books = road.balance(minutes=10)
    assert (line(books)["stored"], line(books)["held"], books["balanced"]) == (5, 1, True)
    assert [(minute["held"], minute["balanced"]) for minute in books["minutes"]] == [(1, True), (0, True), (0, True)]

    row = road.installation.make_row(road.submissions[0], road.places[0], 1)
    road.installation.store.insert_events([row], committed_at + 1)
    books = road.balance(minutes=10)
    assert (line(books)["stored"], line(books)["held"], books["balanced"]) == (5, 1, True)

    with road.installation.state.write() as connection:
        remove_held(connection, [row.event.event_id])
    move_commit(road, committed_at + 1)
    books = road.balance(minutes=10)
    assert (line(books)["stored"], line(books)["held"], books["balanced"]) == (6, 0, True)


def test_an_event_that_is_held_is_in_the_books_once_while_it_is_dropped(road: Road) -> None:
    road.store(*(each for each in ALL if each != (0, 1)))
    road.settle(3)
    hold(road, 0, 1)
    committed_at = next_moment()
    move_commit(road, committed_at)
    tell(road, Reason.HOLD_EXPIRED, committed_at + 1)

    found = line(road.balance())
    assert (found["held"], found["dropped"], found["balanced"]) == (1, {}, True)

    move_commit(road, committed_at + 1)
    found = line(road.balance())
    # Held and told in one: that would be a fault, and shows as one.
    assert (found["held"], found["dropped"], found["balanced"]) == (1, {"hold_expired": 1}, False)


def test_a_release_that_was_begun_is_finished_although_the_person_withdrew_since(road: Road) -> None:
    """A crash came between the insert and the commit: the row is there, and must not be told of as dropped too."""
    road.settle(3)
    hold(road, 0, 0)
    hold(road, 0, 1)
    road.store((0, 1))
    withdrawn = {"workspace": road.installation.workspace, "state": "withdrawn", "occurred_at": NOW}
    with road.installation.state.write() as connection:
        connection.execute(insert(CONSENT_STATES).values(node=b"n" * 16, channel="tracking", purpose="", **withdrawn))
        look_again(connection, [b"n" * 16])

    verdicts = look_at_held(road.installation.state, road.installation.store, NOW)

    assert verdicts is not None
    assert [held.place.index for held in verdicts.released] == [1]
    assert [(held.place.index, end.reason) for held, end in verdicts.dropped] == [(0, Reason.NO_CONSENT)]
    assert verdicts.begun == {verdicts.released[0].event.event_id}


def test_an_event_is_held_until_the_transaction_that_takes_it_out(road: Road) -> None:
    road.settle(3)
    hold(road, 0, 1)
    road.store((0, 1))
    row = road.installation.make_row(road.submissions[0], road.places[0], 1)
    i = road.installation

    found = find_event(i.store, i.state, i.log, i.workspace, row.event.event_id)
    assert found is not None
    assert (found["outcome"], found["event"]) == ("held", None)

    with i.state.write() as connection:
        remove_held(connection, [row.event.event_id])
    found = find_event(i.store, i.state, i.log, i.workspace, row.event.event_id)
    assert found is not None
    assert found["outcome"] == "stored"


def test_rows_that_are_stored_ahead_of_the_position_count_as_in_flight(road: Road) -> None:
    road.store(*ALL)
    road.settle(1)
    found = line(road.balance())
    assert (found["received"], found["stored"], found["in_flight"], found["balanced"]) == (6, 2, 4, True)


def test_every_outcome_stands_in_its_column_with_its_reason(road: Road) -> None:
    i = road.installation
    road.store((0, 0), (0, 1))
    outcomes = [
        (1, 0, Outcome.DUPLICATE, Reason.TRANSPORT_KEY),
        (1, 1, Outcome.DROPPED, Reason.BOT),
        (2, 0, Outcome.DEAD_LETTERED, Reason.STORE_REFUSED),
        (2, 1, Outcome.DUPLICATE, Reason.BUSINESS_KEY),
    ]
    i.store.insert_outcomes(
        [i.make_outcome(road.submissions[s], road.places[s], o, r, n) for s, n, o, r in outcomes], next_moment()
    )
    road.settle(3)
    found = line(road.balance())
    assert found["balanced"]
    assert (found["stored"], found["duplicate"], found["dead_lettered"]) == (2, 2, 1)
    assert found["dropped"] == {"bot": 1}


@pytest.mark.parametrize(
    ("stored", "what"),
    [
        (ALL[1:], "a row is lost"),
        ((*ALL, ALL[4]), "a row is there twice"),
        ((*ALL, (0, 2)), "a row is there that nobody received"),
        ((), "all is lost"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_does_not_add_up_is_said(road: Road, stored: Sequence[tuple[int, int]], what: str) -> None:
    for event in stored:
        road.store(event)
    road.settle(3)
    books = road.balance(minutes=5)
    assert books["balanced"] is False
    assert line(books)["balanced"] is False
    assert any(not minute["balanced"] for minute in books["minutes"]), what


def test_a_row_that_is_deleted_from_the_store_unbalances_its_source_and_minute_only(road: Road) -> None:
    i = road.installation
    i.store_events(i.add_source("blog"), [])
    road.store(*ALL)
    road.settle(3)
    assert road.balance()["balanced"]
    i.store.execute(
        f"ALTER TABLE events DELETE WHERE log_segment = {road.places[1].segment} AND log_record = 1 AND log_index = 0",
        {"mutations_sync": 2},
    )
    books = road.balance(minutes=3)
    assert [entry["balanced"] for entry in books["minutes"]] == [True, False, True]
    assert (line(books)["balanced"], line(books, "blog")["balanced"]) == (False, True)


def test_a_submission_that_was_counted_and_never_became_rows_is_noticed(road: Road) -> None:
    road.store((0, 0), (0, 1), (2, 0), (2, 1))
    road.settle(3)
    assert road.balance()["balanced"] is False


def test_a_row_of_a_source_that_is_not_registered_shows_up_unbalanced(road: Road) -> None:
    i = road.installation
    stranger = i.make_submission("stranger", NOW)
    road.store(*ALL)
    i.store.insert_events([i.make_row(stranger, RecordPlace(road.places[0].segment, 0), 9)], next_moment())
    road.settle(3)
    books = road.balance()
    assert (line(books)["balanced"], line(books, "stranger")["balanced"], books["balanced"]) == (True, False, False)


def test_minutes_are_those_of_receipt_newest_first_and_only_the_asked_ones(road: Road) -> None:
    road.store(*ALL[:2])
    road.settle(1)
    books = road.balance(minutes=2)
    assert [(m["minute"], m["received"], m["stored"], m["in_flight"]) for m in books["minutes"]] == [
        ("2026-11-18T11:06:00.000Z", 2, 2, 0),
        ("2026-11-18T11:05:00.000Z", 2, 0, 2),
    ]
    assert all(m["balanced"] for m in books["minutes"])
    assert line(books)["received"] == 6


@pytest.mark.parametrize("minutes", [-1, 1441])
def test_minutes_outside_the_bounds_are_refused(road: Road, minutes: int) -> None:
    with pytest.raises(QuestionError, match="minutes must be a whole number from 0 to 1440"):
        road.balance(minutes)


def test_refusals_are_listed_by_reason_settled_or_not_and_are_no_part_of_the_equation(
    installation: Installation,
) -> None:
    source = installation.add_source("shop")
    refusals = [
        installation.make_refusal(source, NOW, Reason.WRONG_TYPE, 2),
        installation.make_refusal(source, NOW, Reason.TOO_DEEP, 1),
        installation.make_refusal(source, NOW, Reason.WRONG_TYPE, 5),
    ]
    installation.append(refusals)
    installation.settle(refusals[:2], installation.log.read("0", Position.start(), 2).next)
    books = balance_books(
        installation.store, installation.state, installation.log, installation.workspace, NOW, minutes=1
    )
    for found in (line(books), books["minutes"][0]):
        assert found["rejected"] == {"wrong_type": 7, "too_deep": 1}
        assert (found["received"], found["balanced"]) == (0, True)


def test_several_streams_and_segments_are_told_apart(installation: Installation) -> None:
    """Stream 0 is settled in its middle segment, stream 1 wholly, stream 2 was not begun."""
    i = installation
    source = i.add_source("shop")
    written: list[tuple[str, list[Submission], list[RecordPlace]]] = []
    for stream in ("0", "1", "0", "2", "0", "1"):
        submissions = [i.make_submission(source, NOW, 3) for _ in range(2)]
        written.append((stream, submissions, i.append(submissions, stream)))
    # All rows are stored, settled or not: only the position decides.
    for _, submissions, places in written:
        rows = [i.make_row(s, p, n) for s, p in zip(submissions, places, strict=True) for n in range(3)]
        i.store.insert_events(rows, next_moment())
    of_zero = [(s, p) for stream, ss, ps in written if stream == "0" for s, p in zip(ss, ps, strict=True)]
    middle = i.log.read("0", Position(of_zero[2][1].segment, 0, 0), 1).next
    i.settle([s for s, _ in of_zero[:3]], middle, "0")
    i.settle([s for stream, ss, _ in written if stream == "1" for s in ss], i.find_end("1"), "1")
    found = line(balance_books(i.store, i.state, i.log, i.workspace, NOW))
    assert (found["received"], found["stored"], found["in_flight"]) == (36, (3 + 4) * 3, (3 + 2) * 3)
    assert found["balanced"]


def test_settled_segments_that_were_trimmed_still_count(installation: Installation) -> None:
    i = installation
    source = i.add_source("shop")
    for _ in range(3):
        submission = i.make_submission(source, NOW)
        (place,) = i.append([submission])
        i.store.insert_events([i.make_row(submission, place)], next_moment())
        i.settle([submission], i.find_end())
    assert i.log.trim("0", i.find_end(), 1 << 50) > 0
    found = line(balance_books(i.store, i.state, i.log, i.workspace, NOW))
    assert (found["received"], found["stored"], found["balanced"]) == (3, 3, True)


def test_other_workspaces_are_not_in_the_books(road: Road) -> None:
    i = road.installation
    stranger = Submission(
        **{f: getattr(road.submissions[0], f) for f in Submission.__struct_fields__} | {"workspace": "x"}
    )
    i.append([stranger])
    found = line(road.balance())
    assert (found["received"], found["in_flight"], found["balanced"]) == (6, 6, True)


def test_a_tail_that_was_counted_is_not_counted_again_when_the_pipeline_moves_on(road: Road) -> None:
    assert line(road.balance())["in_flight"] == 6
    road.store(*ALL)
    for settled, counted in ((1, 1), (2, 2), (3, 3)):
        i = road.installation
        i.settle(road.submissions[settled - 1 : counted], road.position_at(settled))
        more: Refusal | Submission = i.make_submission(road.source, NOW)
        i.append([more])
        found = line(road.balance())
        assert (found["received"], found["stored"], found["in_flight"]) == (6 + settled, settled * 2, 6 - settled)
        assert found["balanced"]
