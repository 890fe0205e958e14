"""Trackway's own dialect: `POST /v1/events`, the canonical field names of docs/reference/glossary.md.

Takes one event, a list, `{"events": [...]}` or newline-delimited JSON. The write key comes as
Bearer, as Basic user or password, as `?k=`, or as `write_key` in the body (a beacon can set no
header). A clean body is decoded straight into a typed struct; only what that refuses is looked at
field by field, to keep unknown fields and to word the error.
"""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from trackway.collect import page_meaning
from trackway.collect.fields import (
    Item,
    Split,
    door_fields,
    parse_items,
    parse_time_field,
    split_body,
    take_sender,
    time_fields,
)
from trackway.collect.limits import (
    ESCAPED_NUL,
    LONGEST_ID,
    LONGEST_PLAIN,
    LONGEST_TITLE,
    LONGEST_TYPE,
    LONGEST_URL,
    PLAIN_LEVELS,
    Limits,
    PlainObject,
)
from trackway.collect.pixel import PATH as PIXEL
from trackway.collect.pixel import read_pixel, show_rejection, show_verdict
from trackway.collect.protocol import Answering, Example, Parsed, Protocol, Reply, Request, Route, Verdict, json_reply
from trackway.collect.write_key import find_key
from trackway.event import CHANNELS, Channel, Event, Source, Submission
from trackway.ids import make_event_id
from trackway.outcome import Outcome, Reason, Refused, Rejection, refuse
from trackway.profiles.consent_words import read_statements
from trackway.profiles.identifiers import read_sent_identifiers

IDS = ("anonymous_id", "session_id", "user_id", "contact_id", "account_id", "instance_id", "dedupe_key")
# Identifiers that may stand in the event itself instead of in `identifiers`.
SHORT_IDENTIFIERS = ("email", "phone", "email_hash")
OBJECTS = ("identifiers", "traits", "account_traits", "consent")
OUTER = frozenset({"write_key", "sent_at", "events"})
KNOWN = frozenset(
    {
        "event_type",
        "channel",
        "occurred_at",
        "sent_at",
        "write_key",
        "url",
        "referrer",
        "title",
        "properties",
        "context",
        *IDS,
        *SHORT_IDENTIFIERS,
        *OBJECTS,
    }
)


Id = Annotated[str, Meta(max_length=LONGEST_ID)]
Url = Annotated[str, Meta(max_length=LONGEST_URL)]


class CleanEvent(Struct, forbid_unknown_fields=True, gc=False):
    """A well-formed event. What does not fit is read again by `_read_item`, which words the error."""

    event_type: Annotated[str, Meta(max_length=LONGEST_TYPE)]
    channel: Channel | None = None
    occurred_at: str | int | None = None
    sent_at: str | int | None = None
    anonymous_id: Id = ""
    session_id: Id = ""
    user_id: Id = ""
    contact_id: Id = ""
    account_id: Id = ""
    instance_id: Id = ""
    dedupe_key: Id = ""
    email: Id = ""
    phone: Id = ""
    email_hash: Id = ""
    identifiers: PlainObject = {}
    traits: PlainObject = {}
    account_traits: PlainObject = {}
    consent: PlainObject = {}
    url: Url = ""
    referrer: Url = ""
    title: Annotated[str, Meta(max_length=LONGEST_TITLE)] = ""
    properties: PlainObject = {}
    context: PlainObject = {}
    write_key: str = ""


class CleanBatch(Struct, forbid_unknown_fields=True):
    events: list[CleanEvent]
    write_key: str = ""
    sent_at: str | int | None = None
    script: str = ""
    context: PlainObject = {}
    commerce: str | bool | None = None


_BATCH = msgspec.json.Decoder(CleanBatch)
_LIST = msgspec.json.Decoder(list[CleanEvent])
_SINGLE = msgspec.json.Decoder(CleanEvent)


def parse(submission: Submission, body: bytes, source: Source, limits: Limits) -> Parsed:
    """Events of an unpacked body. Refused as a whole only when the body is no JSON or holds no event."""
    if submission.path == PIXEL:
        body = read_pixel(submission)
        split: Split = ([msgspec.Raw(body)], {})
        return parse_items(submission, source, limits, body, split, lambda item: _read_item(item, submission, None))
    clean = _parse_clean(submission, body, source, limits) if len(body) <= _longest_clean(limits) else None
    parsed = clean or _parse_carefully(submission, body, source, limits)
    return page_meaning.read_meaning(parsed, submission, body, limits)


def _longest_clean(limits: Limits) -> int:
    return min(LONGEST_PLAIN, limits.event_bytes)


def _parse_clean(submission: Submission, body: bytes, source: Source, limits: Limits) -> Parsed | None:
    """The fast way; None when anything at all is unusual."""
    if ESCAPED_NUL in body or limits.json_depth <= PLAIN_LEVELS:
        return None
    single, sent = False, None
    try:
        if body[:1] == b"[":
            decoded = _LIST.decode(body)
        elif b'"events"' in body:
            batch = _BATCH.decode(body)
            if not batch.script and (batch.context or batch.commerce is not None):
                raise Unusual
            decoded, sent = batch.events, batch.sent_at
        else:
            decoded, single = [_SINGLE.decode(body)], True
        if not 0 < len(decoded) <= limits.events_per_call:
            return None
        sent_ms = parse_time_field(sent, "sent_at") if sent else None
        door = Event(
            event_id="",
            event_type="",
            occurred_at=0,
            received_at=submission.received_at,
            **door_fields(submission, source),
        )
        items = [
            _build_clean(door, make_event_id(submission.submission_id, index), item, sent_ms)
            for index, item in enumerate(decoded)
        ]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, Refused, Unusual):
        return None
    return Parsed(items, single)


class Unusual(Exception):
    """A clean event holds something that only the careful way words well."""


def _build_clean(door: Event, event_id: str, item: CleanEvent, sent_ms: int | None) -> Event:
    """`door` holds what the collector knows of every event of the submission."""
    event_type = item.event_type.strip()
    if not event_type or (item.consent and read_statements(item.consent)[1]):
        raise Unusual
    said = parse_time_field(item.occurred_at, "occurred_at") if item.occurred_at else None
    sent = parse_time_field(item.sent_at, "sent_at") if item.sent_at else sent_ms
    times = time_fields(said, sent, door.received_at, "occurred_at")
    event = replace(
        door,
        event_id=event_id,
        event_type=event_type,
        channel=item.channel or door.channel,
        occurred_at=times["occurred_at"],
        sent_at=times["sent_at"],
        time_rule=times["time_rule"],
        anonymous_id=item.anonymous_id.strip(),
        session_id=item.session_id.strip(),
        user_id=item.user_id.strip(),
        contact_id=item.contact_id.strip(),
        account_id=item.account_id.strip(),
        instance_id=item.instance_id.strip(),
        dedupe_key=item.dedupe_key.strip(),
        identifiers=_gather_identifiers(item.identifiers, (item.email, item.phone, item.email_hash), ""),
        traits=item.traits,
        account_traits=item.account_traits,
        consent=item.consent,
        url=item.url.strip(),
        referrer=item.referrer.strip(),
        title=item.title.strip(),
        properties=item.properties,
        context=item.context,
        business_key=find_business_key(event_type, item.properties),
    )
    return _take_sender(event) if "ip" in item.context or "user_agent" in item.context else event


def _gather_identifiers(sent: Mapping[str, Any], short: tuple[str, str, str], at: str) -> dict[str, list[str]]:
    """`identifiers` with those that stand in the event itself."""
    if not sent and not any(short):
        return {}
    try:
        kept = read_sent_identifiers(sent)
    except ValueError as error:
        raise refuse(Reason.OUT_OF_RANGE, f"identifiers {error}", field=f"{at}identifiers") from None
    for kind, value in zip(SHORT_IDENTIFIERS, short, strict=True):
        if value := value.strip():
            kept[kind] = [*dict.fromkeys([*kept.get(kind, ()), value])]
    return kept


def _take_sender(event: Event) -> Event:
    warnings: list[str] = []
    context, sender = take_sender(event.context, event.trusted, warnings)
    if warnings:
        raise Unusual
    return replace(event, context=context, **sender)


def _parse_carefully(submission: Submission, body: bytes, source: Source, limits: Limits) -> Parsed:
    split = split_body(body, limits)
    outer = split[1]
    sent = _read_outer_time(outer)
    parsed = parse_items(submission, source, limits, body, split, lambda item: _read_item(item, submission, sent))
    known = OUTER | page_meaning.OUTER if outer and "script" in outer else OUTER
    extra = sorted(set(outer or ()) - known) if not parsed.single else []
    if not extra:
        return parsed
    said = f"not a field of this protocol, ignored beside events: {', '.join(extra)[:300]}"
    return replace(parsed, warnings={**parsed.warnings, 0: [said, *parsed.warnings.get(0, ())]})


def _read_outer_time(outer: Mapping[str, Any] | None) -> int | None:
    if not outer or "sent_at" not in outer:
        return None
    try:
        value = msgspec.json.decode(outer["sent_at"], type=str | int | float | None)
    except msgspec.DecodeError:
        raise refuse(Reason.WRONG_TYPE, "sent_at must be an ISO 8601 text or a number", field="sent_at") from None
    return None if value in (None, "") else parse_time_field(value, "sent_at")


def _read_item(item: Item, submission: Submission, sent: int | None) -> dict[str, Any]:
    event_type = item.text("event_type", LONGEST_TYPE, required=True)
    properties = item.object("properties")
    context, sender = take_sender(item.object("context"), submission.trusted, item.warnings)
    unknown = item.unknown(KNOWN)
    if unknown:
        context = {**context, "unknown": unknown}
    consent = item.object("consent")
    if unread := read_statements(consent)[1]:
        item.warnings.append(f"consent says no state (granted, withdrawn, pending, …) for {', '.join(unread)[:300]}")
    own_sent = item.time("sent_at")
    fields = {
        "event_type": event_type,
        **time_fields(
            item.time("occurred_at"),
            own_sent if own_sent is not None else sent,
            submission.received_at,
            f"{item.at}occurred_at",
        ),
        **{name: item.text(name) for name in IDS},
        "identifiers": _gather_identifiers(
            item.object("identifiers"),
            (item.text("email"), item.text("phone"), item.text("email_hash")),
            item.at,
        ),
        **{name: item.object(name) for name in ("traits", "account_traits")},
        "consent": consent,
        "url": item.cut_text("url", LONGEST_URL),
        "referrer": item.cut_text("referrer", LONGEST_URL),
        "title": item.cut_text("title", LONGEST_TITLE),
        "properties": properties,
        "context": context,
        "business_key": find_business_key(event_type, properties),
        **sender,
    }
    channel = item.text("channel")
    if channel:
        if channel not in CHANNELS:
            raise refuse(
                Reason.OUT_OF_RANGE, f"channel must be one of {', '.join(CHANNELS)}", field=f"{item.at}channel"
            )
        fields["channel"] = channel
    return fields


def find_business_key(event_type: str, properties: Mapping[str, Any]) -> str:
    """A purchase counts once per properties.order_id, a conversion once per properties.conversion_id."""
    name = {"purchase": "order_id", "conversion": "conversion_id"}.get(event_type)
    value = properties.get(name) if name else None
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        return ""
    return f"{name}:{value}"[:LONGEST_ID]


def reply(answering: Answering) -> Reply:
    """200 when nothing was rejected, 207 when some was, the first rejection's status when all was."""
    if answering.submission.path == PIXEL:
        return show_verdict(answering.verdicts[0])
    counts = dict.fromkeys((Outcome.STORED, Outcome.DUPLICATE, Outcome.REJECTED), 0)
    results = []
    for verdict in answering.verdicts:
        counts[verdict.outcome] += 1
        results.append(_word_verdict(verdict))
    rejected = counts[Outcome.REJECTED]
    status = 200
    if rejected:
        first = next(v.rejection for v in answering.verdicts if v.rejection)
        status = 207 if rejected < len(answering.verdicts) else first.status
    content = {
        "accepted": counts[Outcome.STORED],
        "duplicate": counts[Outcome.DUPLICATE],
        "rejected": rejected,
        "results": results,
    }
    return json_reply(status, content)


def _word_verdict(verdict: Verdict) -> dict[str, object]:
    said: dict[str, object] = {"index": verdict.index}
    if verdict.rejection:
        said |= {"status": "rejected", **_word_rejection(verdict.rejection)}
    elif verdict.event:
        said["event_id"] = verdict.event.event_id
        said["status"] = "duplicate" if verdict.outcome is Outcome.DUPLICATE else "accepted"
        if verdict.first_event_id:
            said["first_event_id"] = verdict.first_event_id
        said |= verdict.stored_as_said
    if verdict.warnings:
        said["warnings"] = list(verdict.warnings)
    return said


def _word_rejection(rejection: Rejection) -> dict[str, str]:
    return {"reason": rejection.reason.value, "field": rejection.field, "message": rejection.message}


def refuse_all(rejection: Rejection, source: Source | None, request: Request | None) -> Reply:
    if request is not None and request.path == PIXEL:
        return show_rejection(rejection)
    return json_reply(rejection.status, {"error": _word_rejection(rejection)})


def show_example(source: Source, key: str) -> Example:
    body = '{"event_type": "hello", "properties": {"from": "the command line"}}'
    return Example("/v1/events", body, {"Authorization": f"Bearer {key}"})


NATIVE = Protocol(
    name="native",
    routes=(Route("/v1/events"), Route(PIXEL, ("GET",))),
    find_key=find_key,
    parse=parse,
    reply=reply,
    refuse=refuse_all,
    example=show_example,
)
