"""What one record of the log holds: a submission, or word of a refusal, as MessagePack.

The log itself stores bytes and knows nothing of this.
"""

import msgspec
from msgspec import Struct

from trackway.event import Submission


class Refusal(Struct, frozen=True, kw_only=True, array_like=True, tag="refusal"):
    """The door refused something a known source sent; kept so that the books can say so.

    `events` counts the refused events of one request that share a reason. `body` is the start of
    what was sent.
    """

    refusal_id: bytes
    received_at: int
    workspace: str
    source: str
    reason: str
    message: str
    field: str
    events: int
    body: bytes


class Accepted(Struct, frozen=True, array_like=True, tag="submission"):
    submission: Submission


_ENCODER = msgspec.msgpack.Encoder()
_DECODER: "msgspec.msgpack.Decoder[Accepted | Refusal]" = msgspec.msgpack.Decoder(Accepted | Refusal)


def encode_record(record: Submission | Refusal) -> bytes:
    return _ENCODER.encode(Accepted(record) if isinstance(record, Submission) else record)


def decode_record(payload: bytes) -> Submission | Refusal:
    """msgspec.DecodeError or ValidationError when `payload` is no record of this version."""
    record = _DECODER.decode(payload)
    return record.submission if isinstance(record, Accepted) else record
