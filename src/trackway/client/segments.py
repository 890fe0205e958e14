"""Stretches of the queue, in memory or in a file: events are added at the end and settled from the start.

A spool file is a head line with the place up to which it is settled, then one line per event: CRC-32 in
hex, a space, the JSON. Each process writes only into files of its own, which it keeps locked; the lock
goes with the process, however that ends, and what nobody holds may be adopted. So processes never wait
for each other, a fork needs nothing but a new file, and damage costs the lines that it hits. That is why
this is not SQLite, whose connections must not be carried over a fork and whose file is damaged as a whole.

A place that was not saved before a crash means that events are sent twice, which their dedupe keys undo.
"""

import contextlib
import errno
import os
import time
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

try:
    import fcntl
except ImportError:  # Windows: there are queues in memory only.
    fcntl = None  # type: ignore[assignment]

SUFFIX = ".events"
FAMILY = b"trackway-spool "
MAGIC = FAMILY + b"1 "
HEAD_BYTES = len(MAGIC) + 20 + 1
READ_BYTES = 1 << 18


class Read(NamedTuple):
    """Events from the start of what is not settled. `after` is the place behind them."""

    lines: list[bytes]
    damaged: int
    after: int


class MemorySegment:
    """Places are indices."""

    def __init__(self) -> None:
        self._lines: list[bytes] = []
        self.position = 0
        self.size = 0
        self.waiting = 0
        self.gone = False

    @property
    def end(self) -> int:
        return len(self._lines)

    def add(self, line: bytes) -> None:
        self._lines.append(line)
        self.size += len(line)
        self.waiting += 1

    def read(self, end: int, most_events: int, most_bytes: int) -> Read:
        lines: list[bytes] = []
        for line in self._lines[self.position : min(end, self.position + most_events)]:
            most_bytes -= len(line)
            if lines and most_bytes < 0:
                break
            lines.append(line)
        return Read(lines, 0, self.position + len(lines))

    def settle(self, read: Read) -> None:
        self.position = read.after
        self.waiting -= len(read.lines)

    def sync(self) -> None:
        """Memory has no disk below it."""

    def delete(self) -> None:
        self.gone = True
        self._lines.clear()

    def close(self) -> None:
        self.delete()


class FileSegment:
    """Places are offsets in the file. Not safe for threads: the queue has the lock."""

    def __init__(self, path: Path, descriptor: int, position: int, end: int, waiting: int) -> None:
        self.path = path
        self._descriptor = descriptor
        self._listed = False
        self.position = position
        self.end = end
        self.waiting = waiting
        self.gone = False

    @property
    def size(self) -> int:
        return self.end

    def add(self, line: bytes) -> None:
        """The line is the system's when this returns: a crash of the process does not touch it. OSError else."""
        whole = b"%08x %b\n" % (crc32(line), line)
        offset = self.end
        # Moved first: a signal handler or destructor that tracks while this is written gets a place of its own.
        self.end += len(whole)
        try:
            if os.pwrite(self._descriptor, whole, offset) < len(whole):
                raise OSError(errno.ENOSPC, "the disk is full", str(self.path))
        except OSError:
            if self.end == offset + len(whole):
                self.end = offset
                with contextlib.suppress(OSError):
                    os.ftruncate(self._descriptor, offset)
            raise
        self.waiting += 1

    def read(self, end: int, most_events: int, most_bytes: int) -> Read:
        """Lines whose checksum is wrong are counted and left out."""
        lines: list[bytes] = []
        damaged, after, rest = 0, self.position, b""
        offset = self.position
        while offset < end:
            chunk = os.pread(self._descriptor, min(READ_BYTES, end - offset), offset)
            if not chunk:
                return Read(lines, damaged + 1, end)
            offset += len(chunk)
            whole = (rest + chunk).split(b"\n")
            rest = whole.pop()
            if offset >= end and rest:
                whole.append(rest)
            for line in whole:
                event = check_line(line)
                most_bytes -= len(line)
                if len(lines) + damaged >= most_events or (lines and most_bytes < 0):
                    return Read(lines, damaged, after)
                after = min(end, after + len(line) + 1)
                if event is None:
                    damaged += 1
                else:
                    lines.append(event)
        return Read(lines, damaged, after)

    def settle(self, read: Read) -> None:
        """A place that cannot be saved (full disk) is no loss: it is remembered while the process lives."""
        self.position = read.after
        self.waiting -= len(read.lines) + read.damaged
        with contextlib.suppress(OSError):
            os.pwrite(self._descriptor, b"%b%020d\n" % (MAGIC, self.position), 0)

    def sync(self) -> None:
        """What was added survives a power cut. The file's name in its folder, too. OSError when it does not."""
        os.fsync(self._descriptor)
        if not self._listed:
            folder = os.open(self.path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
            self._listed = True

    def delete(self) -> None:
        """Unlinked while locked, so whoever gets the lock afterwards sees a file without a name."""
        with contextlib.suppress(OSError):
            self.path.unlink()
        self.close()

    def close(self) -> None:
        """Gives up the lock, unless a parent process still has the file open."""
        self.gone = True
        os.close(self._descriptor)


Segment = MemorySegment | FileSegment


def has_locks() -> bool:
    return fcntl is not None


def check_line(line: bytes) -> bytes | None:
    """The event of a line of a spool file; None when its checksum is wrong."""
    try:
        said = int(line[:8], 16)
    except ValueError:
        return None
    event = line[9:]
    return event if line[8:9] == b" " and crc32(event) == said else None


def create_segment(folder: Path) -> FileSegment:
    """A new file, locked. OSError when the folder cannot take one."""
    while True:
        path = folder / f"{time.time_ns() // 1_000_000:013d}-{os.getpid()}-{os.urandom(4).hex()}{SUFFIX}"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            # Somebody who looks for files without an owner may have found it in between.
            if _lock(descriptor):
                if os.pwrite(descriptor, b"%b%020d\n" % (MAGIC, HEAD_BYTES), 0) < HEAD_BYTES:
                    raise OSError(errno.ENOSPC, "the disk is full", str(path))
                return FileSegment(path, descriptor, HEAD_BYTES, HEAD_BYTES, 0)
        except OSError:
            with contextlib.suppress(OSError):
                path.unlink()
            os.close(descriptor)
            raise
        os.close(descriptor)


def adopt_segment(path: Path) -> FileSegment | None:
    """The file when nobody holds it and it has events; an empty one is deleted."""
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return None
    if not _lock(descriptor):
        os.close(descriptor)
        return None
    end = os.fstat(descriptor).st_size
    head = os.pread(descriptor, HEAD_BYTES, 0)
    if head.startswith(FAMILY) and not head.startswith(MAGIC):
        os.close(descriptor)
        raise OSError(errno.ENOTSUP, "another version of the client made it; that version sends it", str(path))
    segment = FileSegment(path, descriptor, _read_position(head, end), end, 0)
    everything = segment.read(end, end, end)
    segment.waiting = len(everything.lines) + everything.damaged
    if segment.waiting:
        return segment
    segment.delete()
    return None


def is_left_behind(path: Path) -> bool:
    """Whether no process holds the file."""
    try:
        descriptor = os.open(path, os.O_RDWR)
    except OSError:
        return False
    try:
        return _lock(descriptor)
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    """False when another process holds the file, or deleted it while it was being opened."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return os.fstat(descriptor).st_nlink > 0


def _read_position(head: bytes, end: int) -> int:
    """A head that is damaged means that everything is sent again."""
    digits = head[len(MAGIC) : HEAD_BYTES - 1]
    position = int(digits) if head.startswith(MAGIC) and digits.isdigit() else HEAD_BYTES
    return position if HEAD_BYTES <= position <= end else min(HEAD_BYTES, end)
