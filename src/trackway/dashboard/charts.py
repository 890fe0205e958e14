"""Bars of a chart, computed on the server: the page needs no script to show them. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

BAR_STEP = 10
BAR_WIDTH = 8
HEIGHT = 100
LEAST_HEIGHT = 3.0


class Bar(Struct, frozen=True):
    """One day in units of the drawing: `height` of all events, `marked` of those that are conversions, from the bottom."""

    x: int
    height: float
    marked: float
    says: str


class Bars(Struct, frozen=True):
    bars: Sequence[Bar]
    width: int
    height: int
    most: int
    most_on: str
    total: int


def draw_days(days: Sequence[Mapping[str, Any]]) -> Bars:
    """`days` are those of `query.activity.describe_engagement`, oldest first."""
    most = max((day["events"] for day in days), default=0)
    bars = [
        Bar(
            number * BAR_STEP,
            _scale(day["events"], most),
            _scale(day["conversions"], most),
            f"{day['day']}: {day['events']} events, {day['conversions']} conversions",
        )
        for number, day in enumerate(days)
    ]
    best = next((day["day"] for day in days if most and day["events"] == most), "")
    total = sum(day["events"] for day in days)
    return Bars(bars, len(days) * BAR_STEP, HEIGHT, most, best, total)


def _scale(number: int, most: int) -> float:
    """Never nothing where there is something."""
    return round(max(LEAST_HEIGHT, HEIGHT * number / most), 1) if number else 0.0
