"""Cursors: where a reader is in a list that goes on growing.

Station 5 of the road. A cursor is opaque to clients: base64url of a checksum and a JSON text. The
checksum is no signature (a cursor grants nothing), it turns a cursor that was cut or edited into a
clear error instead of a wrong page. Pure; where rows come from is not known here.
"""

import base64
import binascii
from typing import Annotated, Any
from zlib import crc32

import msgspec
from msgspec import Meta, Struct

from trackway.event import LogPlace
from trackway.query.questions import QuestionError, check_event_id, check_text

# DateTime64(3) ends with the year 2299.
_Moment = Annotated[int, Meta(ge=0, le=10_413_791_999_999)]
_CHECK_BYTES = 4


class ListCursor(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="list"):
    """The last event of a page of the list, which runs by time of receipt, then place, downwards."""

    received_at: _Moment
    place: LogPlace


class LiveCursor(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="live"):
    """What a live listener has seen: all stored before `stored_at`, and of that millisecond the `marks`.

    Two batches can be stored in one millisecond, and the later one may stand in a segment with a
    lower number. So the cursor keeps, per segment, the highest place seen of that millisecond: the
    pipeline stores the places of one segment in order.
    """

    stored_at: _Moment
    marks: tuple[LogPlace, ...] = ()

    def covers(self, stored_at: int, place: LogPlace) -> bool:
        """Was the row already seen?"""
        if stored_at != self.stored_at:
            return stored_at < self.stored_at
        return any(mark.segment == place.segment and place <= mark for mark in self.marks)

    def advance(self, stored_at: int, place: LogPlace) -> "LiveCursor":
        """The cursor after the row, which must not be covered yet."""
        others = self.marks if stored_at == self.stored_at else ()
        kept = tuple(mark for mark in others if mark.segment != place.segment)
        return LiveCursor(stored_at, (*kept, place))


class SessionCursor(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="session"):
    """The last session of a page, which runs by when sessions began, then id, then person, downwards."""

    started: _Moment
    session: str
    person: str


class TimelineCursor(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="timeline"):
    """The last event of a page of a timeline, which runs by when events occurred, then id, downwards."""

    occurred_at: _Moment
    event_id: str


class VisitorCursor(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="visitor"):
    """The last person of a page of visitors, which runs by when they were last seen, then profile, downwards."""

    last_seen: _Moment
    profile: str


class AccountCursor(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="account"):
    """The last account of a page, which runs by when somebody was last seen with it, downwards, then id."""

    last_at: _Moment
    account: str


class LetterCursor(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="letter"):
    """The last letter of a page, which runs by time of receipt, then id, downwards."""

    received_at: _Moment
    letter: str


class TypeCursor(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="type"):
    """The last event type of a page, which runs by how many events there are, downwards, then name."""

    events: Annotated[int, Meta(ge=1, le=2**53)]
    event_type: str


Cursor = (
    ListCursor | LiveCursor | SessionCursor | TimelineCursor | VisitorCursor | AccountCursor | LetterCursor | TypeCursor
)


def encode_cursor(cursor: Cursor) -> str:
    payload = msgspec.json.encode(cursor)
    check = crc32(payload).to_bytes(_CHECK_BYTES, "big")
    return base64.urlsafe_b64encode(check + payload).decode().rstrip("=")


def _decode(text: str, kind: Any, field: str, origin: str) -> Any:
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        payload = raw[_CHECK_BYTES:]
        if crc32(payload).to_bytes(_CHECK_BYTES, "big") == raw[:_CHECK_BYTES]:
            return msgspec.json.decode(payload, type=kind)
    except (binascii.Error, ValueError):
        pass
    raise QuestionError(f"{field} is not one that {origin} gave; leave it out to begin anew", field)


def decode_list_cursor(text: str) -> ListCursor:
    """QuestionError when the text was not made by `encode_cursor` of a ListCursor."""
    cursor: ListCursor = _decode(text, ListCursor, "cursor", "the field `next` of an answer")
    return cursor


def decode_live_cursor(text: str, field: str = "cursor") -> LiveCursor:
    """QuestionError when the text was not made by `encode_cursor` of a LiveCursor."""
    cursor: LiveCursor = _decode(text, LiveCursor, field, "the field `id` of a live event")
    return cursor


def decode_session_cursor(text: str) -> SessionCursor:
    """QuestionError when the text was not made by `encode_cursor` of a SessionCursor."""
    cursor: SessionCursor = _decode(text, SessionCursor, "cursor", "the field `next` of an answer")
    return cursor


def decode_timeline_cursor(text: str) -> TimelineCursor:
    """QuestionError when the text was not made by `encode_cursor` of a TimelineCursor."""
    cursor: TimelineCursor = _decode(text, TimelineCursor, "cursor", "the field `next` of an answer")
    check_event_id(cursor.event_id)
    return cursor


def decode_visitor_cursor(text: str) -> VisitorCursor:
    """QuestionError when the text was not made by `encode_cursor` of a VisitorCursor."""
    cursor: VisitorCursor = _decode(text, VisitorCursor, "cursor", "the field `next` of an answer")
    return cursor


def decode_account_cursor(text: str) -> AccountCursor:
    """QuestionError when the text was not made by `encode_cursor` of an AccountCursor."""
    cursor: AccountCursor = _decode(text, AccountCursor, "cursor", "the field `next` of an answer")
    return cursor


def decode_letter_cursor(text: str) -> LetterCursor:
    """QuestionError when the text was not made by `encode_cursor` of a LetterCursor."""
    cursor: LetterCursor = _decode(text, LetterCursor, "cursor", "the field `next` of an answer")
    return cursor


def decode_type_cursor(text: str) -> TypeCursor:
    """QuestionError when the text was not made by `encode_cursor` of a TypeCursor."""
    cursor: TypeCursor = _decode(text, TypeCursor, "cursor", "the field `next` of an answer")
    check_text("cursor", cursor.event_type)
    return cursor
