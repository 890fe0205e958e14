"""Reads the amount and the currency of a purchase or conversion from its properties."""

import re
from decimal import ROUND_HALF_UP
from typing import Any

from msgspec.structs import replace

from trackway.amounts import MOST_UNITS, read_amount
from trackway.event import Event
from trackway.event_types import CONVERSION_TYPES, REVENUE_TYPES
from trackway.pipeline.desk import Desk

__all__ = ["AMOUNT_NAMES", "CONVERSION_TYPES", "FILLS", "MOST_UNITS", "REVENUE_TYPES", "read_revenue"]

FILLS = ("revenue", "currency")

# The first that is there decides, also when it holds no amount: a total must not stand in for a refund.
AMOUNT_NAMES = ("revenue", "amount", "value", "total", "income")
PARTS = 10_000

_CURRENCY = re.compile(r"\s*([A-Za-z]{3})\s*")


def read_revenue(event: Event, desk: Desk) -> Event:
    """Only of REVENUE_TYPES. Without an amount that can be read, or one of 0, both fields stay empty.

    What a script guessed from a page's address (`heuristic`) is no money, whatever it is called.
    """
    counts = event.event_type in REVENUE_TYPES and event.properties.get("heuristic") is not True
    revenue = _read_amount(event.properties) if counts else 0
    currency = _read_currency(event.properties.get("currency")) if revenue else ""
    if (revenue, currency) == (event.revenue, event.currency):
        return event
    return replace(event, revenue=revenue, currency=currency)


def _read_amount(properties: dict[str, Any]) -> int:
    """In ten-thousandths, half rounded up; 0 where there is none."""
    said = next((properties[name] for name in AMOUNT_NAMES if properties.get(name) not in (None, "")), None)
    units = read_amount(said)
    if units is None:
        return 0
    return int((units * PARTS).to_integral_value(ROUND_HALF_UP))


def _read_currency(said: Any) -> str:
    """Three letters, whatever they stand for: which codes exist changes from year to year."""
    found = _CURRENCY.fullmatch(said) if isinstance(said, str) else None
    return found[1].upper() if found else ""
