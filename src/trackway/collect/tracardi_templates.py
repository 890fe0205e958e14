"""Applies a source's reshaping and event-to-profile mapping to an event of Tracardi's dialect. Pure.

The settings are read once per text (`control/tracardi_templates.py` checks them when they are set)
and what they say depends on the request alone, so a replay gives the same event.
"""

from collections.abc import Mapping
from functools import lru_cache
from itertools import islice
from typing import Any

from msgspec import Struct

from trackway.collect.limits import clean_object
from trackway.collect.tracardi_bodies import read_query
from trackway.collect.tracardi_effects import MOST_LEAVES, Effects, read_consents, say
from trackway.collect.tracardi_payload import TRACK, LoosePayload
from trackway.control.tracardi_conditions import Objects
from trackway.control.tracardi_templates import MappingLine, Reshaping, read_mapping, read_reshaping
from trackway.event import Source, Submission
from trackway.profiles.tracardi_tree import find_identifiers, name_trait

RESHAPING, MAPPING = "reshaping", "mapping"
CONSENTS = "consents."

_read_reshaping = lru_cache(256)(read_reshaping)
_read_mapping = lru_cache(256)(read_mapping)


class Reshaped(Struct, frozen=True):
    """The event's properties and context, and what belongs to its session (None: nothing was said)."""

    properties: dict[str, Any]
    context: dict[str, Any]
    session: dict[str, Any] | None = None


def has_templates(source: Source) -> bool:
    return bool(source.settings.get(RESHAPING) or source.settings.get(MAPPING))


def show_payload(submission: Submission, payload: LoosePayload) -> dict[str, Any]:
    """What `payload@` names: the tracker payload, of a webhook or redirect its query and body."""
    if submission.path != TRACK:
        sent = payload.events[0].properties or {} if payload.events else {}
        params = read_query(submission.query)
        return {
            "source": {"id": payload.source.id},
            "params": params,
            "body": {} if submission.method == "GET" else sent,
        }
    return {
        "source": {"id": payload.source.id},
        "session": {"id": payload.session.id} if payload.session else None,
        "profile": {"id": payload.profile.id} if payload.profile else None,
        "context": payload.context or {},
        "properties": payload.properties or {},
        "options": payload.options or {},
    }


def reshape(
    event: Mapping[str, Any],
    payload: Mapping[str, Any],
    session: Mapping[str, Any],
    source: Source,
    depth: int = 30,
) -> Reshaped:
    """The event as the first matching record of the setting `reshaping` makes it; as it was without one.

    `event` is what `event@` names: at least {"type", "properties", "context"}; `payload` the tracker
    payload around it, `session` {"id": …}. `depth` is the limit json_depth. Refused when what a
    template makes is nested deeper.
    """
    properties, context = event.get("properties") or {}, event.get("context") or {}
    text = source.settings.get(RESHAPING, "")
    if not text:
        return Reshaped(properties, context)
    objects: Objects = {"event": event, "payload": payload, "session": session}
    for record in _read_reshaping(text):
        if _fits(record, event, source) and (record.condition is None or record.condition(objects)):
            made = {name: _as_object(fill(objects), name, depth) for name, fill in record.parts.items()}
            return Reshaped(made.get("properties", properties), made.get("context", context), made.get("session"))
    return Reshaped(properties, context)


def map_to_traits(
    event: Mapping[str, Any], payload: Mapping[str, Any], session: Mapping[str, Any], source: Source
) -> Effects:
    """What the setting `mapping` makes of an event for its profile; add it to what its type does.

    The arguments are those of `reshape`, `event` with its properties already reshaped.
    """
    text = source.settings.get(MAPPING, "")
    if not text:
        return Effects()
    objects: Objects = {"event": event, "payload": payload, "session": session}
    traits: dict[str, Any] = {}
    consent: dict[str, Any] = {}
    for line in _read_mapping(text):
        if _fits(line, event, source) and all(test(objects) for test in line.conditions):
            if line.target.startswith(CONSENTS):
                consent |= read_consents({line.target.removeprefix(CONSENTS): line.find(objects)})
            else:
                told = islice(say(line.op, line.target, line.find(objects)), MOST_LEAVES - len(traits))
                traits |= {name_trait(path): value for path, value in told}
    return Effects(traits, find_identifiers(traits), consent)


def join_effects(first: Effects, then: Effects) -> Effects:
    """Both; of one trait or consent said twice the second counts."""
    identifiers = {
        kind: list(dict.fromkeys([*first.identifiers.get(kind, ()), *then.identifiers.get(kind, ())]))
        for kind in {**first.identifiers, **then.identifiers}
    }
    return Effects(first.traits | then.traits, identifiers, first.consent | then.consent, then.journey or first.journey)


def _fits(record: Reshaping | MappingLine, event: Mapping[str, Any], source: Source) -> bool:
    return record.event_type in ("", event.get("type")) and record.source in ("", source.id)


def _as_object(value: Any, name: str, depth: int) -> dict[str, Any]:
    """What a template makes is an object, or stands in one."""
    made = value if isinstance(value, dict) else {} if value is None else {"value": value}
    return clean_object(made, name, depth)
