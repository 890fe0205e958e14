"""Orbee event tracking: `POST /collect/{aid}/{tid}/event`; account and tracker in the path are the key.

Source of the rules: Orbee's page on the event-tracking endpoint, and
docs/reference/protocols/orbee.md for what that page leaves open.

Its clients expect a simple empty answer and are not made for errors. So whatever becomes of an event
is answered alike, without a body, and the header X-Event-Status says to whoever looks what became of
it. Only what is worth sending again later is told by a status, and what a tracker in strict mode refuses.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Raw

from trackway.collect.fields import Item, at_index, build_event, decode_item, door_fields, time_fields
from trackway.collect.limits import LONGEST_ID, LONGEST_TYPE, LONGEST_URL, Limits, clean_object
from trackway.collect.protocol import Answering, Example, Parsed, Protocol, Reply, Request, Route, json_reply
from trackway.control.sources import PUBLIC_CHANNELS
from trackway.event import Source, Submission
from trackway.outcome import Reason, Refused, Rejection, refuse

NAMED = ("action", "object", "vendor", "product")
# Orbee's page on the endpoint writes the first, its event specification the second, and says of all fields the third.
INSTANCE_ID = ("instance_id", "instanceID", "instanceId")

# Further fields by which a person is known, in the likely spellings. What is used so does not stay in properties.
IDS: Mapping[str, tuple[str, ...]] = {
    "anonymous_id": ("anonymous_id", "anonymousId", "visitor_id", "visitorId", "visitorID"),
    "user_id": ("user_id", "userId", "userID"),
    "contact_id": ("contact_id", "contactId", "contactID"),
    "session_id": ("session_id", "sessionId", "sessionID"),
}
IDENTIFIERS: Mapping[str, tuple[str, ...]] = {
    "email": ("email", "emailAddress", "email_address"),
    "phone": ("phone", "phoneNumber", "phone_number"),
}
TRAITS: Mapping[str, tuple[str, ...]] = {
    "first_name": ("first_name", "firstName"),
    "last_name": ("last_name", "lastName"),
}
ADDRESSES = ("url", "referrer")
# Ours: which country's consent policy holds is read from it.
CONTEXT = ("time_zone",)

STATUS_HEADER = b"x-event-status"
EXPOSE = (b"access-control-expose-headers", b"X-Event-Status")
LONGEST_DETAIL = 300
_UNQUOTABLE = re.compile(r"[^ !#-\[\]-~]")
NO_TRACKER = "aid and tid in the path must match a registered tracker to the letter; see trackway sources list"


def find_key(request: Request) -> str:
    """`aid/tid` of the path; "" when one of them holds a slash, so that no two trackers look alike."""
    aid, tid = request.params.get("aid", ""), request.params.get("tid", "")
    return "" if "/" in aid or "/" in tid else f"{aid}/{tid}"


def parse(submission: Submission, body: bytes, source: Source, limits: Limits) -> Parsed:
    """One event. Refused as a whole when the body is no JSON object."""
    item = Item(_decode_event(body, limits), "", limits, [])
    door = door_fields(submission, source)
    if source.channel not in PUBLIC_CHANNELS:
        # Its back end's own address and program: not those of whoever the event is about.
        door |= {"ip": "", "user_agent": ""}
    try:
        return Parsed([build_event(submission, 0, door, _read_item(item, submission, source))], single=True)
    except Refused as refused:
        return Parsed([at_index(refused.rejection, 0)], single=True)


def _decode_event(body: bytes, limits: Limits) -> Mapping[str, Any]:
    if not body.strip():
        raise refuse(Reason.EMPTY_BODY, "the body is empty; send one event as a JSON object")
    if body.lstrip()[:1] == b"[":
        raise refuse(Reason.WRONG_TYPE, "the body must be one event, not a list; send each event by itself")
    try:
        return decode_item(Raw(body), "", limits)
    except Refused as refused:
        said = refused.rejection
        raise refuse(said.reason, said.message.replace("must be", "the body must be", 1)) from None


def _read_item(item: Item, submission: Submission, source: Source) -> dict[str, Any]:
    named = {name: item.text(name) for name in NAMED}
    instance_name = next((name for name in INSTANCE_ID if item.content.get(name) not in (None, "")), INSTANCE_ID[0])
    instance_id = item.text(instance_name)
    missing = [name for name, value in (*named.items(), (INSTANCE_ID[0], instance_id)) if not value]
    if missing:
        raise refuse(
            Reason.MISSING_FIELD,
            f"{', '.join(missing)}: required, each a text that is not empty; the event was not tracked",
            field=",".join(missing),
        )
    _check_vendor(named["vendor"], source)
    event_type = " ".join(f"{named['action']} {named['object']}".lower().split())
    if len(event_type) > LONGEST_TYPE:
        raise refuse(
            Reason.OUT_OF_RANGE, f"action and object have more than {LONGEST_TYPE} characters together", field="action"
        )
    used = {instance_name, "occurred_at"}
    fields: dict[str, Any] = {
        "event_type": event_type,
        "dedupe_key": _take_text(item, "dedupe_key", LONGEST_ID, used),
        "instance_id": instance_id,
        **time_fields(item.time("occurred_at"), None, submission.received_at, "occurred_at"),
        **_take_firsts(item, IDS, used),
        "traits": _take_firsts(item, TRAITS, used),
        "context": {name: value for name in CONTEXT if (value := _take_text(item, name, LONGEST_ID, used))},
        "identifiers": {},
    }
    for kind, names in IDENTIFIERS.items():
        if values := [value for name in names if (value := _take_text(item, name, LONGEST_ID, used))]:
            fields["identifiers"][kind] = [*dict.fromkeys(values)]
    for name in ADDRESSES:
        fields[name] = _take_text(item, name, LONGEST_URL, used)
    rest = {name: value for name, value in item.content.items() if name not in used}
    return {**fields, "properties": clean_object(rest, "event", item.limits.json_depth - 1)}


def _check_vendor(vendor: str, source: Source) -> None:
    """Orbee's page: "a vendor registered with Orbee's Platform". Here they are the setting `vendors`."""
    registered = source.settings.get("vendors", "")
    if registered and vendor.casefold() not in {name.strip().casefold() for name in registered.split(",")}:
        raise refuse(
            Reason.OUT_OF_RANGE,
            f"{vendor[:100]!r} is not a registered vendor; the source's setting vendors lists: {registered[:150]}",
            field="vendor",
        )


def _take_firsts(item: Item, fields: Mapping[str, tuple[str, ...]], used: set[str]) -> dict[str, str]:
    """Of each field the first spelling that holds a text."""
    found = {}
    for field, names in fields.items():
        if value := next((v for name in names if (v := _take_text(item, name, LONGEST_ID, used))), ""):
            found[field] = value
    return found


def _take_text(item: Item, name: str, longest: int, used: set[str]) -> str:
    """A field that Orbee leaves to the sender: what cannot be used stays where it is, and refuses nothing."""
    value = item.content.get(name)
    if type(value) not in (str, int):
        return ""
    text = str(value).replace("\x00", "").strip()
    if not text or len(text) > longest:
        return ""
    used.add(name)
    return text


def reply(answering: Answering) -> Reply:
    """Empty, with the fate of the event in a header."""
    [verdict] = answering.verdicts
    if verdict.rejection:
        return refuse_event(verdict.rejection, answering.source, None)
    stored = f"; stored={verdict.stored}" if verdict.stored else ""
    return _answer(answering.source, f"accepted{stored}")


def refuse_event(rejection: Rejection, source: Source | None, request: Request | None) -> Reply:
    """Empty like any other answer, unless sending it again helps, the method is wrong or the tracker is strict."""
    if rejection.reason in (Reason.UNKNOWN_KEY, Reason.MISSING_KEY):
        rejection = msgspec.structs.replace(rejection, message=NO_TRACKER)
    strict = source is not None and source.settings.get("strict") == "yes"
    again = rejection.status >= 500 or rejection.reason is Reason.RATE_LIMITED
    if not strict and not again and rejection.reason is not Reason.METHOD_NOT_ALLOWED:
        return _answer(source, f"dropped; {_word_reason(rejection)}")
    fate = "retry" if again else "dropped"
    said = {"reason": rejection.reason.value, "field": rejection.field, "message": rejection.message}
    # Who may not use a tracker is told what somebody is told who names none.
    status = 404 if rejection.reason is Reason.SOURCE_DISABLED else rejection.status
    return msgspec.structs.replace(
        json_reply(status, {"error": said}), headers=_status_headers(f"{fate}; {_word_reason(rejection)}")
    )


def _answer(source: Source | None, fate: str) -> Reply:
    status = source.settings.get("success_status", "204") if source else "204"
    return Reply(int(status), b"", _status_headers(fate))


def _status_headers(fate: str) -> list[tuple[bytes, bytes]]:
    return [(STATUS_HEADER, fate.encode("ascii")), EXPOSE]


def _word_reason(rejection: Rejection) -> str:
    """`missing=vendor,product`, or `reason=…; field=…; detail="…"`; a header takes plain ASCII only."""
    if rejection.reason is Reason.MISSING_FIELD:
        return f"missing={_UNQUOTABLE.sub('?', rejection.field)}"
    field = f"; field={_UNQUOTABLE.sub('?', rejection.field[:100])}" if rejection.field else ""
    detail = _UNQUOTABLE.sub("?", rejection.message[:LONGEST_DETAIL])
    return f'reason={rejection.reason.value}{field}; detail="{detail}"'


def show_example(source: Source, key: str) -> Example:
    vendor = source.settings.get("vendors", "Vendor A").split(",")[0].strip()
    said = {"action": "view", "object": "form", "vendor": vendor, "product": "Product 1", "instance_id": "abc123"}
    return Example(f"/collect/{key}/event", json.dumps(said))


ORBEE = Protocol(
    name="orbee",
    routes=(Route("/collect/{aid}/{tid}/event"),),
    find_key=find_key,
    parse=parse,
    reply=reply,
    refuse=refuse_event,
    example=show_example,
)
