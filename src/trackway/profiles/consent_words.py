"""What senders say of consent, in their words, as our channels, purposes and states.

Pure. Google's consent mode, Segment's categories and plain names arrive in `Event.consent` and
become statements; which of several statements counts is decided here too, in `resolve`.
The table of words: docs/reference/consent.md.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from trackway.control.sources import OWN_SOURCES
from trackway.event import Event
from trackway.event_types import RECORD_TYPES
from trackway.profiles.policies import State

CHANNELS = ("tracking", "email", "sms", "voice", "ads")
PURPOSES = ("marketing", "transactional", "analytics", "profiling", "product_updates")
LONGEST_NAME = 100
MOST_STATEMENTS = 50
CONSENT_UPDATED = "consent_updated"


class Topic(NamedTuple):
    """What a statement is about; "" as channel or purpose means every one."""

    channel: str
    purpose: str


class Statement(NamedTuple):
    """One thing that was said; `expires_at` in milliseconds since 1970, 0 for never."""

    topic: Topic
    state: State
    expires_at: int = 0
    text_version: str = ""


class Stand(NamedTuple):
    """How a topic stands since `occurred_at`."""

    state: State
    occurred_at: int


# A page's measurements are tracking for analytics; what this event road does needs that much.
MEASURING = Topic("tracking", "analytics")
TRACKING_TOPICS = (Topic("tracking", ""), MEASURING)

_TOPICS: dict[str, Topic] = {
    **{channel: Topic(channel, "") for channel in CHANNELS},
    **{purpose: Topic("", purpose) for purpose in PURPOSES},
    "analytics": MEASURING,
    "product updates": Topic("", "product_updates"),
    "advertising": Topic("ads", ""),
    # https://developers.google.com/tag-platform/security/concepts/consent-mode
    "analytics_storage": MEASURING,
    "ad_storage": Topic("ads", ""),
    "ad_user_data": Topic("ads", "ad_user_data"),
    "ad_personalization": Topic("ads", "profiling"),
    "personalization_storage": Topic("", "profiling"),
}

_WORDS: dict[str, State] = {
    **dict.fromkeys(
        ("granted", "true", "yes", "1", "allow", "allowed", "accepted", "confirmed", "opted_in"), "granted"
    ),
    **dict.fromkeys(
        ("withdrawn", "denied", "false", "no", "0", "deny", "declined", "rejected", "revoked", "opted_out"), "withdrawn"
    ),
    "pending": "pending",
    "expired": "expired",
    "unknown": "unknown",
}


def read_state(said: Any) -> State | None:
    """true, false, 1, 0 or a word for a state; None when it is none."""
    if said is True or said is False:
        return "granted" if said else "withdrawn"
    if isinstance(said, str | int) and not isinstance(said, bool):
        return _WORDS.get(str(said)[:20].strip().lower())
    return None


def name_topic(name: str) -> Topic:
    """Of a channel, purpose or category; `email.marketing` names both. An unknown name is a purpose as it stands."""
    plain = name.strip()[:LONGEST_NAME]
    known = _TOPICS.get(plain.lower())
    if known is not None:
        return known
    channel, dot, purpose = plain.partition(".")
    if dot and purpose and channel.lower() in CHANNELS:
        return Topic(channel.lower(), purpose)
    return Topic("", plain)


def read_statements(said: Mapping[str, Any]) -> tuple[list[Statement], list[str]]:
    """What an object says, and the names whose value is no state.

    A value is a state, an object `{state, expires_at, text_version}`, or, under a channel's name,
    an object of purposes. `categoryPreferences` is Segment's object of categories.
    """
    statements: dict[Topic, Statement] = {}
    unread: list[str] = []
    for name, value in _list_named(said):
        topic = name_topic(name)
        state = read_state(value.get("state") if isinstance(value, Mapping) else value)
        if state is None or not (topic.channel or topic.purpose):
            unread.append(name[:LONGEST_NAME])
        elif len(statements) < MOST_STATEMENTS:
            details = _read_details(value) if isinstance(value, Mapping) else (0, "")
            new = Statement(topic, state, *details)
            # Two names for one topic (analytics and analytics_storage): the one that forbids more stands.
            if topic not in statements or state == "withdrawn":
                statements[topic] = new
    return list(statements.values()), unread


def _list_named(said: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
    for name, value in said.items():
        if name == "categoryPreferences" and isinstance(value, Mapping):
            yield from value.items()
        elif isinstance(value, Mapping) and "state" not in value and name.lower() in CHANNELS:
            yield from ((f"{name}.{purpose}", inner) for purpose, inner in value.items())
        else:
            yield name, value


def _read_details(value: Mapping[str, Any]) -> tuple[int, str]:
    expires, version = value.get("expires_at"), value.get("text_version")
    sound = type(expires) is int and 0 < expires < 1 << 53
    return (expires if sound and isinstance(expires, int) else 0), (
        version[:LONGEST_NAME] if isinstance(version, str) else ""
    )


def said_by(event: Event) -> list[Statement]:
    """The statements that an event carries, in its own field or as Segment puts them into the context."""
    if event.consent:
        return read_statements(event.consent)[0]
    if event.context and isinstance(segment := event.context.get("consent"), Mapping):
        return read_statements({"categoryPreferences": segment.get("categoryPreferences")})[0]
    return []


def is_record(event: Event) -> bool:
    """What an operator or their CRM says of a contact is a record of theirs, not the tracking of a visitor."""
    if event.source in OWN_SOURCES:
        return event.event_type != CONSENT_UPDATED
    return event.trusted and event.event_type in RECORD_TYPES


def state_at(state: State, expires_at: int, now: int) -> State:
    """A consent, or the wait for one, ends at `expires_at`; a withdrawal never does."""
    return "expired" if state in ("granted", "pending") and 0 < expires_at <= now else state


def resolve(stands: Mapping[Topic, Stand], asked: Topic) -> tuple[State, Topic] | None:
    """How `asked` stands, and by which topic; None when nothing was said of it.

    The most specific statement counts, unless a wider one was withdrawn at the same time or later.
    """
    ladder = (asked, Topic(asked.channel, ""), Topic("", asked.purpose))
    found = [(topic, stands[topic]) for topic in dict.fromkeys(ladder) if topic in stands]
    if not found:
        return None
    topic, stand = found[0]
    for wider, later in found[1:]:
        if later.state == "withdrawn" and later.occurred_at >= stand.occurred_at:
            topic, stand = wider, later
    return stand.state, topic


def tracking_state(statements: Iterable[Statement], now: int) -> State | None:
    """What statements made at one moment say of being tracked at `now`; None when nothing."""
    found = resolve(
        {said.topic: Stand(state_at(said.state, said.expires_at, now), 0) for said in statements}, MEASURING
    )
    return found[0] if found else None
