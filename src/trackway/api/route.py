"""What a route of the API is. The tables of routes stand in the modules of their subjects.

`answer` takes the desk and the request's values: path parts, query parameters and, where the
route takes a body, `body` with the decoded JSON object and `by` with who asked.
"""

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

from trackway.api.desk import ServerDesk
from trackway.api.parameters import Parameter
from trackway.api.replies import Download

PREFIX = "/api/v1"

Values = Mapping[str, Any]
Answer = Mapping[str, Any] | Download


class ApiRoute(Struct, frozen=True):
    """`answer` is None for the live feed, which streams. `lines` names the field that holds a body of lines (NDJSON)."""

    path: str
    says: str
    parameters: tuple[Parameter, ...]
    answer: Callable[[ServerDesk, Values], Answer] | None
    method: str = "GET"
    takes_body: bool = False
    lines: str = ""
