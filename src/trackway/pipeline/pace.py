"""When the pipeline reads the log and when it looks around, so that with nothing to do it costs next to nothing.

It asks whether anything was written each time it is woken, and five times a second whether anything was and whether anybody
changed the state; this is asked of the operating system and of SQLite without a question to either database. So it is late
by a fifth of a second where nobody wakes it.
"""

import time

from trackway.control.database import State
from trackway.eventlog.interface import EventLogReader

LOOK_AROUND_S = 0.1
# Also where nothing seems to have changed: what is held expires, the store ends what it was told to do.
ANYWAY_S = 2.0


class Pace:
    """Of one pipeline."""

    def __init__(self, log: EventLogReader, state: State) -> None:
        self._growth, self._changes = log.watch(), state.watch()
        self._more = True
        self._read_at = self._asked_at = float("-inf")

    def should_read(self) -> bool:
        """Something was written since there was nothing more, or that was a while ago."""
        now = time.monotonic()
        if not (self._growth.has_grown() or self._more or now - self._read_at > ANYWAY_S):
            return False
        # Until `note_read` says otherwise: a reading that fails is to be done again.
        self._read_at, self._more = now, True
        return True

    def note_read(self, *, moved: bool) -> None:
        """It was read, and did it bring anything? Then there may be more."""
        self._more = moved

    def should_look(self, looked_at: float, *, settled: bool) -> bool:
        """After each batch that was `settled`; otherwise when the state has changed, or a while after `looked_at`."""
        now = time.monotonic()
        if not settled and now - looked_at <= ANYWAY_S:
            if now - self._asked_at <= LOOK_AROUND_S:
                return False
            return self._ask(now)
        # Asked all the same: what is looked at now is nothing new at the next question.
        self._ask(now)
        return True

    def _ask(self, now: float) -> bool:
        self._asked_at = now
        changed = self._changes.has_changed()
        # Where the look fails, the one a while later makes up for it.
        self._changes.note_seen()
        return changed
