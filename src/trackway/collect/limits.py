"""What a request may weigh, and JSON values made fit to keep.

One documented rule for each thing on which JSON parsers disagree (docs/reference/json.md).
"""

from collections.abc import Iterable
from math import isinf
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from trackway.ids import EVENTS_PER_SUBMISSION
from trackway.outcome import Reason, refuse
from trackway.settings import Settings

INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"

LONGEST_TYPE = 200
LONGEST_ID = 500
LONGEST_URL = 8192
LONGEST_TITLE = 1000
LONGEST_USER_AGENT = 1024

# An object that a decoder of this type lets through has no integer to change and four levels at most;
# with no NUL in it either it is what `clean_object` would give back, checked at a tenth of the cost.
_Scalar = None | bool | Annotated[int, Meta(ge=INT64_MIN, le=INT64_MAX)] | float | str
_Flat = _Scalar | list[_Scalar] | dict[str, _Scalar]
_Nested = _Scalar | list[_Flat] | dict[str, _Flat]
PlainObject = dict[str, _Scalar | list[_Nested] | dict[str, _Nested]]
PLAIN_LEVELS = 4
# A larger body is read piece by piece: a strict decoder reads all of it in one go, in which nothing else happens.
LONGEST_PLAIN = 131_072
ESCAPED_NUL = rb"\u0000"


class Limits(Struct, frozen=True):
    """The settings of the same names."""

    body_bytes: int
    decompressed_bytes: int
    event_bytes: int
    events_per_call: int
    json_depth: int
    kept_refusal_bytes: int = 65_536
    values_per_call: int = 500_000


def read_limits(settings: Settings) -> Limits:
    """A call never holds more events than the ids of one submission can tell apart."""
    limits = Limits(*(getattr(settings, name) for name in Limits.__struct_fields__))
    return replace(limits, events_per_call=min(limits.events_per_call, EVENTS_PER_SUBMISSION))


def read_float(digits: str) -> float:
    """A number with a point or an exponent; ValueError when it is beyond a double.

    msgspec's own reading takes 5 µs for one near the least or the greatest, 200 times as long as for others: a million
    bytes of `5e-324` would hold up everything for 0.7 s. Python's takes a tenth of a microsecond for each.
    """
    number = float(digits)
    if isinf(number):
        raise ValueError("Number out of range")
    return number


# Reads JSON of any form. ValidationError for a number that cannot be kept, DecodeError and UnicodeDecodeError for what is
# no JSON, RecursionError for what is nested too deeply.
ANYTHING = msgspec.json.Decoder(float_hook=read_float)


class _TooDeep(Exception):
    """`steps` lead to the place, the last one first."""

    def __init__(self) -> None:
        self.steps: list[str] = []


def clean_object(value: dict[str, Any], field: str, depth: int) -> dict[str, Any]:
    """`value` made fit to keep: NUL becomes U+FFFD, an integer beyond 64 bit becomes text.

    `depth` is how many levels may still be opened below this one. Refused with `too_deep` when
    more are. Returns the same object when nothing needs to change.
    """
    try:
        return _clean_dict(value, depth)
    except _TooDeep as found:
        at = field + "".join(reversed(found.steps))
        raise refuse(Reason.TOO_DEEP, "is nested deeper than the limit json_depth", field=at[:200]) from None


def _clean_dict(value: dict[str, Any], depth: int) -> dict[str, Any]:
    changed = _find_changes(value.items(), depth, ".%s")
    if not changed and "\x00" not in "".join(value):
        return value
    return {key.replace("\x00", REPLACEMENT): changed.get(key, inner) for key, inner in value.items()}


def _clean_list(value: list[Any], depth: int) -> list[Any]:
    changed = _find_changes(enumerate(value), depth, "[%s]")
    return [changed.get(number, item) for number, item in enumerate(value)] if changed else value


def _find_changes(items: Iterable[tuple[Any, Any]], depth: int, step: str) -> dict[Any, Any]:
    """What is not fit to keep, by its key or number, as it is kept. `step` says how a place is written."""
    changed: dict[Any, Any] = {}
    key: Any = ""
    try:
        for key, item in items:
            kind = type(item)
            if kind is str:
                if "\x00" in item:
                    changed[key] = item.replace("\x00", REPLACEMENT)
            elif kind is int:
                if not INT64_MIN <= item <= INT64_MAX:
                    changed[key] = str(item)
            elif kind is dict or kind is list:
                cleaned = _clean_nested(item, depth - 1)
                if cleaned is not item:
                    changed[key] = cleaned
    except _TooDeep as found:
        # The place is put together only here: on the way down it would cost more than all the rest.
        found.steps.append(step % key)
        raise
    return changed


def _clean_nested(value: Any, depth: int) -> Any:
    if depth <= 0:
        raise _TooDeep
    return _clean_dict(value, depth) if type(value) is dict else _clean_list(value, depth)
