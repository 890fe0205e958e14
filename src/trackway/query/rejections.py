"""What was refused and what was set aside: letters, their list, and everything known about one.

Station 5. A letter is what the pipeline kept of events that could not be stored (`trackway.pipeline.letters`):
rejected at the door, dead-lettered later, or in conflict with the first event of their key. `events` are
those of it that still wait; the rest was replayed.
"""

import base64
from collections.abc import Collection, Mapping
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import ColumnElement, Row, and_, func, or_, select

from trackway.clock import parse_time
from trackway.control.database import State
from trackway.control.tables import DEAD_LETTERS, KEPT_LETTERS
from trackway.event import Submission
from trackway.metrics import METRICS
from trackway.outcome import REASONS, Reason
from trackway.query.answers import format_moment
from trackway.query.cursors import LetterCursor, decode_letter_cursor, encode_cursor
from trackway.query.questions import FEWEST_ITEMS, QuestionError, check_number, check_text

MOST_ITEMS = 200
DAY_MS, HOUR_MS = 86_400_000, 3_600_000
KINDS = ("rejected", "dead_letter", "conflict")
REPLAYED = {"": None, "yes": True, "no": False}
# The door refuses these before it knows whose request it is.
NOBODYS_REASONS = (
    Reason.MISSING_KEY,
    Reason.UNKNOWN_KEY,
    Reason.METHOD_NOT_ALLOWED,
    Reason.UNDECODABLE_BODY,
    Reason.BODY_TOO_LARGE,
    Reason.DECOMPRESSED_TOO_LARGE,
)


class Wanted(Struct, frozen=True, kw_only=True):
    """Which letters are meant; an empty text means any. `since` and `until` are times of receipt."""

    source: str = ""
    protocol: str = ""
    reason: str = ""
    kind: str = ""
    field: str = ""
    since: str = ""
    until: str = ""
    replayed: str = ""


class Letters(Struct, frozen=True):
    """A page of letters with their payloads, and the cursor of the next."""

    rows: list[Row[Any]]
    next: str | None


def list_rejections(
    state: State, workspace: str, wanted: Wanted, *, limit: int = 50, cursor: str = ""
) -> dict[str, Any]:
    """{"items": [letter…], "next": cursor or None}, newest first. QuestionError for what cannot be asked."""
    page = read_page(state, workspace, wanted, limit=limit, cursor=cursor)
    return {"items": [describe_letter(row) for row in page.rows], "next": page.next}


def read_page(state: State, workspace: str, wanted: Wanted, *, limit: int, cursor: str = "") -> Letters:
    check_number("limit", limit, FEWEST_ITEMS, MOST_ITEMS)
    t = DEAD_LETTERS.c
    where = [t.workspace == workspace, t.kind.in_(KINDS), *_read_conditions(wanted)]
    if cursor:
        after = decode_letter_cursor(cursor)
        where.append(
            or_(t.received_at < after.received_at, and_(t.received_at == after.received_at, t.id < after.letter))
        )
    query = select(DEAD_LETTERS).where(*where).order_by(t.received_at.desc(), t.id.desc()).limit(limit + 1)
    with state.read() as connection:
        rows = list(connection.execute(query).all())
    page = rows[:limit]
    more = len(rows) > limit
    return Letters(page, encode_cursor(LetterCursor(page[-1].received_at, page[-1].id)) if more else None)


def _read_conditions(wanted: Wanted) -> list[ColumnElement[bool]]:
    t = DEAD_LETTERS.c
    _check_one_of("kind", wanted.kind, KINDS)
    _check_one_of("replayed", wanted.replayed, tuple(filter(None, REPLAYED)))
    _check_one_of("reason", wanted.reason, tuple(REASONS))
    equal = {t.source: "source", t.protocol: "protocol", t.reason: "reason", t.kind: "kind", t.field: "field"}
    found: list[ColumnElement[bool]] = [
        column == check_text(name, getattr(wanted, name)) for column, name in equal.items() if getattr(wanted, name)
    ]
    if wanted.since:
        found.append(t.received_at >= _read_moment("since", wanted.since))
    if wanted.until:
        found.append(t.received_at < _read_moment("until", wanted.until))
    replayed = REPLAYED[wanted.replayed]
    if replayed is not None:
        found.append(t.events == 0 if replayed else t.events > 0)
    return found


def _check_one_of(name: str, value: str, known: Collection[str]) -> None:
    if value and value not in known:
        raise QuestionError(f"{name} must be one of {', '.join(known)}, not {value[:60]!r}", name)


def _read_moment(name: str, text: str) -> int:
    try:
        return parse_time(int(text) if text.isdecimal() else text)
    except (ValueError, OverflowError):
        raise QuestionError(
            f"{name} must be a time such as 2026-05-01T10:00:00Z, or seconds since 1970, not {text[:60]!r}", name
        ) from None


def describe_letter(row: Row[Any]) -> dict[str, Any]:
    known = row.reason in Reason.__members__.values()
    why_not = say_why_not(row)
    return {
        "id": row.id,
        "kind": row.kind,
        "reason": row.reason,
        "meaning": REASONS[Reason(row.reason)].meaning if known else "",
        "field": row.field,
        "message": row.detail,
        "source": row.source,
        "protocol": row.protocol,
        "event_id": row.event_id,
        "received_at": format_moment(row.received_at),
        "events": row.events,
        "replayed_events": row.replayed_events,
        "replayed_at": format_moment(row.replayed_at),
        "cut": bool(row.cut),
        "replayable": not why_not,
        "why_not": why_not,
    }


def say_why_not(row: Row[Any]) -> str:
    """Why a letter cannot be replayed; "" when it may be tried."""
    if row.events == 0:
        return "it was replayed"
    if row.kind == "conflict":
        return "the first event with its key is stored; a conflict is kept to be looked at"
    if not row.content and not row.payload:
        return "nothing of what was sent is kept"
    if not row.content:
        return "an earlier version kept it, and only the beginning of what was sent"
    if row.cut and row.content == "submission":
        return "its body is larger than what is kept (setting kept_refusal_bytes)"
    return ""


def find_rejection(state: State, workspace: str, letter_id: str) -> dict[str, Any] | None:
    """A letter with what was sent; None when there is none of this id."""
    rows = read_letters(state, workspace, [letter_id])
    if not rows:
        return None
    row = rows[0]
    submission = read_submission(state, row)
    found = describe_letter(row) | {"refused": _describe_items(row), "sent": None, "event": None}
    if submission is not None:
        found["sent"] = _describe_submission(submission)
    elif row.payload and row.content != "event" and row.kind == "rejected":
        found["sent"] = _describe_body(bytes(row.payload))
    elif row.payload:
        found["event"] = _describe_body(bytes(row.payload))
    return found


def read_letters(state: State, workspace: str, ids: Collection[str]) -> list[Row[Any]]:
    """Letters of these ids, newest first; unknown ones are left out."""
    t = DEAD_LETTERS.c
    query = select(DEAD_LETTERS).where(t.workspace == workspace, t.kind.in_(KINDS), t.id.in_(list(ids)))
    with state.read() as connection:
        return list(connection.execute(query.order_by(t.received_at.desc(), t.id.desc())).all())


def read_submission(state: State, row: Row[Any]) -> Submission | None:
    """What was sent, where the letter, or the first letter of the same submission, holds it."""
    if row.content != "submission":
        return None
    payload = bytes(row.payload)
    if not payload:
        t = DEAD_LETTERS.c
        siblings = select(t.payload).where(
            t.submission == row.submission, t.workspace == row.workspace, t.kind == row.kind, t.content == row.content
        )
        with state.read() as connection:
            found = connection.execute(siblings.where(func.length(t.payload) > 0).limit(1)).scalar()
        payload = bytes(found or b"")
    return msgspec.msgpack.decode(payload, type=Submission) if payload else None


def read_waiting(row: Row[Any]) -> set[int] | None:
    """Places in the request of the events that a letter is about and that still wait; None for all of it."""
    return set(msgspec.json.decode(row.indexes, type=list[int])) if row.indexes else None


def _describe_items(row: Row[Any]) -> list[dict[str, Any]]:
    items = msgspec.json.decode(row.items, type=list[tuple[int, str, str]])
    return [
        {"index": index if index >= 0 else None, "field": field, "message": message} for index, field, message in items
    ]


def _describe_submission(submission: Submission) -> dict[str, Any]:
    return {
        "method": submission.method,
        "path": submission.path,
        "query": submission.query,
        "headers": submission.headers,
        "address": submission.address,
        **_describe_body(submission.body),
    }


def _describe_body(body: bytes) -> dict[str, Any]:
    """`body` as text; where it is none, `body_base64`."""
    try:
        return {"body_bytes": len(body), "body": body.decode()}
    except UnicodeDecodeError:
        return {"body_bytes": len(body), "body_base64": base64.b64encode(body).decode()}


def count_not_kept(state: State, workspace_sources: Collection[str], now_ms: int, hours: int) -> list[dict[str, Any]]:
    """Sources that filled a day's room for letters in the last hours, with how many more there were."""
    t, not_kept = KEPT_LETTERS.c, func.sum(KEPT_LETTERS.c.not_kept)
    query = (
        select(t.source, t.kind, not_kept.label("letters"))
        .where(t.day >= (now_ms - hours * HOUR_MS) // DAY_MS, t.source.in_(list(workspace_sources)), t.not_kept > 0)
        .group_by(t.source, t.kind)
        .order_by(not_kept.desc(), t.source)
    )
    with state.read() as connection:
        return [dict(row) for row in connection.execute(query).mappings()]


def count_nobodys() -> list[dict[str, Any]]:
    """Requests that this process refused, since it started, without knowing whose they are; the most first."""
    samples = [sample for family in METRICS.rejected.collect() for sample in family.samples]
    counted: list[Mapping[str, Any]] = [
        {"protocol": sample.labels["protocol"], "reason": reason, "meaning": REASONS[reason].meaning}
        | {"requests": int(sample.value)}
        for sample in samples
        for reason in NOBODYS_REASONS
        if sample.name.endswith("_total") and sample.labels["reason"] == reason.value
    ]
    return [dict(each) for each in sorted(counted, key=lambda each: (-each["requests"], each["protocol"]))]
