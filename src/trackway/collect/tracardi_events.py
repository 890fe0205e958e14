"""A Tracardi payload as canonical events, with those that the system adds. Pure.

What an event says of its profile comes from `tracardi_effects`; whose it is stands in the
submission's notes (`tracardi_ids`).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from trackway.collect.fields import door_fields, parse_time_field, take_sender, time_fields
from trackway.collect.limits import LONGEST_TITLE, LONGEST_URL
from trackway.collect.tracardi_effects import apply_effects
from trackway.collect.tracardi_ids import CREATED, QUIET, RETURNED, STATIC, UNSAVED, VISIT_ENDED, name_type
from trackway.collect.tracardi_payload import EventPayload, LoosePayload, Times
from trackway.collect.tracardi_templates import has_templates, join_effects, map_to_traits, reshape, show_payload
from trackway.event import PROCESS_ONLY, PROFILE_LESS, Event, Source, Submission
from trackway.ids import make_event_id
from trackway.outcome import Reason, refuse
from trackway.profiles.visits import CHANGED, COUNT, OPENED, PROFILE, SESSION, VISIT

# The three events of the system lie so long before the client's, so that they come first in every list.
PROFILE_CREATED_MS, SESSION_OPENED_MS, VISIT_STARTED_MS = 3000, 2000, 1000
VISIT_STARTED = "visit-started"
CAMPAIGN_FIELDS = ("source", "medium", "campaign", "term", "content")
LONGEST_CAMPAIGN = 500
_NONE: Mapping[str, Any] = {}


class Whose(Struct, frozen=True):
    """What the events of one submission share beside the door's fields."""

    door: Event
    payload: LoosePayload
    context: dict[str, Any]
    identifiers: dict[str, list[str]]
    known: bool
    visits: int
    store: bool
    # What `payload@` names in templates; None where the source has none.
    templated: Mapping[str, Any] | None
    source: Source


def build_events(submission: Submission, payload: LoosePayload, source: Source) -> Sequence[Event]:
    """The client's events in their order, then the system's. Refused when one holds a time that is none."""
    noted = submission.noted
    whose = _open(submission, payload, source)
    new_visit = noted.get(VISIT, CHANGED) != CHANGED
    types = [name_type(item.type) for item in payload.events]
    adds_events = QUIET not in noted and VISIT_ENDED not in types
    started = new_visit and adds_events
    events = [
        _build(whose, submission, index, item, types[index], new_visit and not started and index == 0)
        for index, item in enumerate(payload.events)
    ]
    if adds_events:
        for event_type, key, before in _list_system_events(noted):
            properties = {"trigger-event-types": types} if event_type == VISIT_STARTED else {}
            moment = Times(insert=submission.received_at - before)
            added = EventPayload(type=event_type, id=key, time=moment, properties=properties)
            events.append(_build(whose, submission, len(events), added, event_type, event_type == VISIT_STARTED))
    return events


def _list_system_events(noted: Mapping[str, str]) -> list[tuple[str, str, int]]:
    """Type, retry key and age. The keys are the same at every collector, so that each is stored once."""
    session, found = noted.get(SESSION, ""), []
    if CREATED in noted:
        found.append(("profile-created", f"profile-created:{noted[PROFILE]}", PROFILE_CREATED_MS))
    if noted.get(VISIT) == OPENED:
        found.append(("session-opened", f"session-opened:{session}"[:500], SESSION_OPENED_MS))
    if noted.get(VISIT, CHANGED) != CHANGED:
        found.append((VISIT_STARTED, f"{VISIT_STARTED}:{noted[COUNT]}:{session}"[:500], VISIT_STARTED_MS))
    return found


def _open(submission: Submission, payload: LoosePayload, source: Source) -> Whose:
    noted = submission.noted
    door = Event(
        event_id="",
        event_type="",
        occurred_at=submission.received_at,
        received_at=submission.received_at,
        session_id="" if UNSAVED in noted else noted.get(SESSION, ""),
        **door_fields(submission, source),
    )
    context: dict[str, Any] = payload.context or {}
    if payload.device is not None and "device" not in context:
        context = {**context, "device": payload.device}
    if payload.properties:
        context = {**context, "payload_properties": payload.properties}
    profile = noted.get(PROFILE, "")
    return Whose(
        door=door,
        payload=payload,
        context=context,
        identifiers=_name_person(payload, noted) if profile else {},
        known=bool(profile),
        visits=2 if RETURNED in noted else 1,
        store=payload.option("saveEvents", "saveEvent") is not False,
        templated=show_payload(submission, payload) if has_templates(source) else None,
        source=source,
    )


def _name_person(payload: LoosePayload, noted: Mapping[str, str]) -> dict[str, list[str]]:
    sent, keys = payload.profile, []
    if sent:
        keys = [text for text in (sent.primary_id, *(sent.ids or ())) if text and text.strip()]
    if STATIC in noted:
        return {"merge_key": [noted[STATIC], *keys]}
    return {"profile_id": [noted[PROFILE]], **({"merge_key": keys} if keys else {})}


def _build(
    whose: Whose, submission: Submission, index: int, item: EventPayload[dict[str, Any]], event_type: str, visits: bool
) -> Event:
    """`visits`: this is the event that counts the visit."""
    received_at = submission.received_at
    times = _read_times(item, index, received_at)
    if whose.templated is not None and index < len(whose.payload.events):
        whose, item = _reshape(whose, item, event_type)
    properties = item.properties or {}
    context, fields = _read_context(whose, item)
    if whose.known and whose.payload.option("saveProfile") is not False:
        effects = apply_effects(event_type, properties, visits, times["occurred_at"], whose.visits)
        if whose.templated is not None:
            shown = _show_event(whose, item, event_type, context)
            mapped = map_to_traits(shown, whose.templated, {"id": whose.door.session_id}, whose.source)
            effects = join_effects(effects, mapped)
        fields["traits"], fields["consent"] = effects.traits, effects.consent
        if effects.journey:
            context = {**context, "journey": effects.journey}
        fields["identifiers"] = (
            _join(whose.identifiers, effects.identifiers) if effects.identifiers else whose.identifiers
        )
    else:
        fields["identifiers"] = whose.identifiers
    return replace(
        whose.door,
        event_id=make_event_id(submission.submission_id, index),
        event_type=event_type,
        dedupe_key=item.id.strip() if item.id else "",
        properties=properties,
        context=context,
        **times,
        **fields,
    )


def _show_event(
    whose: Whose, item: EventPayload[dict[str, Any]], event_type: str, context: Mapping[str, Any]
) -> dict[str, Any]:
    """What `event@` names in templates."""
    return {
        "id": item.id,
        "type": event_type,
        "properties": item.properties or {},
        "context": context,
        "tags": item.tags or [],
        "source": {"id": whose.source.id},
        "session": {"id": whose.door.session_id},
    }


def _reshape(
    whose: Whose, item: EventPayload[dict[str, Any]], event_type: str
) -> tuple[Whose, EventPayload[dict[str, Any]]]:
    """The event as the source's templates make it. A context that is made anew is all there is."""
    context = {**whose.context, **(item.context or {})}
    shown = _show_event(whose, item, event_type, context)
    made = reshape(shown, whose.templated or {}, shown["session"], whose.source)
    renewed = made.context if made.session is None else {**made.context, "session": made.session}
    return replace(whose, context={}), replace(item, properties=made.properties, context=renewed)


def _join(own: dict[str, list[str]], further: Mapping[str, list[str]]) -> dict[str, list[str]]:
    joined = dict(own)
    for kind, values in further.items():
        joined[kind] = [*dict.fromkeys([*joined.get(kind, ()), *values])]
    return joined


def _read_times(item: EventPayload[dict[str, Any]], index: int, received_at: int) -> dict[str, Any]:
    if item.time is None:
        return {"occurred_at": received_at, "time_rule": "received"}
    for name in ("insert", "create"):
        value = getattr(item.time, name)
        if value is None or value == "":
            continue
        at = f"events[{index}].time.{name}"
        if isinstance(value, bool):
            raise refuse(Reason.WRONG_TYPE, f"{at} must be a time, not true or false", field=at)
        return time_fields(parse_time_field(value, at), None, received_at, at)
    return {"occurred_at": received_at, "time_rule": "received"}


def _read_context(whose: Whose, item: EventPayload[dict[str, Any]]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The payload's context with the event's over it, and the canonical fields that stand in it."""
    context = whose.context
    if item.context:
        context = {**context, **item.context} if context else item.context
    fields: dict[str, Any] = {}
    if "page" in context:
        fields = _read_page(context["page"])
    if "utm" in context and (campaign := _read_campaign(context["utm"])):
        context = {**context, "url_parameters": campaign}
    if "time" in context and (zone := _read_zone(context["time"])):
        context = {"time_zone": zone, **context}
    if "ip" in context or "user_agent" in context:
        context, sender = take_sender(context, whose.door.trusted, [])
        fields |= sender
    if item.tags:
        context = {**context, "tags": item.tags}
    if item.options:
        context = {**context, "options": item.options}
    if not whose.store or (item.options and item.options.get("save") is False):
        context = {**context, PROCESS_ONLY: True}
    if not whose.known:
        context = {**context, PROFILE_LESS: True}
    return context, fields


def _read_page(page: Any) -> dict[str, Any]:
    """`{url, title, referer: {host, query}}`; the referrer may be a text, and may be spelt with two r."""
    if not isinstance(page, dict):
        return {}
    fields = {"url": _text(page.get("url"), LONGEST_URL), "title": _text(page.get("title"), LONGEST_TITLE)}
    referrer = page.get("referer") or page.get("referrer")
    if isinstance(referrer, dict):
        host, query = _text(referrer.get("host"), LONGEST_URL), _text(referrer.get("query"), LONGEST_URL)
        referrer = host and f"{host if '://' in host else f'https://{host}/'}{f'?{query}' if query else ''}"
    fields["referrer"] = _text(referrer, LONGEST_URL)
    return fields


def _read_campaign(utm: Any) -> dict[str, str]:
    if not isinstance(utm, dict):
        return {}
    return {f"utm_{name}": _text(utm.get(name), LONGEST_CAMPAIGN) for name in CAMPAIGN_FIELDS if utm.get(name)}


def _read_zone(moment: Any) -> str:
    """`context.time.tz` of the original script, an IANA name."""
    return _text(moment.get("tz"), LONGEST_CAMPAIGN) if isinstance(moment, dict) else ""


def _text(value: Any, longest: int) -> str:
    return value.strip()[:longest] if isinstance(value, str) else ""
