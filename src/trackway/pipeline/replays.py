"""Replayed submissions: an event that is there already is not stored again, and letters learn what came of them.

A replay puts a submission into the log once more, with the same id, so its events have the ids that they
would have had. Whoever asks twice, or again after a crash, appends it twice; so the store is asked which of
its events are there under another place of the log. Batches without a replay pay nothing for this.

A submission that `replaces` brings events that are stored and that are made anew, by today's adapter and
stages. The new row goes into the store first, at its own place; the old one is noted in the transaction
that commits it, and removed between two batches (`trackway.privacy.replaced`). Where no new row comes of it,
today's policy has dropped the event: the outcome stands at the new place, and the old row goes as well.
Places are ordered, and only an older row makes way; so two replays never make way for each other.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace
from sqlalchemy import Connection, Row, select, update

from trackway.control.database import State
from trackway.control.replaced import note_replaced
from trackway.control.tables import DEAD_LETTERS
from trackway.event import Event, LogPlace, Submission
from trackway.ids import make_event_id, read_event_index
from trackway.pipeline.adapters import find_missing
from trackway.pipeline.letters import write_places
from trackway.profiles.held import find_held
from trackway.store.client import EventStore

IDS_AT_ONCE = 1000


# Names that hold for a day only: a row that is made anew later keeps those of its day.
DAYS_VISITOR = "d:"


class Standing(Struct, frozen=True):
    """A row that an event has in the store."""

    place: LogPlace
    stored_as: str
    visitor_key: str
    weak_key: str


class Replays(Struct):
    """Of one batch: the submissions that are replays, and where events stand that they bring once more.

    `failed` are events that became dead letters again, now or in an attempt before this one. `standing` are the
    rows of events that are to be replaced, `replaced` those whose rows make way, with workspace and new place.
    """

    submissions: list[Submission] = field(default_factory=list)
    known: dict[str, set[LogPlace]] = field(default_factory=dict)
    now: int = 0
    failed: set[str] = field(default_factory=set)
    standing: dict[str, list[Standing]] = field(default_factory=dict)
    replaced: dict[str, tuple[str, LogPlace]] = field(default_factory=dict)

    def are_known(self, event: Event, place: LogPlace, replaces: bool) -> bool:
        """Was the replayed event told of elsewhere, or is it brought twice? Remembers that it stands here.

        One that `replaces` is known unless older rows make way for it: then there is something to replace.
        """
        places = self.known.setdefault(event.event_id, set())
        known = bool(places - {place})
        places.add(place)
        if not replaces:
            return known
        if event.event_id in self.replaced or not self._make_way(event, place):
            return True
        self.replaced[event.event_id] = (event.workspace, place)
        return False

    def _make_way(self, event: Event, place: LogPlace) -> bool:
        """A row that was stored without its person was not compared; it stays."""
        others = [each for each in self.standing.get(event.event_id, ()) if each.place != place]
        return bool(others) and all(each.place < place and each.stored_as != "anonymous" for each in others)

    def keep_names(self, event: Event) -> Event:
        """The day's visitor and likeness as the row had them: the salt of its day may be gone."""
        if event.event_id not in self.replaced:
            return event
        newest = max(self.standing[event.event_id], key=lambda each: each.place)
        if newest.visitor_key.startswith(DAYS_VISITOR) and event.visitor_key.startswith(DAYS_VISITOR):
            event = replace(event, visitor_key=newest.visitor_key)
        return replace(event, weak_key=newest.weak_key) if newest.weak_key and event.weak_key else event

    def stay(self, event: Event) -> bool:
        """Its rows stay after all. False when none was to make way."""
        return self.replaced.pop(event.event_id, None) is not None

    def note_replaced(self, connection: Connection, refused: Collection[str]) -> None:
        """Which rows are to be removed; what the store has refused takes no row's place."""
        failed = self.failed.union(refused)
        doomed = [
            (workspace, each.place)
            for event_id, (workspace, place) in self.replaced.items()
            if event_id not in failed
            for each in self.standing[event_id]
            if each.place != place
        ]
        if doomed:
            note_replaced(connection, doomed)

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
    return Replays(replayed, known, now, failed, _find_standing(replayed, store))


def _find_standing(replayed: Iterable[Submission], store: EventStore) -> dict[str, list[Standing]]:
    """Of events that are to be replaced. The store was asked before for the same ids, and waited for its inserts."""
    ids = [make_event_id(each.submission_id, index) for each in replayed if each.replaces for index in each.indexes]
    found: dict[str, list[Standing]] = {}
    for start in range(0, len(ids), IDS_AT_ONCE):
        for row in store.find_standing(ids[start : start + IDS_AT_ONCE]):
            place = LogPlace(row["log_segment"], row["log_record"], row["log_index"])
            standing = Standing(place, row["stored_as"], row["visitor_key"], row["weak_key"])
            found.setdefault(row["id"], []).append(standing)
    return found


def _add_held(submission: Submission, state: State, known: dict[str, set[LogPlace]]) -> None:
    for index in submission.indexes:
        event_id = make_event_id(submission.submission_id, index)
        held = find_held(state, submission.workspace, event_id)
        if held is not None:
            known.setdefault(event_id, set()).add(held.place)
