"""What an event of Tracardi's built-in types does to the profile of whoever it is about. Pure.

The types are data, in `tracardi_types.toml`; this reads them. The result is in the words of the
canonical event: traits (profiles/traits.py), identifiers and consent, so an effect can be told in
any order and as often as its event is replayed. What an event must not do (write to a profile of
somebody else, correct an earlier event) it cannot say here.
"""

from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from itertools import islice
from math import isfinite
from typing import Any, Literal

import msgspec
from msgspec import Struct, field

from trackway.clock import format_time, parse_time
from trackway.profiles.tracardi_tree import (
    COUNTERS,
    CREATED_AT,
    VISIT_NOW,
    VISITS,
    find_identifiers,
    flatten,
    hide_number,
    name_trait,
)
from trackway.profiles.traits import LARGEST_AMOUNT, LONGEST_NAME, MOST_TRAITS_PER_EVENT

Op = Literal["set", "set_once", "append", "add", "points", "delete"]
AWARENESS, CONSIDERATION = "awareness", "consideration"
# Of one event, so that its counters are not the ones beyond the limit of traits.
MOST_LEAVES = MOST_TRAITS_PER_EVENT - 10


class Effect(Struct, frozen=True, forbid_unknown_fields=True):
    """One line of the types' file, which explains the fields."""

    op: Op
    to: str
    read: str = field(name="from", default="")
    value: int | float | str | None = None
    default: int | float | None = None
    times: int = 1
    nulls: bool = False


class EventType(Struct, frozen=True, forbid_unknown_fields=True):
    """One built-in type. `journey` is "" where the type says nothing of it; `consents` names a property."""

    group: str
    reads: tuple[str, ...] = ()
    journey: str = ""
    parts: tuple[str, ...] = ()
    effects: tuple[Effect, ...] = ()
    consents: str = ""


class _Part(Struct, frozen=True, forbid_unknown_fields=True):
    effects: tuple[Effect, ...]


class _File(Struct, frozen=True, forbid_unknown_fields=True):
    parts: dict[str, _Part]
    types: dict[str, EventType]


class Effects(Struct, frozen=True):
    """For the fields `traits`, `identifiers` and `consent` of the event; `journey` is the state of the
    customer journey, for its context. Empty where the type says nothing."""

    traits: dict[str, Any] = {}
    identifiers: dict[str, list[str]] = {}
    consent: dict[str, Any] = {}
    journey: str = ""


@cache
def read_types() -> Mapping[str, EventType]:
    """The built-in types by name, each with the effects of its parts."""
    text = files("trackway.collect").joinpath("tracardi_types.toml").read_text("utf-8")
    content = msgspec.toml.decode(text, type=_File)
    return {
        name: msgspec.structs.replace(
            kind, effects=(*(e for part in kind.parts for e in content.parts[part].effects), *kind.effects)
        )
        for name, kind in content.types.items()
    }


def apply_effects(
    event_type: str, properties: Mapping[str, Any], new_visit: bool, occurred_at: int, visits: int = 0
) -> Effects:
    """What one event says of its profile. Call it for events that have a profile.

    `event_type` as it is stored (lower case, dashes). `new_visit` is true for exactly one event of a
    visit; `visits` counts the person's visits with this one, 0 when that is not known.
    """
    traits: dict[str, Any] = {f"{COUNTERS}.{event_type}"[:LONGEST_NAME]: {"$add": 1}}
    if new_visit:
        traits[VISITS] = {"$add": 1}
        traits[VISIT_NOW] = format_time(occurred_at)
        traits[CREATED_AT] = {"$set_once": format_time(occurred_at)}
    kind = read_types().get(event_type)
    if kind is None:
        return Effects(traits=traits)
    said: dict[str, Any] = {}
    for effect in kind.effects:
        # Most properties are missing from most events.
        if effect.read and effect.default is None and effect.read.partition(".")[0] not in properties:
            continue
        for path, value in islice(_say(effect, properties), MOST_LEAVES - len(said)):
            said[name_trait(path)] = value
    consent = read_consents(properties.get(kind.consents)) if kind.consents else {}
    return Effects(traits | said, find_identifiers(said), consent, _name_journey(kind.journey, visits))


def _name_journey(journey: str, visits: int) -> str:
    if journey == "visits":
        return CONSIDERATION if visits > 1 else AWARENESS
    return journey


def _say(effect: Effect, properties: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
    """Paths of the profile and what an effect says of each, in the language of traits."""
    if effect.op == "delete":
        yield effect.to, None
        return
    for to in _fill_path(effect.to, properties):
        value = effect.value if effect.value is not None else find_property(properties, effect.read)
        yield from say(effect.op, to, effect.default if value is None else value, effect)


def say(op: Op, to: str, value: Any, effect: Effect | None = None) -> Iterable[tuple[str, Any]]:
    """One operation on one path of the profile; nothing when the value is none that it can take."""
    if op in ("add", "points"):
        amount = read_number(value)
        if amount is not None:
            yield to, {"$add" if op == "add" else "$points": amount * (effect.times if effect else 1)}
    elif op == "append":
        items = [item for item in (value if isinstance(value, list) else [value]) if item not in (None, "")]
        if items:
            yield to, items
    else:
        for path, leaf in flatten(to, value):
            if leaf is None and not (effect and effect.nulls and path != to):
                continue
            if leaf not in ("", []):
                kept = hide_number(path, leaf)
                yield path, {"$set_once": kept} if op == "set_once" else kept


def _fill_path(path: str, properties: Mapping[str, Any]) -> list[str]:
    """The path with `{name}` filled in, once per value of that property; none when it holds no text."""
    head, brace, rest = path.partition("{")
    if not brace:
        return [path]
    value = properties.get(rest.rstrip("}"))
    texts = value if isinstance(value, list) else [value]
    return [f"{head}{text.strip()}"[:LONGEST_NAME] for text in texts if isinstance(text, str) and text.strip()]


def find_property(properties: Any, path: str) -> Any:
    """The value at `email.main` or `location.0`; None when there is none, or an empty one."""
    found = properties
    for step in path.split("."):
        if isinstance(found, Mapping):
            found = found.get(step)
        elif isinstance(found, list) and step.isdecimal() and len(step) < 4 and int(step) < len(found):
            found = found[int(step)]
        else:
            return None
    return None if found == "" else found


def read_number(value: Any) -> int | float | None:
    """A number, or a text that is one; None for what no counter takes."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        return None
    return value if abs(value) <= LARGEST_AMOUNT else None


def read_consents(said: Any) -> dict[str, Any]:
    """Tracardi's consents as `Event.consent` takes them: an id that is true or `{"revoke": time or null}`
    is granted, for ever or until then; false and null withdraw. A list grants each."""
    if isinstance(said, list):
        return {name: True for name in said if isinstance(name, str) and name.strip()}
    if not isinstance(said, Mapping):
        return {}
    return {name: _read_consent(value) for name, value in said.items() if name.strip()}


def _read_consent(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return False if value is None else value
    granted: dict[str, Any] = {"state": "granted"}
    revoke = value.get("revoke")
    if isinstance(revoke, str | int | float) and not isinstance(revoke, bool):
        try:
            granted["expires_at"] = parse_time(revoke)
        except (ValueError, OverflowError):
            # A date that cannot be read must not turn into a consent without end.
            return False
    return granted
