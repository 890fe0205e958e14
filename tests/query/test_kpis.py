"""Event types, visitors, sessions, minutes."""

import random

import pytest

from trackway.query.kpis import count_by_minute, count_event_types
from trackway.query.questions import QuestionError
from trackway.testing.installation import Installation

NOW = 1_795_000_000_000
MINUTE = 60_000
HOUR = 60 * MINUTE


def count(installation: Installation, hours: int = 24) -> dict[str, object]:
    return count_event_types(installation.store, installation.workspace, NOW, hours)


def test_event_types_are_counted_by_when_they_occurred_highest_first(installation: Installation) -> None:
    source = installation.add_source("shop")
    installation.store_events(source, [NOW] * 2, event_type="purchase")
    installation.store_events(source, [NOW] * 5, event_type="page_view", bot="Googlebot")
    installation.store_events(source, [NOW] * 5, event_type="click")
    installation.store_events(source, [NOW], event_type="old", occurred_at=NOW - 24 * HOUR - 1)
    installation.store_events(source, [NOW - 90 * 24 * HOUR], event_type="late", occurred_at=NOW - 24 * HOUR)
    counted = count(installation)
    assert counted["items"] == [
        {"event_type": "click", "count": 5},
        {"event_type": "page_view", "count": 5},
        {"event_type": "purchase", "count": 2},
        {"event_type": "late", "count": 1},
    ]
    assert (counted["events"], counted["bots"]) == (13, 5)
    assert counted["since"] == "2026-11-17T11:06:40.000Z"
    assert count(installation, 25)["events"] == 14


def test_few_of_many_types_are_listed_and_the_other_figures_count_them_all(installation: Installation) -> None:
    source = installation.add_source("shop")
    for number in range(5):
        installation.store_events(source, [NOW] * (number + 1), event_type=f"made-up-{number}", bot="x" * (number < 2))
    counted = count_event_types(installation.store, installation.workspace, NOW, limit=2)
    assert [item["event_type"] for item in counted["items"]] == ["made-up-4", "made-up-3"]
    assert (counted["types"], counted["events"], counted["bots"]) == (5, 15, 3)
    with pytest.raises(QuestionError, match="limit must be a whole number from 1 to 1000"):
        count_event_types(installation.store, installation.workspace, NOW, limit=0)


def test_nothing_counts_as_nothing(installation: Installation) -> None:
    assert count(installation) == {
        "items": [],
        "types": 0,
        "events": 0,
        "bots": 0,
        "visitors": 0,
        "sessions": 0,
        "since": "2026-11-17T11:06:40.000Z",
    }


@pytest.mark.parametrize("seed", range(3))
def test_sessions_do_not_depend_on_the_order_in_which_events_came(installation: Installation, seed: int) -> None:
    source = installation.add_source("shop")
    pause = 30 * MINUTE
    # Two sessions of `a` without ids: a pause of exactly 30 minutes does not end one.
    moments = [NOW - 5 * HOUR + gap for gap in (0, pause, 2 * pause, 3 * pause + 1)]
    random.Random(seed).shuffle(moments)
    installation.store_events(source, moments, visitor_key="a")
    # Two named sessions of `b`, hours apart and interleaved: ids decide, not pauses.
    for session in ("s1", "s2"):
        installation.store_events(source, [NOW - 6 * HOUR, NOW], visitor_key="b", session_id=session)
    # A session without a visitor, a visitor without an event of a person, and one nobody knows.
    installation.store_events(source, [NOW], session_id="s3")
    installation.store_events(source, [NOW], visitor_key="c", bot="Googlebot")
    installation.store_events(source, [NOW])
    counted = count(installation)
    assert (counted["visitors"], counted["sessions"]) == (2, 5)


@pytest.mark.parametrize("hours", [0, -1, 8785])
def test_hours_outside_their_bounds_are_refused(installation: Installation, hours: int) -> None:
    with pytest.raises(QuestionError, match="hours must be a whole number from 1 to 8784"):
        count(installation, hours)


def test_minutes_come_oldest_first_with_the_empty_ones(installation: Installation) -> None:
    source = installation.add_source("shop")
    minute = NOW // MINUTE * MINUTE
    installation.store_events(source, [minute, minute + 59_999], visitor_key="a")
    installation.store_events(source, [minute], visitor_key="b", bot="Googlebot", event_type="click")
    installation.store_events(source, [minute - 2 * MINUTE, minute - 3 * MINUTE, minute + MINUTE], visitor_key="a")
    counted = count_by_minute(installation.store, installation.workspace, NOW, 3)
    assert counted["items"] == [
        {"minute": "2026-11-18T11:04:00.000Z", "events": 1, "visitors": 1},
        {"minute": "2026-11-18T11:05:00.000Z", "events": 0, "visitors": 0},
        {"minute": "2026-11-18T11:06:00.000Z", "events": 3, "visitors": 1},
    ]
    clicks = count_by_minute(installation.store, installation.workspace, NOW, 1, "click")
    assert clicks["items"] == [{"minute": "2026-11-18T11:06:00.000Z", "events": 1, "visitors": 0}]


@pytest.mark.parametrize("minutes", [0, 1441])
def test_minutes_outside_their_bounds_are_refused(installation: Installation, minutes: int) -> None:
    with pytest.raises(QuestionError, match="minutes must be a whole number from 1 to 1440"):
        count_by_minute(installation.store, installation.workspace, NOW, minutes)
