"""Replayed submissions: an event that is there already is not stored again, and letters learn what came of them.

A replay puts a submission into the log once more, with the same id, so its events have the ids that they
would have had. Whoever asks twice, or again after a crash, appends it twice; so the store is asked which of
its events are there under another place of the log. Batches without a replay pay nothing for this.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import msgspec
from msgspec import Struct, field
from sqlalchemy import Connection, Row, select, update

from trackway.control.database import State
from trackway.control.tables import DEAD_LETTERS
from trackway.event import Event, LogPlace, Submission
from trackway.ids import make_event_id, read_event_index
from trackway.pipeline.adapters import find_missing
from trackway.pipeline.letters import write_places
from trackway.profiles.held import find_held
from trackway.store.client import EventStore

IDS_AT_ONCE = 1000


class Replays(Struct):
    """Of one batch: the submissions that are replays, and where events stand that they bring once more.

    `failed` are events that became dead letters again, now or in an attempt before this one.
    """

    submissions: list[Submission] = field(default_factory=list)
    known: dict[str, set[LogPlace]] = field(default_factory=dict)
    now: int = 0
    failed: set[str] = field(default_factory=set)

    def are_known(self, event: Event, place: LogPlace) -> bool:
        """Was the replayed event told of elsewhere, or is it brought twice? Remembers that it stands here."""
        places = self.known.setdefault(event.event_id, set())
        known = bool(places - {place})
        places.add(place)
        return known

    def mark(self, connection: Connection, refused: Collection[str]) -> None:
        """Letters of what is no letter any more say so; events that the store has `refused` again stay letters."""
        failed = self.failed.union(refused)
        for submission in self.submissions:
            done = {i for i in submission.indexes if make_event_id(submission.submission_id, i) not in failed}
            t = DEAD_LETTERS.c
            where = (t.submission == submission.submission_id.hex(), t.workspace == submission.workspace, t.events > 0)
            for row in connection.execute(select(DEAD_LETTERS).where(*where, t.kind != "conflict")).all():
                left = _find_left(row, submission)
                if replayed := left & done:
                    values = {
                        "events": len(left - done),
                        "indexes": write_places(left - done),
                        "replayed_events": row.replayed_events + len(replayed),
                        "replayed_at": self.now,
                    }
                    connection.execute(update(DEAD_LETTERS).where(t.id == row.id).values(**values))


def _find_left(row: Row[Any], submission: Submission) -> set[int]:
    """Places of the events that the letter is about."""
    if row.kind == "dead_letter":
        return {read_event_index(row.event_id)}
    if row.indexes:
        return set(msgspec.json.decode(row.indexes, type=list[int]))
    return set(range(submission.events + len(submission.refused)))


def find_replays(
    arrivals: Iterable[tuple[Submission, Sequence[Event]]], store: EventStore, state: State, now: int
) -> Replays:
    """What a batch replays, and what is known of it. StoreUnavailable when the store does not answer."""
    replays = [(submission, events) for submission, events in arrivals if submission.replay]
    replayed = [submission for submission, _ in replays]
    failed = {
        make_event_id(submission.submission_id, index)
        for submission, events in replays
        for index in find_missing(events, submission)
    }
    ids = [make_event_id(each.submission_id, index) for each in replayed for index in each.indexes]
    known: dict[str, set[LogPlace]] = {}
    for start in range(0, len(ids), IDS_AT_ONCE):
        for event_id, place in store.find_places(ids[start : start + IDS_AT_ONCE]):
            known.setdefault(event_id, set()).add(place)
    for submission in replayed:
        _add_held(submission, state, known)
    return Replays(replayed, known, now, failed)


def _add_held(submission: Submission, state: State, known: dict[str, set[LogPlace]]) -> None:
    for index in submission.indexes:
        event_id = make_event_id(submission.submission_id, index)
        held = find_held(state, submission.workspace, event_id)
        if held is not None:
            known.setdefault(event_id, set()).add(held.place)
