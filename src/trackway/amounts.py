"""Amounts of money and other numbers as people and shops write them.

Vocabulary: the protocols check with it what the pipeline reads with it later.
"""

import re
from decimal import Decimal

# In ten-thousandths the last whole number that a double holds exactly, which JSON readers need.
MOST_UNITS = 900_000_000_000
LONGEST_AMOUNT = 60

_GAPS = re.compile(r"[\s'\u2019_]")
_AMOUNT = re.compile(
    r"(?:[$\u20ac\xa3\xa5]|[A-Za-z]{3})?\+?([0-9][0-9.,]*|[.,][0-9]+)(?:[$\u20ac\xa3\xa5]|[A-Za-z]{3})?"
)
_SEPARATORS = re.compile(r"[.,]")


def read_amount(said: object) -> Decimal | None:
    """A text or number, 0 or more and at most MOST_UNITS; None when it is no such amount."""
    if isinstance(said, str):
        units = _read_text(said)
    elif isinstance(said, int | float) and not isinstance(said, bool):
        # Of a float the digits count that its sender wrote, not its binary expansion.
        units = Decimal(repr(said)) if 0 <= said <= MOST_UNITS else None
    else:
        units = None
    return units if units is not None and units <= MOST_UNITS else None


def _read_text(text: str) -> Decimal | None:
    """`1.234,50`, `1,234.50`, `1 234,50 EUR`, `$12`. Of two kinds of separators the last is the decimal one;
    one kind that occurs once is decimal too, one that repeats groups thousands.
    """
    if len(text) > LONGEST_AMOUNT:
        return None
    if text.isascii() and text.isdigit():
        return Decimal(text)
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
