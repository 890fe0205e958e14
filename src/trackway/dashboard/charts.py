"""Bars of a chart, computed on the server: the page needs no script to show them. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

BAR_STEP = 10
BAR_WIDTH = 8
HEIGHT = 100
LEAST_HEIGHT = 3.0
SHARES_WIDTH = 1000
LEAST_SHARE = 6.0


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


class Part(Struct, frozen=True):
    """A part of a whole in units of a drawing that is SHARES_WIDTH wide."""

    x: float
    width: float


def draw_shares(counts: Sequence[int]) -> list[Part]:
    """Parts beside each other that fill the drawing; none of them is too thin to be seen where there is something."""
    total = sum(counts)
    if not total:
        return [Part(0, 0) for _ in counts]
    wide = [max(LEAST_SHARE, SHARES_WIDTH * count / total) if count else 0.0 for count in counts]
    scale = SHARES_WIDTH / sum(wide)
    widths = [round(width * scale, 1) for width in wide]
    return [Part(round(sum(widths[:number]), 1), width) for number, width in enumerate(widths)]


def _scale(number: int, most: int) -> float:
    """Never nothing where there is something."""
    return round(max(LEAST_HEIGHT, HEIGHT * number / most), 1) if number else 0.0
