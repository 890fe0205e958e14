"""What would be different: submissions that the log still holds, parsed with today's adapters, against what is stored.

It reads the log and the store and changes nothing. Compared are the fields that adapters fill; what the pipeline
adds depends on the day. Of a row that was stored without its person nothing is compared, and what today's rules
hide is hidden on both sides first.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, get_args, get_type_hints

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from trackway.app.parsing import parse_again
from trackway.collect.limits import Limits
from trackway.collect.plan import check_plan
from trackway.collect.protocol import Parsed, Protocol
from trackway.control.database import State
from trackway.control.pii import read_pii_rules
from trackway.control.plans import EMPTY_PLAN, read_plans
from trackway.control.sources import list_sources
from trackway.event import PIPELINE, Event, Source, Submission
from trackway.eventlog.interface import EventLogReader, Position, Record, RecordPlace
from trackway.ids import make_event_id
from trackway.outcome import Refused
from trackway.pipeline.addresses import ADDRESS_HASH
from trackway.pipeline.pii import hide_paths
from trackway.profiles.held import find_held
from trackway.query.compiler import compile_query, run_query
from trackway.query.progress import read_positions
from trackway.records import decode_record
from trackway.store.client import EventStore
from trackway.store.rows import OBJECT_FIELDS, TIME_FIELDS

RECORDS_AT_ONCE, BYTES_AT_ONCE = 500, 2_000_000
EXAMPLES = 3
SHOWN_OF_A_VALUE = 200


def list_compared() -> tuple[str, ...]:
    """Fields of an event that adapters fill; the address is cut by the pipeline, and who sent it is no question."""
    hints = get_type_hints(Event, include_extras=True)
    own = {"event_id", "workspace", "source", "protocol", "received_at", "ip"}
    filled_by = {name: get_args(hints[name])[1].extra["filled_by"] for name in Event.__struct_fields__}
    return tuple(name for name, who in filled_by.items() if who != PIPELINE and name not in own)


COMPARED = list_compared()


class Wanted(Struct, frozen=True, kw_only=True):
    """Which submissions: received from `since` until before `until`, in milliseconds; "" is any source or protocol."""

    since: int
    until: int
    workspace: str
    source: str = ""
    protocol: str = ""


class Change(Struct, frozen=True):
    event_id: str
    old: str
    new: str


class Missing(Struct, frozen=True):
    """An event that today's adapters would not make any more, and why."""

    event_id: str
    reason: str
    message: str


class Difference(Struct):
    """`fields` maps protocol and field to how many events differ there; `places` and `changed_places` are places in the log
    with events to store, and with events that are to take the place of their rows."""

    submissions: int = 0
    same: int = 0
    changed: int = 0
    vanished: int = 0
    new: int = 0
    anonymous: int = 0
    held: int = 0
    not_stored: Counter[str] = field(default_factory=Counter)
    fields: dict[str, Counter[str]] = field(default_factory=dict)
    examples: dict[str, dict[str, list[Change]]] = field(default_factory=dict)
    new_examples: list[str] = field(default_factory=list)
    new_types: Counter[str] = field(default_factory=Counter)
    vanished_examples: list[Missing] = field(default_factory=list)
    places: list[tuple[RecordPlace, tuple[int, ...]]] = field(default_factory=list)
    changed_places: list[tuple[RecordPlace, tuple[int, ...]]] = field(default_factory=list)

    def note_change(self, protocol: str, name: str, change: Change) -> None:
        self.fields.setdefault(protocol, Counter())[name] += 1
        examples = self.examples.setdefault(protocol, {}).setdefault(name, [])
        if len(examples) < EXAMPLES:
            examples.append(change)


class Case(Struct, frozen=True):
    """One submission of the log as it is parsed today. `wrong` says why a place holds no event now."""

    place: RecordPlace
    submission: Submission
    events: Mapping[int, Event]
    wrong: Mapping[int, tuple[str, str]]
    whole: tuple[str, str] | None


class LogComparison:
    """Reads up to where the pipeline is: what lies behind has not been stored yet."""

    def __init__(self, state: State, store: EventStore, log: EventLogReader, limits: Limits) -> None:
        self._state, self._store, self._log, self._limits = state, store, log, limits
        self._sources = {source.id: source for source in list_sources(state)}
        self._plans, self._rules = read_plans(state), read_pii_rules(state)

    def compare(self, wanted: Wanted, tell: Callable[[int], None] = lambda submissions: None) -> Difference:
        """`tell` is called with the number of submissions that were compared so far."""
        difference = Difference()
        for stream, end in read_positions(self._state).items():
            for records in self._read(stream, end):
                cases = [case for record in records if (case := self._open(record, wanted))]
                if cases:
                    self._compare_cases(wanted.workspace, cases, difference)
                difference.submissions += len(cases)
                tell(difference.submissions)
        return difference

    def _read(self, stream: str, end: Position) -> Iterator[list[Record]]:
        position = Position.start()
        while position < end:
            batch = self._log.read(stream, position, RECORDS_AT_ONCE, BYTES_AT_ONCE)
            if batch.next == position:
                return
            yield [each for each in batch.records if (each.segment, each.ordinal) < (end.segment, end.ordinal)]
            position = batch.next

    def _open(self, record: Record, wanted: Wanted) -> Case | None:
        content = decode_record(record.payload)
        if not isinstance(content, Submission) or not wanted.since <= content.received_at < wanted.until:
            return None
        if content.workspace != wanted.workspace:
            return None
        if wanted.source not in ("", content.source) or wanted.protocol not in ("", content.protocol):
            return None
        place = RecordPlace(record.segment, record.ordinal)
        try:
            parsed = self._parse(content)
        except Refused as refused:
            why = (refused.rejection.reason.value, refused.rejection.message)
            return Case(place, content, {}, {}, why)
        events: dict[int, Event] = {}
        wrong: dict[int, tuple[str, str]] = {}
        for index, item in enumerate(parsed.items):
            if isinstance(item, Event):
                events[index] = item
            else:
                wrong[index] = (item.reason.value, item.message)
        return Case(place, content, events, wrong, None)

    def _parse_body(self, protocol: Protocol, submission: Submission, body: bytes, source: Source) -> Parsed:
        return protocol.parse(submission, body, source, self._limits)

    def _parse(self, submission: Submission) -> Parsed:
        """As the pipeline would; what the door had refused must pass today's tracking plan as well."""
        parsed = parse_again(self._parse_body, submission, self._sources, self._limits)
        if not submission.refused:
            return parsed
        planned = check_plan(replace(parsed, all_or_nothing=False), self._plans.get(submission.workspace, EMPTY_PLAN))
        pairs = zip(parsed.items, planned.items, strict=True)
        return replace(parsed, items=[new if i in submission.refused else old for i, (old, new) in enumerate(pairs)])

    def _compare_cases(self, workspace: str, cases: Sequence[Case], difference: Difference) -> None:
        ids = {make_event_id(case.submission.submission_id, index) for case in cases for index in list_places(case)}
        asked = {"workspace": workspace, "ids": sorted(ids)}
        moments = [case.submission.received_at for case in cases]
        span = {"first_ms": min(moments), "last_ms": max(moments)}
        stored = {str(row["event_id"]): row for row in self._ask("find_stored_events", asked | span)}
        told = {row["id"]: row for row in self._ask("find_told_events", asked)}
        for case in cases:
            self._compare_case(case, stored, told, difference)

    def _ask(self, name: str, asked: Mapping[str, Any]) -> list[dict[str, Any]]:
        return run_query(self._store, compile_query(name, asked))

    def _compare_case(
        self,
        case: Case,
        stored: Mapping[str, Mapping[str, Any]],
        told: Mapping[str, Mapping[str, Any]],
        difference: Difference,
    ) -> None:
        new: list[int] = []
        changed: list[int] = []
        submission = case.submission
        for index in list_places(case):
            event_id = make_event_id(submission.submission_id, index)
            event, row, outcome = case.events.get(index), stored.get(event_id), told.get(event_id)
            if row is not None and (row["log_segment"], row["log_record"]) != (case.place.segment, case.place.ordinal):
                # Stored from another record of the same submission, and compared there.
                continue
            if row is not None and event is not None:
                if self._is_changed(event, row, difference):
                    changed.append(index)
            elif row is not None:
                difference.vanished += 1
                if len(difference.vanished_examples) < EXAMPLES:
                    reason, message = case.whole or case.wrong.get(index, ("", "the request holds fewer events now"))
                    difference.vanished_examples.append(Missing(event_id, reason, message))
            elif outcome is not None and outcome["outcome"] != "dead_lettered":
                difference.not_stored[outcome["reason"]] += 1
            elif find_held(self._state, submission.workspace, event_id) is not None:
                difference.held += 1
            elif event is not None and (outcome is not None or index not in submission.indexes):
                new.append(index)
                difference.new_types[event.event_type] += 1
            else:
                reason, _ = case.whole or case.wrong.get(index, ("", ""))
                difference.not_stored[outcome["reason"] if outcome else reason or "unknown"] += 1
        if changed:
            difference.changed_places.append((case.place, tuple(changed)))
        if new:
            difference.new += len(new)
            difference.places.append((case.place, tuple(new)))
            room = EXAMPLES - len(difference.new_examples)
            difference.new_examples += [make_event_id(submission.submission_id, index) for index in new[: max(0, room)]]

    def _is_changed(self, event: Event, row: Mapping[str, Any], difference: Difference) -> bool:
        if row["stored_as"] == "anonymous":
            difference.anonymous += 1
            return False
        rules = self._rules.get(event.workspace, {})
        now = hide_both(event, rules)
        before = hide_both(replace(event, **{name: read_stored(name, row) for name in COMPARED}), rules)
        changed = [name for name in COMPARED if getattr(now, name) != getattr(before, name)]
        if not changed:
            difference.same += 1
            return False
        difference.changed += 1
        for name in changed:
            old, new = (show_value(getattr(each, name)) for each in (before, now))
            difference.note_change(event.protocol, name, Change(event.event_id, old, new))
        return True


def list_places(case: Case) -> list[int]:
    """Where events were or are. What a replay did not take is looked at where it was sent first."""
    submission = case.submission
    if submission.replay:
        return submission.indexes
    return sorted({*submission.indexes, *submission.refused, *case.events})


def hide_both(event: Event, rules: Mapping[str, str]) -> Event:
    """Without what the pipeline takes away in some workspaces."""
    context = {name: value for name, value in event.context.items() if name != ADDRESS_HASH}
    return hide_paths(replace(event, context=context), rules)


def read_stored(name: str, row: Mapping[str, Any]) -> Any:
    """An event's field out of a row selected with the event columns."""
    if name in TIME_FIELDS:
        return row[f"{name}_ms"]
    return msgspec.json.decode(row[f"{name}_text"] or "{}") if name in OBJECT_FIELDS else row[name]


def show_value(value: object) -> str:
    text = value if isinstance(value, str) else msgspec.json.encode(value, order="deterministic").decode()
    return f"{text[:SHOWN_OF_A_VALUE]} …" if len(text) > SHOWN_OF_A_VALUE else text
