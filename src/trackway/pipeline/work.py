"""A batch on its way from the log to the store, and the words for what is not stored.

Pure but for the dead letters it collects; `runner` moves it along.
"""

from collections.abc import Callable, Sequence

import msgspec
from sqlalchemy import Connection

from trackway.control.erased import note_records
from trackway.control.pii import note_findings
from trackway.event import PROCESS_ONLY, Event, LogPlace, Row, Submission
from trackway.eventlog.interface import Record, RecordPlace
from trackway.ids import make_event_id
from trackway.outcome import Outcome, Reason
from trackway.pipeline.consent import Consents
from trackway.pipeline.desk import Dropped, Duplicate, Held
from trackway.pipeline.duplicates import Firsts
from trackway.pipeline.erased import Tombstones
from trackway.pipeline.letters import Hide, keep_submission, set_submission_aside
from trackway.pipeline.pii import look_for_pii
from trackway.pipeline.plan import PlanWatch
from trackway.pipeline.progress import Account, DeadLetter
from trackway.pipeline.replays import Replays
from trackway.profiles.held import HeldEvent, look_again, write_held
from trackway.profiles.identifiers import ProfileKeys
from trackway.profiles.people import People, Settled
from trackway.profiles.visits import NotedVisit, read_change, write_visits
from trackway.store.client import OutcomeRow

HOUR_MS = 3_600_000
STAYS = "its person has not said yet whether they agree: the row that is stored stays"


class Repeat(msgspec.Struct, frozen=True):
    """A duplicate, for a look at whether it says something else than the first."""

    event: Event
    place: LogPlace
    duplicate: Duplicate


class Work(msgspec.Struct):
    """A batch on its way: what will be stored, what will not, and what to count."""

    rows: list[Row]
    outcomes: list[OutcomeRow]
    account: Account
    firsts: Firsts
    consents: Consents
    tombstones: Tombstones
    repeats: list[Repeat] = msgspec.field(default_factory=list)
    refused: list[DeadLetter] = msgspec.field(default_factory=list)
    dead_in_a_row: int = 0
    settled: Settled = msgspec.field(default_factory=Settled)
    erased: list[RecordPlace] = msgspec.field(default_factory=list)
    held: list[HeldEvent] = msgspec.field(default_factory=list)
    visits: list[NotedVisit] = msgspec.field(default_factory=list)
    watch: PlanWatch = msgspec.field(default_factory=PlanWatch)
    replays: Replays = msgspec.field(default_factory=Replays)

    def take(self, event: Event, place: LogPlace, result: Event | Dropped | Duplicate | Held) -> None:
        """What the stages made of an event."""
        if isinstance(result, Event):
            self.rows.append(Row(self.replays.keep_names(result), place))
        elif isinstance(result, Held):
            if self.replays.stay(event):
                self.note_known(event, place, STAYS)
            else:
                self.hold(result, place)
        elif isinstance(result, Duplicate):
            self.outcomes.append(
                make_outcome(event, place, Outcome.DUPLICATE, result.reason, "", result.first_event_id)
            )
            self.repeats.append(Repeat(event, place, result))
        else:
            self.drop(event, place, result)

    def note_known(self, event: Event, place: LogPlace, detail: str = "") -> None:
        """A replayed event that is told of elsewhere."""
        repeated = (Outcome.DUPLICATE, Reason.ALREADY_STORED, detail, event.event_id)
        self.outcomes.append(make_outcome(event, place, *repeated))

    def drop(self, event: Event, place: LogPlace, dropped: Dropped) -> None:
        self.outcomes.append(make_outcome(event, place, Outcome.DROPPED, dropped.reason, dropped.detail))
        if dropped.reason is Reason.ERASED:
            self.erased.append(RecordPlace(place.segment, place.record))

    def set_processed_aside(self) -> None:
        """Events whose people are settled and that are not to be stored."""
        kept = []
        for row in self.rows:
            if row.event.context and row.event.context.get(PROCESS_ONLY) is True:
                self.drop(row.event, row.place, Dropped(Reason.PROCESS_ONLY, ""))
            else:
                kept.append(row)
        self.rows = kept

    def note_visit(self, submission: Submission, events: Sequence[Event], keys: ProfileKeys) -> None:
        """What a submission, of which `events` are kept, makes of its session."""
        if (change := read_change(submission, events, keys)) is not None:
            self.visits.append(change)

    def hold(self, held: Held, place: LogPlace) -> None:
        event, nodes = held.event, self.consents.list_nodes(held.event)
        self.held.append(HeldEvent(event, place, nodes, event.received_at + held.hours * HOUR_MS))

    def write_people(self, people: People) -> Callable[[Connection], None]:
        """What the batch says of people and their consent, and which records must go, for the transaction that commits it."""

        findings = look_for_pii(self.rows)

        def write(connection: Connection) -> None:
            people.write(connection, self.settled)
            self.consents.write(connection, self.replays.replaced.keys())
            write_visits(connection, self.visits)
            write_held(connection, self.held)
            look_again(
                connection, {node for heard in self.consents.heard for node in heard.nodes} | {*self.settled.nodes}
            )
            note_records(connection, self.erased)
            note_findings(connection, findings)
            self.watch.write(connection)
            refused = {letter.event_id for letter in self.refused}
            self.replays.mark(connection, refused)
            self.replays.note_replaced(connection, refused)

        return write


class Arrival(msgspec.Struct, frozen=True):
    """A submission of the batch, its record's place and the events parsed from it."""

    record: Record
    submission: Submission
    events: Sequence[Event]


class Burial(msgspec.Struct, frozen=True):
    """Where submissions go that cannot be read: outcomes, letters, and how much of them may be kept."""

    outcomes: list[OutcomeRow]
    account: Account
    hide: Hide


def bury_submission(
    record: Record, submission: Submission, reason: Reason, detail: str, burial: Burial, indexes: Sequence[int] = ()
) -> None:
    """Every event of a submission becomes a dead letter, or those at these places."""
    payload = keep_submission(submission, burial.hide)
    buried = indexes or submission.indexes
    for index in buried:
        event_id = make_event_id(submission.submission_id, index)
        place = LogPlace(record.segment, record.ordinal, index)
        burial.outcomes.append(
            OutcomeRow(
                event_id=event_id,
                workspace=submission.workspace,
                source=submission.source,
                protocol=submission.protocol,
                outcome=Outcome.DEAD_LETTERED,
                reason=reason,
                first_event_id="",
                detail=detail,
                event_type="",
                received_at=submission.received_at,
                place=place,
            )
        )
        kept = payload if index == buried[0] else b""
        burial.account.set_aside.append(set_submission_aside(submission, event_id, reason, detail, kept))


def make_outcome(
    event: Event, place: LogPlace, outcome: Outcome, reason: Reason, detail: str, first_event_id: str = ""
) -> OutcomeRow:
    return OutcomeRow(
        event_id=event.event_id,
        workspace=event.workspace,
        source=event.source,
        protocol=event.protocol,
        outcome=outcome,
        reason=reason,
        first_event_id=first_event_id,
        detail=detail,
        event_type=event.event_type,
        received_at=event.received_at,
        place=place,
    )
