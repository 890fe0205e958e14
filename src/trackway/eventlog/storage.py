"""The few things the embedded log asks of a disk.

Everything the log's durability rests on goes through `Storage`, so that the tests can put a
disk in its place that loses what was not synced, tears writes and fails on demand.
"""

import os
from pathlib import Path
from typing import Protocol


class Storage(Protocol):
    """All calls raise OSError as the operating system would."""

    def make_directory(self, path: Path) -> None:
        """Create `path` and its parents, durably."""

    def open(self, path: Path) -> int:
        """Create the file `path`, which must not exist, for appending. Returns a handle."""

    def open_again(self, path: Path) -> int:
        """Open the file `path`, which must exist, for overwriting. Returns a handle."""

    def overwrite(self, handle: int, offset: int, data: bytes) -> None:
        """Put `data` in the place of as many bytes that are there, of a file opened again."""

    def append(self, handle: int, data: bytes) -> None:
        """Write all of `data` at the end; after an error any part of it may have been written."""

    def sync(self, handle: int) -> None: ...

    def truncate(self, handle: int, length: int) -> None: ...

    def close(self, handle: int) -> None: ...

    def sync_directory(self, path: Path) -> None: ...

    def unlink(self, path: Path) -> None: ...

    def list(self, path: Path) -> list[str]:
        """Names in the directory, none where it does not exist."""

    def size(self, path: Path) -> int: ...

    def read(self, path: Path, offset: int, length: int) -> bytes:
        """Up to `length` bytes from `offset`, fewer at the end of the file."""

    def free_bytes(self, path: Path) -> int: ...


class Disk:
    """The real one: Linux, through `os`."""

    def make_directory(self, path: Path) -> None:
        missing = [p for p in (path, *path.parents) if not p.exists()]
        path.mkdir(parents=True, exist_ok=True)
        for created in reversed(missing):
            self.sync_directory(created.parent)

    def open(self, path: Path) -> int:
        return os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def open_again(self, path: Path) -> int:
        return os.open(path, os.O_WRONLY | os.O_CLOEXEC)

    def overwrite(self, handle: int, offset: int, data: bytes) -> None:
        written = os.pwrite(handle, data, offset)
        while written < len(data):
            written += os.pwrite(handle, data[written:], offset + written)

    def append(self, handle: int, data: bytes) -> None:
        written = os.write(handle, data)
        if written < len(data):
            rest = memoryview(data)
            while written < len(data):
                written += os.write(handle, rest[written:])

    def sync(self, handle: int) -> None:
        os.fdatasync(handle)

    def truncate(self, handle: int, length: int) -> None:
        os.ftruncate(handle, length)

    def close(self, handle: int) -> None:
        os.close(handle)

    def sync_directory(self, path: Path) -> None:
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def unlink(self, path: Path) -> None:
        os.unlink(path)

    def list(self, path: Path) -> list[str]:
        try:
            return os.listdir(path)
        except FileNotFoundError:
            return []

    def size(self, path: Path) -> int:
        return os.stat(path).st_size

    def read(self, path: Path, offset: int, length: int) -> bytes:
        with path.open("rb", buffering=0) as file:
            file.seek(offset)
            return file.read(length)

    def free_bytes(self, path: Path) -> int:
        numbers = os.statvfs(path)
        return numbers.f_bavail * numbers.f_frsize
