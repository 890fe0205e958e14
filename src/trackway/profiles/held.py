"""Events that are held until their person agrees to be tracked: their rows in the relational state.

Policies say `hold`. The pipeline is the only writer: it puts events here in the transaction that commits
their batch, and takes them out in the one that commits what became of them. Between, whatever may have
changed how their person stands only marks them (`look_again`); what that means is decided later.
"""

from collections.abc import Collection, Iterable, Sequence

import msgspec
from msgspec import Struct
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Row,
    String,
    Table,
    delete,
    func,
    select,
    update,
)

from trackway.control.database import State, add_up
from trackway.control.tables import METADATA
from trackway.event import Event, LogPlace
from trackway.profiles.consents import find_members
from trackway.profiles.ledger import in_chunks

# `payload` is the Event as it will be stored, as JSON; `look_at` is when somebody should see how its
# person stands: when it expires, or 0 for as soon as possible.
HELD_EVENTS = Table(
    "held_events",
    METADATA,
    Column("event_id", String(40), primary_key=True),
    Column("workspace", String(60), nullable=False),
    Column("source", String(60), nullable=False),
    Column("segment", BigInteger, nullable=False),
    Column("record", BigInteger, nullable=False),
    Column("place", Integer, nullable=False),
    Column("received_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("look_at", BigInteger, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Index("ix_held_events_workspace_source_received_at", "workspace", "source", "received_at"),
    Index("ix_held_events_look_at", "look_at"),
)

# Every identifier of a held event: the consent of any of them releases it.
HELD_NODES = Table(
    "held_nodes",
    METADATA,
    Column("node", LargeBinary(16), primary_key=True),
    Column("event_id", String(40), ForeignKey("held_events.event_id"), primary_key=True),
    Index("ix_held_nodes_event_id", "event_id"),
)


class HeldEvent(Struct, frozen=True):
    """An event with its place in the log, whom it names, and until when it waits."""

    event: Event
    place: LogPlace
    nodes: tuple[bytes, ...]
    expires_at: int


def holds_any(connection: Connection) -> bool:
    return connection.execute(select(HELD_EVENTS.c.event_id).limit(1)).first() is not None


def write_held(connection: Connection, held: Sequence[HeldEvent]) -> None:
    """The same again changes nothing."""
    rows = [
        {
            "event_id": each.event.event_id,
            "workspace": each.event.workspace,
            "source": each.event.source,
            "segment": each.place.segment,
            "record": each.place.record,
            "place": each.place.index,
            "received_at": each.event.received_at,
            "expires_at": each.expires_at,
            "look_at": each.expires_at,
            "payload": msgspec.json.encode(each.event),
        }
        for each in held
    ]
    nodes = [{"node": node, "event_id": each.event.event_id} for each in held for node in set(each.nodes)]
    add_up(connection, HELD_EVENTS, rows, counted=(), latest=("expires_at",))
    add_up(connection, HELD_NODES, nodes, counted=(), latest=("event_id",))


def look_again(connection: Connection, nodes: Collection[bytes]) -> None:
    """Something was said of these identifiers, or of whose they are."""
    if not nodes or not holds_any(connection):
        return
    members = set().union(*find_members(connection, nodes).values())
    for chunk in in_chunks(members):
        theirs = select(HELD_NODES.c.event_id).where(HELD_NODES.c.node.in_(chunk))
        connection.execute(update(HELD_EVENTS).where(HELD_EVENTS.c.event_id.in_(theirs)).values(look_at=0))


def read_due(connection: Connection, now: int, limit: int) -> list[HeldEvent]:
    """Those that somebody should look at, the longest due first."""
    query = select(HELD_EVENTS).where(HELD_EVENTS.c.look_at <= now)
    rows = connection.execute(query.order_by(HELD_EVENTS.c.look_at, HELD_EVENTS.c.event_id).limit(limit)).all()
    nodes: dict[str, list[bytes]] = {}
    for chunk in in_chunks([row.event_id for row in rows]):
        for pair in connection.execute(select(HELD_NODES).where(HELD_NODES.c.event_id.in_(chunk))):
            nodes.setdefault(pair.event_id, []).append(bytes(pair.node))
    return [
        HeldEvent(read_payload(row), read_place(row), tuple(nodes.get(row.event_id, ())), row.expires_at)
        for row in rows
    ]


def find_held(state: State, workspace: str, event_id: str) -> HeldEvent | None:
    query = select(HELD_EVENTS).where(HELD_EVENTS.c.event_id == event_id, HELD_EVENTS.c.workspace == workspace)
    with state.read() as connection:
        row = connection.execute(query).first()
    return None if row is None else HeldEvent(read_payload(row), read_place(row), (), row.expires_at)


def read_payload(row: Row[tuple[object, ...]]) -> Event:
    return msgspec.json.decode(row.payload, type=Event)


def read_place(row: Row[tuple[object, ...]]) -> LogPlace:
    return LogPlace(row.segment, row.record, row.place)


def keep_holding(connection: Connection, event_ids: Iterable[str]) -> None:
    """They were looked at, and nothing has changed: the next time when they expire."""
    for chunk in in_chunks(event_ids):
        waiting = update(HELD_EVENTS).where(HELD_EVENTS.c.event_id.in_(chunk))
        connection.execute(waiting.values(look_at=HELD_EVENTS.c.expires_at))


def remove_held(connection: Connection, event_ids: Iterable[str]) -> None:
    for chunk in in_chunks(event_ids):
        connection.execute(delete(HELD_NODES).where(HELD_NODES.c.event_id.in_(chunk)))
        connection.execute(delete(HELD_EVENTS).where(HELD_EVENTS.c.event_id.in_(chunk)))


def count_held_of(connection: Connection, nodes: Collection[bytes], until_ms: int) -> int:
    """How many are held that name one of these identifiers and were received up to `until_ms`."""
    found: set[str] = set()
    for chunk in in_chunks(nodes):
        theirs = select(HELD_NODES.c.event_id).join(HELD_EVENTS).where(HELD_NODES.c.node.in_(chunk))
        found.update(connection.execute(theirs.where(HELD_EVENTS.c.received_at <= until_ms)).scalars())
    return len(found)


def list_held_of(connection: Connection, nodes: Collection[bytes]) -> list[Event]:
    """What is held of these identifiers, by when it was received."""
    found: dict[str, Event] = {}
    for chunk in in_chunks(nodes):
        theirs = select(HELD_NODES.c.event_id).where(HELD_NODES.c.node.in_(chunk))
        for row in connection.execute(select(HELD_EVENTS).where(HELD_EVENTS.c.event_id.in_(theirs))):
            found[row.event_id] = read_payload(row)
    return sorted(found.values(), key=lambda event: (event.received_at, event.event_id))


def count_held(
    connection: Connection, workspace: str, minute_ms: int = 0, since_ms: int = 0
) -> dict[tuple[str, int], int]:
    """How many of each source; by minute of receipt where `minute_ms` says how long one is, else under 0."""
    t = HELD_EVENTS.c
    minute = t.received_at // minute_ms if minute_ms else 0 * t.received_at
    query = select(t.source, minute.label("minute"), func.count().label("events"))
    query = query.where(t.workspace == workspace, t.received_at >= since_ms).group_by(t.source, minute)
    return {(row.source, row.minute): row.events for row in connection.execute(query)}
