"""Overwrites records of the embedded log in place: their bytes go, everything else stays where it is.

A record keeps its place and its length and gets a new payload with a sound checksum. What is to
be overwritten is written down first, in the file `erasing` beside the segments: a process that is
killed in the middle leaves a record that no reader could find again, and the next call finishes it.

Only what lies before a reader's position is touched. The writer of the stream appends to the
newest segment meanwhile, and never looks at earlier bytes again.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from zlib import crc32

import msgspec
from msgspec import Struct

from trackway.eventlog.interface import Position, RecordPlace
from trackway.eventlog.segment import (
    HEADER_BYTES,
    PREFIX_BYTES,
    Found,
    decode_at,
    encode_group,
    find_next,
    name_segment,
    seed_checksum,
)
from trackway.eventlog.storage import Storage

NOTE_NAME = "erasing"
_CHECKSUM_BYTES = 4

# A payload of the given length.
Filler = Callable[[int], bytes]


class Span(Struct, frozen=True, array_like=True):
    """A record to overwrite: where its file has it, and what its prefix says."""

    segment: int
    offset: int
    length: int
    ordinal: int
    group: int


_decode_spans = msgspec.msgpack.Decoder(list[Span]).decode


class Eraser:
    """Of one stream's folder. One process at a time erases."""

    def __init__(self, storage: Storage, folder: Path) -> None:
        self._storage, self._folder = storage, folder
        self._note = folder / NOTE_NAME

    def finish(self, filler: Filler) -> None:
        """Carry out what an earlier call wrote down and did not finish."""
        if NOTE_NAME not in self._storage.list(self._folder):
            return
        data = self._storage.read(self._note, 0, self._storage.size(self._note))
        body, checksum = data[:-_CHECKSUM_BYTES], data[-_CHECKSUM_BYTES:]
        # A torn note was never followed by an overwritten record.
        if len(data) > _CHECKSUM_BYTES and crc32(body).to_bytes(_CHECKSUM_BYTES, "little") == checksum:
            self._overwrite(_decode_spans(body), filler)
        self._storage.unlink(self._note)
        self._storage.sync_directory(self._folder)

    def erase(self, places: Collection[RecordPlace], below: Position, filler: Filler) -> int:
        """How many records were overwritten; one that is not there (any more) or not below is passed over."""
        self.finish(filler)
        wanted: dict[int, set[int]] = defaultdict(set)
        for place in places:
            if (place.segment, place.ordinal) < (below.segment, below.ordinal):
                wanted[place.segment].add(place.ordinal)
        spans = [span for segment in sorted(wanted) for span in self._find(segment, wanted[segment])]
        if spans:
            self._write_down(spans)
            self.finish(filler)
        return len(spans)

    def _find(self, segment: int, ordinals: set[int]) -> Iterator[Span]:
        path = self._folder / name_segment(segment)
        try:
            data = self._storage.read(path, 0, self._storage.size(path))
        except FileNotFoundError:
            return
        last = max(ordinals)
        for at, found in _walk(data, segment):
            if found.record is None or found.ordinal > last:
                return
            if found.ordinal in ordinals:
                yield Span(segment, at, len(found.record.payload), found.ordinal, found.group)

    def _write_down(self, spans: list[Span]) -> None:
        body = msgspec.msgpack.encode(spans)
        handle = self._storage.open(self._note)
        try:
            self._storage.append(handle, body + crc32(body).to_bytes(_CHECKSUM_BYTES, "little"))
            self._storage.sync(handle)
        finally:
            self._storage.close(handle)
        self._storage.sync_directory(self._folder)

    def _overwrite(self, spans: list[Span], filler: Filler) -> None:
        by_segment: dict[int, list[Span]] = defaultdict(list)
        for span in spans:
            by_segment[span.segment].append(span)
        for segment, own in by_segment.items():
            try:
                handle = self._storage.open_again(self._folder / name_segment(segment))
            except FileNotFoundError:
                # Trimmed since.
                continue
            try:
                for span in own:
                    record = encode_group(segment, span.ordinal, span.group, [filler(span.length)])
                    if len(record) != PREFIX_BYTES + span.length:
                        raise ValueError(f"the new payload must have {span.length} bytes")
                    self._storage.overwrite(handle, span.offset, record)
                self._storage.sync(handle)
            finally:
                self._storage.close(handle)


def _walk(data: bytes, segment: int) -> Iterator[tuple[int, Found]]:
    """Every sound record with the offset at which it begins."""
    seed, at, expected = seed_checksum(segment), HEADER_BYTES, 0
    while at < len(data):
        found = decode_at(data, at, segment, 0, seed)
        if found is None:
            further = find_next(data, at + 1, segment, 0, expected)
            if further is None:
                return
            at, found = further
        yield at, found
        at, expected = found.end, found.ordinal + 1
