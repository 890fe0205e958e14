"""Rows of the store that made way for newer ones of the same events, and are still to be removed.

The pipeline writes them in the transaction that commits what takes their place; whoever removes the rows
forgets them.
"""

from collections.abc import Iterable, Sequence

from sqlalchemy import BigInteger, Column, Connection, Integer, String, Table, delete, select, tuple_

from trackway.control.database import add_up
from trackway.control.tables import METADATA
from trackway.event import LogPlace

# Most that are removed at once: their places stand in the text of one statement, and twice in another.
MOST_AT_ONCE = 1000

REPLACED_ROWS = Table(
    "replaced_rows",
    METADATA,
    Column("segment", BigInteger, primary_key=True),
    Column("record", BigInteger, primary_key=True),
    Column("event_index", Integer, primary_key=True),
    Column("workspace", String(60), nullable=False),
)
T = REPLACED_ROWS.c
PLACE = (T.segment, T.record, T.event_index)


def note_replaced(connection: Connection, workspace_places: Iterable[tuple[str, LogPlace]]) -> None:
    """The same again changes nothing."""
    rows = [
        {"segment": place.segment, "record": place.record, "event_index": place.index, "workspace": workspace}
        for workspace, place in workspace_places
    ]
    add_up(connection, REPLACED_ROWS, rows, counted=(), latest=("workspace",))


def list_replaced(connection: Connection) -> list[LogPlace]:
    """The first of them, at most MOST_AT_ONCE, always the same until they are forgotten."""
    rows = connection.execute(select(*PLACE).order_by(*PLACE).limit(MOST_AT_ONCE))
    return [LogPlace(row.segment, row.record, row.event_index) for row in rows]


def forget_replaced(connection: Connection, places: Sequence[LogPlace]) -> None:
    chosen = [(place.segment, place.record, place.index) for place in places]
    connection.execute(delete(REPLACED_ROWS).where(tuple_(*PLACE).in_(chosen)))


def is_replacing(connection: Connection, workspace: str = "") -> bool:
    """Are rows waiting to be removed, of this workspace or of any?"""
    query = select(T.segment).limit(1)
    if workspace:
        query = query.where(T.workspace == workspace)
    return connection.execute(query).first() is not None
