"""Writes groups of records into segment files: rotation, and what an I/O error means.

The synchronous half of the log's writer; threads, futures and the lock are in `embedded`.
One rule governs it: what was not synced at the first attempt is never acknowledged. After an
error the file is cut back to its last durable byte and left for ever, because a second fsync may
say yes to pages that the kernel has already thrown away.
"""

import contextlib
import errno
import os
from collections.abc import Callable
from pathlib import Path

from trackway.clock import Clock
from trackway.eventlog.interface import DiskFull, NotDurable, RecordPlace
from trackway.eventlog.segment import (
    HEADER_BYTES,
    Header,
    encode_group,
    encode_header,
    encode_seal,
    list_segments,
    name_segment,
)
from trackway.eventlog.storage import Storage

_FULL = {errno.ENOSPC, errno.EDQUOT}
_LAST_ORDINAL = 0xFFFF_FFF0
FREE_SPACE_CHECK_S = 1.0
PAUSE_AFTER_REPEATED_ERRORS_S = 0.25


def _explain(error: OSError, doing: str) -> NotDurable:
    kind = DiskFull if error.errno in _FULL else NotDurable
    return kind(f"{doing}: {error.strerror or error}")


class SegmentAppender:
    """Owner of one stream's newest segment. Not thread-safe; one thread calls it."""

    def __init__(
        self,
        storage: Storage,
        folder: Path,
        stream: str,
        *,
        clock: Clock,
        monotonic: Callable[[], float],
        segment_bytes: int,
        reserve_bytes: int,
    ) -> None:
        self._storage = storage
        self._folder = folder
        self._stream = stream
        self._clock = clock
        self._monotonic = monotonic
        self._segment_bytes = segment_bytes
        self._reserve_bytes = reserve_bytes

        self._handle: int | None = None
        self._segment = 0
        self._records = 0
        self._durable = 0
        self._previous = 0
        self._previous_records: int | None = None

        self._space_checked_at = float("-inf")
        self._free_bytes = 0
        self._errors_in_a_row = 0
        self._pause_until = float("-inf")
        self._last_error = NotDurable("")

    def commit(self, payloads: list[bytes]) -> list[RecordPlace]:
        """Make `payloads` durable with one write and one sync. NotDurable or DiskFull: none of them is."""
        if self._monotonic() < self._pause_until:
            raise type(self._last_error)(str(self._last_error))
        try:
            self._check_free_space()
            if self._handle is None:
                self._begin_segment()
            places = self._write_group(payloads)
        except NotDurable as error:
            self._note_error(error)
            raise
        self._errors_in_a_row = 0
        if self._durable >= self._segment_bytes or self._records >= _LAST_ORDINAL:
            self.seal()
        return places

    def seal(self) -> None:
        """Close the current segment in order. An error here harms no record: all are durable already."""
        if self._handle is None:
            return
        handle, self._handle = self._handle, None
        with contextlib.suppress(OSError):
            self._storage.append(handle, encode_seal(self._segment, self._records, self._durable))
            self._storage.sync(handle)
        self._leave_segment(handle)

    def _check_free_space(self) -> None:
        now = self._monotonic()
        if now - self._space_checked_at >= FREE_SPACE_CHECK_S:
            self._space_checked_at = now
            try:
                self._free_bytes = self._storage.free_bytes(self._folder)
            except OSError as error:
                raise _explain(error, f"cannot ask how much space is free in {self._folder}") from error
        if self._free_bytes < self._reserve_bytes:
            raise DiskFull(
                f"{self._free_bytes} bytes are free in {self._folder}, disk_reserve_bytes is {self._reserve_bytes}:"
                " free some space or lower the setting"
            )

    def _begin_segment(self) -> None:
        number = self._choose_number()
        path = self._folder / name_segment(number)
        handle: int | None = None
        try:
            handle = self._storage.open(path)
            header = Header(number, self._stream, number >> 16, self._previous, self._previous_records)
            self._storage.append(handle, encode_header(header))
            self._storage.sync(handle)
            self._storage.sync_directory(self._folder)
        except OSError as error:
            if handle is not None:
                with contextlib.suppress(OSError):
                    self._storage.close(handle)
                with contextlib.suppress(OSError):
                    self._storage.unlink(path)
            raise _explain(error, f"cannot begin segment {path}") from error
        self._handle, self._segment = handle, number
        self._records, self._durable = 0, HEADER_BYTES

    def _choose_number(self) -> int:
        """Above every number that this stream has had, also when the clock has gone back."""
        existing = list_segments(self._storage.list(self._folder))
        if self._segment == 0 and existing:
            self._previous = existing[-1]
        newest = max(self._segment, existing[-1] if existing else 0)
        ms = max(self._clock(), (newest >> 16) + 1)
        return ms << 16 | int.from_bytes(os.urandom(2), "big")

    def _write_group(self, payloads: list[bytes]) -> list[RecordPlace]:
        assert self._handle is not None
        segment, first = self._segment, self._records
        data = encode_group(segment, first, self._durable, payloads)
        try:
            self._storage.append(self._handle, data)
            self._storage.sync(self._handle)
        except OSError as error:
            self._abandon_segment()
            raise _explain(error, f"cannot write segment {name_segment(segment)} in {self._folder}") from error
        self._durable += len(data)
        self._records += len(payloads)
        return [RecordPlace(segment, ordinal) for ordinal in range(first, self._records)]

    def _abandon_segment(self) -> None:
        assert self._handle is not None
        handle, self._handle = self._handle, None
        with contextlib.suppress(OSError):
            self._storage.truncate(handle, self._durable)
        self._leave_segment(handle)

    def _leave_segment(self, handle: int) -> None:
        self._previous, self._previous_records = self._segment, self._records
        with contextlib.suppress(OSError):
            self._storage.close(handle)

    def _note_error(self, error: NotDurable) -> None:
        # One error may be a passing one, so the next group tries at once; a disk that goes on
        # failing would otherwise get a new segment file with every request.
        self._errors_in_a_row += 1
        self._last_error = error
        if self._errors_in_a_row > 1:
            self._pause_until = self._monotonic() + PAUSE_AFTER_REPEATED_ERRORS_S
