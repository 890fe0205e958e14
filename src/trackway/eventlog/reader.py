"""Reads the embedded log, from any process, while others write it.

Never writes to a segment, but to erase (`eraser`). What does not match its checksum is reported as `Damage`, copied to
the folder `damaged` beside the streams, and reading goes on behind it.
"""

import contextlib
import itertools
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from trackway.eventlog.eraser import Eraser
from trackway.eventlog.interface import Batch, Damage, Position, Record, RecordPlace
from trackway.eventlog.lock import DAMAGED_FOLDER, is_being_written
from trackway.eventlog.scan import SegmentScan
from trackway.eventlog.segment import HEADER_BYTES, Header, decode_header, list_segments, name_segment
from trackway.eventlog.storage import Disk, Storage
from trackway.eventlog.watch import LogWatch


class LogReader:
    """Reads all streams of the log in `directory`. Keeps nothing between calls."""

    def __init__(self, directory: Path, *, storage: Storage | None = None) -> None:
        self._directory = directory
        self._storage = storage or Disk()

    def streams(self) -> list[str]:
        """Names of the streams that have at least one segment."""
        names = (name for name in self._storage.list(self._directory) if name != DAMAGED_FOLDER)
        return sorted(name for name in names if self._segments(name))

    def watch(self) -> LogWatch:
        """Whoever follows the log asks it whether there is anything to read."""
        return LogWatch(self._directory, self._storage)

    def read(self, stream: str, position: Position, max_records: int = 1000, max_bytes: int = 8_000_000) -> Batch:
        """Records of one segment from `position` on; see `EventLogReader.read`.

        `max_bytes` counts bytes on disk. UnknownFormat when a newer version wrote the segment; OSError
        when the disk refuses to read it: nothing is passed over then, the same call can be made again.
        """
        batch = self._read(stream, position, max_records, max_bytes, growing=True)
        return Batch(batch.records, [self._keep_bytes(damage) for damage in batch.damages], batch.next)

    def find_record(self, stream: str, place: RecordPlace) -> Record | None:
        """One record by its name, None when it is not there (any more). Reads its whole segment."""
        position = Position(place.segment, 0, 0)
        while position.segment == place.segment:
            batch = self._read(stream, position, 10_000, 8_000_000, growing=True)
            for record in batch.records:
                if (record.segment, record.ordinal) == (place.segment, place.ordinal):
                    return record
            if batch.next == position:
                break
            position = batch.next
        return None

    def trim(self, stream: str, below: Position, keep_since_ms: int) -> int:
        """Unlink whole segments that lie before `below` and whose last record is older than `keep_since_ms`.

        The newest segment always stays, so that numbers go on rising after it. Returns bytes freed.
        """
        segments = self._segments(stream)
        freed = 0
        for number, successor in itertools.pairwise(segments):
            if number >= below.segment or successor >> 16 > keep_since_ms:
                break
            path = self._path(stream, number)
            freed += self._storage.size(path)
            self._storage.unlink(path)
            # One by one, oldest first: after a power cut the remaining ones have no gap.
            self._storage.sync_directory(path.parent)
        return freed

    def erase(
        self, stream: str, places: Collection[RecordPlace], below: Position, filler: Callable[[int], bytes]
    ) -> int:
        """See `EventLogReader.erase`. Reads each segment that is concerned into memory, one after the other."""
        return Eraser(self._storage, self._directory / stream).erase(places, below, filler)

    def forget_damaged(self, unwanted: Callable[[bytes], bool]) -> int:
        """See `EventLogReader.forget_damaged`."""
        folder, gone = self._directory / DAMAGED_FOLDER, 0
        for name in self._storage.list(folder):
            path = folder / name
            if unwanted(self._storage.read(path, 0, self._storage.size(path))):
                self._storage.unlink(path)
                gone += 1
        if gone:
            self._storage.sync_directory(folder)
        return gone

    def backlog_bytes(self, stream: str, position: Position) -> int:
        """Bytes on disk that stand behind `position`."""
        total = 0
        for number in self._segments(stream):
            if number >= position.segment:
                with contextlib.suppress(FileNotFoundError):
                    total += self._storage.size(self._path(stream, number))
                    total -= position.offset if number == position.segment else 0
        return max(0, total)

    def find_damage(self, stream: str, position: Position, *, abandoned: bool) -> list[Damage]:
        """Every damage from `position` to the end. With `abandoned` nobody writes the stream now."""
        damages: list[Damage] = []
        while True:
            batch = self._read(stream, position, 10_000, 8_000_000, growing=not abandoned)
            damages += batch.damages
            if batch.next == position:
                return damages
            position = batch.next

    def _read(self, stream: str, position: Position, max_records: int, max_bytes: int, *, growing: bool) -> Batch:
        # The list comes before the file: a segment that has a successor here got its last byte before.
        segments = self._segments(stream)
        damages: list[Damage] = []
        while (number := next((n for n in segments if n >= position.segment), None)) is not None:
            successor = next((n for n in segments if n > number), None)
            if number != position.segment or position.offset == 0:
                damages += self._notice_missing(stream, number, position, segments)
            if number != position.segment:
                position = Position(number, 0, 0)
            scan = SegmentScan(
                self._storage,
                self._path(stream, number),
                stream,
                position,
                growing=growing and successor is None,
                successor=self._header(stream, successor),
            )
            try:
                records = scan.read(max_records, max_bytes)
            except FileNotFoundError:
                # Trimmed since it was listed.
                segments.remove(number)
                continue
            damages += scan.damages
            position = scan.position
            if scan.at_end and successor is not None:
                position = Position(successor, 0, 0)
            if records or damages or successor is None:
                return Batch(records, damages, position)
        return Batch([], damages, position)

    def _segments(self, stream: str) -> list[int]:
        return list_segments(self._storage.list(self._directory / stream))

    def _path(self, stream: str, number: int) -> Path:
        return self._directory / stream / name_segment(number)

    def _header(self, stream: str, number: int | None) -> Header | None:
        if number is None:
            return None
        try:
            return decode_header(self._storage.read(self._path(stream, number), 0, HEADER_BYTES))
        except FileNotFoundError:
            return None

    def _notice_missing(self, stream: str, number: int, position: Position, segments: list[int]) -> list[Damage]:
        """Trimming leaves no gap, so a predecessor that is not there although older ones are is a loss."""
        header = self._header(stream, number)
        if header is None or header.previous == 0 or header.previous in segments:
            return []
        missing = header.previous
        if not (segments[0] < missing or 0 < position.segment <= missing):
            return []
        lost = header.previous_records if position.segment != missing else None
        return [Damage(stream, missing, 0, 0, lost, "the segment's file is missing")]

    def _keep_bytes(self, damage: Damage) -> Damage:
        """Copy the damaged bytes aside, once, before trimming takes them."""
        if damage.length == 0:
            return damage
        folder = self._directory / DAMAGED_FOLDER
        copy = folder / f"{damage.stream}-{damage.segment:016x}-{damage.offset}.bin"
        if copy.name in self._storage.list(folder):
            return damage
        try:
            data = self._storage.read(self._path(damage.stream, damage.segment), damage.offset, damage.length)
            self._storage.make_directory(folder)
            handle = self._storage.open(copy)
            try:
                self._storage.append(handle, data)
                self._storage.sync(handle)
            finally:
                self._storage.close(handle)
        except OSError as error:
            reason = f"{damage.reason} (and the bytes could not be copied to {folder}: {error.strerror})"
            return Damage(damage.stream, damage.segment, damage.offset, damage.length, damage.records_lost, reason)
        return damage


def check(directory: Path, positions: Mapping[str, Position] | None = None) -> list[Damage]:
    """All damage in the log, from the given position of each stream or from its start.

    Reads everything behind the positions; changes nothing. A stream that nobody writes is judged to
    its last byte.
    """
    reader = LogReader(directory)
    damages: list[Damage] = []
    for stream in reader.streams():
        abandoned = not is_being_written(directory / stream)
        start = (positions or {}).get(stream, Position.start())
        damages += reader.find_damage(stream, start, abandoned=abandoned)
    return damages
