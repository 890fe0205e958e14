"""Tracify's older way in, `POST /upload`, as its plugin for WooCommerce sends orders: the same events by other names.

Each is put into the words of `protocols/tracify.py`, which reads it; what that refuses is named in the words
that were sent.
"""

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from trackway.outcome import Rejection

UPLOAD_PATH = "/upload"

# What the older form calls a field -> what the newer one does. The rest of `event_infos` has the same names.
_EVENT_NAMES = {
    "interaction_type": "type",
    "loc": "url",
    "site_id": "customer_site_id",
    "entity_data": "identity_data",
    "event_infos": "data",
}
_DATA_NAMES = {"csorigin": "origin", "oid": "order_id", "cc": "currency"}
_SENT_NAMES = {new: old for old, new in {**_EVENT_NAMES, **_DATA_NAMES}.items()}


def read_upload(content: Mapping[str, Any]) -> dict[str, Any]:
    """The event in the newer form. What is no object is left for the reader to refuse."""
    event = {_EVENT_NAMES.get(name, name): value for name, value in content.items()}
    if isinstance(data := event.get("data"), dict):
        event["data"] = {_DATA_NAMES.get(name, name): value for name, value in data.items()}
    return event


def word_upload(rejection: Rejection) -> Rejection:
    """`events[0].data.order_id` is `events[0].event_infos.oid` to this sender."""
    place, dot, path = rejection.field.partition("].")
    if not dot:
        return rejection
    parts = path.split(".")
    named = [_SENT_NAMES.get(part, part) for part in parts[:2]] + parts[2:]
    last = parts[-1]
    message = rejection.message
    if last in _SENT_NAMES and message.startswith(f"{last} "):
        message = _SENT_NAMES[last] + message.removeprefix(last)
    return replace(rejection, field=f"{place}{dot}{'.'.join(named)}", message=message)
