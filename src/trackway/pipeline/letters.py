"""Dead letters: what is kept aside with the reason, so that an operator can look at it, and replay it.

No letter holds an address that the workspace does not keep: events come here after `cut_ip`, and of
submissions it is cut in the same way first. It writes nothing; the pipeline's transactions do.
"""

import re
from collections.abc import Callable, Collection

import msgspec

from trackway.control.sources import CREDENTIAL_FORMS
from trackway.event import Event, Submission
from trackway.eventlog.interface import Damage
from trackway.ids import make_event_id, read_event_id
from trackway.outcome import Reason
from trackway.pipeline.anonymity import forget_person
from trackway.pipeline.desk import Duplicate
from trackway.pipeline.progress import Account, DeadLetter
from trackway.records import Refusal

KEPT_OF_A_PAYLOAD = 65_536
# What the column `content` of a letter says of its payload.
SUBMISSION, EVENT = "submission", "event"

# A key that may be read once only, where it is made. A sender may put it into the address or the body.
_SECRETS = [prefix for form in CREDENTIAL_FORMS.values() for prefix in (form.secret_prefix, form.test_prefix) if prefix]
_SECRET = re.compile(rb"(%b)[0-9a-f]{32}" % "|".join(map(re.escape, _SECRETS)).encode())
HIDDEN = b"*" * 32

# A submission as it may be kept: its address cut as the workspace says.
Hide = Callable[[Submission], Submission]


def note_conflict(event: Event, duplicate: Duplicate, account: Account) -> None:
    """A repeat that says something else is kept; a key that swallows several visitors is reported.

    Whether its person agreed to be tracked was not asked, so the letter says what it was and not whose.
    """
    if duplicate.other_visitor and duplicate.reason is Reason.TRANSPORT_KEY:
        account.swallowed[event.source, event.dedupe_key] += 1
    if duplicate.differs:
        detail = f"differs from the first event {duplicate.first_event_id}"
        account.set_aside.append(
            set_event_aside(forget_person(event), "conflict", f"conflict:{event.event_id}", duplicate.reason, detail)
        )


def set_event_aside(event: Event, kind: str, letter_id: str, reason: Reason, detail: str) -> DeadLetter:
    payload = msgspec.json.encode(msgspec.structs.replace(event, ip=""))
    return DeadLetter(
        id=letter_id,
        workspace=event.workspace,
        source=event.source,
        kind=kind,
        reason=reason.value,
        detail=detail,
        event_id=event.event_id,
        payload=payload[:KEPT_OF_A_PAYLOAD],
        received_at=event.received_at,
        protocol=event.protocol,
        submission=read_event_id(event.event_id)[0].hex(),
        content=EVENT,
        cut=len(payload) > KEPT_OF_A_PAYLOAD,
    )


def keep_submission(submission: Submission, hide: Hide) -> bytes:
    """A submission's bytes, up to a limit, without what the workspace does not keep."""
    kept = msgspec.structs.replace(hide(submission), body=submission.body[:KEPT_OF_A_PAYLOAD])
    return msgspec.msgpack.encode(hide_keys(kept))


def hide_keys(submission: Submission) -> Submission:
    """Without the secret part of a key. Nothing else changes, and a replay asks for no key."""
    query, body = submission.query.encode(), submission.body
    if not _SECRET.search(query) and not _SECRET.search(body):
        return submission
    return msgspec.structs.replace(
        submission,
        query=_SECRET.sub(rb"\1" + HIDDEN, query).decode(),
        body=_SECRET.sub(rb"\1" + HIDDEN, body),
    )


def set_submission_aside(
    submission: Submission, event_id: str, reason: Reason, detail: str, payload: bytes
) -> DeadLetter:
    """The letter of one event of a submission that could not be read; the first of them holds the bytes."""
    return DeadLetter(
        id=f"dead:{event_id}",
        workspace=submission.workspace,
        source=submission.source,
        kind="dead_letter",
        reason=reason.value,
        detail=detail,
        event_id=event_id,
        payload=payload,
        received_at=submission.received_at,
        protocol=submission.protocol,
        submission=submission.submission_id.hex(),
        content=SUBMISSION,
        cut=len(submission.body) > KEPT_OF_A_PAYLOAD,
    )


def set_refusal_aside(refusal: Refusal, hide: Hide) -> DeadLetter:
    sent = refusal.submission
    return DeadLetter(
        id=f"rejected:{make_event_id(refusal.refusal_id, 0)}",
        workspace=refusal.workspace,
        source=refusal.source,
        kind="rejected",
        reason=refusal.reason,
        detail=refusal.message,
        event_id="",
        payload=msgspec.msgpack.encode(hide_keys(hide(sent))) if sent else refusal.body,
        received_at=refusal.received_at,
        protocol=sent.protocol if sent else "",
        field=refusal.field,
        submission=sent.submission_id.hex() if sent else "",
        content=SUBMISSION if sent else "",
        cut=refusal.cut,
        events=refusal.events,
        indexes=write_places(refusal.indexes),
        items=msgspec.json.encode(refusal.items).decode(),
    )


def write_places(indexes: Collection[int]) -> str:
    """The column `indexes`; "" for the whole request."""
    return msgspec.json.encode(sorted(indexes)).decode() if indexes else ""


def set_damage_aside(damage: Damage, now: int) -> DeadLetter:
    lost = "an unknown number of" if damage.records_lost is None else str(damage.records_lost)
    return DeadLetter(
        id=f"damage:{damage.segment:x}:{damage.offset}",
        workspace="",
        source="",
        kind="damage",
        reason=Reason.LOG_DAMAGED.value,
        detail=f"stream {damage.stream}, {damage.length} bytes at {damage.offset}, {lost} records lost: {damage.reason}",
        event_id="",
        payload=b"",
        received_at=now,
    )
