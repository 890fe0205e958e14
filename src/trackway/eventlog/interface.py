"""What every event log offers, whatever it is made of: types, errors, and the two protocols.

Second station of the road: the collector appends what arrived and answers when it is durable,
the pipeline reads it from a position of its own. A log stores bytes and knows nothing of what
they mean. A log is a set of *streams*, each written by one process; a stream is a row of
*segments* whose numbers rise and are never used again, so (segment, ordinal) names a record for
ever. `tests/eventlog/contract.py` holds every implementation to this page.
"""

import asyncio
from collections.abc import Callable, Collection
from typing import Protocol

from msgspec import Struct


class NotDurable(Exception):
    """The record could not be made durable now; nothing was acknowledged, send it again later."""


class DiskFull(NotDurable):
    """There is no room left for the record: free space is below the reserve or none at all."""


class StreamInUse(Exception):
    """Another process writes this stream; the text says which and what to do."""


class UnknownFormat(Exception):
    """A newer Trackway wrote this segment; it is left alone."""


class RecordPlace(Struct, frozen=True, order=True):
    """The name of a record: never used twice, also when a power cut loses what was not synced."""

    segment: int
    ordinal: int


class Position(Struct, frozen=True, order=True):
    """How far a reader is in one stream: the record `ordinal` of `segment`, at byte `offset`, is next."""

    segment: int
    ordinal: int
    offset: int

    @staticmethod
    def start() -> "Position":
        return Position(0, 0, 0)


class Record(Struct, frozen=True):
    segment: int
    ordinal: int
    payload: bytes


class Damage(Struct, frozen=True):
    """Bytes that are not what was written.

    `records_lost` counts acknowledged records that are gone: 0 where the bytes had never been
    acknowledged (the writer stopped in the middle of a write), None where the log cannot know.
    """

    stream: str
    segment: int
    offset: int
    length: int
    records_lost: int | None
    reason: str


class Batch(Struct, frozen=True):
    """Records of one segment in order, what was found broken among them, and where to read on."""

    records: list[Record]
    damages: list[Damage]
    next: Position


class EventLogWriter(Protocol):
    """The one writer of one stream."""

    def append(self, payload: bytes) -> "asyncio.Future[RecordPlace]":
        """Resolve when `payload` is on disk. NotDurable or DiskFull, raised or in the future."""

    async def close(self) -> None:
        """Write what waits, then let go of the stream."""


class GrowthWatch(Protocol):
    """Of one reader, who asks again and again."""

    def has_grown(self) -> bool:
        """True at first, and when something was written since the last call. Cheap; now and then it may say so late."""


class EventLogReader(Protocol):
    """Reads every stream, also while others write them."""

    def streams(self) -> list[str]: ...

    def watch(self) -> GrowthWatch: ...

    def read(self, stream: str, position: Position, max_records: int = 1000, max_bytes: int = 8_000_000) -> Batch:
        """What stands at `position`; an empty batch when there is nothing yet.

        At least one record is returned where there is one, however large it is.
        """

    def find_record(self, stream: str, place: RecordPlace) -> Record | None:
        """One record by its name, None when it is not there (any more). For questions, not for the road."""

    def trim(self, stream: str, below: Position, keep_since_ms: int) -> int:
        """Forget records before `below` that are older than `keep_since_ms`. Returns bytes freed."""

    def erase(
        self, stream: str, places: Collection[RecordPlace], below: Position, filler: Callable[[int], bytes]
    ) -> int:
        """Overwrite the payloads of these records, which lie before `below`, with `filler(length)`, of the same length.

        Their places stay. Records that are not there, or not before `below`, are passed over. When it returns,
        the old bytes are gone from the disk's files; after a crash in it, call it again with any places.
        Returns how many were overwritten.
        """

    def forget_damaged(self, unwanted: Callable[[bytes], bool]) -> int:
        """Remove what was kept of damaged bytes where `unwanted` says so. Returns how many pieces went."""

    def backlog_bytes(self, stream: str, position: Position) -> int:
        """Bytes that stand behind `position`."""
