"""Says whether anything was written since the last look, for a hundredth of what reading costs.

It asks for the state of two folders and one file of each stream, and lists nothing: cheap enough to look all the time, so
that nothing depends on being woken.
"""

import os
from pathlib import Path

from trackway.eventlog.lock import DAMAGED_FOLDER
from trackway.eventlog.segment import list_segments, name_segment
from trackway.eventlog.storage import Storage

# Time of change and length of a file or folder; None where there is none.
_Mark = tuple[int, int] | None


class LogWatch:
    """Of one log. What it says may be late by the clock of the file system, some milliseconds in which two files begin:
    whoever relies on it reads now and then without asking."""

    def __init__(self, directory: Path, storage: Storage) -> None:
        self._directory, self._storage = directory, storage
        self._paths: list[Path] = []
        self._marks: list[_Mark] | None = None

    def has_grown(self) -> bool:
        """True at first, and whenever a stream is longer than at the last call, has another segment or is new."""
        if self._marks is not None and self._look() == self._marks:
            return False
        self._paths = self._list_paths()
        # Taken before anything is read: what is written meanwhile shows at the next call.
        self._marks = self._look()
        return True

    def _look(self) -> list[_Mark]:
        return [_mark(path) for path in self._paths]

    def _list_paths(self) -> list[Path]:
        """The folders, and of each stream the segment that may grow."""
        paths = [self._directory]
        for name in sorted(self._storage.list(self._directory)):
            folder = self._directory / name
            if name == DAMAGED_FOLDER or not folder.is_dir():
                continue
            paths.append(folder)
            paths += [folder / name_segment(number) for number in list_segments(self._storage.list(folder))[-1:]]
        return paths


def _mark(path: Path) -> _Mark:
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    return found.st_mtime_ns, found.st_size
