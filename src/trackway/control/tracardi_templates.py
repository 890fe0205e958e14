"""The source settings `reshaping` and `mapping`: JSON texts in Tracardi's form, checked when they are set. Pure.

Read here and filled here; `collect/tracardi_templates.py` applies them to events. The forms, with
examples: docs/reference/protocols/tracardi-templates.md.
"""

from collections.abc import Callable, Mapping
from typing import Any, Literal

import msgspec
from msgspec import Struct

from trackway.control.tracardi_conditions import Accessor, Objects, Test, WrongCondition, read_accessor, read_condition

LONGEST_SETTING = 64_000
MOST_RECORDS = 200
DEEPEST = 20

# What a mapping may write to, of a profile.
TARGETS = ("data", "traits", "ids", "stats", "segments", "interests", "consents", "aux", "misc", "trash")
LISTS = ("ids", "segments")
OPERATIONS: tuple[Literal["set", "set_once", "append"], ...] = ("set", "set_once", "append")
# Fields of Tracardi's records that say nothing to us.
_IGNORED = ("id", "name", "description", "tags", "timestamp", "build_in", "production", "running", "index_schema")

Fill = Callable[[Objects], Any]


class WrongTemplate(ValueError):
    """A setting cannot be used; the message says where in it, and why."""


class Reshaping(Struct, frozen=True):
    """`parts` are those of properties, context and session that it makes anew."""

    event_type: str
    source: str
    condition: Test | None
    parts: dict[str, Fill]


class MappingLine(Struct, frozen=True):
    """One line of a mapping: where the value comes from, the operation and the path of the profile."""

    event_type: str
    source: str
    conditions: tuple[Test, ...]
    find: Fill
    op: Literal["set", "set_once", "append"]
    target: str


def read_reshaping(text: str) -> list[Reshaping]:
    """Records of the setting `reshaping` that are enabled. WrongTemplate when it cannot be used."""
    found = []
    for at, record in _list_records(text):
        _refuse_unknown(record, ("event_type", "event_source", "reshaping", "enabled"), at)
        body = _read_object(record, "reshaping", at)
        _refuse_unknown(body, ("reshape_schema", "condition", "mapping"), f"{at}.reshaping")
        schema = _read_object(body, "reshape_schema", f"{at}.reshaping")
        inside = f"{at}.reshaping.reshape_schema"
        _refuse_unknown(schema, ("properties", "context", "session"), inside)
        parts = {name: read_template(template, f"{inside}.{name}") for name, template in schema.items() if template}
        if not parts:
            raise WrongTemplate(f"{inside} needs a template of properties, context or session")
        whole = Reshaping(
            _read_name(record, "event_type", at),
            _read_name(record, "event_source", at),
            _read_condition(body.get("condition"), f"{at}.reshaping.condition"),
            parts,
        )
        if record.get("enabled", True):
            found.append(whole)
    return found


def read_mapping(text: str) -> list[MappingLine]:
    """Lines of the setting `mapping`, of records that are enabled. WrongTemplate when it cannot be used."""
    found = []
    for at, record in _list_records(text):
        _refuse_unknown(record, ("event_type", "event_source", "event_to_profile", "config", "enabled"), at)
        config = record.get("config") or {}
        if not isinstance(config, dict):
            raise WrongTemplate(f"{at}.config must be an object")
        condition = _read_condition(config.get("condition"), f"{at}.config.condition")
        lines = record.get("event_to_profile")
        if not isinstance(lines, list) or not lines:
            raise WrongTemplate(f"{at}.event_to_profile must be a list of mappings")
        event_type, source = _read_name(record, "event_type", at), _read_name(record, "event_source", at)
        for number, line in enumerate(lines):
            inside = f"{at}.event_to_profile[{number}]"
            if not isinstance(line, dict):
                raise WrongTemplate(f"{inside} must be an object")
            _refuse_unknown(line, ("event", "op", "profile", "condition"), inside)
            own = _read_condition(line.get("condition"), f"{inside}.condition")
            conditions = tuple(test for test in (condition, own) if test)
            if record.get("enabled", True):
                found.append(MappingLine(event_type, source, conditions, *_read_line(line, inside)))
            else:
                _read_line(line, inside)
    return found


def _read_line(line: Mapping[str, Any], at: str) -> tuple[Fill, Literal["set", "set_once", "append"], str]:
    find: Fill
    value, is_path = _read_reference(line, "event", at)
    if is_path:
        if not isinstance(value, str) or not value.strip():
            raise WrongTemplate(f"{at}.event.value must be a path of the event, like properties.email")
        text = value.strip()
        accessor = _read_accessor(text if "@" in text.partition(".")[0] else f"event@{text}", f"{at}.event.value")
        if accessor is None:
            raise WrongTemplate(f"{at}.event.value {text[:60]!r} is no path of the event, like properties.email")
        find = accessor.find
    else:
        find = _always(value)
    op = line.get("op", 0)
    if type(op) is not int or not 0 <= op < len(OPERATIONS):
        raise WrongTemplate(f"{at}.op must be 0 (set), 1 (set if empty) or 2 (append)")
    target, _ = _read_reference(line, "profile", at)
    path = target.strip().removeprefix("profile@") if isinstance(target, str) else ""
    root, _, rest = path.partition(".")
    if root not in TARGETS or (not rest and root not in LISTS) or ".." in path or path.endswith("."):
        raise WrongTemplate(f"{at}.profile.value must be a path of the profile below {', '.join(TARGETS)}")
    return find, "append" if path in LISTS else OPERATIONS[op], path


def _read_reference(line: Mapping[str, Any], name: str, at: str) -> tuple[Any, bool]:
    said = _read_object(line, name, at)
    _refuse_unknown(said, ("value", "ref"), f"{at}.{name}")
    return said.get("value"), said.get("ref", True) is not False


def read_template(template: Any, at: str, depth: int = 0) -> Fill:
    """A template as a function of the objects that its accessors name."""
    if depth > DEEPEST:
        raise WrongTemplate(f"{at} is nested deeper than {DEEPEST} levels")
    if isinstance(template, dict):
        fills = {name: read_template(inner, f"{at}.{name}", depth + 1) for name, inner in template.items()}
        return lambda objects: _fill_object(fills, objects)
    if isinstance(template, list):
        items = [read_template(inner, f"{at}[{number}]", depth + 1) for number, inner in enumerate(template)]
        return lambda objects: [fill(objects) for fill in items]
    if isinstance(template, str):
        accessor = _read_accessor(template.strip(), at)
        if accessor:
            return accessor.find
    return _always(template)


def _read_accessor(text: str, at: str) -> Accessor | None:
    try:
        return read_accessor(text)
    except WrongCondition as error:
        raise WrongTemplate(f"{at}: {error}") from None


def _fill_object(fills: Mapping[str, Fill], objects: Objects) -> dict[str, Any]:
    """A key that ends with `?` is left out where its value is missing; others are null."""
    made = {}
    for name, fill in fills.items():
        value = fill(objects)
        optional = name.endswith("?")
        if not (optional and value is None):
            made[name.removesuffix("?") if optional else name] = value
    return made


def _always(value: Any) -> Fill:
    return lambda _: value


def _list_records(text: str) -> list[tuple[str, dict[str, Any]]]:
    if len(text) > LONGEST_SETTING:
        raise WrongTemplate(f"has {len(text):,} characters; at most {LONGEST_SETTING:,} are kept")
    try:
        content = msgspec.json.decode(text) if text.strip() else []
    except (msgspec.DecodeError, RecursionError) as error:
        raise WrongTemplate(f"is not JSON: {error}") from None
    records = content if isinstance(content, list) else [content]
    if len(records) > MOST_RECORDS:
        raise WrongTemplate(f"holds {len(records):,} records; at most {MOST_RECORDS} are kept")
    for number, record in enumerate(records):
        if not isinstance(record, dict):
            raise WrongTemplate(f"[{number}] must be an object")
    return [(f"[{number}]", record) for number, record in enumerate(records)]


def _read_object(record: Mapping[str, Any], name: str, at: str) -> dict[str, Any]:
    value = record.get(name)
    if not isinstance(value, dict):
        raise WrongTemplate(f"{at}.{name} must be an object")
    return value


def _read_name(record: Mapping[str, Any], name: str, at: str) -> str:
    """An event type or source: its name, or Tracardi's `{"id": …, "name": …}`. "" stands for any."""
    value = record.get(name)
    if isinstance(value, dict):
        value = value.get("id")
    if value is not None and not isinstance(value, str):
        raise WrongTemplate(f"{at}.{name} must be a text, or an object with an id")
    text = (value or "").strip()
    return "-".join(text.lower().split()) if name == "event_type" else text


def _read_condition(text: Any, at: str) -> Test | None:
    if text in (None, ""):
        return None
    if not isinstance(text, str):
        raise WrongTemplate(f"{at} must be a text")
    try:
        return read_condition(text)
    except WrongCondition as error:
        raise WrongTemplate(f"{at}: {error}") from None


def _refuse_unknown(record: Mapping[str, Any], known: tuple[str, ...], at: str) -> None:
    """A misspelt field would change what happens without a word."""
    unknown = sorted(set(record) - set(known) - set(_IGNORED))
    if unknown:
        raise WrongTemplate(f"{at} has no field {unknown[0][:60]!r}; known: {', '.join(known)}")
