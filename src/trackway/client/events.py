"""From the arguments of a call to one event as JSON, in the fields of the native protocol.

The event is made into bytes when it is tracked, so what the caller changes afterwards changes nothing.
What a caller can mend is raised here, at once, as ValueError or TypeError: an event that JSON cannot
hold, an id that is too long, a time without a zone. All else is left to the server's verdict.
"""

import json
import os
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Literal, NamedTuple, TypedDict
from uuid import UUID

from trackway.ids import make_event_id, make_submission_id

LONGEST_TYPE = 200
LONGEST_ID = 500
CHANNELS = ("web", "server", "mobile", "api")

Id = str | int | UUID | None
Moment = datetime | str | int | float | None


class MoreFields(TypedDict, total=False):
    """May go with any call. None, an empty text and an empty mapping are as good as left out."""

    anonymous_id: Id
    session_id: Id
    contact_id: Id
    instance_id: Id
    email: str | None
    phone: str | None
    email_hash: str | None
    identifiers: Mapping[str, Any] | None
    referrer: str | None
    title: str | None
    channel: Literal["web", "server", "mobile", "api"] | None
    properties: Mapping[str, Any] | None
    context: Mapping[str, Any] | None
    occurred_at: Moment
    dedupe_key: Id


class EventFields(MoreFields, total=False):
    """What `track` takes beside the event's type."""

    user_id: Id
    account_id: Id
    url: str | None
    consent: Mapping[str, Any] | None
    traits: Mapping[str, Any] | None
    account_traits: Mapping[str, Any] | None


IDS = ("anonymous_id", "session_id", "user_id", "contact_id", "account_id", "instance_id", "dedupe_key")
TEXTS = ("email", "phone", "email_hash", "url", "referrer", "title", "channel")
OBJECTS = ("identifiers", "traits", "account_traits", "consent", "properties", "context")


class Encoded(NamedTuple):
    """An event as one line of JSON without a line break in it."""

    line: bytes
    dedupe_key: str


def encode_event(event_type: str, fields: Mapping[str, object], context: Mapping[str, Any]) -> Encoded:
    """`context` is what the client adds to every event; the event's own entries go before it.

    An event without `dedupe_key` gets a UUIDv7, so that sending it twice stores it once.
    """
    if not isinstance(event_type, str) or not event_type.strip():
        raise ValueError("event_type must be a text that is not empty")
    if len(event_type) > LONGEST_TYPE:
        raise ValueError(f"event_type has {len(event_type)} characters, at most {LONGEST_TYPE} are allowed")
    event: dict[str, Any] = {"event_type": event_type}
    for name, value in fields.items():
        if value is None:
            continue
        if name in IDS:
            value = _read_id(name, value)
        elif name in OBJECTS:
            value = _read_object(name, value)
        elif name in TEXTS:
            value = _read_text(name, value)
        elif name != "occurred_at":
            raise TypeError(f"{name} is no field of an event; values of your own belong into properties")
        if value or name == "occurred_at":
            event[name] = value
    if context:
        event["context"] = {**context, **event.get("context", {})}
    event["occurred_at"] = _read_time(event.get("occurred_at"))
    key = event.setdefault("dedupe_key", "") or make_dedupe_key()
    event["dedupe_key"] = key
    return Encoded(_encode(event), key)


def make_dedupe_key() -> str:
    """A UUIDv7 of now."""
    return make_event_id(make_submission_id(time.time_ns() // 1_000_000), int.from_bytes(os.urandom(2), "big"))


def format_now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _read_id(name: str, value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | UUID):
        raise ValueError(f"{name} must be a text, an integer or a UUID, not {type(value).__name__}")
    text = str(value)
    if len(text) > LONGEST_ID:
        raise ValueError(f"{name} has {len(text)} characters, at most {LONGEST_ID} are allowed")
    return text


def _read_text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{name} must be a text, not {type(value).__name__}")
    if name == "channel" and value and value not in CHANNELS:
        raise ValueError(f"channel must be one of {', '.join(CHANNELS)}, not {value!r}")
    return value


def _read_object(name: str, value: object) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError(f"{name} must be a mapping, not {type(value).__name__}")
    return dict(value)


def _read_time(value: object) -> str | int | float:
    if value is None or value == "":
        return format_now()
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError("occurred_at has no time zone, so it is not known when it was; try datetime.now(UTC)")
        return value.isoformat()
    if isinstance(value, str):
        try:
            datetime.fromisoformat(value)
        except ValueError as error:
            raise ValueError(f"occurred_at is no ISO 8601 time: {error}") from None
        return value
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise ValueError("occurred_at must be a datetime, an ISO 8601 text, or a number of seconds since 1970")
    return value


def _encode_other(value: object) -> Any:
    """What Python programs put into events and JSON does not know, in its usual form."""
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is no JSON value")


_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_encode_other)


def _encode(event: dict[str, Any]) -> bytes:
    try:
        return _ENCODER.encode(event).encode()
    except (TypeError, ValueError, RecursionError):
        raise ValueError(_word_mistake(event.items())) from None


def _word_mistake(fields: Iterable[tuple[str, Any]]) -> str:
    """Which field JSON cannot hold, and why: fields are tried one by one."""
    for name, value in fields:
        try:
            _ENCODER.encode(value).encode()
        except UnicodeEncodeError:
            return f"{name} holds half of a surrogate pair, which is no text"
        except RecursionError:
            return f"{name} is nested too deep"
        except (TypeError, ValueError) as error:
            return f"{name} cannot be made JSON: {error}"
    return "the event cannot be made JSON"
