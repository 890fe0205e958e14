"""One writer per stream: a lock file in the stream's folder, held for as long as the process lives.

`flock` belongs to the open file, so it vanishes with the process however that ends: a stale
lock file never blocks, and its content is only there to be named in a message.
"""

import fcntl
import os
import re
import time
from pathlib import Path

from trackway.eventlog.interface import StreamInUse

DAMAGED_FOLDER = "damaged"
_LOCK_NAME = "lock"
_TRIES = 4
_PAUSE_S = 0.05


def check_stream_name(stream: str) -> None:
    """ValueError when `stream` cannot be a folder's name and a header's field."""
    if not re.fullmatch(r"[a-z0-9_-]{1,32}", stream) or stream == DAMAGED_FOLDER:
        raise ValueError(f"a stream's name is 1 to 32 of a-z, 0-9, _ and -, and not {DAMAGED_FOLDER}: {stream!r}")


def lock_stream(folder: Path) -> int:
    """Take the stream for this process until the returned handle is closed. StreamInUse when taken."""
    handle = os.open(folder / _LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    for tries_left in reversed(range(_TRIES)):
        if _try_lock(handle):
            break
        if tries_left == 0:
            owner = os.pread(handle, 100, 0).decode(errors="replace").strip() or "another process"
            os.close(handle)
            raise StreamInUse(f"{folder} is being written by {owner}: stop it first, or choose another stream")
        # `is_being_written` holds the lock for an instant; that must not turn a writer away.
        time.sleep(_PAUSE_S)
    os.ftruncate(handle, 0)
    os.pwrite(handle, f"process {os.getpid()}\n".encode(), 0)
    return handle


def is_being_written(folder: Path) -> bool:
    """Whether some process holds the stream now."""
    try:
        handle = os.open(folder / _LOCK_NAME, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        return not _try_lock(handle)
    finally:
        os.close(handle)


def _try_lock(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
