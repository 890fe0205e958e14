"""Conversations of a person: what was said in chats and calls, in the order in which it was said.

Station 5. Events of one interaction (`instance_id`) are one conversation, else those of one session.
Their times are the order. Senders without a good clock number them: `sequence` among the properties.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from trackway.event_types import MESSAGE_TYPES
from trackway.query.activity import Whose
from trackway.query.answers import describe_event
from trackway.query.compiler import compile_query, run_query
from trackway.store.client import EventStore

MOST_MESSAGES = 200
TEXTS = ("text", "message", "content", "body")
SENT = ("message_sent", "message-sent")


def list_conversations(store: EventStore, workspace: str, whose: Whose) -> list[dict[str, Any]]:
    """[{"conversation", "began_at", "last_at", "messages": [oldest first]}…], the newest conversation first.

    Of the newest 200 events; a message is {"event_id", "event_type", "occurred_at", "by", "text"}, and `by`
    is "visitor", "site" or "" for what nobody said, such as an opened window.
    """
    parameters = {"workspace": workspace, "message_types": list(MESSAGE_TYPES), "limit": MOST_MESSAGES}
    rows = run_query(store, compile_query("list_messages", parameters, whose.filters))
    talks: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        event = describe_event(row)
        talks.setdefault(event["instance_id"] or event["session_id"], []).append(event)
    return [
        {
            "conversation": name,
            "began_at": said[-1]["occurred_at"],
            "last_at": said[0]["occurred_at"],
            "messages": [_describe_message(event) for event in _put_in_order(said[::-1])],
        }
        for name, said in talks.items()
    ]


def _put_in_order(events: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """`events`, oldest first, with those that have numbers in the order of these, unless a number occurs
    twice: then two sides have counted, each by itself."""
    numbers = [_read_number(event) for event in events]
    counted = [number for number in numbers if number is not None]
    if len(set(counted)) < len(counted):
        return list(events)
    in_turn = iter(sorted(range(len(events)), key=lambda n: (numbers[n] is None, numbers[n] or 0)))
    return [event if number is None else events[next(in_turn)] for event, number in zip(events, numbers, strict=True)]


def _read_number(event: Mapping[str, Any]) -> int | None:
    number = msgspec.json.decode(event["properties"]).get("sequence")
    return number if type(number) is int else None


def _describe_message(event: Mapping[str, Any]) -> dict[str, Any]:
    properties: Any = msgspec.json.decode(event["properties"])
    texts = [properties[name] for name in TEXTS if isinstance(properties.get(name), str)]
    said = event["event_type"].replace("-", "_").startswith("message_")
    return {
        "event_id": event["event_id"],
        "event_type": event["event_type"],
        "occurred_at": event["occurred_at"],
        "by": ("visitor" if event["event_type"] in SENT else "site") if said else "",
        "text": texts[0] if texts else "",
    }
