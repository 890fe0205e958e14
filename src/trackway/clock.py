"""Times as integers: milliseconds since 1970-01-01 UTC, and their text form."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from trackway.event import TimeRule

Clock = Callable[[], int]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)

# The end of the year 9999: what lies behind fits neither a date nor the columns of a database.
LAST_MS = 253_402_300_799_999
LATEST_AHEAD_MS = 24 * 3600 * 1000
CLOCK_ERROR_NOTICED_MS = 2000


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def parse_time(value: str | int | float) -> int:
    """ISO 8601 text (no zone means UTC), or a number of seconds or, from 1e11 up, milliseconds.

    Returns milliseconds since 1970. ValueError when it is neither, or outside the years 1970 to 9999.
    """
    if isinstance(value, str):
        moment = datetime.fromisoformat(value.strip())
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        ms = (moment - _EPOCH) // _MILLISECOND
    else:
        ms = int(value if abs(value) >= 1e11 else value * 1000)
    if ms < 0:
        raise ValueError("is before 1970-01-01")
    if ms > LAST_MS:
        raise ValueError("is after the year 9999")
    return ms


def format_time(ms: int) -> str:
    """`2026-01-31T10:00:00.000Z`."""
    return (_EPOCH + ms * _MILLISECOND).strftime("%Y-%m-%dT%H:%M:%S.") + f"{ms % 1000:03d}Z"


def decide_time(said_ms: int | None, sent_ms: int | None, received_ms: int) -> tuple[int, TimeRule]:
    """When an event occurred, and by which rule.

    A sender that also says when it sent the event lets us measure its clock error
    (received - sent) and subtract it; network delay counts as clock error, so an error below
    two seconds is left alone.
    ValueError when the result lies more than 24 hours in the future.
    """
    if said_ms is None:
        return received_ms, "received"
    if sent_ms is not None and abs(received_ms - sent_ms) > CLOCK_ERROR_NOTICED_MS:
        said_ms, rule = max(0, said_ms + received_ms - sent_ms), "corrected"
    else:
        rule = "client"
    if said_ms > received_ms + LATEST_AHEAD_MS:
        raise ValueError("lies more than 24 hours in the future; send sent_at too if the clock may be wrong")
    return said_ms, rule  # type: ignore[return-value]
