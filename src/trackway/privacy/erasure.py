"""Carries out erasures: a row of small steps, in the pipeline's process, between two batches.

Every step can be repeated, and moves on in the transaction that writes what it did; so a crash in the
middle continues where it was. The first transaction writes the tombstones and removes the person from
the relational state: from then on nothing that was sent before can come back, and what is sent afterwards
begins from nothing. Long work (reading the log, the store's mutations) is done in slices, so that
events go on being stored meanwhile.
"""

import logging
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec
from sqlalchemy import Connection

from trackway.clock import Clock
from trackway.control.database import State
from trackway.control.erased import forget_records, list_records, note_records, write_erased
from trackway.control.privacy_requests import (
    DONE,
    FAILED,
    RUNNING,
    WAITING,
    About,
    Request,
    list_open_requests,
    update_request,
)
from trackway.control.workspaces import list_workspaces
from trackway.event import Event, Submission
from trackway.eventlog.interface import Batch, EventLogReader, Position, RecordPlace
from trackway.outcome import Reason
from trackway.privacy.certificate import sign_certificate
from trackway.privacy.matching import Needles, Subject, find_own
from trackway.privacy.progress import Progress, read_progress, write_progress
from trackway.privacy.removal import (
    PERSONAL,
    count_left,
    find_letters,
    forget_keys,
    hide_earlier_requests,
    remove_letters,
    remove_letters_of,
    remove_person,
)
from trackway.privacy.report import write_certificate
from trackway.privacy.stored import (
    account_for,
    anonymise_rows,
    count_rows,
    forget_details,
    list_dedupe_keys,
    list_old_parts,
    list_places,
    remove_rows,
)
from trackway.profiles.held import count_held_of, look_again
from trackway.profiles.identifiers import Identifier, ProfileKeys
from trackway.profiles.people import People
from trackway.query.compiler import compile_query, run_query
from trackway.query.people import read_person
from trackway.query.progress import read_positions
from trackway.records import Erased, Refusal, decode_record, encode_erased
from trackway.store.client import EventStore, StoreRefused

LOG = logging.getLogger(__name__)

SLICE_S = 0.1
RECORDS_AT_ONCE = 200
# A record may hold a thousand events: between two looks at the clock no more than that is parsed.
BYTES_AT_ONCE = 200_000
LOOK_AT_FILES_S = 1.0
WAITS_LONG = "files"
STRONG_KINDS = ("email", "phone", "email_hash")


class Reading(NamedTuple):
    """How a submission is read: its events as the door parsed them, None when it cannot; its body unpacked."""

    parse: Callable[[Submission], Sequence[Event] | None]
    unpack: Callable[[Submission], bytes]


class Done(NamedTuple):
    """What a step did: whether the next one follows, and what belongs into the transaction that says so."""

    finished: bool
    write: Callable[[Connection], None] = lambda connection: None


class Erasures:
    """One per installation. `seed` gives the private key that signs certificates, made on first use."""

    def __init__(
        self,
        *,
        state: State,
        store: EventStore,
        log: EventLogReader,
        reading: Reading,
        seed: Callable[[], bytes],
        clock: Clock,
    ) -> None:
        self._state, self._store, self._log, self._reading = state, store, log, reading
        self._seed, self._clock = seed, clock
        self._waited_at = 0.0
        self._steps: dict[str, Callable[[Request, Progress], Done]] = {
            "held": self._wait_for_held,
            "places": self._note_places,
            "log": self._read_log,
            "letters": self._remove_letters,
            "records": self._wait_for_records,
            "books": self._account,
            "events": self._remove_events,
            "outcomes": self._forget_details,
            "overrides": self._remove_overrides,
            "files": self._wait_for_files,
            "names": self._forget_names,
            "pages": self._forget_pages,
            "certificate": self._certify,
        }

    def run(self, people: People, stamp: int) -> None:
        """One slice of work, if there is any. StoreUnavailable when the store does not answer."""
        overwritten = self._overwrite_records()
        with self._state.read() as connection:
            open_requests = list_open_requests(connection)
        for request in self._choose(open_requests):
            try:
                if request.state == WAITING:
                    self._begin(request, people, stamp)
                else:
                    self._take_step(request, overwritten)
            except StoreRefused as error:
                LOG.error("the privacy request %s failed in step %s: %s", request.id, request.step, error)
                with self._state.write() as connection:
                    update_request(connection, request.id, state=FAILED, finished_at=self._clock())

    def _choose(self, open_requests: Sequence[Request]) -> list[Request]:
        """The first, but those that only wait for files to go hold nobody up and are looked at now and then."""
        chosen = [request for request in open_requests if request.step != WAITS_LONG][:1]
        now = time.monotonic()
        if now - self._waited_at > LOOK_AT_FILES_S:
            self._waited_at = now
            chosen += [request for request in open_requests if request.step == WAITS_LONG]
        return chosen

    def _overwrite_records(self) -> int:
        """How many. Of one segment at a time: each is read into memory."""
        with self._state.read() as connection:
            listed = list_records(connection)
        if not listed:
            return 0
        places = [place for place in listed if place.segment == listed[0].segment]
        positions = read_positions(self._state)
        overwritten = sum(self._log.erase(stream, places, end, encode_erased) for stream, end in positions.items())
        with self._state.write() as connection:
            forget_records(connection, places)
        return overwritten

    def _begin(self, request: Request, people: People, stamp: int) -> None:
        """The tombstones, and everything by which the person is known, in one transaction."""
        found = self._find_own_identifier(request)
        with self._state.write() as connection:
            person = read_person(connection, request.profile)
            nodes = {request.profile, person.profile, *person.known}
            identifiers = {(known.identifier.kind, known.identifier.value) for known in person.known.values()} | found
            progress = Progress(
                nodes=sorted(node.hex() for node in nodes),
                identifiers=sorted(pair for pair in identifiers if pair[0] != "profile_id"),
                erased_at=stamp,
                version=people.next_version(connection, stamp),
            )
            write_erased(connection, request.workspace, nodes, stamp)
            progress.removed["held_events"] = count_held_of(connection, nodes, stamp)
            look_again(connection, nodes)
            progress.removed |= remove_person(connection, nodes)
            progress.left |= count_left(connection, nodes, PERSONAL)
            hide_earlier_requests(connection, nodes, request.id)
            update_request(
                connection, request.id, state=RUNNING, step=next(iter(self._steps)), progress=write_progress(progress)
            )
        people.forget()

    def _find_own_identifier(self, request: Request) -> set[tuple[str, str]]:
        """The identifier that was asked about; of a profile that the ledger does not have, what its events say."""
        if not request.about.value:
            # Hidden by an earlier erasure of the same person.
            return set()
        if request.about.kind != "profile_id":
            return {(request.about.kind, request.about.value)}
        query = compile_query("find_own_identifier", {"workspace": request.workspace, "key": request.about.value})
        return {(kind, value) for row in run_query(self._store, query) for kind, value in row.items() if value}

    def _take_step(self, request: Request, overwritten: int) -> None:
        progress = read_progress(request)
        progress.add("log", overwritten)
        done = self._steps[request.step](request, progress)
        names = list(self._steps)
        with self._state.write() as connection:
            done.write(connection)
            if request.step == names[-1]:
                return
            step = names[names.index(request.step) + 1] if done.finished else request.step
            update_request(connection, request.id, step=step, progress=write_progress(progress))

    def _open_subject(self, request: Request, progress: Progress) -> Subject:
        keys = next(w.hash_key for w in list_workspaces(self._state) if w.id == request.workspace)
        return Subject(request.workspace, progress.node_bytes, progress.own_identifiers, ProfileKeys(keys))

    def _wait_for_held(self, request: Request, progress: Progress) -> Done:
        """The pipeline drops them, now that their person is erased, and gives them their outcome."""
        with self._state.read() as connection:
            return Done(not count_held_of(connection, progress.node_bytes, progress.erased_at))

    def _note_places(self, request: Request, progress: Progress) -> Done:
        """Where the log has what the store has of them, and how badly chosen keys of theirs were reported."""
        places = [
            RecordPlace(row["log_segment"], row["log_record"]) for row in list_places(self._store, progress.condition)
        ]
        keys, needles = list_dedupe_keys(self._store, progress.condition), Needles(progress.own_identifiers)

        def write(connection: Connection) -> None:
            note_records(connection, places)
            progress.add("swallowing_keys", forget_keys(connection, keys, needles))

        return Done(True, write)

    def _read_log(self, request: Request, progress: Progress) -> Done:
        """A slice of the log, from its beginning to where the pipeline is: whatever is theirs and not in the store."""
        subject, ends = self._open_subject(request, progress), read_positions(self._state)
        look = _Look(subject, self._reading, progress.erased_at)
        deadline = time.monotonic() + SLICE_S
        finished = True
        for stream, end in ends.items():
            position = progress.scanned.get(stream, Position.start())
            while position < end and time.monotonic() < deadline:
                batch = self._log.read(stream, position, RECORDS_AT_ONCE, BYTES_AT_ONCE)
                if batch.next == position:
                    position = end
                    break
                progress.records_read += look.read(batch, end)
                position = batch.next
            progress.scanned[stream] = position
            finished = finished and position >= end

        def write(connection: Connection) -> None:
            note_records(connection, look.places)
            gone, dead = remove_letters_of(connection, look.event_ids)
            progress.add("dead_letters", gone)
            progress.dead += dead

        return Done(finished, write)

    def _remove_letters(self, request: Request, progress: Progress) -> Done:
        subject, needles = self._open_subject(request, progress), Needles(progress.own_identifiers)
        found = find_letters(self._state, subject, needles, self._reading.unpack, progress.erased_at)
        progress.dead = sorted({*progress.dead, *found.event_ids})
        progress.removed["damaged_bytes"] = self._log.forget_damaged(needles.stand_in)
        return Done(True, lambda connection: progress.add("dead_letters", remove_letters(connection, found.ids)))

    def _wait_for_records(self, request: Request, progress: Progress) -> Done:
        """`run` overwrites them, before each step."""
        with self._state.read() as connection:
            left = len(list_records(connection, 1))
        progress.left["log"] = left
        return Done(not left)

    def _account(self, request: Request, progress: Progress) -> Done:
        progress.removed["events"] = count_rows(self._store, "events", progress.condition)
        progress.removed["profile_overrides"] = count_rows(self._store, "profile_overrides", progress.old_overrides)
        if request.kind == "erase":
            account_for(self._store, progress.condition, Reason.ERASED, self._clock())
        return Done(True)

    def _remove_events(self, request: Request, progress: Progress) -> Done:
        if request.kind == "anonymise":
            return Done(anonymise_rows(self._store, progress.condition, progress.mark))
        return Done(remove_rows(self._store, "events", progress.condition, progress.mark))

    def _forget_details(self, request: Request, progress: Progress) -> Done:
        return Done(forget_details(self._store, progress.dead))

    def _remove_overrides(self, request: Request, progress: Progress) -> Done:
        return Done(remove_rows(self._store, "profile_overrides", progress.old_overrides, progress.mark))

    def _wait_for_files(self, request: Request, progress: Progress) -> Done:
        """The engine keeps the files of replaced parts for a minute or two."""
        present = list_old_parts(self._store)
        if progress.parts is None:
            progress.parts = present
        progress.parts = sorted(set(progress.parts) & set(present))
        return Done(not progress.parts)

    def _forget_names(self, request: Request, progress: Progress) -> Done:
        progress.identifiers = []
        hidden: About = request.about.hide()
        reason = (
            ""
            if Needles([Identifier(request.about.kind, request.about.value)]).stand_in(request.reason.encode())
            else request.reason
        )
        values = {"about": msgspec.json.encode(hidden).decode(), "reason": reason}
        return Done(True, lambda connection: update_request(connection, request.id, **values))

    def _forget_pages(self, request: Request, progress: Progress) -> Done:
        return Done(self._state.forget_old_pages())

    def _certify(self, request: Request, progress: Progress) -> Done:
        progress.left["events"] = count_rows(self._store, "events", progress.condition)
        progress.left["profile_overrides"] = count_rows(self._store, "profile_overrides", progress.old_overrides)
        with self._state.read() as connection:
            progress.left["held_events"] = count_held_of(connection, progress.node_bytes, progress.erased_at)
        now = self._clock()
        answer = sign_certificate(write_certificate(request, progress, now), self._seed()).decode()
        values = {
            "state": FAILED if any(progress.left.values()) else DONE,
            "step": "",
            "progress": "{}",
            "answer": answer,
            "finished_at": now,
        }
        return Done(True, lambda connection: update_request(connection, request.id, **values))


class _Look:
    """Reads records of the log for what is a person's."""

    def __init__(self, subject: Subject, reading: Reading, until_ms: int) -> None:
        self._subject, self._reading, self._until = subject, reading, until_ms
        self._all = Needles(subject.identifiers)
        # In a body that was understood, a short id may stand for anything.
        self._strong = Needles(each for each in subject.identifiers if each.kind in STRONG_KINDS)
        self.places: list[RecordPlace] = []
        self.event_ids: list[str] = []

    def read(self, batch: Batch, end: Position) -> int:
        """How many records were looked at: those before `end`."""
        read = 0
        for record in batch.records:
            if (record.segment, record.ordinal) >= (end.segment, end.ordinal):
                break
            read += 1
            content = decode_record(record.payload)
            if isinstance(content, Erased) or content.workspace != self._subject.workspace:
                continue
            if content.received_at <= self._until and self._is_theirs(content):
                self.places.append(RecordPlace(record.segment, record.ordinal))
        return read

    def _is_theirs(self, content: Submission | Refusal) -> bool:
        if isinstance(content, Refusal):
            sent = content.submission
            said = [content.body, f"{content.field} {content.message} {content.items}".encode()]
            if sent is not None:
                said += [sent.body, self._reading.unpack(sent), f"{sent.path}?{sent.query} {sent.headers}".encode()]
            return any(map(self._all.stand_in, said))
        events = self._reading.parse(content)
        if events is None:
            return self._all.stand_in(self._reading.unpack(content))
        own = find_own(events, self._subject)
        self.event_ids += own
        needles = self._all if content.refused else self._strong
        return bool(own) or needles.stand_in(self._reading.unpack(content)) or needles.stand_in(content.query.encode())
