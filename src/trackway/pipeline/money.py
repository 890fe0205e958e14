"""Reads the amount and the currency of a purchase or conversion from its properties."""

import re
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from msgspec.structs import replace

from trackway.event import Event
from trackway.event_types import CONVERSION_TYPES, REVENUE_TYPES
from trackway.pipeline.desk import Desk

__all__ = ["AMOUNT_NAMES", "CONVERSION_TYPES", "FILLS", "MOST_UNITS", "REVENUE_TYPES", "read_revenue"]

FILLS = ("revenue", "currency")

# The first that is there decides, also when it holds no amount: a total must not stand in for a refund.
AMOUNT_NAMES = ("revenue", "amount", "value", "total")
PARTS = 10_000
# In ten-thousandths the last whole number that a double holds exactly, which JSON readers need.
MOST_UNITS = 900_000_000_000
LONGEST_AMOUNT = 60

_GAPS = re.compile(r"[\s'\u2019_]")
_AMOUNT = re.compile(
    r"(?:[$\u20ac\xa3\xa5]|[A-Za-z]{3})?\+?([0-9][0-9.,]*|[.,][0-9]+)(?:[$\u20ac\xa3\xa5]|[A-Za-z]{3})?"
)
_CURRENCY = re.compile(r"\s*([A-Za-z]{3})\s*")
_SEPARATORS = re.compile(r"[.,]")


def read_revenue(event: Event, desk: Desk) -> Event:
    """Only of REVENUE_TYPES. Without an amount that can be read, or one of 0, both fields stay empty."""
    revenue = _read_amount(event.properties) if event.event_type in REVENUE_TYPES else 0
    currency = _read_currency(event.properties.get("currency")) if revenue else ""
    if (revenue, currency) == (event.revenue, event.currency):
        return event
    return replace(event, revenue=revenue, currency=currency)


def _read_amount(properties: dict[str, Any]) -> int:
    """In ten-thousandths, half rounded up; 0 where there is none."""
    said = next((properties[name] for name in AMOUNT_NAMES if properties.get(name) not in (None, "")), None)
    if isinstance(said, str):
        units = _read_text(said)
    elif isinstance(said, int | float) and not isinstance(said, bool):
        # Of a float the digits count that its sender wrote, not its binary expansion.
        units = Decimal(repr(said)) if 0 < said <= MOST_UNITS else None
    else:
        units = None
    if units is None or units > MOST_UNITS:
        return 0
    return int((units * PARTS).to_integral_value(ROUND_HALF_UP))


def _read_text(text: str) -> Decimal | None:
    """`1.234,50`, `1,234.50`, `1 234,50 EUR`, `$12`. Of two kinds of separators the last is the decimal one;
    one kind that occurs once is decimal too, one that repeats groups thousands.
    """
    if len(text) > LONGEST_AMOUNT:
        return None
    found = _AMOUNT.fullmatch(_GAPS.sub("", text))
    if not found:
        return None
    digits = found[1]
    last = max(digits.rfind("."), digits.rfind(","))
    if last < 0:
        return Decimal(digits)
    repeats = digits.count(digits[last]) > 1
    if repeats and len(set(_SEPARATORS.findall(digits))) > 1:
        return None
    whole, fraction = (digits, "") if repeats else (digits[:last], digits[last + 1 :])
    return Decimal(f"{_SEPARATORS.sub('', whole) or '0'}.{fraction or '0'}")


def _read_currency(said: Any) -> str:
    """Three letters, whatever they stand for: which codes exist changes from year to year."""
    found = _CURRENCY.fullmatch(said) if isinstance(said, str) else None
    return found[1].upper() if found else ""
