"""Replays letters and records of the log: what was refused or became a dead letter goes through the door once more, as if it came now.

Same bytes, same submission id and time of receipt, so its events get the ids that they would have had. The
door judges with today's adapters, sources and settings; what it takes stands in the log once more, and the
pipeline stores it and marks the letter (`trackway.pipeline.replays`). A preview is the same without the log.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Protocol

from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import Row

from trackway.api.desk import NotRecorded
from trackway.app.parsing import parse_again
from trackway.collect.collector import Collector
from trackway.collect.limits import Limits
from trackway.collect.protocol import Parsed
from trackway.control.database import State
from trackway.control.sources import list_sources
from trackway.event import Event, Source, Submission
from trackway.eventlog.interface import EventLogReader, Position, RecordPlace
from trackway.ids import make_event_id, read_event_index
from trackway.outcome import Outcome, Reason, Refused, Rejection
from trackway.query.compiler import compile_query, run_query
from trackway.query.rejections import read_letters, read_submission, read_waiting, say_why_not
from trackway.records import decode_record
from trackway.store.client import EventStore

NOT_ASKED_FOR = Rejection(reason=Reason.MISSING_FIELD, message="not asked for")
RECORD_SECONDS = 10
SHOWN_ITEMS = 20
RECORDS_AT_ONCE = 1000


class Wanted(Protocol):
    """A record of the log, and the places of the events in it that are meant; to `replace` what is stored of them."""

    @property
    def segment(self) -> int: ...
    @property
    def record(self) -> int: ...
    @property
    def events(self) -> Sequence[int]: ...
    @property
    def replace(self) -> bool: ...


class Task(Struct):
    """Letters of one submission that are replayed together. `waiting` are places; None is the whole request."""

    letters: list[Row[Any]]
    submission: Submission | None
    waiting: set[int] | None
    why_not: str = ""
    replaces: bool = False


class Found(Struct, frozen=True):
    """What the door makes of a task now. `taken` are events by place, `known` places whose event is stored."""

    parsed: Parsed
    refused: dict[int | None, Rejection]
    known: set[int]
    duplicates: dict[int, str]
    taken: set[int]


class Replaying:
    """Of one server process. `loop` is the collector's; handlers call from their threads."""

    def __init__(
        self,
        state: State,
        store: EventStore,
        log: EventLogReader,
        limits: Limits,
        collector: Callable[[], Collector | None],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._state, self._store, self._log, self._limits = state, store, log, limits
        self._collector, self._loop = collector, loop

    def replay(self, workspace: str, ids: Sequence[str], apply: bool) -> list[Mapping[str, Any]]:
        """What became of each letter, or would. NotRecorded when the log takes nothing now."""
        collector = self._demand_collector()
        sources = {source.id: source for source in list_sources(self._state)}
        answers: list[Mapping[str, Any]] = []
        for task in self._make_tasks(read_letters(self._state, workspace, ids)):
            found = None
            if task.submission is not None and not task.why_not:
                found = self._try(collector, sources, task, task.submission, apply)
            answers += [_describe(letter, task, found) for letter in task.letters]
        return answers

    def replay_records(self, workspace: str, records: Sequence[Wanted], apply: bool) -> list[Mapping[str, Any]]:
        """The same for submissions that the log holds: of each record the events at these places.

        Where they are to replace what is stored, only those that are.
        """
        collector = self._demand_collector()
        sources = {source.id: source for source in list_sources(self._state)}
        found = self._find_records({RecordPlace(each.segment, each.record) for each in records})
        answers: list[Mapping[str, Any]] = []
        for wanted in records:
            submission = found.get(RecordPlace(wanted.segment, wanted.record))
            if submission is None or submission.workspace != workspace:
                task = Task([], None, None, "the log does not hold it any more, or it holds no events")
            else:
                task = Task([], submission, set(wanted.events), replaces=wanted.replace)
            tried = self._try(collector, sources, task, task.submission, apply) if task.submission else None
            answers.append({"segment": f"{wanted.segment:016x}", "record": wanted.record} | _tell(task, tried))
        return answers

    def _demand_collector(self) -> Collector:
        collector = self._collector()
        if collector is None:
            raise NotRecorded("the server is stopping")
        return collector

    def _find_records(self, places: Collection[RecordPlace]) -> dict[RecordPlace, Submission]:
        """Each segment is read once, as far as it must be."""
        found: dict[RecordPlace, Submission] = {}
        for segment in {place.segment for place in places}:
            left = {place.ordinal for place in places if place.segment == segment}
            for stream in self._log.streams():
                position = Position(segment, 0, 0)
                while left and position.segment == segment:
                    batch = self._log.read(stream, position, RECORDS_AT_ONCE)
                    for record in batch.records:
                        if record.segment == segment and record.ordinal in left:
                            left.discard(record.ordinal)
                            content = decode_record(record.payload)
                            if isinstance(content, Submission):
                                found[RecordPlace(segment, record.ordinal)] = content
                    if batch.next == position:
                        break
                    position = batch.next
        return found

    def _make_tasks(self, letters: Sequence[Row[Any]]) -> list[Task]:
        """Dead letters of one submission go together; each rejection has its own bytes."""
        tasks: dict[str, Task] = {}
        for letter in letters:
            if why_not := say_why_not(letter):
                tasks[letter.id] = Task([letter], None, None, why_not)
                continue
            key = f"{letter.kind} {letter.submission}" if letter.kind == "dead_letter" else letter.id
            task = tasks.get(key)
            if task is None:
                submission = self._find_submission(letter)
                why = "" if submission else "neither the letter nor the log holds any more what was sent"
                task = tasks[key] = Task([], submission, set() if letter.kind == "dead_letter" else None, why)
            task.letters.append(letter)
            if letter.kind == "dead_letter":
                assert task.waiting is not None
                task.waiting.add(read_event_index(letter.event_id))
            else:
                task.waiting = read_waiting(letter)
        return list(tasks.values())

    def _find_submission(self, letter: Row[Any]) -> Submission | None:
        """From the letter; of an event that the store refused, from the log."""
        if letter.content == "submission":
            return read_submission(self._state, letter)
        asked = {"workspace": letter.workspace, "event_id": letter.event_id}
        for row in run_query(self._store, compile_query("find_outcome", asked)):
            place = RecordPlace(row["log_segment"], row["log_record"])
            for stream in self._log.streams():
                record = self._log.find_record(stream, place)
                content = decode_record(record.payload) if record else None
                if isinstance(content, Submission) and content.submission_id.hex() == letter.submission:
                    return content
        return None

    def _try(
        self, collector: Collector, sources: Mapping[str, Source], task: Task, submission: Submission, apply: bool
    ) -> Found:
        try:
            parsed = parse_again(collector.parse, submission, sources, self._limits)
        except Refused as refused:
            return Found(Parsed([]), {None: refused.rejection}, set(), {}, set())
        wanted = set(range(len(parsed.items))) if task.waiting is None else task.waiting
        ids = {index: make_event_id(submission.submission_id, index) for index in wanted}
        stored = {event_id for event_id, _ in self._store.find_places(list(ids.values()))} if ids else set()
        known = {index for index, event_id in ids.items() if event_id in stored}
        asked = known if task.replaces else wanted - known
        items: list[Event | Rejection] = [
            item if index in asked else NOT_ASKED_FOR for index, item in enumerate(parsed.items)
        ]
        taken = {index for index, item in enumerate(items) if isinstance(item, Event)}
        wrong: dict[int | None, Rejection] = {
            i: item for i, item in enumerate(parsed.items) if i in wanted and isinstance(item, Rejection)
        }
        chosen = Parsed(items, parsed.single, parsed.warnings)
        again = replace(submission, replaces=task.replaces)
        waiting = asyncio.run_coroutine_threadsafe(collector.take_again(again, chosen, really=apply), self._loop)
        try:
            verdicts = waiting.result(RECORD_SECONDS)
        except (Refused, TimeoutError) as error:
            raise NotRecorded(str(error)) from error
        # A dead letter may hold its own key.
        duplicates = {
            v.index: v.first_event_id
            for v in verdicts
            if v.outcome is Outcome.DUPLICATE and v.first_event_id != ids[v.index]
        }
        return Found(chosen, wrong, set() if task.replaces else known, duplicates, taken)


def _describe(letter: Row[Any], task: Task, found: Found | None) -> dict[str, Any]:
    mine = {read_event_index(letter.event_id)} if letter.kind == "dead_letter" else None
    own = {name: getattr(letter, name) for name in ("id", "kind", "source", "reason", "field")}
    return own | _tell(task, found, mine)


def _tell(task: Task, found: Found | None, mine: set[int] | None = None) -> dict[str, Any]:
    """What came of a task; of the events at the places `mine` only, where they are given."""
    answer: dict[str, Any] = {
        "events": 0,
        "event_ids": [],
        "duplicate": 0,
        "already_stored": 0,
        "refused": [],
        "why_not": task.why_not,
    }
    if found is None or task.submission is None:
        return answer
    taken = sorted(found.taken if mine is None else found.taken & mine)
    refused = {i: why for i, why in found.refused.items() if mine is None or i is None or i in mine}
    return answer | {
        "events": len(taken),
        "event_ids": [make_event_id(task.submission.submission_id, index) for index in taken[:SHOWN_ITEMS]],
        "duplicate": sum(index in found.duplicates for index in taken),
        "already_stored": len(found.known if mine is None else found.known & mine),
        "refused": [
            {"index": index, "reason": why.reason.value, "field": why.field, "message": why.message}
            for index, why in list(refused.items())[:SHOWN_ITEMS]
        ],
    }
