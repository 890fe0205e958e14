"""A model of a disk that can lose what was not synced; it stands in for the disk, not for our code.

Each file has what a reader sees now (`cached`) and what is on the platter (`durable`); each name
likewise. `crash` leaves a random mixture: 512-byte sectors written since the last sync survive or
not, one by one; names whose directory was not synced survive or not. After a failed sync the
unsynced bytes count as clean, as in Linux: a second sync succeeds and saves nothing.
"""

import errno
import os
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

SECTOR = 512


@dataclass
class Inode:
    cached: bytearray = field(default_factory=bytearray)
    durable: bytearray = field(default_factory=bytearray)
    given_up: set[int] = field(default_factory=set)

    def dirty_sectors(self) -> list[int]:
        longest = max(len(self.cached), len(self.durable))
        return [n for n in range(0, longest, SECTOR) if self.cached[n : n + SECTOR] != self.durable[n : n + SECTOR]]

    def save(self, sectors: list[int], length: int) -> None:
        """Bring the platter up to date for some sectors only; what lies between is zeros."""
        saved = bytearray(self.durable[:length].ljust(length, b"\0"))
        for sector in sectors:
            piece = self.cached[sector : min(sector + SECTOR, length)]
            saved[sector : sector + len(piece)] = piece
        self.durable = saved


class CrashableDisk:
    """A `Storage` in memory with one flat set of files."""

    def __init__(self) -> None:
        self.names: dict[Path, Inode] = {}
        self.durable_names: dict[Path, Inode] = {}
        self.handles: dict[int, Inode] = {}
        self.next_handle = 1
        self.free = 1 << 40
        self.failures: dict[str, int] = {}
        self.random = Random(0)

    def fail_next(self, call: str, number: int) -> None:
        """Let the next call of that name raise OSError(number)."""
        self.failures[call] = number

    def _maybe_fail(self, call: str) -> None:
        number = self.failures.pop(call, None)
        if number is not None:
            raise OSError(number, os.strerror(number))

    def make_directory(self, path: Path) -> None:
        self._maybe_fail("make_directory")

    def open(self, path: Path) -> int:
        self._maybe_fail("open")
        if path in self.names:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
        self.names[path] = inode = Inode()
        self.next_handle += 1
        self.handles[self.next_handle] = inode
        return self.next_handle

    def open_again(self, path: Path) -> int:
        self._maybe_fail("open_again")
        self.next_handle += 1
        self.handles[self.next_handle] = self._find(path)
        return self.next_handle

    def overwrite(self, handle: int, offset: int, data: bytes) -> None:
        inode = self.handles[handle]
        if "overwrite" in self.failures:
            part = data[: self.random.randrange(len(data) + 1)]
            inode.cached[offset : offset + len(part)] = part
        self._maybe_fail("overwrite")
        inode.cached[offset : offset + len(data)] = data

    def append(self, handle: int, data: bytes) -> None:
        inode = self.handles[handle]
        if "append" in self.failures:
            inode.cached += data[: self.random.randrange(len(data) + 1)]
        self._maybe_fail("append")
        inode.cached += data

    def sync(self, handle: int) -> None:
        inode = self.handles[handle]
        dirty = inode.dirty_sectors()
        if "sync" in self.failures:
            inode.given_up.update(dirty)
        self._maybe_fail("sync")
        inode.save([sector for sector in dirty if sector not in inode.given_up], len(inode.cached))

    def truncate(self, handle: int, length: int) -> None:
        self._maybe_fail("truncate")
        del self.handles[handle].cached[length:]

    def close(self, handle: int) -> None:
        del self.handles[handle]

    def sync_directory(self, path: Path) -> None:
        self._maybe_fail("sync_directory")
        kept = {name: inode for name, inode in self.durable_names.items() if name.parent != path}
        self.durable_names = kept | {name: inode for name, inode in self.names.items() if name.parent == path}

    def unlink(self, path: Path) -> None:
        self._maybe_fail("unlink")
        del self.names[path]

    def list(self, path: Path) -> list[str]:
        below = (name.relative_to(path).parts[0] for name in self.names if name.is_relative_to(path))
        return list(dict.fromkeys(below))

    def size(self, path: Path) -> int:
        return len(self._find(path).cached)

    def read(self, path: Path, offset: int, length: int) -> bytes:
        return bytes(self._find(path).cached[offset : offset + length])

    def free_bytes(self, path: Path) -> int:
        return self.free

    def _find(self, path: Path) -> Inode:
        if path not in self.names:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
        return self.names[path]

    def crash(self, random: Random) -> None:
        """Cut the power: handles are gone, and so is what was not synced, or parts of it."""
        names: dict[Path, Inode] = {}
        for name in sorted(self.names.keys() | self.durable_names.keys()):
            now, then = self.names.get(name), self.durable_names.get(name)
            inode = now if now is then else random.choice([now, then])
            if inode is not None:
                names[name] = inode
        for inode in names.values():
            dirty = inode.dirty_sectors()
            short, long = sorted((len(inode.cached), len(inode.durable)))
            length = random.choice([short, long, random.randint(short, long)])
            inode.save([sector for sector in dirty if random.random() < 0.5], length)
            inode.cached = bytearray(inode.durable)
            inode.given_up.clear()
        self.names, self.durable_names = names, dict(names)
        self.handles.clear()
        self.failures.clear()

    def flip_bit(self, path: Path, offset: int, bit: int) -> None:
        """Bit rot, on the platter and in what is read from it."""
        inode = self.names[path]
        inode.cached[offset] ^= 1 << bit
        inode.durable[offset] ^= 1 << bit
