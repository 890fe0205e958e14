"""JSON Schemas of the tracking plan: checked when they are set, compiled, and what an event breaks of one.

A schema comes from outside and is run for every event, so it is bounded before it is compiled: it is small, refers to
nothing but itself, never in a circle, and its patterns take time in proportion to the text. Nothing is fetched.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import islice
from typing import Any
from urllib.parse import unquote

import jsonschema_rs
import msgspec
from msgspec import Struct

from trackway.event import Event

# A plan may look at these parts of an event; a bare schema is one of `event@properties`.
ACCESSORS: dict[str, str] = {
    f"event@{name}": name for name in ("properties", "context", "traits", "account_traits", "identifiers", "consent")
}
PROPERTIES = "event@properties"
DIALECT = "https://json-schema.org/draft/2020-12/schema"

LONGEST_SCHEMA = 100_000
# Subschemas, each counted as often as it is referred to. What may be asked of each of a list's 100,000 items counts
# ten times, and so does a pattern, which may be held against a text of a megabyte: so the worst schema takes the worst
# event half a second, and common ones take a microsecond.
MOST_SUBSCHEMAS = 2000
REPEATED = 10
DEEPEST = 32
LONGEST_PATTERN = 500
PATTERN_BYTES = 1_000_000
MOST_VIOLATIONS = 10
LONGEST_MESSAGE = 300
LONGEST_PATH = 200
COMPILED_REMEMBERED = 512

_MAPS = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
_LISTS = ("allOf", "anyOf", "oneOf", "prefixItems")
_ONCE = ("not", "if", "then", "else", "contentSchema")
_FOR_EACH = ("items", "contains", "propertyNames", "additionalProperties", "unevaluatedItems", "unevaluatedProperties")
_ASSERTIONS = (
    *("type", "enum", "const", "required", "dependentRequired", "minProperties", "maxProperties", "$ref"),
    *(
        "minItems",
        "maxItems",
        "uniqueItems",
        "minContains",
        "maxContains",
        "pattern",
        "minLength",
        "maxLength",
        "format",
    ),
    *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
)
_KNOWN = frozenset((*_MAPS, *_LISTS, *_ONCE, *_FOR_EACH, *_ASSERTIONS))
_TYPES = ("object", "array", "string", "number", "integer", "boolean", "null")
_LIST_PLACE = re.compile(r"\[\d+\]")
_UNUSABLE = ("$anchor", "$dynamicAnchor", "$dynamicRef", "$recursiveAnchor", "$recursiveRef", "$vocabulary")


class PlanError(ValueError):
    """A plan cannot be used; `field` is the path of what is wrong, such as `schema.properties.price.type`."""

    def __init__(self, message: str, field: str = "schema") -> None:
        super().__init__(message)
        self.field = field[:LONGEST_PATH]


class Violation(Struct, frozen=True):
    """What one event breaks: where (`properties.items[2].sku`), which keyword of the schema, and in words.

    The words hold no value of the event. `place` is the path that such events are counted under
    (`properties.items[].sku`): without what differs from event to event.
    """

    path: str
    place: str
    keyword: str
    message: str


class CompiledSchema:
    """Validators of the parts of an event that a schema speaks of."""

    def __init__(self, parts: Mapping[str, jsonschema_rs.Draft202012Validator]) -> None:
        self._parts = tuple(parts.items())

    def check(self, event: Event) -> list[Violation]:
        """The first violations, none when the event is as the plan says."""
        found: list[Violation] = []
        for name, validator in self._parts:
            value = getattr(event, name)
            try:
                if not validator.is_valid(value):
                    found += _list_violations(validator, value, name)
            except (ValueError, OverflowError):
                # Half of a surrogate pair, which is no text and which JSON can say all the same.
                found.append(
                    Violation(name, name, "type", "the value cannot be compared: it holds text that is no Unicode")
                )
        return found[:MOST_VIOLATIONS]


def _list_violations(validator: jsonschema_rs.Draft202012Validator, value: Any, name: str) -> Iterator[Violation]:
    for error in islice(validator.iter_errors(value), MOST_VIOLATIONS):
        missing, surplus = _name_missing(error.kind), _name_surplus(error.kind)
        yield Violation(
            word_path(name, [*error.instance_path, *missing, *surplus])[:LONGEST_PATH],
            _LIST_PLACE.sub("[]", word_path(name, [*error.instance_path, *missing]))[:LONGEST_PATH],
            error.kind.name,
            error.message[:LONGEST_MESSAGE],
        )


def _name_missing(kind: jsonschema_rs.ValidationErrorKind) -> Sequence[str]:
    """The property that is not there; the library names the object around it."""
    return (kind.property,) if isinstance(kind, jsonschema_rs.ValidationErrorKind.Required) else ()


def _name_surplus(kind: jsonschema_rs.ValidationErrorKind) -> Sequence[str]:
    """The first property that should not be there."""
    if isinstance(
        kind,
        jsonschema_rs.ValidationErrorKind.AdditionalProperties
        | jsonschema_rs.ValidationErrorKind.UnevaluatedProperties,
    ):
        return kind.unexpected[:1]
    return ()


def word_path(root: str, parts: Sequence[str | int]) -> str:
    return root + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts)


def check_schema(said: Any) -> dict[str, Any]:
    """The schema as it is kept: accessor to JSON Schema. PlanError in words for the operator."""
    if not isinstance(said, Mapping):
        raise PlanError("schema must be a JSON object: a JSON Schema of the event's properties")
    if len(msgspec.json.encode(said)) > LONGEST_SCHEMA:
        raise PlanError(f"a schema has at most {LONGEST_SCHEMA:,} bytes")
    if not any(name.startswith(("event@", "profile@", "session@", "payload@")) for name in said):
        _compile_part(said, "schema")
        return {PROPERTIES: dict(said)}
    for name, part in said.items():
        if name not in ACCESSORS:
            raise PlanError(f"{name[:60]!r} is no part that a plan looks at; there are {', '.join(ACCESSORS)}")
        _compile_part(part, f"schema.{name}")
    return dict(said)


@lru_cache(COMPILED_REMEMBERED)
def compile_schema(text: str) -> CompiledSchema:
    """The validators of a kept schema, as JSON text. PlanError when this version of the program cannot use it."""
    parts = {
        ACCESSORS[name]: _compile_part(part, name, masked=True) for name, part in msgspec.json.decode(text).items()
    }
    return CompiledSchema(parts)


def _compile_part(schema: Any, at: str, *, masked: bool = False) -> jsonschema_rs.Draft202012Validator:
    if not isinstance(schema, Mapping):
        raise PlanError("a schema must be a JSON object", at)
    if str(schema.get("$schema", DIALECT)).rstrip("#") != DIALECT:
        raise PlanError(f"the schema's dialect must be {DIALECT}", f"{at}.$schema")
    if not _KNOWN & schema.keys():
        raise PlanError(
            'it says nothing that could be broken; a property is described as {"properties": {"price": {"type": "number"}}}',
            at,
        )
    _Weighing(schema).weigh(schema, at)
    try:
        return jsonschema_rs.Draft202012Validator(
            dict(schema),
            validate_formats=True,
            ignore_unknown_formats=False,
            mask="the value" if masked else None,
            offline=True,
            pattern_options=jsonschema_rs.RegexOptions(size_limit=PATTERN_BYTES, dfa_size_limit=PATTERN_BYTES),
        )
    except jsonschema_rs.ValidationError as error:
        raise PlanError(_word_schema_error(error), word_path(at, error.instance_path)) from None
    except (jsonschema_rs.ReferencingError, ValueError) as error:
        raise PlanError(str(error).splitlines()[0][:LONGEST_MESSAGE], at) from None


def _word_schema_error(error: jsonschema_rs.ValidationError) -> str:
    message = error.message.splitlines()[0][:LONGEST_MESSAGE]
    if error.instance_path and error.instance_path[-1] == "type":
        return f"{message}; a type is {', '.join(_TYPES)}, or a list of them"
    if 'is not a "regex"' in message:
        return f"{message}: it must be short, and without look-around and back references, whose time cannot be bounded"
    return message


class _Weighing:
    """How much an event is checked against at most. PlanError for what cannot be bounded."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root
        self._weights: dict[tuple[str, int], int] = {}

    def weigh(self, schema: Any, at: str, depth: int = 0, times: int = 1, opened: frozenset[str] = frozenset()) -> int:
        """`times` is how often each part counts, `opened` are the references that led here."""
        if isinstance(schema, bool):
            return times
        if not isinstance(schema, Mapping):
            raise PlanError("a schema must be an object, true or false", at)
        if depth > DEEPEST:
            raise PlanError(f"the schema is nested deeper than {DEEPEST} levels", at)
        self._check_keywords(schema, at, depth)
        weight = times * (1 + REPEATED * (len(_list_patterns(schema)) + _count_compared(schema)))
        for part in _list_subschemas(schema, at):
            weight += self.weigh(part.schema, part.at, depth + 1, REPEATED if part.for_each else times, opened)
        if "$ref" in schema:
            weight += self._follow(schema["$ref"], f"{at}.$ref", depth, times, opened)
        if weight > MOST_SUBSCHEMAS:
            raise PlanError(
                f"the schema holds more than {MOST_SUBSCHEMAS:,} subschemas: each counts as often as it is referred to, "
                f"and {REPEATED} times where it is for the items of a list, is a pattern, or a list to compare with",
                at,
            )
        return weight

    def _check_keywords(self, schema: Mapping[str, Any], at: str, depth: int) -> None:
        for name in _UNUSABLE:
            if name in schema:
                raise PlanError(f'{name} cannot be used in a plan; refer to a part by {{"$ref": "#/$defs/…"}}', at)
        if depth and "$id" in schema:
            raise PlanError("only the whole schema may have an $id", f"{at}.$id")
        if any(len(pattern) > LONGEST_PATTERN for pattern in _list_patterns(schema)):
            raise PlanError(f"a pattern has at most {LONGEST_PATTERN} characters", f"{at}.pattern")

    def _follow(self, reference: Any, at: str, depth: int, times: int, opened: frozenset[str]) -> int:
        if not isinstance(reference, str) or not (reference == "#" or reference.startswith("#/")):
            raise PlanError(
                'a reference must point into the schema itself, such as "#/$defs/item"; nothing is fetched', at
            )
        if reference in opened or reference == "#":
            raise PlanError(f"{reference[:100]} refers to itself, so that checking it would have no end", at)
        key = (reference, times)
        if key not in self._weights:
            found = self._find(reference, at)
            self._weights[key] = self.weigh(found, at, depth + 1, times, opened | {reference})
        return self._weights[key]

    def _find(self, reference: str, at: str) -> Any:
        place: Any = self._root
        for part in reference[2:].split("/"):
            name = unquote(part).replace("~1", "/").replace("~0", "~")
            if isinstance(place, list) and name.isdecimal() and int(name) < len(place):
                place = place[int(name)]
            elif isinstance(place, Mapping) and name in place:
                place = place[name]
            else:
                raise PlanError(f"there is no {reference[:100]} in the schema", at)
        return place


class _Part(Struct, frozen=True):
    """A schema within another; `for_each`: it is asked of every item of a list, or every name of a map."""

    schema: Any
    at: str
    for_each: bool = False


def _list_subschemas(schema: Mapping[str, Any], at: str) -> Iterator[_Part]:
    for keyword in _MAPS:
        inner = schema.get(keyword)
        if isinstance(inner, Mapping):
            for_each = keyword == "patternProperties"
            yield from (_Part(each, f"{at}.{keyword}.{name}", for_each) for name, each in inner.items())
    for keyword in _LISTS:
        listed = schema.get(keyword)
        if isinstance(listed, list):
            yield from (_Part(each, f"{at}.{keyword}[{number}]") for number, each in enumerate(listed))
    yield from (_Part(schema[keyword], f"{at}.{keyword}") for keyword in _ONCE if keyword in schema)
    yield from (_Part(schema[keyword], f"{at}.{keyword}", True) for keyword in _FOR_EACH if keyword in schema)


def _list_patterns(schema: Mapping[str, Any]) -> list[str]:
    by_pattern = schema.get("patternProperties")
    found = [schema.get("pattern"), *(by_pattern if isinstance(by_pattern, Mapping) else ())]
    return [pattern for pattern in found if isinstance(pattern, str)]


def _count_compared(schema: Mapping[str, Any]) -> int:
    """Allowed lists and objects, which are compared one by one; texts and numbers are looked up."""
    allowed = schema.get("enum")
    return sum(isinstance(each, list | dict) for each in allowed) if isinstance(allowed, list) else 0
