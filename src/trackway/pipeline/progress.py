"""What the pipeline writes into the relational state: one transaction per batch.

The position moves in the same transaction as everything that was counted and set aside, so a
crash leaves both as they were before the batch, or both as after it.
"""

from collections import Counter
from collections.abc import Callable, Sequence

from msgspec import Struct, field
from sqlalchemy import Connection, delete, func, select

from trackway.control.database import State, add_up
from trackway.control.tables import DEAD_LETTERS, POSITIONS, RECEIVED, REJECTED, SWALLOWING_KEYS
from trackway.eventlog.interface import Position

MINUTE_MS = 60_000


class DeadLetter(Struct, frozen=True, kw_only=True):
    """Something that is kept aside with the reason: `kind` is dead_letter, conflict, rejected or damage."""

    id: str
    workspace: str
    source: str
    kind: str
    reason: str
    detail: str
    event_id: str
    payload: bytes
    received_at: int


class Account(Struct):
    """What one batch adds to the books."""

    received: Counter[tuple[str, int]] = field(default_factory=Counter)
    rejected: Counter[tuple[str, int, str]] = field(default_factory=Counter)
    swallowed: Counter[tuple[str, str]] = field(default_factory=Counter)
    set_aside: list[DeadLetter] = field(default_factory=list)

    def receive(self, source: str, received_at: int, events: int) -> None:
        self.received[source, received_at // MINUTE_MS] += events

    def reject(self, source: str, received_at: int, reason: str, events: int) -> None:
        self.rejected[source, received_at // MINUTE_MS, reason] += events


def read_position(state: State, stream: str) -> Position:
    with state.read() as connection:
        row = connection.execute(select(POSITIONS).where(POSITIONS.c.stream == stream)).first()
    return Position(row.segment, row.ordinal, row.offset) if row else Position.start()


def read_newest_commit(state: State) -> int:
    """When a batch was last committed, by the pipeline's clock; 0 when none was."""
    with state.read() as connection:
        return connection.execute(select(func.max(POSITIONS.c.committed_at))).scalar() or 0


def commit_batch(
    state: State,
    stream: str,
    position: Position,
    account: Account,
    now: int,
    also: Callable[[Connection], None] = lambda connection: None,
) -> None:
    """`also` writes what else belongs into the transaction."""
    with state.write() as connection:
        also(connection)
        moved = {
            "segment": position.segment,
            "ordinal": position.ordinal,
            "offset": position.offset,
            "committed_at": now,
        }
        add_up(connection, POSITIONS, [{"stream": stream, **moved}], counted=(), latest=tuple(moved))
        add_up(
            connection,
            RECEIVED,
            [{"source": s, "minute": m, "events": n} for (s, m), n in account.received.items()],
            counted=("events",),
        )
        add_up(
            connection,
            REJECTED,
            [{"source": s, "minute": m, "reason": r, "events": n} for (s, m, r), n in account.rejected.items()],
            counted=("events",),
        )
        add_up(
            connection,
            SWALLOWING_KEYS,
            [{"source": s, "dedupe_key": k, "swallowed": n, "last_at": now} for (s, k), n in account.swallowed.items()],
            counted=("swallowed",),
            latest=("last_at",),
        )
        _set_aside(connection, account.set_aside)


def keep_letters(state: State, letters: Sequence[DeadLetter]) -> None:
    """Letters of a batch that is not committed yet; the same again changes nothing."""
    with state.write() as connection:
        _set_aside(connection, letters)


def _set_aside(connection: Connection, letters: Sequence[DeadLetter]) -> None:
    """A letter that is there already (the same conflict again) stays as it is."""
    rows = {letter.id: {name: getattr(letter, name) for name in DeadLetter.__struct_fields__} for letter in letters}
    add_up(connection, DEAD_LETTERS, list(rows.values()), counted=(), latest=("received_at",))


def forget_old_letters(state: State, before_ms: int) -> int:
    with state.write() as connection:
        return connection.execute(delete(DEAD_LETTERS).where(DEAD_LETTERS.c.received_at < before_ms)).rowcount
