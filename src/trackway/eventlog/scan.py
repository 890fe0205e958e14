"""Walks through one segment from a position: records, damage, and whether the end is the end.

How acknowledged records are told from bytes that never were: a write begins only after the one
before it was synced, and each record says where its write began. So a later write, a seal, or
the successor's header prove that what stands before them was acknowledged; the last write
of a segment that was never closed proves nothing and may be torn.
"""

from pathlib import Path

from trackway.eventlog.interface import Damage, Position, Record
from trackway.eventlog.segment import (
    HEADER_BYTES,
    Found,
    Header,
    announced_bytes,
    decode_at,
    decode_header,
    find_next,
    seed_checksum,
)
from trackway.eventlog.storage import Storage

_TORN = "the writer stopped in the middle of its last write; these bytes were never acknowledged"


class SegmentScan:
    """One pass over the segment `number`; `successor` is the header of the next one, if there is one.

    With `growing` the file may still get longer, so an unreadable end is not damage but not yet written.
    After `read`: `damages`, `position` to go on from, `at_end` when nothing can follow in this file.
    """

    def __init__(
        self,
        storage: Storage,
        path: Path,
        stream: str,
        position: Position,
        *,
        growing: bool,
        successor: Header | None,
    ) -> None:
        self._storage = storage
        self._path = path
        self._stream = stream
        self._number = position.segment
        self._seed = seed_checksum(position.segment)
        self._growing = growing
        self._declared: int | None = None
        if successor is not None and successor.previous == position.segment:
            self._declared = successor.previous_records
        self._offset = position.offset
        self._ordinal = position.ordinal
        self._data = b""
        self._whole = False
        self.damages: list[Damage] = []
        self.at_end = False

    @property
    def position(self) -> Position:
        return Position(self._number, self._ordinal, self._offset)

    def read(self, max_records: int, max_bytes: int) -> list[Record]:
        """The next records. At least one where there is one, whatever `max_bytes` says."""
        records: list[Record] = []
        if self._offset == 0 and not self._pass_header():
            return records
        begin = base = self._load(max_bytes)
        data, seed, number = self._data, self._seed, self._number
        while len(records) < max_records and self._offset - begin < max_bytes:
            found = decode_at(data, self._offset - base, number, base, seed)
            if found is None or found.ordinal != self._ordinal:
                if not self._whole:
                    if records:
                        break
                    base, data = self._load_rest(), self._data
                    continue
                if self._offset - base >= len(data):
                    self._end(0)
                    break
                found = self._resync(found, base)
                if found is None:
                    break
            if found.record is None:
                self._declared = found.ordinal
            else:
                records.append(found.record)
                self._ordinal = found.ordinal + 1
            self._offset = found.end
        return records

    def _load(self, length: int) -> int:
        """Read `length` bytes or, where the first record is longer, that one. Returns their offset."""
        self._data = self._storage.read(self._path, self._offset, length)
        self._whole = len(self._data) < length
        first = announced_bytes(self._data, 0, self._seed)
        if not self._whole and first is not None and first > length:
            self._data = self._storage.read(self._path, self._offset, first)
            self._whole = len(self._data) < first
        return self._offset

    def _load_rest(self) -> int:
        """Make `_data` reach from the current offset to the end of the file. Returns its offset."""
        size = self._storage.size(self._path)
        self._data = self._storage.read(self._path, self._offset, max(0, size - self._offset))
        self._whole = True
        return self._offset

    def _pass_header(self) -> bool:
        data = self._storage.read(self._path, 0, HEADER_BYTES)
        header = decode_header(data)
        if header is not None and (header.segment, header.stream) != (self._number, self._stream):
            size = self._storage.size(self._path)
            self._report(
                0,
                size,
                None,
                f"this file is segment {header.segment:016x} of stream {header.stream}; it is passed over",
            )
            self._offset = size
            self.at_end = True
            return False
        if header is None and len(data) < HEADER_BYTES:
            if not self._growing:
                self._end(len(data))
            return False
        if header is None:
            self._report(0, HEADER_BYTES, 0, "the header does not match its checksum; the records behind it are read")
        self._offset = HEADER_BYTES
        return True

    def _resync(self, misplaced: Found | None, base: int) -> Found | None:
        """Report what stands at the offset as damage and go to the next sound record, if there is one."""
        data, at = self._data, self._offset - base
        if misplaced is not None and misplaced.ordinal > self._ordinal and misplaced.group <= self._offset:
            next_at, found = at, misplaced
        else:
            sound = find_next(data, at + 1, self._number, base, self._ordinal)
            if sound is None:
                if not self._growing:
                    self._end(len(data) - at)
                return None
            next_at, found = sound
        missing = found.ordinal - self._ordinal
        if self._declared is not None:
            lost = self._count_declared(found.ordinal)
        else:
            lost = missing if self._was_durable(found, base) else 0
        reason = "bytes do not match their checksum" if next_at > at else "records are missing"
        self._report(self._offset, next_at - at, lost, reason if lost or not missing else _TORN)
        self._ordinal = found.ordinal
        self._offset = base + next_at
        return found

    def _was_durable(self, found: Found, base: int) -> bool:
        """Whether a write that began behind the current offset is there, or the seal."""
        offset: int = self._offset
        step: Found | None = found
        while step is not None:
            if step.record is None or step.group > offset:
                return True
            sound = find_next(self._data, step.end - base, self._number, base, step.ordinal + 1)
            step = sound[1] if sound else None
        return False

    def _count_declared(self, before: int) -> int:
        """Records from the expected one up to `before` that the successor says were acknowledged."""
        return max(0, min(before, self._declared or 0) - self._ordinal)

    def _end(self, unreadable: int) -> None:
        """The file ends here, with `unreadable` bytes that are no record."""
        if self._growing:
            return
        lost = self._count_declared(self._declared or 0)
        if unreadable or lost:
            reason = "bytes behind the last record are no record" if self._declared is not None else _TORN
            self._report(self._offset, unreadable, lost, "the end of the segment is missing" if lost else reason)
        self._offset += unreadable
        self._ordinal += lost
        self.at_end = True

    def _report(self, offset: int, length: int, lost: int | None, reason: str) -> None:
        self.damages.append(Damage(self._stream, self._number, offset, length, lost, reason))
