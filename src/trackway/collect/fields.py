"""Reading the fields of one decoded JSON event, with errors that name the field and the remedy.

Shared by the protocols: each says which of its names fills which field of the canonical event.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from trackway.clock import decide_time, parse_time
from trackway.collect.limits import ANYTHING, LONGEST_ID, LONGEST_USER_AGENT, Limits, clean_object
from trackway.collect.protocol import Parsed
from trackway.event import Event, Source, Submission
from trackway.ids import make_event_id
from trackway.outcome import Reason, Refused, Rejection, refuse

# Lines that are looked at for each event that a call may have: some are empty.
LINES_PER_EVENT = 4
# Names beside `events` that a list which is read leniently may have.
MOST_AROUND = 1000

# The events of a body, undecoded, and the object around them.
Split = tuple[Sequence[msgspec.Raw], Mapping[str, Any] | None]


class Item(Struct, frozen=True):
    """One event as sent: its decoded JSON object and its place in the request."""

    content: Mapping[str, Any]
    at: str
    limits: Limits
    warnings: list[str]

    def _refuse(self, reason: Reason, name: str, message: str) -> Refused:
        return refuse(reason, f"{name} {message}", field=f"{self.at}{name}")

    def text(self, name: str, longest: int = LONGEST_ID, *, required: bool = False) -> str:
        """A text field; a whole number counts as its digits. "" when it is missing or null."""
        value = self.content.get(name)
        if value is None:
            value = ""
        elif type(value) is int:
            value = str(value)
        elif type(value) is not str:
            raise self._refuse(Reason.WRONG_TYPE, name, f"must be a text, not {_name_type(value)}")
        value = value.replace("\x00", "").strip()
        if required and not value:
            raise self._refuse(Reason.MISSING_FIELD, name, "is required: a text that is not empty")
        if len(value) > longest:
            raise self._refuse(Reason.OUT_OF_RANGE, name, f"is longer than {longest} characters")
        return value

    def cut_text(self, name: str, longest: int) -> str:
        """A text field that is shortened, with a warning, rather than refused."""
        value = self.content.get(name)
        if isinstance(value, str) and len(value) > longest:
            self.warnings.append(f"{name} was cut to {longest} characters")
            return value.replace("\x00", "").strip()[:longest]
        return self.text(name, longest)

    def object(self, name: str) -> dict[str, Any]:
        """An object field made fit to keep; {} when it is missing or null."""
        value = self.content.get(name)
        if value is None:
            return {}
        if type(value) is not dict:
            raise self._refuse(Reason.WRONG_TYPE, name, f"must be an object, not {_name_type(value)}")
        return clean_object(value, f"{self.at}{name}", self.limits.json_depth - 1)

    def time(self, *names: str) -> int | None:
        """The first of `names` that is there, as milliseconds since 1970; None when none is."""
        for name in names:
            value = self.content.get(name)
            if value is None or value == "":
                continue
            if isinstance(value, bool) or not isinstance(value, str | int | float):
                raise self._refuse(
                    Reason.WRONG_TYPE, name, f"must be an ISO 8601 text or a number, not {_name_type(value)}"
                )
            return parse_time_field(value, f"{self.at}{name}")
        return None

    def unknown(self, known: frozenset[str]) -> dict[str, Any]:
        """What the sender said beyond the protocol's fields: kept, with a warning."""
        rest = {name: value for name, value in self.content.items() if name not in known}
        if not rest:
            return {}
        self.warnings.append("not a field of this protocol, kept in context.unknown: " + ", ".join(sorted(rest))[:300])
        return clean_object(rest, self.at or "event", self.limits.json_depth - 2)


def _name_type(value: object) -> str:
    names = {
        bool: "true or false",
        int: "a number",
        float: "a number",
        str: "a text",
        list: "a list",
        dict: "an object",
    }
    return names.get(type(value), "null")


def parse_time_field(value: str | int | float, field: str) -> int:
    try:
        return parse_time(value)
    except (ValueError, OverflowError) as error:
        said = (
            str(error)
            if str(error).startswith(("is before", "is after"))
            else "is not a time; write 2026-01-31T10:00:00Z"
        )
        raise refuse(Reason.OUT_OF_RANGE, f"{value!r:.60} {said}", field=field) from None


def time_fields(said: int | None, sent: int | None, received_at: int, field: str) -> dict[str, Any]:
    """The canonical time fields. Refused when the event lies too far in the future."""
    try:
        occurred_at, rule = decide_time(said, sent, received_at)
    except ValueError as error:
        raise refuse(Reason.OUT_OF_RANGE, f"the time {error}", field=field) from None
    return {"occurred_at": occurred_at, "sent_at": sent or 0, "received_at": received_at, "time_rule": rule}


def door_fields(submission: Submission, source: Source) -> dict[str, Any]:
    """The canonical fields that the collector knows, the same for every event of a submission.

    Address and user agent of a request with a secret key are those of a back end, not of a
    visitor: they are left out, and the back end may pass on its visitor's in the event.
    """
    fields = {
        "workspace": submission.workspace,
        "source": submission.source,
        "protocol": submission.protocol,
        "channel": source.channel,
        "trusted": submission.trusted,
    }
    if not submission.trusted:
        fields["ip"] = submission.address
        fields["user_agent"] = submission.headers.get("user-agent", "")[:LONGEST_USER_AGENT]
    return fields


def take_sender(context: dict[str, Any], trusted: bool, warnings: list[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The context without ip and user_agent, and these two as fields of the event.

    A back end passes on its visitor's. They leave the context, because the workspace's rule for
    addresses applies to the field. With a public key they are not believed, and said so.
    """
    found = {}
    for name, longest in (("ip", 64), ("user_agent", LONGEST_USER_AGENT)):
        value = context.get(name)
        if not isinstance(value, str) or not value:
            continue
        if trusted:
            found[name] = value[:longest]
        else:
            warnings.append(f"context.{name} is believed with a secret key only, and was left out")
    if not any(name in context for name in ("ip", "user_agent")):
        return context, found
    return {name: value for name, value in context.items() if name not in ("ip", "user_agent")}, found


def decode_item(raw: msgspec.Raw, at: str, limits: Limits) -> Mapping[str, Any]:
    """One event of a list as a JSON object. Refused with the reason why it is none."""
    if len(memoryview(raw)) > limits.event_bytes:
        raise refuse(
            Reason.EVENT_TOO_LARGE, f"the event is larger than {limits.event_bytes} bytes (limit event_bytes)", field=at
        )
    try:
        content = ANYTHING.decode(raw)
    except RecursionError:
        raise refuse(
            Reason.TOO_DEEP, f"is nested deeper than {limits.json_depth} levels (limit json_depth)", field=at
        ) from None
    except msgspec.ValidationError as error:
        raise refuse(Reason.OUT_OF_RANGE, f"holds a number that cannot be kept: {error}", field=at) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise refuse(Reason.INVALID_JSON, f"is not JSON that can be kept: {error}", field=at) from None
    if not isinstance(content, dict):
        raise refuse(Reason.WRONG_TYPE, f"must be an object, not {_name_type(content)}", field=at)
    return content


def split_body(body: bytes, limits: Limits) -> Split:
    """The events of a body, undecoded, and the object around them (None for a list or lines).

    Takes one object, a list, `{"events": [...]}` or newline-delimited JSON. One bare object comes
    back as a single raw event with itself as the object around it.
    """
    if not body.strip():
        raise refuse(Reason.EMPTY_BODY, "the body is empty; send a JSON event")
    try:
        outer = msgspec.json.decode(body, type=list[msgspec.Raw] | dict[str, msgspec.Raw])
    except RecursionError:
        raise refuse(
            Reason.TOO_DEEP, f"the body is nested deeper than {limits.json_depth} levels (limit json_depth)"
        ) from None
    except msgspec.ValidationError:
        raise refuse(Reason.WRONG_TYPE, 'the body must be an event, a list of events, or {"events": [...]}') from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        if lines := _split_lines(body, limits):
            return lines, None
        split = _split_leniently(body, limits)
        if split is None:
            raise refuse(Reason.INVALID_JSON, f"the body is not JSON: {error}") from None
        return split
    if isinstance(outer, list):
        return outer, None
    if "events" not in outer:
        return [msgspec.Raw(body)], {}
    try:
        events = msgspec.json.decode(outer["events"], type=list[msgspec.Raw])
    except msgspec.DecodeError:
        raise refuse(Reason.WRONG_TYPE, "events must be a list of events", field="events") from None
    return events, {name: value for name, value in outer.items() if name != "events"}


def _split_lines(body: bytes, limits: Limits) -> list[msgspec.Raw]:
    """The events of newline-delimited JSON, empty lines left out; [] when it is none."""
    most = LINES_PER_EVENT * limits.events_per_call
    lines = [line for line in body.split(b"\n", most) if line.strip()]
    if len(lines) < 2 or not lines[0].strip().endswith(b"}"):
        return []
    if b"\n" in lines[-1].strip():
        raise refuse(
            Reason.TOO_MANY_EVENTS,
            f"more than {most} lines in one call; the limit events_per_call is {limits.events_per_call}",
            field="events",
        )
    return [msgspec.Raw(line.strip()) for line in lines]


def _split_leniently(body: bytes, limits: Limits) -> Split | None:
    """The events of a list that a strict parser refuses as a whole; None when it is no such list.

    One NaN or lone surrogate spoils the whole list for a strict parser. Python's own takes both, so
    each event goes on by itself: the sound ones are kept, `decode_item` refuses the broken ones.
    """
    try:
        outer = json.loads(body.decode())
    except (ValueError, RecursionError):
        return None
    around = None
    if isinstance(outer, dict) and isinstance(outer.get("events"), list):
        outer, around = outer.pop("events"), outer
    if not isinstance(outer, list) or len(around or ()) > MOST_AROUND:
        return None
    check_count(len(outer), limits)
    packed = None if around is None else {name: _pack(value) for name, value in around.items()}
    return [_pack(item) for item in outer], packed


def _pack(value: Any) -> msgspec.Raw:
    return msgspec.Raw(json.dumps(value).encode())


def check_count(count: int, limits: Limits) -> None:
    if count == 0:
        raise refuse(Reason.EMPTY_BODY, "there is no event in the call; at least one is needed", field="events")
    if count > limits.events_per_call:
        raise refuse(
            Reason.TOO_MANY_EVENTS,
            f"{count} events in one call; the limit events_per_call is {limits.events_per_call}",
            field="events",
        )


def build_event(submission: Submission, index: int, door: dict[str, Any], fields: dict[str, Any]) -> Event:
    return Event(event_id=make_event_id(submission.submission_id, index), **{**door, **fields})


def parse_items(
    submission: Submission,
    source: Source,
    limits: Limits,
    body: bytes,
    split: Split,
    read: Callable[[Item], dict[str, Any]],
) -> Parsed:
    """Each event of a split body by itself: `read` says its fields, or refuses it and no other."""
    raws, outer = split
    check_count(len(raws), limits)
    single = outer is not None and not outer and len(raws) == 1 and b'"events"' not in body
    door = door_fields(submission, source)
    items: list[Event | Rejection] = []
    warnings: dict[int, Sequence[str]] = {}
    for index, raw in enumerate(raws):
        at = "" if single else f"events[{index}]"
        try:
            item = Item(decode_item(raw, at, limits), f"{at}." if at else "", limits, [])
            items.append(build_event(submission, index, door, read(item)))
        except Refused as refused:
            items.append(at_index(refused.rejection, index))
            continue
        if item.warnings:
            warnings[index] = item.warnings
    return Parsed(items, single, warnings)


def at_index(rejection: Rejection, index: int) -> Rejection:
    return msgspec.structs.replace(rejection, index=index)
