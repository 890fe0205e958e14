"""How processes of one installation wake each other, rather than look all the time.

A bell is a pipe whose both ends the supervisor holds: whoever dies, the others' ends stay good, and whoever is started
again gets the same. It says that there may be something new and never what, so one that is not heard costs only the time
until the listener looks anyway.
"""

import contextlib
import os
import select
import signal
from collections.abc import Iterator

_ENOUGH = 4096


class Bell:
    """Its ends are handles that may be passed on to children; -1 is none."""

    def __init__(self, ear: int, hammer: int) -> None:
        self.ear, self.hammer = ear, hammer

    def ring(self) -> None:
        """Never waits and never fails: of a pipe that is full everyone has heard, or will."""
        with contextlib.suppress(OSError):
            os.write(self.hammer, b"\0")

    def wait(self, seconds: float) -> bool:
        """Until it rings, or so long. True when it rang, also before it was waited for."""
        rang = bool(select.select([self.ear], [], [], seconds)[0])
        if rang:
            with contextlib.suppress(BlockingIOError):
                os.read(self.ear, _ENOUGH)
        return rang


@contextlib.contextmanager
def make_bell() -> Iterator[Bell]:
    ear, hammer = os.pipe()
    try:
        for end in (ear, hammer):
            os.set_blocking(end, False)
        yield Bell(ear, hammer)
    finally:
        os.close(ear)
        os.close(hammer)


@contextlib.contextmanager
def ring_at_signals(bell: Bell) -> Iterator[None]:
    """It rings at every signal that has a handler, so that waiting ends. Python's own sleep goes on after one."""
    before = signal.set_wakeup_fd(bell.hammer, warn_on_full_buffer=False)
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
