"""Event: everything known about one event, and the way it took."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from trackway.control.sources import list_sources
from trackway.dashboard.page import Answer, NotThere, Page, Question
from trackway.outcome import REASONS, Reason
from trackway.query.events import find_event
from trackway.query.questions import QuestionError


class Group(Struct, frozen=True):
    title: str
    fields: tuple[str, ...]


# Every field of `Event` stands in one group, except those the page shows by themselves.
GROUPS = (
    Group("What", ("event_type", "title", "url", "host", "path", "instance_id", "dedupe_key", "dedupe_scope",
                   "business_key", "revenue", "currency")),
    Group("Who", ("profile_id", "user_id", "contact_id", "account_id", "anonymous_id", "session_id", "visitor_key",
                  "weak_key", "profile_key", "bot")),
    Group("Consent", ("stored_as", "consent_rule")),
    Group("Tracking plan", ("plan_version", "plan_errors")),
    Group("Came from", ("referrer", "referrer_class", "referrer_name", "referrer_host", "utm_source", "utm_medium",
                        "utm_campaign", "utm_term", "utm_content", "click_id_kind", "click_id")),
    Group("Place and device", ("country", "region", "city", "time_zone", "place_rule", "ip", "browser",
                               "browser_version", "os", "os_version", "device", "user_agent")),
    Group("Sent by", ("source", "protocol", "channel", "trusted", "workspace", "event_id")),
    Group("When", ("occurred_at", "sent_at", "received_at", "time_rule")),
)  # fmt: skip
SHOWN_APART = ("properties", "context", "identifiers", "traits", "account_traits", "consent")

# Of rows that a replay has replaced the newest are shown; the page as JSON has them all.
SHOWN_REPLACED = 10

OUTCOMES = {
    "stored": "Stored",
    "duplicate": "Duplicate",
    "dropped": "Dropped",
    "dead_lettered": "Dead-lettered",
    "held": "Held",
    "in_flight": "In flight",
}


def ask_event(question: Question) -> Answer:
    desk, event_id = question.desk, question.path["event_id"]
    unknown = NotThere(f"No event {event_id[:60]} is stored, set aside or in flight in this workspace.")
    try:
        found = find_event(desk.store, desk.state, desk.log, desk.workspace, event_id, desk.stages)
    except QuestionError:
        raise unknown from None
    if found is None:
        raise unknown
    return found


def show_event(question: Question, answer: Answer) -> Mapping[str, Any]:
    event = answer["event"]
    sources = {source.id: source.name for source in list_sources(question.desk.state, question.desk.workspace)}
    return {
        "outcome_word": OUTCOMES.get(answer["outcome"], answer["outcome"]),
        "explanation": explain_reason(answer["reason"]),
        "groups": [] if event is None else group_fields(event),
        "source_names": sources,
        "source": answer["source"],
        "shown_replaced": SHOWN_REPLACED,
    }


def group_fields(event: Mapping[str, Any]) -> list[tuple[str, list[tuple[str, str]]]]:
    """Groups of (field, text), without what is unknown and groups that would be empty."""
    groups = []
    for group in GROUPS:
        fields = [(name, _say(event[name])) for name in group.fields if _is_told(event, name)]
        if fields:
            groups.append((group.title, fields))
    return groups


def _is_told(event: Mapping[str, Any], name: str) -> bool:
    if name == "dedupe_scope":  # has a value always, and a meaning only beside a key
        return bool(event["dedupe_key"])
    if name == "profile_key":  # says something new only where the profile has taken over another
        return bool(event["profile_key"] != event["profile_id"])
    return event[name] not in ("", 0)


def _say(value: str | bool | float) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return str(value)
    return value if isinstance(value, str) else f"{value:,.2f}"


def explain_reason(reason: str) -> str:
    """What the reason means, in a sentence; empty when there is none or it is of another version."""
    try:
        return REASONS[Reason(reason)].meaning
    except ValueError:
        return ""


PAGE = Page("/events/{event_id}", "event.html", ask_event, show_event)
