"""Tracify's server-side events: `POST /api/v1/events` and the older `POST /upload`, header `tracify-token`.

Source of the rules: Tracify's page on the API and the clients that speak to it;
docs/reference/protocols/tracify.md says which rule is whose. The answer has room for one error and its
clients send a whole batch again, so one bad event refuses all, unless the source's setting `partial` is on.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from trackway.amounts import read_amount
from trackway.campaign_words import CAMPAIGN_PARAMETERS
from trackway.clock import CLOCK_ERROR_NOTICED_MS, LATEST_AHEAD_MS
from trackway.collect.fields import Item, at_index, build_event, check_count, decode_item, door_fields, time_fields
from trackway.collect.limits import LONGEST_TYPE, LONGEST_URL, Limits
from trackway.collect.protocol import Answering, Example, Parsed, Protocol, Reply, Request, Route, json_reply
from trackway.collect.tracify_upload import UPLOAD_PATH, read_upload, word_upload
from trackway.currencies import is_currency
from trackway.event import Event, Source, Submission
from trackway.group_hash import calc_group
from trackway.outcome import Reason, Refused, Rejection, refuse
from trackway.profiles.identifiers import MOST_PER_EVENT

PAGE_VIEW = "pageview"
# What each type must say in `data`, and which of that may count once for ever. Other types are the sender's own.
NEEDED: dict[str, tuple[str, ...]] = {
    "purchase": ("order_id",),
    "conversion": ("conversion_id",),
    "postpurchasesurvey": ("order_id", "source"),
}
PAID_TYPES = ("purchase", "conversion")
SURVEY_SOURCES = ("facebook", "tiktok", "google", "taboola", "outbrain", "twitter", "pinterest")
# With site and kind it must fit into LONGEST_ID: of a key that is cut, two ids would be one.
LONGEST_COUNTED_ID = 400
SHORTEST_URL = 7

KNOWN = frozenset({"url", "customer_site_id", "identity_data", "datetime", "type", "data"})
REFERRERS = ("Referer", "referer")
# Classes of hashes, as numbers and as texts.
CLASSES: dict[object, int] = {1: 1, 2: 2, 3: 3, 4: 4, "1": 1, "2": 2, "3": 3, "4": 4}
IDENTIFYING_CLASSES = {1: "email_hash", 2: "session_hash"}
# These tell visitors apart and make nobody a person.
TELLING_CLASSES = {3: "address_hash", 4: "user_agent_hash"}
EXPECTED_CLASSES = {3: "address", 4: "browser"}

_SITE = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_HASH = re.compile(r"[0-9a-f]{64}")
_NUMBERED = re.compile(r"(ITEM|AMT|QTY)([0-9]{1,4})")
_NUMBERED_NAMES = {"ITEM": "name", "AMT": "price", "QTY": "quantity"}
_PROPERTIES = re.compile(r"(events\[[0-9]+\])\.properties\b")
_BYTE = re.compile(r"(?:JSON is malformed: )?(.*) \(byte ([0-9]+)\)")
_UNPRINTABLE = re.compile(r"[^\x20-\x7e]")
LONGEST_WARNINGS = 1000


class Envelope(Struct):
    events: list[msgspec.Raw]


_ENVELOPE = msgspec.json.Decoder(Envelope)


def find_key(request: Request) -> str:
    """The key as it is, without a scheme before it."""
    return request.headers.get("tracify-token", "").strip()


def parse(submission: Submission, body: bytes, source: Source, limits: Limits) -> Parsed:
    """All events of `{"events": [...]}`. Refused with the first bad one, unless the source takes the others."""
    raws = _split_events(body, limits)
    uploaded = submission.path == UPLOAD_PATH
    partial = source.settings.get("partial") == "yes"
    door = door_fields(submission, source)
    items: list[Event | Rejection] = []
    warnings: dict[int, Sequence[str]] = {}
    for index, raw in enumerate(raws):
        at = f"events[{index}]"
        try:
            content = decode_item(raw, at, limits)
            item = Item(read_upload(content) if uploaded else content, f"{at}.", limits, [])
            items.append(build_event(submission, index, door, _read_item(item, submission, source)))
        except Refused as refused:
            rejection = at_index(word_upload(refused.rejection) if uploaded else refused.rejection, index)
            if not partial:
                raise Refused(rejection) from None
            items.append(rejection)
            continue
        if item.warnings:
            warnings[index] = item.warnings
    return Parsed(items, warnings=warnings, all_or_nothing=not partial)


def _split_events(body: bytes, limits: Limits) -> list[msgspec.Raw]:
    try:
        events = _ENVELOPE.decode(body).events
    except RecursionError:
        raise refuse(
            Reason.TOO_DEEP, f"the body is nested deeper than {limits.json_depth} levels (limit json_depth)"
        ) from None
    except msgspec.ValidationError as error:
        if "missing required field" in str(error):
            raise refuse(Reason.MISSING_FIELD, "events is required: a list of events", field="events") from None
        if "$.events" in str(error):
            raise refuse(Reason.WRONG_TYPE, "events must be a list of events", field="events") from None
        raise refuse(Reason.WRONG_TYPE, 'the body must be {"events": [...]}') from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise refuse(Reason.INVALID_JSON, f"the body is not JSON: {_find_mistake(body, str(error))}") from None
    if not events:
        raise refuse(Reason.OUT_OF_RANGE, "at least one event is required", field="events")
    check_count(len(events), limits)
    return events


def _find_mistake(body: bytes, error: str) -> str:
    """What is wrong and in which line and column, as somebody needs it who pasted an example."""
    if not body.strip():
        return "it is empty"
    if found := _BYTE.fullmatch(error):
        before = body[: int(found[2])]
        line, column = before.count(b"\n") + 1, len(before.rpartition(b"\n")[2].decode(errors="replace")) + 1
        return f"{found[1]}, line {line}, column {column}"
    try:
        json.loads(body)
    except json.JSONDecodeError as mistake:
        return f"{mistake.msg}, line {mistake.lineno}, column {mistake.colno}"
    except (ValueError, RecursionError):
        return error
    return "it holds half of a surrogate pair"


def _read_item(item: Item, submission: Submission, source: Source) -> dict[str, Any]:
    url = item.cut_text("url", LONGEST_URL)
    if not url:
        raise _refuse_missing(item, "url")
    if len(url) < SHORTEST_URL:
        raise refuse(
            Reason.OUT_OF_RANGE, "url must be a whole address, such as https://shop.example/", field=f"{item.at}url"
        )
    site = _read_site(item, source)
    identifiers, context = _read_identity(item, source)
    event_type = item.text("type", LONGEST_TYPE) or PAGE_VIEW
    data = _read_data(item, event_type)
    said = data.content
    times = _read_time(item, submission.received_at)
    context["customer_site_id"] = site
    if parameters := _find_parameters(said):
        context["url_parameters"] = parameters
    unknown = item.unknown(KNOWN)
    misread = "revenue" if event_type in PAID_TYPES and "revenue" in said else ""
    if misread:
        # Not a field of Tracify's, and the pipeline would take it for the amount.
        item.warnings.append("data.revenue is no field of this protocol, kept in context.unknown; amount counts")
        unknown[misread] = said[misread]
    if unknown:
        context["unknown"] = unknown
    return {
        "event_type": event_type,
        **times,
        "identifiers": identifiers,
        "url": url,
        "referrer": next((text for name in REFERRERS if (text := data.cut_text(name, LONGEST_URL))), ""),
        "properties": _make_properties(data, misread),
        "context": context,
        "business_key": _make_business_key(event_type, site, data),
    }


def _refuse_missing(item: Item, name: str) -> Refused:
    return refuse(Reason.MISSING_FIELD, f"{name} is required", field=f"{item.at}{name}")


def _read_site(item: Item, source: Source) -> str:
    site = item.text("customer_site_id").lower()
    if not site:
        raise _refuse_missing(item, "customer_site_id")
    field = f"{item.at}customer_site_id"
    if not _SITE.fullmatch(site):
        raise refuse(
            Reason.WRONG_TYPE,
            "customer_site_id must be a UUID, such as 11111111-2222-4333-8444-555555555555",
            field=field,
        )
    allowed = source.settings.get("customer_site_id")
    if allowed and site not in (other.strip().lower() for other in allowed.split(",")):
        raise refuse(
            Reason.SITE_NOT_ALLOWED,
            f"customer_site_id {site} is not covered by the key (source setting customer_site_id)",
            field=field,
        )
    return site


def _read_identity(item: Item, source: Source) -> tuple[dict[str, list[str]], dict[str, Any]]:
    """Identifiers of the person, and the hashes by which a visitor is told from others without being one."""
    said = item.content.get("identity_data")
    field = f"{item.at}identity_data"
    if said is None:
        raise _refuse_missing(item, "identity_data")
    if said == []:
        # An empty map, as PHP writes it.
        said = {}
    if type(said) is not dict:
        raise refuse(Reason.WRONG_TYPE, "identity_data must be an object of hashes, each with its class", field=field)
    if len(said) > MOST_PER_EVENT:
        raise refuse(Reason.OUT_OF_RANGE, f"identity_data holds more than {MOST_PER_EVENT} hashes", field=field)
    if not said and source.settings.get("empty_identity") != "yes":
        raise refuse(
            Reason.OUT_OF_RANGE,
            "identity_data needs at least one hash (source setting empty_identity=yes takes none)",
            field=field,
        )
    by_class: dict[int, list[str]] = {}
    for key, number in said.items():
        found = CLASSES.get(number) if type(number) in (int, float, str) else None
        if found is None:
            raise refuse(Reason.OUT_OF_RANGE, "the class must be 1, 2, 3 or 4", field=f"{field}.{key[:100]}")
        digest = key if _HASH.fullmatch(key) else _make_hash(key, item)
        by_class.setdefault(found, []).append(digest)
    if 3 not in by_class or 4 not in by_class:
        missing = [f"{number} ({what})" for number, what in EXPECTED_CLASSES.items() if number not in by_class]
        item.warnings.append(f"identity_data has no hash of class {', '.join(missing)}")
    identifiers, context = {}, {}
    for number, kind in IDENTIFYING_CLASSES.items():
        if number in by_class:
            identifiers[kind] = list(dict.fromkeys(by_class[number]))
    for number, name in TELLING_CLASSES.items():
        if number in by_class:
            context[name] = by_class[number][0]
    return identifiers, context


def _make_hash(key: str, item: Item) -> str:
    """What is no hash, such as an address in clear, is hashed here: it must not be kept."""
    digest = key.strip().lower()
    if _HASH.fullmatch(digest):
        return digest
    item.warnings.append("identity_data holds a key that is no SHA-256 in hex; it was hashed here")
    return calc_group(key)


def _read_time(item: Item, received_at: int) -> dict[str, Any]:
    """Some senders write the time of their own zone: what would lie ahead happened when it came."""
    said = item.time("datetime")
    field = f"{item.at}datetime"
    if said is not None and said > received_at + LATEST_AHEAD_MS:
        raise refuse(Reason.OUT_OF_RANGE, "datetime lies more than 24 hours in the future; it is UTC", field=field)
    if said is not None and said > received_at + CLOCK_ERROR_NOTICED_MS:
        item.warnings.append("datetime lies in the future, the time of receipt counts; it is UTC")
        said = None
    return time_fields(said, None, received_at, field)


def _read_data(item: Item, event_type: str) -> Item:
    """`data` as an item of its own, with all that its type needs."""
    said = item.content.get("data")
    if said is None:
        raise _refuse_missing(item, "data")
    content = {} if said == [] else item.object("data")
    data = Item(content, f"{item.at}data.", item.limits, item.warnings)
    for name in ("origin", *NEEDED.get(event_type, ())):
        if not data.text(name, LONGEST_URL):
            raise _refuse_missing(data, name)
    if event_type in PAID_TYPES:
        _check_money(data)
    if event_type == "postpurchasesurvey" and data.text("source").lower() not in SURVEY_SOURCES:
        raise refuse(
            Reason.OUT_OF_RANGE, f"source must be one of {', '.join(SURVEY_SOURCES)}", field=f"{data.at}source"
        )
    return data


def _check_money(data: Item) -> None:
    name = next((name for name in ("amount", "value") if data.content.get(name) not in (None, "")), None)
    if name is None:
        raise _refuse_missing(data, "amount")
    if read_amount(data.content[name]) is None:
        raise refuse(
            Reason.WRONG_TYPE, f'{name} must be an amount of money, such as "100.00"', field=f"{data.at}{name}"
        )
    currency = data.text("currency").upper()
    if not currency:
        raise _refuse_missing(data, "currency")
    if not is_currency(currency):
        raise refuse(
            Reason.OUT_OF_RANGE, "currency must be a code of ISO 4217, such as EUR", field=f"{data.at}currency"
        )


def _find_parameters(said: Mapping[str, Any]) -> dict[str, Any]:
    """Campaign parameters and click ids: keys of `data`, or of an object `url_parameters` in it."""
    beside = said.get("url_parameters")
    found = {name: value for name, value in said.items() if name.lower() in CAMPAIGN_PARAMETERS}
    if type(beside) is dict:
        found = {name: value for name, value in beside.items() if name.lower() in CAMPAIGN_PARAMETERS} | found
    return found


def _make_properties(data: Item, without: str) -> dict[str, Any]:
    """All of `data` as it was sent, and the numbered items as a list."""
    properties = {name: v for name, v in data.content.items() if name not in REFERRERS and name != without}
    items = _list_items(data)
    if items and "items" not in properties:
        properties["items"] = items
    return properties


def _list_items(data: Item) -> list[dict[str, Any]]:
    items: dict[int, dict[str, Any]] = {}
    for name, value in data.content.items():
        found = _NUMBERED.fullmatch(name) if name[:3] in ("ITE", "AMT", "QTY") else None
        if found is None or value in (None, ""):
            continue
        if found[1] != "ITEM":
            number = _read_number(value)
            if number is None:
                data.warnings.append(f"data.{name} is no number")
                continue
            value = number
        items.setdefault(int(found[2]), {})[_NUMBERED_NAMES[found[1]]] = value
    return [items[number] for number in sorted(items)]


def _read_number(said: object) -> int | float | None:
    number = read_amount(said)
    if number is None:
        return None
    return int(number) if number == number.to_integral_value() else float(number)


def _make_business_key(event_type: str, site: str, data: Item) -> str:
    """Counts once per site, type and id, for ever."""
    needed = NEEDED.get(event_type)
    if not needed:
        return ""
    return f"{needed[0]}:{site}:{data.text(needed[0], LONGEST_COUNTED_ID)}"


def reply(answering: Answering) -> Reply:
    """200 as soon as something was taken. Beyond Tracify's answer, a header says what was odd."""
    verdicts = answering.verdicts
    rejected = [verdict.rejection for verdict in verdicts if verdict.rejection]
    if rejected:
        more = f" (and {len(rejected) - 1} more)" if len(rejected) > 1 else ""
        answer = _word_refusal(rejected[0], 200 if len(rejected) < len(verdicts) else rejected[0].status, more)
    else:
        answer = json_reply(200, {"status": True})
    odd = [f"events[{v.index}]: {said}" for v in verdicts for said in v.warnings]
    odd += [f"events[{v.index}]: stored: {v.stored}" for v in verdicts if v.stored]
    if not odd:
        return answer
    told = _UNPRINTABLE.sub("?", "; ".join(odd))[:LONGEST_WARNINGS]
    return msgspec.structs.replace(answer, headers=[(b"x-event-warnings", told.encode())])


def _word_refusal(rejection: Rejection, status: int, more: str = "") -> Reply:
    said = rejection.message
    if rejection.status == 401:
        said = "missing or invalid tracify-token"
    elif rejection.field:
        # The tracking plan speaks of properties, which are `data` here.
        field = _PROPERTIES.sub(r"\1.data", rejection.field)
        name = field.rpartition(".")[2]
        said = "required" if rejection.reason is Reason.MISSING_FIELD else said.removeprefix(f"{name} ")
        said = f"{field}: {said}"
    return json_reply(status, {"status": False, "error": said + more})


def refuse_all(rejection: Rejection, source: Source | None, request: Request | None) -> Reply:
    return _word_refusal(rejection, rejection.status)


def show_example(source: Source, key: str) -> Example:
    site = source.settings.get("customer_site_id", "11111111-2222-4333-8444-555555555555").partition(",")[0]
    event = {
        "url": "https://shop.example/",
        "customer_site_id": site,
        "identity_data": {calc_group("192.0.2.1"): 3, calc_group("Mozilla/5.0"): 4},
        "type": "pageview",
        "data": {"origin": "https://shop.example"},
    }
    return Example("/api/v1/events", json.dumps({"events": [event]}), {"tracify-token": key})


TRACIFY = Protocol(
    name="tracify",
    routes=(Route("/api/v1/events"), Route(UPLOAD_PATH)),
    find_key=find_key,
    parse=parse,
    reply=reply,
    refuse=refuse_all,
    example=show_example,
)
