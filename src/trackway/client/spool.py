"""The spool's folder: one folder in it per write key, so that no event is sent under another source's key.

`key-<fingerprint>/` holds the files of waiting events (segments.py), and `rejected.jsonl`: what the server
will never take, with its verdict, for somebody to look at.
"""

import contextlib
import json
import logging
import os
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

from trackway.client.reports import Rejected
from trackway.client.segments import SUFFIX, FileSegment, adopt_segment, create_segment, has_locks, is_left_behind

LOG = logging.getLogger("trackway.client")
KEPT_BYTES = 8 << 20


class Spool:
    """Makes and finds the files. OSError when the folder cannot be made or written to."""

    def __init__(self, root: Path, write_key: str) -> None:
        if not has_locks():
            raise OSError("a spool needs file locks as Unix has them; leave spool out to keep events in memory")
        self.root = root
        self.folder = root / f"key-{sha256(write_key.encode()).hexdigest()[:8]}"
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not os.access(self.folder, os.W_OK | os.X_OK):
            raise PermissionError(f"{self.folder} cannot be written to by this user")

    def create(self) -> FileSegment:
        return create_segment(self.folder)

    def has_files(self) -> bool:
        return next(self._find(self.folder), None) is not None

    def adopt(self) -> Iterator[FileSegment]:
        """Files that no process holds, the oldest first; each is ours when it is handed out."""
        for path in sorted(self._find(self.folder)):
            try:
                segment = adopt_segment(path)
            except OSError as error:
                LOG.error("%s cannot be read, its events stay there: %s", path, error)
                continue
            if segment is not None:
                yield segment

    def keep_rejected(self, rejected: Rejected, at: str) -> None:
        """Beside the events. At most two files of 8 MiB each: the older one is replaced."""
        path = self.folder / "rejected.jsonl"
        line = json.dumps({"rejected_at": at, **rejected._asdict()}, ensure_ascii=False) + "\n"
        try:
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_size > KEPT_BYTES:
                    path.replace(path.with_suffix(".old.jsonl"))
            with open(path, "a", encoding="utf-8", opener=_open_private) as file:
                file.write(line)
        except OSError as error:
            LOG.error("a rejected event could not be kept in %s: %s", path, error)

    def warn_of_others(self) -> None:
        """Events under a key that nobody uses any more wait for ever, unless somebody is told."""
        for folder in sorted(self.root.glob("key-*")):
            if folder != self.folder and any(is_left_behind(path) for path in self._find(folder)):
                LOG.warning(
                    "%s holds unsent events of another write key. A client with that key sends them; "
                    "if this client's key replaces it, move the files into %s",
                    *(folder, self.folder),
                )

    @staticmethod
    def _find(folder: Path) -> Iterator[Path]:
        return folder.glob(f"*{SUFFIX}")


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
