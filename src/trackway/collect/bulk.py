"""Refuses a body that holds far too much before it is split: a list of ten million numbers packs into 20 KB, and
splitting it would take a gigabyte of memory only to say that there are too many.

Nothing here decides about a body that fits.
"""

from functools import cache
from typing import Any

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from trackway.collect.limits import Limits
from trackway.outcome import Reason, refuse

# With fewer separators a body splits into few enough pieces: some 40 MB of them at most. To count them takes 5 ms of 20 MB.
MOST_SEPARATORS = 500_000


class Outer(Struct):
    events: Raw | UnsetType = UNSET


_OUTER = msgspec.json.Decoder(Outer)


def is_bulky(body: bytes) -> bool:
    return body.count(b",") > MOST_SEPARATORS


def check_bulk(body: bytes, limits: Limits) -> None:
    """Refused when a bulky body is a list of more events than a call may have, or large without them.

    DecodeError, RecursionError and UnicodeDecodeError as `decode` raises them.
    """
    if not is_bulky(body):
        return
    try:
        events = _find_events(body, limits)
        last = f"item_{limits.events_per_call}"
        too_many = events is not None and getattr(_read_heads(limits.events_per_call).decode(events), last) is not UNSET
    except msgspec.ValidationError:
        return
    if too_many:
        raise refuse(
            Reason.TOO_MANY_EVENTS,
            f"more than {limits.events_per_call} events in one call (limit events_per_call)",
            field="events",
        )


def _find_events(body: bytes, limits: Limits) -> bytes | Raw | None:
    """The list of events; None where the body is an object without one."""
    if body[:100].lstrip()[:1] != b"{":
        return body
    events = _OUTER.decode(body).events
    beside = len(body) - (0 if isinstance(events, UnsetType) else len(memoryview(events)))
    if beside > limits.event_bytes:
        raise refuse(
            Reason.EVENT_TOO_LARGE,
            f"the event, or what stands beside events, is larger than {limits.event_bytes} bytes (limit event_bytes)",
        )
    return None if isinstance(events, UnsetType) else events


@cache
def _read_heads(most: int) -> "msgspec.json.Decoder[Any]":
    """Of a list the first items up to one more than `most`; the others are read over and not kept."""
    fields = [(f"item_{number}", Raw | UnsetType, UNSET) for number in range(most + 1)]
    return msgspec.json.Decoder(msgspec.defstruct("Head", fields, array_like=True))
