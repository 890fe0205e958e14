"""What the relational state knows of the road: positions, what the door counted, what was set aside.

Station 5. Each function is one read transaction; the pipeline is the only writer of these tables.
"""

from collections.abc import Mapping

from msgspec import Struct
from sqlalchemy import Connection, func, select

from trackway.control.database import State
from trackway.control.privacy_requests import is_removing
from trackway.control.replaced import is_replacing
from trackway.control.tables import DEAD_LETTERS, POSITIONS, RECEIVED, REJECTED, SOURCES, SWALLOWING_KEYS
from trackway.eventlog.interface import Position
from trackway.profiles.held import count_held

MINUTE_MS = 60_000

# A line of the books: a source, and a minute since 1970 or None for all time.
LineKey = tuple[str, int | None]


class Counts(Struct, frozen=True):
    """What the pipeline has counted up to `positions`, read in one transaction with them.

    While `removing`, rows of the store are on their way out: some stand there twice, as themselves and as
    the outcome `dropped`.

    `held` events wait for consent; what came of one later was stored after `committed_at`.
    """

    positions: Mapping[str, Position]
    sources: tuple[str, ...]
    received: Mapping[LineKey, int]
    rejected: Mapping[tuple[LineKey, str], int]
    removing: bool
    held: Mapping[LineKey, int]
    committed_at: int


class SetAside(Struct, frozen=True):
    source: str
    reason: str
    detail: str
    received_at: int


class SwallowingKey(Struct, frozen=True):
    """A dedupe_key that swallowed events of several visitors: it is badly chosen."""

    dedupe_key: str
    swallowed: int
    last_at: int


def read_positions(state: State) -> dict[str, Position]:
    """How far the pipeline is in each stream; a stream that is not named was not begun."""
    with state.read() as connection:
        return _read_positions(connection)


def look_whether_removing(state: State) -> bool:
    with state.read() as connection:
        return is_removing(connection) or is_replacing(connection)


def _read_positions(connection: Connection) -> dict[str, Position]:
    rows = connection.execute(select(POSITIONS))
    return {row.stream: Position(row.segment, row.ordinal, row.offset) for row in rows}


def read_counts(state: State, workspace: str, from_minute: int | None) -> Counts:
    """Totals of all time under minute None and, where `from_minute` is given, each minute from it on."""
    in_order = select(SOURCES.c.id).where(SOURCES.c.workspace == workspace).order_by(SOURCES.c.created_at, SOURCES.c.id)
    with state.read() as connection:
        positions = _read_positions(connection)
        ids = tuple(connection.execute(in_order).scalars())
        received = _read_received(connection, ids, from_minute)
        rejected = _read_rejected(connection, ids, from_minute)
        removing = is_removing(connection) or is_replacing(connection)
        held = _read_held(connection, workspace, from_minute)
        committed_at = connection.execute(select(func.max(POSITIONS.c.committed_at))).scalar() or 0
    return Counts(positions, ids, received, rejected, removing, held, committed_at)


def _read_held(connection: Connection, workspace: str, from_minute: int | None) -> dict[LineKey, int]:
    counts: dict[LineKey, int] = {
        (source, None): events for (source, _), events in count_held(connection, workspace).items()
    }
    if from_minute is not None:
        recent = count_held(connection, workspace, MINUTE_MS, from_minute * MINUTE_MS)
        counts |= {(source, minute): events for (source, minute), events in recent.items()}
    return counts


def _read_received(connection: Connection, ids: tuple[str, ...], from_minute: int | None) -> dict[LineKey, int]:
    t = RECEIVED.c
    total = select(t.source, func.sum(t.events)).where(t.source.in_(ids)).group_by(t.source)
    counts: dict[LineKey, int] = {(source, None): int(events) for source, events in connection.execute(total)}
    if from_minute is not None:
        recent = select(t.source, t.minute, t.events).where(t.source.in_(ids), t.minute >= from_minute)
        counts |= {(source, minute): events for source, minute, events in connection.execute(recent)}
    return counts


def _read_rejected(
    connection: Connection, ids: tuple[str, ...], from_minute: int | None
) -> dict[tuple[LineKey, str], int]:
    t = REJECTED.c
    total = select(t.source, t.reason, func.sum(t.events)).where(t.source.in_(ids)).group_by(t.source, t.reason)
    counts: dict[tuple[LineKey, str], int] = {
        ((source, None), reason): int(events) for source, reason, events in connection.execute(total)
    }
    if from_minute is not None:
        recent = select(t.source, t.minute, t.reason, t.events).where(t.source.in_(ids), t.minute >= from_minute)
        counts |= {((source, minute), reason): events for source, minute, reason, events in connection.execute(recent)}
    return counts


def read_last_minutes(state: State, workspace: str) -> dict[str, int]:
    """The last minute (since 1970) in which each source sent something that was received."""
    query = (
        select(RECEIVED.c.source, func.max(RECEIVED.c.minute).label("minute"))
        .join(SOURCES, SOURCES.c.id == RECEIVED.c.source)
        .where(SOURCES.c.workspace == workspace, RECEIVED.c.events > 0)
        .group_by(RECEIVED.c.source)
    )
    with state.read() as connection:
        return {row.source: row.minute for row in connection.execute(query)}


def read_swallowing_keys(state: State, workspace: str, most: int) -> dict[str, list[SwallowingKey]]:
    """By source, the keys that swallowed the most; at most `most` in all."""
    query = (
        select(SWALLOWING_KEYS)
        .join(SOURCES, SOURCES.c.id == SWALLOWING_KEYS.c.source)
        .where(SOURCES.c.workspace == workspace)
        .order_by(SWALLOWING_KEYS.c.swallowed.desc(), SWALLOWING_KEYS.c.dedupe_key)
        .limit(most)
    )
    keys: dict[str, list[SwallowingKey]] = {}
    with state.read() as connection:
        for row in connection.execute(query):
            keys.setdefault(row.source, []).append(SwallowingKey(row.dedupe_key, row.swallowed, row.last_at))
    return keys


def find_dead_letter(state: State, workspace: str, event_id: str) -> SetAside | None:
    query = select(DEAD_LETTERS).where(
        DEAD_LETTERS.c.event_id == event_id,
        DEAD_LETTERS.c.workspace == workspace,
        DEAD_LETTERS.c.kind == "dead_letter",
    )
    with state.read() as connection:
        row = connection.execute(query).first()
    return SetAside(row.source, row.reason, row.detail, row.received_at) if row else None
