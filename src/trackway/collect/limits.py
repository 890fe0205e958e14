"""What a request may weigh, and JSON values made fit to keep.

One documented rule for each thing on which JSON parsers disagree (docs/reference/json.md).
"""

from typing import Annotated, Any

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
ESCAPED_NUL = rb"\u0000"


class Limits(Struct, frozen=True):
    """The settings of the same names."""

    body_bytes: int
    decompressed_bytes: int
    event_bytes: int
    events_per_call: int
    json_depth: int
    kept_refusal_bytes: int = 65_536


def read_limits(settings: Settings) -> Limits:
    """A call never holds more events than the ids of one submission can tell apart."""
    limits = Limits(*(getattr(settings, name) for name in Limits.__struct_fields__))
    return replace(limits, events_per_call=min(limits.events_per_call, EVENTS_PER_SUBMISSION))


def clean_object(value: dict[str, Any], field: str, depth: int) -> dict[str, Any]:
    """`value` made fit to keep: NUL becomes U+FFFD, an integer beyond 64 bit becomes text.

    `depth` is how many levels may still be opened below this one. Refused with `too_deep` when
    more are. Returns the same object when nothing needs to change.
    """
    changed: dict[str, Any] = {}
    renamed = False
    for key, inner in value.items():
        kind = type(inner)
        if kind is str:
            if "\x00" in inner:
                changed[key] = inner.replace("\x00", REPLACEMENT)
        elif kind is int:
            if not INT64_MIN <= inner <= INT64_MAX:
                changed[key] = str(inner)
        elif kind is dict or kind is list:
            cleaned = _clean_nested(inner, f"{field}.{key}", depth - 1)
            if cleaned is not inner:
                changed[key] = cleaned
        renamed = renamed or "\x00" in key
    if not changed and not renamed:
        return value
    return {key.replace("\x00", REPLACEMENT): changed.get(key, inner) for key, inner in value.items()}


def _clean_nested(value: Any, field: str, depth: int) -> Any:
    if depth <= 0:
        raise refuse(Reason.TOO_DEEP, "is nested deeper than the limit json_depth", field=field[:200])
    if type(value) is dict:
        return clean_object(value, field, depth)
    cleaned = [_clean_item(item, f"{field}[{n}]", depth) for n, item in enumerate(value)]
    return value if all(a is b for a, b in zip(cleaned, value, strict=True)) else cleaned


def _clean_item(item: Any, field: str, depth: int) -> Any:
    kind = type(item)
    if kind is str:
        return item.replace("\x00", REPLACEMENT) if "\x00" in item else item
    if kind is int:
        return item if INT64_MIN <= item <= INT64_MAX else str(item)
    if kind is dict or kind is list:
        return _clean_nested(item, field, depth - 1)
    return item
