"""What a client tells its program: figures, and verdicts on events that were rejected."""

from typing import Any, NamedTuple


class Stats(NamedTuple):
    """Events of this process since the client was made. The books balance:

    tracked + adopted = accepted + duplicate + rejected + dropped + damaged + waiting.
    """

    tracked: int
    adopted: int
    accepted: int
    duplicate: int
    rejected: int
    dropped: int
    damaged: int
    waiting: int
    failed_calls: int
    last_error: str


class Rejected(NamedTuple):
    """An event that the server will never take, in the server's words."""

    event: dict[str, Any]
    reason: str
    field: str
    message: str


class QueueFull(Exception):
    """Too much waits to be sent, and the client was made with `when_full="raise"`."""
