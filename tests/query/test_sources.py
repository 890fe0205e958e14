"""Sources and how alive they are."""

import pytest

from trackway.control.database import add_up
from trackway.control.sources import set_enabled
from trackway.control.tables import SWALLOWING_KEYS
from trackway.outcome import Outcome, Reason
from trackway.query.sources import describe_sources, judge_health
from trackway.testing.installation import Installation, next_moment

NOW = 1_795_000_000_000
MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR


@pytest.mark.parametrize(
    ("silent", "health"),
    [
        (-1, "healthy"),
        (0, "healthy"),
        (5 * MINUTE, "healthy"),
        (5 * MINUTE + 1, "degraded"),
        (HOUR, "degraded"),
        (HOUR + 1, "down"),
        (400 * DAY, "down"),
    ],
)
def test_the_bounds_of_health_belong_to_the_better_state(silent: int, health: str) -> None:
    assert judge_health(NOW - silent, NOW) == health


def test_a_source_that_never_sent_says_never() -> None:
    assert judge_health(0, NOW) == "never"


def describe(installation: Installation) -> dict[str, dict[str, object]]:
    items = describe_sources(installation.store, installation.state, installation.workspace, NOW)["items"]
    return {item["id"]: item for item in items}


def test_every_source_is_listed_with_its_last_sign_of_life(installation: Installation) -> None:
    ages = {"fresh": 0, "slow": HOUR, "dead": 2 * DAY, "forgotten": 300 * DAY}
    for name, age in ages.items():
        installation.store_events(installation.add_source(name), [NOW - age, NOW - age - 1])
    installation.add_source("new")
    found = describe(installation)
    assert list(found) == [*ages, "new"]
    assert {name: item["health"] for name, item in found.items()} == {
        "fresh": "healthy",
        "slow": "degraded",
        "dead": "down",
        "forgotten": "down",
        "new": "never",
    }
    assert {name: item["events_24h"] for name, item in found.items()} == {
        "fresh": 2,
        "slow": 2,
        "dead": 0,
        "forgotten": 0,
        "new": 0,
    }
    assert found["fresh"]["last_event_at"] == "2026-11-18T11:06:40.000Z"
    assert found["forgotten"]["last_event_at"] == "2026-01-22T11:06:40.000Z"
    assert found["new"]["last_event_at"] == ""
    assert found["new"]["workspace"] == installation.workspace


def test_the_books_lead_to_the_last_event_of_a_quiet_source(installation: Installation) -> None:
    """The same answer by the short way: the minute is known, the millisecond is read."""
    source = installation.add_source("shop")
    submissions = [installation.make_submission(source, NOW - 3 * DAY - n) for n in (0, 1, 40 * DAY)]
    places = installation.append(submissions)
    rows = [installation.make_row(s, p) for s, p in zip(submissions, places, strict=True)]
    installation.store.insert_events(rows, next_moment())
    installation.settle(submissions, installation.find_end())
    assert describe(installation)["shop"]["last_event_at"] == "2026-11-15T11:06:40.000Z"


@pytest.mark.parametrize("age", [MINUTE, 2 * DAY])
def test_a_source_that_only_repeats_itself_is_alive(installation: Installation, age: int) -> None:
    submission = installation.make_submission(installation.add_source("shop"), NOW - age)
    (place,) = installation.append([submission])
    installation.store.insert_outcomes(
        [installation.make_outcome(submission, place, Outcome.DUPLICATE, Reason.TRANSPORT_KEY)], next_moment()
    )
    installation.settle([submission], installation.find_end())
    found = describe(installation)["shop"]
    assert found["health"] == ("healthy" if age == MINUTE else "down")
    assert found["events_24h"] == 0


def test_badly_chosen_keys_are_named_worst_first(installation: Installation) -> None:
    source = installation.add_source("shop")
    installation.add_source("blog")
    rows = [{"source": source, "dedupe_key": key, "swallowed": n, "last_at": NOW} for key, n in (("a", 2), ("b", 9))]
    with installation.state.write() as connection:
        add_up(connection, SWALLOWING_KEYS, rows, counted=("swallowed",), latest=("last_at",))
    found = describe(installation)
    assert found["shop"]["swallowing_keys"] == [
        {"dedupe_key": "b", "swallowed": 9, "last_at": "2026-11-18T11:06:40.000Z"},
        {"dedupe_key": "a", "swallowed": 2, "last_at": "2026-11-18T11:06:40.000Z"},
    ]
    assert found["blog"]["swallowing_keys"] == []


def test_a_source_that_is_switched_off_says_so(installation: Installation) -> None:
    set_enabled(installation.state, installation.add_source("shop"), False)
    assert describe(installation)["shop"]["enabled"] is False
