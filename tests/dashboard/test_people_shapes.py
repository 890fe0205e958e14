"""Pure parts of the pages about people: folding a timeline, and bars."""

from typing import Any

from trackway.dashboard.charts import draw_days
from trackway.dashboard.folding import fold_timeline
from trackway.dashboard.formats import format_date, format_duration, format_money, format_value


def session(name: str, started: str, ended: str, rebuilt: bool = False, events: int = 2) -> dict[str, Any]:
    return {"session_id": name, "started_at": started, "ended_at": ended, "rebuilt": rebuilt, "events": events}


def event(at: str, session_id: str = "") -> dict[str, Any]:
    return {"occurred_at": at, "session_id": session_id}


def test_events_go_into_the_session_that_they_name_else_into_the_one_that_was_going_on() -> None:
    sessions = [session("b", "12:00", "12:30"), session("r", "10:00", "10:20", rebuilt=True)]
    events = [event("12:29", "b"), event("12:10"), event("11:00"), event("10:10"), event("09:00")]
    folds = fold_timeline(events, sessions)
    assert [(fold.session and fold.session["session_id"], len(fold.events)) for fold in folds] == [
        ("b", 2), (None, 1), ("r", 1), (None, 1),
    ]  # fmt: skip


def test_a_fold_says_how_many_of_its_events_are_elsewhere() -> None:
    [fold] = fold_timeline([event("12:00", "b")], [session("b", "12:00", "12:30", events=5)])
    assert fold.hidden == 4


def test_a_timeline_without_events_has_no_folds() -> None:
    assert fold_timeline([], [session("b", "12:00", "12:30")]) == []


def test_the_busiest_day_is_the_highest_bar_and_one_event_is_still_seen() -> None:
    days = [
        {"day": f"2026-01-0{n}", "events": number, "conversions": n % 2} for n, number in enumerate((0, 1, 1000), 1)
    ]
    bars = draw_days(days)
    assert [bar.height for bar in bars.bars] == [0, 3.0, 100.0]
    assert (bars.most, bars.most_on, bars.total, bars.width) == (1000, "2026-01-03", 1001, 30)


def test_days_without_events_draw_nothing() -> None:
    assert draw_days([{"day": "2026-01-01", "events": 0, "conversions": 0}]).most == 0
    assert draw_days([]).width == 0


def test_values_are_told_as_people_write_them() -> None:
    assert format_money({"EUR": 1234.5, "USD": 2}) == "1,234.50 EUR, 2.00 USD"
    assert format_money({"": 3}) == "3.00"
    assert [format_duration(ms) for ms in (0, 59_999, 60_000, 7_500_000)] == ["0 s", "59 s", "1 min", "2 h 5 min"]
    assert [format_value(value) for value in ("a", 1, True, ["a", 1])] == ["a", "1", "true", '["a",1]']
    assert format_date("2026-01-31T10:00:00.000Z") == "31 Jan 2026"
    assert format_date("") == ""
