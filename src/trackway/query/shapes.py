"""What the values of many events look like, and the JSON Schema that all of them keep. Pure.

A shape grows with the kinds of values it was shown, not with their number: of every place in an object it counts, and it
keeps a few values as long as there are few. So a sample of any size fits in memory.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import jsonschema_rs
import msgspec
from msgspec import Struct

from trackway.control.personal_values import find_personal
from trackway.control.plan_schemas import REPEATED

# An object with more names than these is a map, whose names are values.
MOST_NAMES = 100
# Names longer than these are values, too. So what is inferred is never larger than what may be set.
LONGEST_NAME = 100
MOST_PLACES = 400
MOST_WEIGHT = 1500
MOST_NAME_BYTES = 25_000
MOST_LEVELS = 12
# A list of allowed values needs few values, each seen often.
MOST_ALLOWED = 12
FEWEST_TEXTS = 50
TEXTS_PER_ALLOWED = 20
LONGEST_ALLOWED = 100
FEWEST_FOR_FORMAT = 5
LONGEST_EXAMPLE = 80
# A whole number this long may be a telephone or card number.
LONG_NUMBER = 10**11

TYPES = ("null", "boolean", "integer", "number", "string", "array", "object")
_TYPE_OF = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}
# Looked at in this order; the first that every text keeps is the format.
_FORMATS = {
    name: jsonschema_rs.Draft202012Validator({"type": "string", "format": name}, validate_formats=True)
    for name in ("date-time", "date", "email", "uuid", "ipv4", "uri")
}


class Places:
    """How many places of one event type are remembered; names come from senders, so there is a bound.

    A place within a list weighs more, as it does in a schema.
    """

    def __init__(self) -> None:
        self._left, self._weight_left, self._bytes_left = MOST_PLACES, MOST_WEIGHT, MOST_NAME_BYTES

    def take(self, weight: int, name: str = "") -> bool:
        if self._left < 1 or self._weight_left < weight:
            return False
        size = len(msgspec.json.encode(name))
        if self._bytes_left < size:
            return False
        self._left -= 1
        self._weight_left -= weight
        self._bytes_left -= size
        return True


class Shape:
    """All values that were seen in one place. Times are milliseconds since 1970."""

    def __init__(self, places: Places, level: int = 0, weight: int = 1) -> None:
        self._places, self._level, self._weight = places, level, weight
        self.seen = 0
        self.types: Counter[str] = Counter()
        self.names: dict[str, Shape] | None = {}
        self.items: Shape | None = None
        self.first_ms = self.last_ms = 0
        self.example = ""
        self.personal = False
        self._allowed: Counter[str] | None = Counter()
        self._formats: tuple[str, ...] = tuple(_FORMATS)

    def add(self, value: Any, at_ms: int) -> None:
        self.seen += 1
        self.first_ms = min(self.first_ms or at_ms, at_ms)
        self.last_ms = max(self.last_ms, at_ms)
        kind = _TYPE_OF.get(type(value), "null")
        self.types[kind] += 1
        if kind == "object":
            self._add_object(value, at_ms)
        elif kind == "array":
            self._add_items(value, at_ms)
        elif kind != "null":
            self._add_scalar(value, at_ms)

    def _add_object(self, value: Mapping[str, Any], at_ms: int) -> None:
        for name, inner in value.items():
            if self.names is None:
                return
            shape = self.names.get(name)
            if shape is None:
                if len(self.names) >= MOST_NAMES:
                    self.names = None
                    return
                if self._level >= MOST_LEVELS or len(name) > LONGEST_NAME or not self._places.take(self._weight, name):
                    continue
                shape = self.names[name] = Shape(self._places, self._level + 1, self._weight)
            shape.add(inner, at_ms)

    def _add_items(self, value: list[Any], at_ms: int) -> None:
        if self.items is None and self._level < MOST_LEVELS and self._places.take(REPEATED):
            self.items = Shape(self._places, self._level + 1, REPEATED)
        if self.items is not None:
            for item in value:
                self.items.add(item, at_ms)

    def _add_scalar(self, value: Any, at_ms: int) -> None:
        if isinstance(value, str):
            self._add_text(value)
        if at_ms >= self.last_ms:
            self.example = self._word_example(value)

    def _add_text(self, value: str) -> None:
        self._formats = tuple(name for name in self._formats if _keeps_format(name, value))
        if self._allowed is None:
            return
        self._allowed[value] += 1
        if len(self._allowed) > MOST_ALLOWED or len(value) > LONGEST_ALLOWED:
            self._allowed = None

    def _word_example(self, value: Any) -> str:
        if isinstance(value, bool):
            return "true" if value else "false"
        text = str(value)
        if isinstance(value, str) or (isinstance(value, int) and value > LONG_NUMBER):
            found = find_personal(text)
            if found:
                self.personal = True
                return found[1]
        return text if len(text) <= LONGEST_EXAMPLE else text[: LONGEST_EXAMPLE - 1] + "…"

    @property
    def allowed(self) -> list[str]:
        """The only texts that were seen, where these are few and nobody's; else none."""
        if not self._allowed or self.personal or any(find_personal(text) for text in self._allowed):
            return []
        texts = self.types["string"]
        often = texts >= max(FEWEST_TEXTS, TEXTS_PER_ALLOWED * len(self._allowed))
        return sorted(self._allowed) if often else []

    @property
    def format(self) -> str:
        return self._formats[0] if self._formats and self.types["string"] >= FEWEST_FOR_FORMAT else ""


def _keeps_format(name: str, value: str) -> bool:
    if name == "uri" and "://" not in value:
        # To the letter of its definition "size:xl" is one.
        return False
    try:
        return _FORMATS[name].is_valid(value)
    except UnicodeEncodeError:
        return False


def make_schema(
    shape: Shape, hidden: Collection[str] = (), path: str = "properties", *, enums: bool = True
) -> dict[str, Any]:
    """A JSON Schema that every value of the shape keeps. Of `hidden` places it says nothing: rules change what they hold.

    What was always there is required; further names are allowed.
    """
    if path in hidden or not shape.seen:
        return {}
    types = [name for name in TYPES if shape.types[name]]
    if "number" in types and "integer" in types:
        types.remove("integer")
    schema: dict[str, Any] = {"type": types[0] if len(types) == 1 else types}
    if shape.format:
        schema["format"] = shape.format
    elif enums and shape.allowed and set(types) <= {"string", "null"}:
        schema["enum"] = [*shape.allowed, *([None] if "null" in types else [])]
    if shape.items is not None:
        items = make_schema(shape.items, hidden, path, enums=enums)
        schema |= {"items": items} if items else {}
    if shape.names:
        schema["properties"] = {
            name: make_schema(inner, hidden, f"{path}.{name}", enums=enums)
            for name, inner in sorted(shape.names.items())
        }
        always = [
            name
            for name, inner in sorted(shape.names.items())
            if inner.seen == shape.types["object"] and f"{path}.{name}" not in hidden
        ]
        schema |= {"required": always} if always else {}
    return schema


class Place(Struct, frozen=True):
    """A place of a shape: `path` is as `properties.items[].sku`, `rule_path` as rules about personal data write it."""

    path: str
    rule_path: str
    shape: Shape


def list_places(shape: Shape, path: str = "properties", rule_path: str = "properties") -> Iterator[Place]:
    """Every place below `shape`, by name."""
    for name, inner in sorted((shape.names or {}).items()):
        place = Place(f"{path}.{name}", f"{rule_path}.{name}", inner)
        yield place
        yield from list_places(inner, place.path, place.rule_path)
    if shape.items is not None and (shape.items.names or shape.items.items):
        yield from list_places(shape.items, f"{path}[]", rule_path)
