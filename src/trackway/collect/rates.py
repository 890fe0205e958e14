"""How often a source may ask: its setting `rate_limit`, requests per minute.

Counted in windows of a minute that begin with the first request, in the memory of one collector
process; several processes each count for themselves. A refused request is not kept, or whoever sends
too much would fill the log all the same: only how many there were is told, once per window.
"""

from msgspec import Struct

from trackway.clock import Clock
from trackway.event import Source
from trackway.ids import make_submission_id
from trackway.outcome import Reason, Refused, refuse
from trackway.records import Refusal

SETTING = "rate_limit"
WINDOW_MS = 60_000


class Window(Struct, gc=False):
    """The current minute of one source."""

    workspace: str
    begins_at: int
    taken: int = 0
    refused: int = 0


class Rate(Struct, frozen=True, gc=False):
    """How a source stands after a request. `allowed` is false when this one was too much."""

    limit: int
    remaining: int
    resets_at: int
    wait_s: int
    allowed: bool

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """For every answer to the source; a page may read them."""
        said = [
            (b"x-ratelimit-limit", b"%d" % self.limit),
            (b"x-ratelimit-remaining", b"%d" % self.remaining),
            (b"x-ratelimit-reset", b"%d" % -(-self.resets_at // 1000)),
            (b"x-ratelimit-policy", b"%d;w=%d" % (self.limit, WINDOW_MS // 1000)),
        ]
        if not self.allowed:
            said.append((b"retry-after", b"%d" % self.wait_s))
        return [*said, (b"access-control-expose-headers", b", ".join(name for name, _ in said))]

    def refused(self) -> Refused:
        said = f"more than {self.limit} requests in a minute (the source's setting rate_limit)"
        return refuse(Reason.RATE_LIMITED, f"{said}; send it again in {self.wait_s} s")


def word_window(source: str, window: Window) -> Refusal:
    return Refusal(
        refusal_id=make_submission_id(window.begins_at),
        received_at=window.begins_at,
        workspace=window.workspace,
        source=source,
        reason=Reason.RATE_LIMITED.value,
        message=f"{window.refused} requests in a minute were over the source's setting rate_limit; none is kept",
        field="",
        events=window.refused,
    )


class Rates:
    """The windows of all sources that have a limit."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._windows: dict[str, Window] = {}
        self._ended: list[Refusal] = []

    def take(self, source: Source) -> Rate | None:
        """Count a request; None for a source without a limit."""
        setting = source.settings.get(SETTING)
        if not setting:
            return None
        limit, now = int(setting), self._clock()
        window = self._windows.get(source.id)
        if window is None or not window.begins_at <= now < window.begins_at + WINDOW_MS:
            self._end(source.id)
            window = self._windows[source.id] = Window(source.workspace, now)
        allowed = window.taken < limit
        if allowed:
            window.taken += 1
        else:
            window.refused += 1
        resets_at = window.begins_at + WINDOW_MS
        return Rate(limit, max(0, limit - window.taken), resets_at, max(1, -(-(resets_at - now) // 1000)), allowed)

    def _end(self, source: str) -> None:
        window = self._windows.pop(source, None)
        if window is not None and window.refused:
            self._ended.append(word_window(source, window))

    def take_ended(self, *, all: bool = False) -> list[Refusal]:
        """Word of what was refused in the windows that are over (`all`: in every one), each told once."""
        now = self._clock()
        for source in [s for s, w in self._windows.items() if all or now >= w.begins_at + WINDOW_MS]:
            self._end(source)
        ended, self._ended = self._ended, []
        return ended
