"""What one record of the log holds: a submission, word of a refusal, or nothing any more, as MessagePack.

The log itself stores bytes and knows nothing of this.
"""

import msgspec
from msgspec import Struct

from trackway.event import Submission


class Refusal(Struct, frozen=True, kw_only=True, array_like=True, tag="refusal"):
    """The door refused something a known source sent; kept for the books, and to be parsed again one day.

    `events` counts the refused events of one request that share a reason, `indexes` are their places
    (none: the whole request), and `items` says of the first of them which it is (-1: none of them), which
    field is wrong and why.
    `submission` is what was sent, its body cut where `cut` says so. Records of before have no
    submission, but the start of its body in `body`.
    """

    refusal_id: bytes
    received_at: int
    workspace: str
    source: str
    reason: str
    message: str
    field: str
    events: int
    body: bytes = b""
    submission: Submission | None = None
    cut: bool = False
    indexes: tuple[int, ...] = ()
    items: tuple[tuple[int, str, str], ...] = ()


class Accepted(Struct, frozen=True, array_like=True, tag="submission"):
    submission: Submission


class Erased(Struct, frozen=True, array_like=True, tag="erased"):
    """A record that was overwritten because of a person's erasure; everyone passes over it."""

    filling: bytes


# An array of two, the tag, and bytes whose length takes four bytes whatever it is.
_ERASED_HEAD = b"\x92\xa6erased\xc6"
_LENGTH_BYTES = 4

_ENCODER = msgspec.msgpack.Encoder()
_DECODER: "msgspec.msgpack.Decoder[Accepted | Refusal | Erased]" = msgspec.msgpack.Decoder(Accepted | Refusal | Erased)


def encode_record(record: Submission | Refusal) -> bytes:
    return _ENCODER.encode(Accepted(record) if isinstance(record, Submission) else record)


def encode_erased(length: int) -> bytes:
    """An `Erased` of exactly `length` bytes. ValueError below 13, which no submission or refusal is."""
    filling = length - len(_ERASED_HEAD) - _LENGTH_BYTES
    if filling < 0:
        raise ValueError(f"an erased record takes at least {length - filling} bytes, not {length}")
    return _ERASED_HEAD + filling.to_bytes(_LENGTH_BYTES, "big") + bytes(filling)


def decode_record(payload: bytes) -> Submission | Refusal | Erased:
    """msgspec.DecodeError or ValidationError when `payload` is no record of this version."""
    record = _DECODER.decode(payload)
    return record.submission if isinstance(record, Accepted) else record
