"""An installation without its processes: state, log and store, to be filled by hand.

For tests of what is asked of the three together. What it writes it writes as the road does: the
log through its writer, rows through the store's client, position and counts in one transaction.
Part of the public test kit.
"""

import asyncio
import itertools
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import insert

from trackway.clock import now_ms
from trackway.control.database import State, make_url, migrate_state
from trackway.control.sources import add_source
from trackway.control.tables import WORKSPACES
from trackway.event import Event, LogPlace, Row, Submission
from trackway.eventlog.embedded import LogReader, LogWriter
from trackway.eventlog.interface import Position, RecordPlace
from trackway.ids import make_event_id, make_submission_id
from trackway.outcome import Outcome, Reason
from trackway.pipeline.progress import Account, commit_batch
from trackway.records import Refusal, encode_record
from trackway.store.client import EventStore, OutcomeRow

_WORKSPACES = itertools.count(1)


class Installation:
    """A data folder at `data` and a workspace of its own in the store at `url`."""

    def __init__(self, data: Path, url: str) -> None:
        data.mkdir(parents=True, exist_ok=True)
        self.workspace = f"workspace-{os.getpid()}-{next(_WORKSPACES)}"
        self.state = State(make_url(data, ""))
        migrate_state(self.state)
        with self.state.write() as connection:
            connection.execute(
                insert(WORKSPACES).values(
                    id=self.workspace, name=self.workspace, ip_mode="full", hash_key=b"k" * 32, created_at=0
                )
            )
        (data / "log").mkdir(exist_ok=True)
        self.log_folder = data / "log"
        self.log = LogReader(self.log_folder)
        self.store = EventStore(url)

    def close(self) -> None:
        self.store.close()
        self.state.close()

    def add_source(self, name: str) -> str:
        """The id of a new source; it is its name."""
        return add_source(self.state, name, "native", "web", {"source_id": name}, self.workspace).source.id

    def make_submission(self, source: str, received_at: int, events: int = 1, body: bytes = b"{}") -> Submission:
        return Submission(
            submission_id=make_submission_id(received_at),
            received_at=received_at,
            workspace=self.workspace,
            source=source,
            protocol="native",
            trusted=False,
            method="POST",
            path="/v1/events",
            query="",
            headers={},
            address="192.0.2.1",
            body=body,
            events=events,
        )

    def make_refusal(self, source: str, received_at: int, reason: Reason, events: int = 1, **more: Any) -> Refusal:
        """`more` are further fields of a `Refusal`."""
        return Refusal(
            refusal_id=make_submission_id(received_at),
            received_at=received_at,
            workspace=self.workspace,
            source=source,
            reason=reason.value,
            message="refused",
            field="",
            events=events,
            **more,
        )

    def append(self, records: Sequence[Submission | Refusal], stream: str = "0") -> list[RecordPlace]:
        """Write records into a new segment of a stream."""

        async def write() -> list[RecordPlace]:
            writer = LogWriter(self.log_folder, stream, reserve_bytes=0, waiting_bytes=1 << 30)
            futures = [writer.append(encode_record(record)) for record in records]
            places = [await future for future in futures]
            await writer.close()
            return places

        return asyncio.run(write())

    def settle(self, counted: Sequence[Submission | Refusal], position: Position, stream: str = "0") -> None:
        """Move the pipeline's position of a stream, counting these records."""
        account = Account()
        for record in counted:
            if isinstance(record, Refusal):
                account.reject(record.source, record.received_at, record.reason, record.events)
            else:
                account.receive(record.source, record.received_at, record.events)
        commit_batch(self.state, stream, position, account, position.offset)

    def find_end(self, stream: str = "0") -> Position:
        """The position behind everything that a stream holds."""
        position = Position.start()
        while (batch := self.log.read(stream, position)).next != position:
            position = batch.next
        return position

    def make_row(self, submission: Submission, place: RecordPlace, index: int = 0, **fields: Any) -> Row:
        """The row of a submission's event; `fields` are fields of `Event`."""
        known: dict[str, Any] = {
            "event_id": make_event_id(submission.submission_id, index),
            "workspace": submission.workspace,
            "source": submission.source,
            "protocol": submission.protocol,
            "channel": "web",
            "trusted": submission.trusted,
            "event_type": "page_view",
            "occurred_at": submission.received_at,
            "received_at": submission.received_at,
        }
        return Row(Event(**(known | fields)), LogPlace(place.segment, place.ordinal, index))

    def make_outcome(
        self,
        submission: Submission,
        place: RecordPlace,
        outcome: Outcome,
        reason: Reason,
        index: int = 0,
        first_event_id: str = "",
    ) -> OutcomeRow:
        return OutcomeRow(
            event_id=make_event_id(submission.submission_id, index),
            workspace=submission.workspace,
            source=submission.source,
            protocol=submission.protocol,
            outcome=outcome,
            reason=reason,
            event_type="page_view",
            received_at=submission.received_at,
            place=LogPlace(place.segment, place.ordinal, index),
            first_event_id=first_event_id,
        )

    def store_events(
        self, source: str, received_at: Sequence[int], *, stored_at: int | None = None, segment: int = 0, **fields: Any
    ) -> list[Event]:
        """Store one event per time of receipt, past the log and the books: for questions about events.

        They stand in one segment, in the order given.
        """
        segment = segment or next(_SEGMENTS)
        rows = [
            self.make_row(self.make_submission(source, moment), RecordPlace(segment, ordinal), **fields)
            for ordinal, moment in enumerate(received_at)
        ]
        self.store.insert_events(rows, next_moment() if stored_at is None else stored_at)
        return [row.event for row in rows]


_SEGMENTS = itertools.count(1 << 40)
_MOMENTS = itertools.count(now_ms())


def next_moment() -> int:
    """A time of storing behind all earlier ones: one store serves many tests, and its live feed goes by it."""
    return next(_MOMENTS)
