"""Refuses a body that holds far more values than anybody sends: ten million numbers pack into 20 KB, and to read them
takes seconds, at the door and wherever they are read again.

Values are counted by the commas, brackets and braces that stand outside of texts. Of what is no JSON the count says
nothing; it is right of all that a protocol would take.
"""

from trackway.collect.limits import Limits
from trackway.outcome import Reason, refuse

# Of more commas a sender who is not known yet is not asked for a key in the body.
MOST_SEPARATORS = 500_000

_MARKS = b",[{"
_DELETED = bytes(byte for byte in range(256) if byte not in _MARKS + b'"')


def is_bulky(body: bytes) -> bool:
    return body.count(b",") > MOST_SEPARATORS


def check_values(body: bytes, limits: Limits) -> None:
    """Refused when there are more values in the body than a call may have. Takes some 10 ms of 20 MB, 0.1 s at the worst."""
    most = limits.values_per_call
    if sum(body.count(mark) for mark in (b",", b"[", b"{")) > most and _count_outside_texts(body, most) > most:
        raise refuse(
            Reason.TOO_MANY_VALUES,
            f"more than {most} JSON values in one call (limit values_per_call); send fewer or smaller events per call",
        )


def check_copies(size: int, events: int, limits: Limits, field: str) -> None:
    """Refused when what is sent once for all events is too much once each of them has it: `size` bytes of JSON."""
    if size * events > limits.decompressed_bytes:
        raise refuse(
            Reason.EVENT_TOO_LARGE,
            f"what stands beside {events} events goes with each of them, and together that is more than"
            f" {limits.decompressed_bytes} bytes (limit decompressed_bytes); send fewer events per call",
            field=field,
        )


def _count_outside_texts(body: bytes, most: int) -> int:
    """How many marks stand outside of texts; some number above `most` where it is certain that there are more."""
    if b"\\" in body:
        body = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    # Two quotes with nothing between them change nothing of what is inside and what is outside.
    left = body.translate(None, _DELETED).replace(b'""', b"")
    if left.count(b'"') > 4 * (most + 1):
        # A value has two texts at the most, its name and itself.
        return most + 1
    return sum(map(len, left.split(b'"')[::2]))
