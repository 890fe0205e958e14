"""What the pipeline writes into the relational state: one transaction per batch.

The position moves in the same transaction as everything that was counted and set aside, so a
crash leaves both as they were before the batch, or both as after it.
"""

from collections import Counter
from collections.abc import Callable, Sequence

from msgspec import Struct, field
from sqlalchemy import Connection, delete, func, select

from trackway.control.database import State, add_up
from trackway.control.tables import DEAD_LETTERS, KEPT_LETTERS, POSITIONS, RECEIVED, REJECTED, SWALLOWING_KEYS
from trackway.eventlog.interface import Position

MINUTE_MS = 60_000
DAY_MS = 86_400_000


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
    protocol: str = ""
    field: str = ""
    submission: str = ""
    content: str = ""
    cut: bool = False
    events: int = 1
    indexes: str = ""
    items: str = "[]"


class Cap(Struct, frozen=True):
    """Most that is kept of one source, day and kind of letter."""

    letters: int = 10_000
    bytes: int = 20_000_000


# What a sender can make any number of. A dead letter holds what was acknowledged: it is always kept.
CAPPED_KINDS = ("rejected", "conflict")


class Account(Struct):
    """What one batch adds to the books."""

    cap: Cap = Cap()

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
    """`also` writes what else belongs into the transaction, when letters are there."""
    with state.write() as connection:
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
        _set_aside(connection, choose_kept(connection, account.set_aside, account.cap))
        also(connection)


def keep_letters(state: State, letters: Sequence[DeadLetter]) -> None:
    """Letters of a batch that is not committed yet; the same again changes nothing."""
    with state.write() as connection:
        _set_aside(connection, letters)


def choose_kept(connection: Connection, letters: Sequence[DeadLetter], cap: Cap) -> list[DeadLetter]:
    """Those for which there is room; of the others it is counted that they were."""
    kept: list[DeadLetter] = []
    counts: dict[tuple[str, int, str], list[int]] = {}
    t = KEPT_LETTERS.c
    for letter in letters:
        if letter.kind not in CAPPED_KINDS:
            kept.append(letter)
            continue
        key = (letter.source, letter.received_at // DAY_MS, letter.kind)
        if key not in counts:
            where = (t.source == key[0], t.day == key[1], t.kind == key[2])
            row = connection.execute(select(t.letters, t.bytes, t.not_kept).where(*where)).first()
            counts[key] = list(row) if row else [0, 0, 0]
        count, size = counts[key], len(letter.payload)
        if count[0] < cap.letters and count[1] + size <= cap.bytes:
            count[0], count[1] = count[0] + 1, count[1] + size
            kept.append(letter)
        else:
            count[2] += 1
    names = ("letters", "bytes", "not_kept")
    rows = [
        {"source": source, "day": day, "kind": kind} | dict(zip(names, count, strict=True))
        for (source, day, kind), count in counts.items()
    ]
    add_up(connection, KEPT_LETTERS, rows, counted=(), latest=names)
    return kept


def _set_aside(connection: Connection, letters: Sequence[DeadLetter]) -> None:
    """A letter that is there already (the same conflict again) stays as it is."""
    rows = {letter.id: {name: getattr(letter, name) for name in DeadLetter.__struct_fields__} for letter in letters}
    add_up(connection, DEAD_LETTERS, list(rows.values()), counted=(), latest=("received_at",))


def forget_old_letters(state: State, before_ms: int) -> int:
    with state.write() as connection:
        connection.execute(delete(KEPT_LETTERS).where(KEPT_LETTERS.c.day < before_ms // DAY_MS))
        return connection.execute(delete(DEAD_LETTERS).where(DEAD_LETTERS.c.received_at < before_ms)).rowcount
