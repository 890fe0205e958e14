"""Reads a request's query parameters by the route's own list; what is not on it is refused."""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct
from starlette.datastructures import QueryParams

from trackway.api.replies import ApiError, ApiRefusal

# Beyond any bound, but short enough to be told apart from an attack on int().
LONGEST_NUMBER = 20


class Parameter(Struct, frozen=True):
    """One query parameter. A number has an int as default, a text a str; `says` is its docs line."""

    name: str
    default: int | str
    says: str


def read_parameters(query: QueryParams, known: Sequence[Parameter]) -> Mapping[str, Any]:
    """Value of every known parameter, or its default. Bounds are checked by the question itself."""
    by_name = {parameter.name: parameter for parameter in known}
    values: dict[str, Any] = {parameter.name: parameter.default for parameter in known}
    seen: set[str] = set()
    for name, text in query.multi_items():
        if name not in by_name:
            offered = f"known: {', '.join(by_name)}" if by_name else "this route takes none"
            raise ApiRefusal(ApiError.UNKNOWN_PARAMETER, f"there is no parameter {name[:60]!r}; {offered}", name[:60])
        if name in seen:
            raise ApiRefusal(ApiError.REPEATED_PARAMETER, f"{name} is given more than once", name)
        seen.add(name)
        values[name] = _read_number(name, text) if isinstance(by_name[name].default, int) else text
    return values


def _read_number(name: str, text: str) -> int:
    digits = text[1:] if text.startswith("-") else text
    if not (digits.isascii() and digits.isdigit()) or len(digits) > LONGEST_NUMBER:
        raise ApiRefusal(ApiError.WRONG_TYPE, f"{name} must be a whole number, not {text[:60]!r}", name)
    return int(text)
