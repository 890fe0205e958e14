"""Ids that sort by time and repeat on a replay.

A submission's id is a UUIDv7 whose lowest 16 bits are zero; the id of its n-th event is that
number plus n. So an event id names its submission, and replaying a submission gives the same ids.
"""

import os
import uuid

EVENTS_PER_SUBMISSION = 1 << 16


def make_submission_id(now_ms: int) -> bytes:
    """UUIDv7 (RFC 9562) of `now_ms`, 16 bytes, with room for 65,536 events."""
    random = int.from_bytes(os.urandom(8), "big")
    value = (now_ms & 0xFFFF_FFFF_FFFF) << 80
    value |= 0x7 << 76 | (random >> 52) << 64
    value |= 0b10 << 62 | (random & 0x3FFF_FFFF_FFFF) << 16
    return value.to_bytes(16, "big")


def make_event_id(submission_id: bytes, index: int) -> str:
    """Text form of the id of the submission's event number `index`."""
    digits = submission_id.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:28]}{index:04x}"


def read_event_id(event_id: str) -> tuple[bytes, int]:
    """The submission id and index behind an event id. ValueError when it is no UUID."""
    value = uuid.UUID(event_id).int
    return (value & ~0xFFFF).to_bytes(16, "big"), value & 0xFFFF


def read_event_index(event_id: str) -> int:
    """The event's place in its submission, from a well-formed id."""
    return int(event_id[-4:], 16)
