"""What is in flight: the log's records that the pipeline has not settled.

Station 5. Reads the log from the pipeline's committed positions to its end as it is now. The log
stores bytes; what they mean is said by `trackway.records`.
"""

import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from weakref import WeakKeyDictionary

import msgspec
from msgspec import Struct, field

from trackway.event import LogPlace, Submission
from trackway.eventlog.interface import Batch, EventLogReader, Position
from trackway.ids import read_event_id
from trackway.query.progress import LineKey
from trackway.records import Erased, Refusal, decode_record

MINUTE_MS = 60_000
# Records are counted in blocks that begin at multiples of this number.
BLOCK_RECORDS = 2000
BLOCK_BYTES = 4_000_000

# (workspace, source, minute, reason of a refusal or "" for a submission) -> events
BlockCounts = Counter[tuple[str, str, int, str]]


class FoundInLog(Struct, frozen=True):
    submission: Submission
    place: LogPlace


class Tail(Struct):
    """Counts of what is in flight, and where it stands.

    `open_segments` maps each segment that the pipeline has not finished to its first record that is
    in flight (never empty: no segment has the number 0); `newest_segment` is the highest number
    there was; `ends` is how far was read; `oldest_at` is when the oldest of it arrived, 0 for none.
    """

    in_flight: Counter[LineKey] = field(default_factory=Counter)
    rejected: Counter[tuple[LineKey, str]] = field(default_factory=Counter)
    open_segments: dict[int, int] = field(default_factory=lambda: {0: 0})
    newest_segment: int = 0
    ends: dict[str, Position] = field(default_factory=dict)
    oldest_at: int = 0


class Block(Struct, frozen=True):
    """What stands between a position and `next`; `whole` says that nothing can be added to it."""

    segments: frozenset[int]
    counts: BlockCounts
    next: Position
    whole: bool
    oldest_at: int


def read_tail(log: EventLogReader, stream: str, position: Position) -> Iterator[Batch]:
    """Batches from `position` to the end; does not chase a writer that goes on writing."""
    while True:
        asked = BLOCK_RECORDS - position.ordinal % BLOCK_RECORDS
        batch = log.read(stream, position, asked, BLOCK_BYTES)
        if batch.next == position:
            return
        yield batch
        if not _is_whole(batch, position, asked):
            return
        position = batch.next


def _is_whole(batch: Batch, position: Position, asked: int) -> bool:
    """Did the batch end for another reason than that the log ends there?"""
    return (
        len(batch.records) == asked
        or batch.next.segment != position.segment
        or batch.next.offset - position.offset > BLOCK_BYTES // 2
    )


class TailCounter:
    """Counts the tail of one log. Keeps the counts of whole blocks as long as they are in flight.

    After an hour without a store the tail holds millions of records (2.5 µs each): whoever looks at
    the books again pays only for what came since.
    """

    def __init__(self) -> None:
        self._blocks: dict[str, dict[Position, Block]] = {}
        self._lock = threading.Lock()

    def count(
        self, log: EventLogReader, positions: Mapping[str, Position], workspace: str, from_minute: int | None
    ) -> Tail:
        tail = Tail()
        for position in positions.values():
            tail.open_segments[position.segment] = position.ordinal
            tail.newest_segment = max(tail.newest_segment, position.segment)
        with self._lock:
            for stream in log.streams():
                end = positions.get(stream, Position.start())
                for block in self._walk(log, stream, end):
                    _add_block(tail, block, workspace, from_minute)
                    end = block.next
                tail.ends[stream] = end
                tail.newest_segment = max(tail.newest_segment, end.segment)
        return tail

    def _walk(self, log: EventLogReader, stream: str, position: Position) -> Iterator[Block]:
        known = self._blocks.get(stream, {})
        kept: dict[Position, Block] = {}
        self._blocks[stream] = kept
        while True:
            block = known.get(position) or _read_block(log, stream, position)
            if block is None:
                return
            yield block
            if not block.whole:
                return
            kept[position] = block
            position = block.next


def _read_block(log: EventLogReader, stream: str, position: Position) -> Block | None:
    asked = BLOCK_RECORDS - position.ordinal % BLOCK_RECORDS
    batch = log.read(stream, position, asked, BLOCK_BYTES)
    if batch.next == position:
        return None
    counts: BlockCounts = Counter()
    oldest_at = 0
    for record in batch.records:
        if (content := _decode(record.payload)) is None:
            continue
        reason = content.reason if isinstance(content, Refusal) else ""
        oldest_at = min(oldest_at or content.received_at, content.received_at)
        counts[content.workspace, content.source, content.received_at // MINUTE_MS, reason] += content.events
    segments = frozenset(record.segment for record in batch.records)
    return Block(segments, counts, batch.next, _is_whole(batch, position, asked), oldest_at)


def _add_block(tail: Tail, block: Block, workspace: str, from_minute: int | None) -> None:
    if block.oldest_at and (tail.oldest_at == 0 or block.oldest_at < tail.oldest_at):
        tail.oldest_at = block.oldest_at
    for segment in block.segments:
        tail.open_segments.setdefault(segment, 0)
    for (owner, source, minute, reason), events in block.counts.items():
        if owner != workspace:
            continue
        keys: list[LineKey] = [(source, None)]
        if from_minute is not None and minute >= from_minute:
            keys.append((source, minute))
        for key in keys:
            if reason:
                tail.rejected[key, reason] += events
            else:
                tail.in_flight[key] += events


_COUNTERS: WeakKeyDictionary[EventLogReader, TailCounter] = WeakKeyDictionary()


def count_tail(log: EventLogReader, positions: Mapping[str, Position], workspace: str, from_minute: int | None) -> Tail:
    """Everything in flight of a workspace: totals under minute None, and minutes from `from_minute` on."""
    return _COUNTERS.setdefault(log, TailCounter()).count(log, positions, workspace, from_minute)


def has_unknown_segment(log: EventLogReader, tail: Tail) -> bool:
    """Has a segment come up since that is not newer than all that were known?

    Numbers rise with the clock, so it takes two streams beginning one in the same millisecond, or a
    clock that was set back. What was counted by segment numbers is then to be counted again.
    """
    for stream in log.streams():
        for batch in read_tail(log, stream, tail.ends.get(stream, Position.start())):
            for record in batch.records:
                if record.segment not in tail.open_segments and record.segment <= tail.newest_segment:
                    return True
    return False


def find_in_tail(
    log: EventLogReader, positions: Mapping[str, Position], workspace: str, event_id: str
) -> FoundInLog | None:
    """The submission in flight that an event id names, and the event's place."""
    submission_id, index = read_event_id(event_id)
    for stream in log.streams():
        for batch in read_tail(log, stream, positions.get(stream, Position.start())):
            for record in batch.records:
                # The id stands in the record's bytes as it is, so most records need no decoding.
                found = _decode(record.payload) if submission_id in record.payload else None
                if (
                    isinstance(found, Submission)
                    and (found.submission_id, found.workspace) == (submission_id, workspace)
                    and index in found.indexes
                ):
                    return FoundInLog(found, LogPlace(record.segment, record.ordinal, index))
    return None


def _decode(payload: bytes) -> Submission | Refusal | None:
    """None for a record of a newer version, which the pipeline does not pass, or an erased one: no side of the books has it."""
    try:
        content = decode_record(payload)
        return None if isinstance(content, Erased) else content
    except msgspec.MsgspecError:
        return None
