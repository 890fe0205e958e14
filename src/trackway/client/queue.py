"""What waits to be sent: segments in a row, filled by the program, emptied by the sender.

All threads meet here. An event is in its segment when `add` returns. The queue has a bound; what happens
there is the program's choice: the oldest events go (whole segments, an eighth of the bound or less, and
are counted), `QueueFull` is raised, or the caller waits. A disk that takes no more is answered with memory.
"""

import logging
import threading
import time
from collections import deque
from typing import Literal, NamedTuple

from trackway.client.reports import QueueFull
from trackway.client.segments import FileSegment, MemorySegment, Read, Segment
from trackway.client.spool import Spool

LOG = logging.getLogger("trackway.client")
MOST_SEGMENT_BYTES = 8 << 20
DISK_PAUSE_S = 5.0
# A file of each of a thousand processes that crashed must not take all descriptors of the program.
MOST_FILES = 50

WhenFull = Literal["drop_oldest", "raise", "wait"]
Fsync = Literal["always", "everysec", "no"]


class Batch(NamedTuple):
    segment: Segment
    read: Read


class Counts:
    """Changed under the queue's lock."""

    def __init__(self) -> None:
        self.tracked = self.adopted = self.dropped = self.damaged = 0


Mark = list[tuple[Segment, int]]


class Queue:
    """`changed` is its lock; it is notified when there is something to do for the sender, and at each settling."""

    def __init__(self, spool: Spool | None, most_bytes: int, when_full: WhenFull, fsync: Fsync, flush_at: int) -> None:
        self.spool = spool
        self._most_bytes = most_bytes
        self._segment_bytes = min(MOST_SEGMENT_BYTES, most_bytes // 8)
        self._when_full = when_full
        self._fsync = fsync
        self._flush_at = flush_at
        self.reset()

    def reset(self) -> None:
        """As new, in a child process: what the parent's queue holds stays the parent's."""
        self.changed = threading.Condition()
        self.counts = Counts()
        self.closed = False
        self.waiting = 0
        self.since = 0.0
        self._segments: deque[Segment] = deque()
        self._writing: Segment | None = None
        self._in_use: list[Segment] = []
        self._unsynced: list[Segment] = []
        self._disk_pause_until = 0.0

    def leave_to_parent(self) -> None:
        """After a fork, in the child: closes the files without touching what is in them."""
        for segment in self._segments:
            if not segment.gone:
                segment.close()
        self.reset()

    def add(self, line: bytes) -> None:
        with self.changed:
            self._make_room(len(line))
            if self.closed:
                raise ValueError("this client is closed")
            segment = self._add_to_segment(line)
            self.counts.tracked += 1
            self.waiting += 1
            is_news = self.waiting in (1, self._flush_at)
            if self.waiting == 1:
                self.since = time.monotonic()
            if self._fsync == "always":
                self._sync(segment)
            elif self._fsync == "everysec" and segment not in self._unsynced:
                self._unsynced.append(segment)
                is_news = True
            if is_news:
                self.changed.notify_all()

    def _add_to_segment(self, line: bytes) -> Segment:
        segment = self._writing
        if segment is None or segment.size >= self._segment_bytes or self._may_return_to_disk(segment):
            segment = self._open_segment()
        try:
            segment.add(line)
        except OSError as error:
            segment = self._leave_disk(error)
            segment.add(line)
        return segment

    def _open_segment(self) -> Segment:
        self._retire()
        try:
            segment: Segment = self.spool.create() if self.spool else MemorySegment()
        except OSError as error:
            return self._leave_disk(error)
        return self._append(segment)

    def _leave_disk(self, error: OSError) -> Segment:
        if not self._disk_pause_until:
            LOG.error("the spool cannot be written to; events are kept in memory meanwhile: %s", error)
        self._disk_pause_until = time.monotonic() + DISK_PAUSE_S
        self._retire()
        return self._append(MemorySegment())

    def _may_return_to_disk(self, segment: Segment) -> bool:
        is_away = self.spool is not None and isinstance(segment, MemorySegment)
        return is_away and time.monotonic() >= self._disk_pause_until

    def _append(self, segment: Segment) -> Segment:
        if isinstance(segment, FileSegment):
            self._disk_pause_until = 0.0
        self._segments.append(segment)
        self._writing = segment
        return segment

    def _retire(self) -> None:
        """The segment that was written to gets no more, and goes if nothing waits in it."""
        segment, self._writing = self._writing, None
        if segment is not None and not segment.waiting and segment not in self._in_use:
            self._remove(segment)

    def _remove(self, segment: Segment) -> None:
        self._segments.remove(segment)
        segment.delete()

    def _count_bytes(self) -> int:
        """Added up each time, of copies as in all that follows: a signal handler may track in between."""
        return sum([segment.size for segment in list(self._segments)])

    def _make_room(self, more: int) -> None:
        while self._count_bytes() + more > self._most_bytes:
            free = next((s for s in list(self._segments) if s not in self._in_use), None)
            if free is not None and free is self._writing:
                self._retire()
                if free.gone:
                    continue
            if self._when_full == "raise":
                raise QueueFull(f"{self.waiting} events wait to be sent, {self._count_bytes()} bytes; try again later")
            if self._when_full == "wait":
                self.changed.wait()
            elif free is None:
                return
            else:
                self._drop(free)

    def _drop(self, segment: Segment) -> None:
        if not self.counts.dropped:
            LOG.error("the queue is full: the oldest events are dropped from now on, see stats.dropped")
        self.counts.dropped += segment.waiting
        self.waiting -= segment.waiting
        self._remove(segment)

    def take(self, most_events: int, most_bytes: int) -> Batch | None:
        """The oldest events. They stay until `settle`, or until `release` and a later `take`."""
        while True:
            with self.changed:
                segment = next((s for s in list(self._segments) if s.waiting), None)
                if segment is None:
                    return None
                self._in_use.append(segment)
                end, waiting = segment.end, segment.waiting
            try:
                read = segment.read(end, most_events, most_bytes)
            except OSError as error:
                LOG.error("the spool cannot be read: %s", error)
                read = Read([], 0, end)
            if not read.lines and not read.damaged:
                # Somebody cut the file: what should be there is not.
                read = Read([], waiting, end)
            batch = Batch(segment, read)
            if read.lines:
                return batch
            self.settle(batch)

    def settle(self, batch: Batch) -> None:
        segment, read = batch
        with self.changed:
            segment.settle(read)
            self.waiting -= len(read.lines) + read.damaged
            if read.damaged:
                self.counts.damaged += read.damaged
                LOG.error("%d events of the spool are damaged and lost", read.damaged)
            self._let_go(segment)
            self.since = time.monotonic()
            self.changed.notify_all()

    def release(self, batch: Batch) -> None:
        with self.changed:
            self._let_go(batch.segment)

    def _let_go(self, segment: Segment) -> None:
        self._in_use.remove(segment)
        if segment in self._in_use or segment is self._writing:
            return
        if not segment.waiting:
            self._remove(segment)
        elif self.closed:
            self._part_with(segment)

    def adopt(self) -> bool:
        """Takes over what ended processes left, up to half of the bound; they are the oldest and come first.

        True when there may be more of it.
        """
        if self.spool is None:
            return False
        adopted: list[Segment] = []
        room = self._most_bytes // 2 - self._count_bytes()
        files = self.spool.adopt()
        while may_go_on := room > 0 and len(self._segments) + len(adopted) < MOST_FILES:
            segment = next(files, None)
            if segment is None:
                break
            adopted.append(segment)
            room -= segment.size
        if not adopted:
            return not may_go_on
        LOG.info("%d events of ended processes are sent", sum(segment.waiting for segment in adopted))
        with self.changed:
            self._segments.extendleft(reversed(adopted))
            count = sum(segment.waiting for segment in adopted)
            self.counts.adopted += count
            self.waiting += count
            self.changed.notify_all()
        return not may_go_on

    def needs_sync(self) -> bool:
        return bool(self._unsynced)

    def sync(self) -> None:
        """Brings what was added to the disk, while other threads go on adding."""
        with self.changed:
            segments = [segment for segment in self._unsynced if not segment.gone]
            self._unsynced.clear()
            self._in_use += segments
        for segment in segments:
            self._sync(segment)
        with self.changed:
            for segment in segments:
                self._let_go(segment)

    def _sync(self, segment: Segment) -> None:
        try:
            segment.sync()
        except OSError as error:
            LOG.error("events may not survive a power cut, the disk does not take them: %s", error)

    def mark(self) -> Mark:
        """What waits now."""
        with self.changed:
            return [(segment, segment.end) for segment in list(self._segments) if segment.waiting]

    def is_settled(self, mark: Mark) -> bool:
        """Whether nothing of it waits any more: sent, rejected or dropped."""
        return all(segment.gone or segment.position >= end for segment, end in mark)

    def tidy(self) -> None:
        """Leaves no file behind in which nothing waits."""
        with self.changed:
            self._retire()

    def close(self) -> None:
        """Files with waiting events stay, free for the next process; what waits in memory is dropped."""
        with self.changed:
            self.closed = True
            self._retire()
            for segment in list(self._segments):
                if segment not in self._in_use:
                    self._part_with(segment)
            self.changed.notify_all()

    def _part_with(self, segment: Segment) -> None:
        if isinstance(segment, MemorySegment):
            self.counts.dropped += segment.waiting
            self.waiting -= segment.waiting
        self._segments.remove(segment)
        segment.close()
