"""Clarm tracking: `POST /api/track`, a secret key as Bearer or the id of a widget.

Clarm prints which events and which context it sends, and neither the envelope nor the answer; the
envelope is therefore read tolerantly and the answer is ours: docs/reference/protocols/clarm.md.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from trackway.collect.bulk import check_copies, is_bulky
from trackway.collect.fields import Item, parse_items, split_body, take_sender, time_fields
from trackway.collect.limits import (
    ANYTHING,
    LONGEST_ID,
    LONGEST_TITLE,
    LONGEST_TYPE,
    LONGEST_URL,
    LONGEST_USER_AGENT,
    Limits,
    clean_object,
)
from trackway.collect.page_meaning import OUTER, read_meaning
from trackway.collect.protocol import Answering, Example, Parsed, Protocol, Reply, Request, Route, Verdict, json_reply
from trackway.control.sources import PUBLIC_CHANNELS
from trackway.event import Source, Submission
from trackway.event_types import MESSAGE_TYPES
from trackway.outcome import Outcome, Reason, Rejection, refuse
from trackway.profiles.identifiers import read_sent_identifiers

# Where the name of an event may stand, asked in this order. `name` comes last: it is also somebody's name.
NAMES = ("event", "event_type", "eventType", "type", "event_name", "eventName", "name")
# Where its properties may stand. Where none is an object, all that is no context is a property.
HOLDERS = ("properties", "props", "data", "payload")
CONTEXT: Mapping[str, tuple[str, ...]] = {
    "visitor_id": ("visitor_id", "visitorId"),
    "session_id": ("session_id", "sessionId"),
    "user_id": ("user_id", "userId"),
    "conversation_id": ("conversation_id", "conversationId"),
    "timestamp": ("timestamp",),
    "url": ("url",),
    "referrer": ("referrer", "referer"),
    "title": ("title",),
    "user_agent": ("user_agent", "userAgent"),
    "context": ("context",),
    "widget_id": ("widget_id", "widgetId"),
}
CONTEXT_NAMES = frozenset(alias for aliases in CONTEXT.values() for alias in aliases)
# Ours: what makes a repeat of one event count once. Beside a list it would make one of all of them.
RETRY = "dedupe_key"
NO_PROPERTIES = CONTEXT_NAMES | {RETRY}
CONVERSATION = CONTEXT["conversation_id"]
ORDER = ("orderId", "order_id")


class Keyed(Struct):
    """As much of a body as says whose it is."""

    widget_id: Raw = Raw(b"null")
    widgetId: Raw = Raw(b"null")  # noqa: N815 (as sent)

    @property
    def key(self) -> str:
        for sent in (self.widget_id, self.widgetId):
            if memoryview(sent)[:1].tobytes() == b'"' and (key := msgspec.json.decode(sent, type=str)):
                return key
        return ""


class KeyedBatch(Struct):
    events: list[Keyed]


_KEYED = msgspec.json.Decoder(list[Keyed] | Keyed)
_KEYED_BATCH = msgspec.json.Decoder(KeyedBatch)


def find_key(request: Request) -> str:
    """The secret key as Bearer; else a widget's id in X-Widget-Id, as `?w=` or in the body, for a beacon."""
    key = request.bearer() or request.headers.get("x-widget-id", "").strip() or request.query_value("w")
    if key or b"idget" not in request.body or is_bulky(request.body):
        # Nobody knows yet who sends this: far too much of it is not looked through.
        return key
    try:
        keyed = _KEYED.decode(request.body)
        if isinstance(keyed, Keyed):
            return keyed.key or next((each.key for each in _KEYED_BATCH.decode(request.body).events if each.key), "")
        return next((each.key for each in keyed if each.key), "")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""


def parse(submission: Submission, body: bytes, source: Source, limits: Limits) -> Parsed:
    """One event, a list, or `{"events": [...]}`, whose context counts for the events that have none of their own."""
    split = split_body(body, limits)
    outer = _read_outer(split[1] or {}, len(split[0]), limits)
    parsed = parse_items(submission, source, limits, body, split, lambda item: _read_item(item, submission, outer))
    parsed = read_meaning(parsed, submission, body, limits)
    extra = sorted(set(split[1] or ()) - CONTEXT_NAMES - OUTER)
    if not extra:
        return parsed
    said = f"no context, ignored beside events: {', '.join(extra)[:300]}"
    return replace(parsed, warnings={**parsed.warnings, 0: [said, *parsed.warnings.get(0, ())]})


def _read_outer(outer: Mapping[str, Raw], events: int, limits: Limits) -> dict[str, Any]:
    """The context beside `events`, under its first spelling."""
    found: dict[str, Any] = {}
    if not outer:
        return found
    for name, aliases in CONTEXT.items():
        alias = next((alias for alias in aliases if alias in outer), None)
        if alias is not None:
            check_copies(len(memoryview(outer[alias])), events, limits, alias)
            try:
                found[name] = ANYTHING.decode(outer[alias])
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                raise refuse(
                    Reason.INVALID_JSON, f"{alias} beside events is no JSON that can be kept", field=alias
                ) from None
    return found


def _read_item(item: Item, submission: Submission, outer: Mapping[str, Any]) -> dict[str, Any]:
    content = item.content
    lent = {name: value for name, value in outer.items() if not _has(content, CONTEXT[name])}
    if lent:
        item = replace(item, content={**content, **lent})
    named = _find(item.content, NAMES)
    event_type = item.text(named, LONGEST_TYPE, required=True)
    properties, unknown = _read_properties(item, named)
    context, sender = take_sender(item.object("context"), submission.trusted, item.warnings)
    said = item.time("timestamp")
    fields: dict[str, Any] = {
        "event_type": event_type,
        **time_fields(said, None, submission.received_at, f"{item.at}timestamp"),
        "dedupe_key": item.text(RETRY),
        "anonymous_id": item.text(_find(item.content, CONTEXT["visitor_id"])),
        "session_id": item.text(_find(item.content, CONTEXT["session_id"])),
        "user_id": item.text(_find(item.content, CONTEXT["user_id"])),
        "instance_id": item.text(_find(item.content, CONVERSATION)),
        "url": item.cut_text("url", LONGEST_URL),
        "referrer": item.cut_text(_find(item.content, CONTEXT["referrer"]), LONGEST_URL),
        "title": item.cut_text("title", LONGEST_TITLE),
        "properties": properties,
        "context": {**context, "unknown": unknown} if unknown else context,
        **sender,
    }
    if not submission.trusted and not _has(item.content, CONTEXT["referrer"], empty=True):
        fields["referrer"] = submission.headers.get("referer", "")[:LONGEST_URL]
    if user_agent := item.cut_text(_find(item.content, CONTEXT["user_agent"]), LONGEST_USER_AGENT):
        fields["user_agent"] = user_agent
    if event_type == "identify":
        fields |= _read_person(item, properties, fields["user_id"])
    elif event_type == "purchase":
        fields["business_key"] = _find_order(properties)
    elif event_type in MESSAGE_TYPES and not fields["instance_id"]:
        fields["instance_id"] = _find_conversation(properties)
    return fields


def _has(content: Mapping[str, Any], names: Sequence[str], empty: bool = False) -> bool:
    return any(content.get(name) is not None and (empty or content[name] != "") for name in names)


def _find(content: Mapping[str, Any], names: Sequence[str]) -> str:
    """The first of `names` that holds something; the first of all where none does."""
    for name in names:
        if content.get(name) not in (None, ""):
            return name
    return names[0]


def _read_properties(item: Item, named: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The properties, and what stands beside them and is no context."""
    holder = next((name for name in HOLDERS if isinstance(item.content.get(name), dict)), "")
    if holder:
        return item.object(holder), item.unknown(NO_PROPERTIES | {named, holder})
    for name in HOLDERS[:2]:
        # Of another type these are a mistake; `data` and `payload` may be anybody's properties.
        item.object(name)
    left = {name: value for name, value in item.content.items() if name not in NO_PROPERTIES and name != named}
    return clean_object(left, item.at or "event", item.limits.json_depth - 1), {}


def _read_person(item: Item, properties: Mapping[str, Any], user_id: str) -> dict[str, Any]:
    """`identify`: mail address and telephone name the person, `userId` and `accountId` too, the rest are traits.

    `company` stays a trait: it is a name, and two spellings of it would be two accounts.
    """
    person = replace(item, content=properties, at=f"{item.at}properties.")
    sent = [kind for kind in ("email", "phone") if kind in properties]
    identifiers: dict[str, list[str]] = {}
    for kind in sent:
        try:
            identifiers |= read_sent_identifiers({kind: properties[kind]})
        except ValueError as error:
            raise refuse(Reason.WRONG_TYPE, f"properties: {error}", field=f"{person.at}{kind}") from None
    ids = {"user_id": CONTEXT["user_id"], "account_id": ("account_id", "accountId")}
    used = {*sent, *(name for names in ids.values() for name in names)}
    return {
        "user_id": person.text(_find(properties, ids["user_id"])) or user_id,
        "account_id": person.text(_find(properties, ids["account_id"])),
        "identifiers": identifiers,
        "traits": {name: value for name, value in properties.items() if name not in used},
        "properties": {},
    }


def _find_order(properties: Mapping[str, Any]) -> str:
    """A purchase counts once per orderId."""
    value = properties.get(_find(properties, ORDER))
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        return ""
    return f"order_id:{value}"[:LONGEST_ID]


def _find_conversation(properties: Mapping[str, Any]) -> str:
    value = properties.get(_find(properties, CONVERSATION))
    if isinstance(value, bool) or not isinstance(value, str | int) or len(str(value)) > LONGEST_ID:
        return ""
    return str(value).strip()


def reply(answering: Answering) -> Reply:
    """200 when anything was accepted, else the status of the first rejection."""
    verdicts = answering.verdicts
    results = [_word_verdict(verdict) for verdict in verdicts]
    rejected = [verdict.rejection for verdict in verdicts if verdict.rejection]
    all_rejected = len(rejected) == len(verdicts)
    status = rejected[0].status if all_rejected else 200
    if answering.parsed.single:
        return json_reply(status, results[0])
    content: dict[str, Any] = {"success": not all_rejected}
    if all_rejected:
        content["error"] = results[0]["error"]
    content |= {
        "accepted": sum(verdict.outcome is Outcome.STORED for verdict in verdicts),
        "duplicates": sum(verdict.outcome is Outcome.DUPLICATE for verdict in verdicts),
        "rejected": len(rejected),
        "results": results,
    }
    return json_reply(status, content)


def _word_verdict(verdict: Verdict) -> dict[str, Any]:
    if verdict.rejection or verdict.event is None:
        return _word_rejection(verdict.rejection) if verdict.rejection else {"success": False}
    said: dict[str, Any] = {
        "success": True,
        # Nobody is given a visitor's id: without one the event belongs to whomever its other ids name.
        "visitor_id": verdict.event.anonymous_id or None,
        "event_id": verdict.first_event_id or verdict.event.event_id,
    }
    if verdict.outcome is Outcome.DUPLICATE:
        said["duplicate"] = True
    said |= verdict.stored_as_said
    if verdict.warnings:
        said["warnings"] = list(verdict.warnings)
    return said


def _word_rejection(rejection: Rejection) -> dict[str, Any]:
    where = f"{rejection.field}: " if rejection.index is not None and rejection.field else ""
    return {
        "success": False,
        "error": f"{where}{rejection.message}",
        "reason": rejection.reason.value,
        "field": rejection.field,
    }


def refuse_all(rejection: Rejection, source: Source | None, request: Request | None) -> Reply:
    return json_reply(rejection.status, _word_rejection(rejection))


def show_example(source: Source, key: str) -> Example:
    body = '{"event": "hello", "visitor_id": "v_1", "session_id": "s_1"}'
    if source.channel in PUBLIC_CHANNELS:
        return Example("/api/track", body, {"X-Widget-Id": key})
    return Example("/api/track", body, {"Authorization": f"Bearer {key}"})


CLARM = Protocol(
    name="clarm",
    routes=(Route("/api/track"),),
    find_key=find_key,
    parse=parse,
    reply=reply,
    refuse=refuse_all,
    example=show_example,
)
