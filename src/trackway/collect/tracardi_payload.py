"""The body of Tracardi's `POST /track` (TrackerPayload, EventPayload), decoded and checked.

A payload is taken as a whole or refused as a whole, as the real server does. A clean one is decoded
into strict types; only what these refuse is decoded a second time, made fit to keep, or refused with
the field that is wrong. Unknown keys are ignored, and `metadata` is one of them: clients send all
kinds of things there.
"""

import re
from typing import Annotated, Any, Generic, TypeVar

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from trackway.collect.limits import (
    ANYTHING,
    ESCAPED_NUL,
    LONGEST_ID,
    LONGEST_PLAIN,
    LONGEST_TYPE,
    PLAIN_LEVELS,
    Limits,
    PlainObject,
    clean_object,
    read_float,
)
from trackway.ids import EVENTS_PER_SUBMISSION
from trackway.outcome import Reason, Refused, Rejection, refuse

TRACK = "/track"
# The system's own, beside the client's.
ADDED_EVENTS = 3
# Every event carries the payload's context: together they may hold so many times what a body may.
MOST_COPIES_OF_CONTEXT = 4

AnyObject = dict[str, Any]
# An object, decoded strictly or loosely.
Object = TypeVar("Object")
Text = Annotated[str, Meta(max_length=LONGEST_ID)]
Moment = str | int | float | None


class Named(Struct, gc=False):
    """`{"id": …}`, how Tracardi names a source or a session."""

    id: Text


class NamedProfile(Struct):
    id: Text
    primary_id: Text | None = None
    ids: list[Text] | None = None


class Times(Struct, gc=False):
    insert: Moment = None
    create: Moment = None


class EventPayload(Struct, Generic[Object]):
    type: Annotated[str, Meta(max_length=LONGEST_TYPE)]
    id: Text | None = None
    time: Times | None = None
    properties: Object | None = None
    context: Object | None = None
    options: Object | None = None
    tags: list[Any] | None = None


class Sender(Struct, Generic[Object]):
    """Who sends a payload, and how it is to be taken."""

    source: Named
    session: Named | None = None
    profile: NamedProfile | None = None
    options: Object | None = None
    profile_less: bool | None = None

    def option(self, *names: str) -> Any:
        """The first of these options that is there."""
        options: Any = self.options
        return next((options[name] for name in names if name in options), None) if options else None


class Payload(Sender[Object], Generic[Object]):
    context: Object | None = None
    properties: Object | None = None
    events: list[EventPayload[Object]] = []
    device: Any = None


class OutlinedEvent(Struct):
    type: str


class OutlinedContext(Struct):
    tracardi: Any = None


class Outline(Sender[AnyObject]):
    """As much of a payload as says whose it is. What the events hold is read over, and not checked."""

    context: OutlinedContext | None = None
    events: list[OutlinedEvent] = []


class SourceOnly(Struct):
    source: Named


LoosePayload = Payload[AnyObject]

_SOURCE = msgspec.json.Decoder(SourceOnly)
_CLEAN = msgspec.json.Decoder(Payload[PlainObject])
_LOOSE = msgspec.json.Decoder(LoosePayload, float_hook=read_float)
_OUTLINE = msgspec.json.Decoder(Outline, float_hook=read_float)
_PLACE = re.compile(r" - at `(?:key in )?\$\.?(.*?)`$")


def find_source(body: bytes) -> str:
    """The source's id; "" where the body names none."""
    try:
        return _SOURCE.decode(body).source.id.strip()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""


def read_outline(body: bytes) -> Outline | None:
    """None for what is no payload."""
    try:
        return _OUTLINE.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def read_payload(body: bytes, limits: Limits) -> LoosePayload:
    """The payload. Refused as a whole when one field of it cannot be taken."""
    if (
        len(body) <= min(LONGEST_PLAIN, limits.event_bytes)
        and ESCAPED_NUL not in body
        and limits.json_depth > PLAIN_LEVELS
    ):
        try:
            payload: Any = _CLEAN.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            pass
        else:
            if len(payload.events) * len(body) <= limits.decompressed_bytes and _is_plain(payload):
                return check_payload(payload, limits)
    return check_payload(_clean_payload(decode_loosely(body), limits), limits)


def _is_plain(payload: LoosePayload) -> bool:
    """Nothing but texts in the fields of any type, which the strict types let through."""
    device = payload.device
    if device is not None and not (type(device) is dict and all(type(value) is str for value in device.values())):
        return False
    return all(not item.tags or all(type(tag) is str for tag in item.tags) for item in payload.events)


def decode_loosely(body: bytes) -> LoosePayload:
    """The payload as it was sent."""
    if not body.strip():
        raise refuse(Reason.EMPTY_BODY, "the body is empty; send a JSON object with source and events")
    try:
        return _LOOSE.decode(body)
    except RecursionError:
        raise refuse(Reason.TOO_DEEP, "the body is nested too deeply") from None
    except msgspec.ValidationError as error:
        raise Refused(_word_error(str(error))) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise refuse(Reason.INVALID_JSON, f"the body is not JSON that can be kept: {str(error)[:200]}") from None


def _word_error(said: str) -> Rejection:
    """msgspec's words as ours: its text ends with the path of the field."""
    found = _PLACE.search(said)
    at = found[1] if found else ""
    text = said[: found.start()] if found else said
    missing = re.fullmatch(r"Object missing required field `(\w+)`", text)
    if missing:
        field = f"{at}.{missing[1]}".lstrip(".")
        return Rejection(reason=Reason.MISSING_FIELD, message=f"{field} is required", field=field)
    reason = Reason.OUT_OF_RANGE if "length" in text or "range" in text else Reason.WRONG_TYPE
    return Rejection(reason=reason, message=text[:300].replace("`", ""), field=at[:200])


def check_payload(payload: LoosePayload, limits: Limits) -> LoosePayload:
    if not payload.source.id.strip():
        raise refuse(Reason.MISSING_FIELD, "source.id is required: a text that is not empty", field="source.id")
    if len(payload.events) > min(limits.events_per_call, EVENTS_PER_SUBMISSION - ADDED_EVENTS):
        raise refuse(
            Reason.TOO_MANY_EVENTS,
            f"{len(payload.events)} events in one call; the limit events_per_call is {limits.events_per_call}",
            field="events",
        )
    for index, item in enumerate(payload.events):
        if not item.type or item.type.isspace():
            at = f"events[{index}].type"
            raise refuse(Reason.MISSING_FIELD, f"{at} is required: a text that is not empty", field=at)
    return payload


def _clean_payload(payload: LoosePayload, limits: Limits) -> LoosePayload:
    """Made fit to keep: NUL and huge integers replaced, depth and size held to the limits."""

    def clean(value: AnyObject | None, field: str) -> AnyObject | None:
        return clean_object(value, field, limits.json_depth - 1) if value else value

    events = []
    for index, item in enumerate(payload.events[: limits.events_per_call + 1]):
        at = f"events[{index}]"
        if len(msgspec.json.encode(item)) > limits.event_bytes:
            raise refuse(
                Reason.EVENT_TOO_LARGE,
                f"the event is larger than {limits.event_bytes} bytes (limit event_bytes)",
                field=at,
            )
        parts = {name: clean(getattr(item, name), f"{at}.{name}") for name in ("properties", "context", "options")}
        wrapped = clean({"tags": item.tags}, at) if item.tags else None
        tags = wrapped["tags"] if wrapped else None
        event_id = strip_text(item.id) if item.id else item.id
        events.append(replace(item, type=strip_text(item.type), id=event_id, tags=tags, **parts))
    if payload.context:
        size = len(msgspec.json.encode(payload.context)) * len(events)
        if size > limits.decompressed_bytes * MOST_COPIES_OF_CONTEXT:
            raise refuse(
                Reason.EVENT_TOO_LARGE,
                "the context goes with every event, and together that is too much; send fewer events per call",
                field="context",
            )
    wrapped = clean({"device": payload.device}, "") if payload.device is not None else None
    return replace(
        payload,
        **{name: clean(getattr(payload, name), name) for name in ("context", "properties", "options")},
        events=events,
        device=wrapped["device"] if wrapped else None,
        session=Named(strip_text(payload.session.id)) if payload.session else None,
    )


def strip_text(text: str) -> str:
    return text.replace("\x00", "").strip()


def find_value(body: bytes, field: str) -> Any:
    """What was sent at `events[3].type`, or in the object around it where that is missing; None when nothing is."""
    try:
        found: Any = ANYTHING.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    for step in split_field(field):
        if isinstance(step, int):
            if not isinstance(found, list) or step >= len(found):
                break
            found = found[step]
        elif isinstance(found, dict) and step in found:
            found = found[step]
        else:
            break
    return found


def split_field(field: str) -> list[str | int]:
    """`events[3].type` as ["events", 3, "type"]."""
    steps = (step for step in re.split(r"[.\[\]]+", field) if step)
    return [int(step) if step.isdecimal() else step for step in steps]
