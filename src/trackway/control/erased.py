"""Tombstones: identifiers whose earlier events are not to be stored (again), and records to overwrite.

Written by an erasure before it removes anything, so that what is on its way, or comes out of the
log once more, does not bring the person back.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence

from sqlalchemy import Connection, delete, func, select, tuple_

from trackway.control.database import add_up
from trackway.control.privacy_tables import ERASED, ERASED_RECORDS
from trackway.eventlog.interface import RecordPlace

# Most values of one IN (…), as everywhere: below what SQLite and PostgreSQL take.
CHUNK = 5000


def in_chunks(values: Collection[bytes]) -> Iterator[Sequence[bytes]]:
    listed = list(values)
    for start in range(0, len(listed), CHUNK):
        yield listed[start : start + CHUNK]


def read_last_erasure(connection: Connection) -> int:
    """When somebody was erased last; what arrived later is nobody's past. -1 when nobody ever was."""
    newest = connection.execute(select(func.max(ERASED.c.erased_at))).scalar()
    return -1 if newest is None else int(newest)


def find_erased(connection: Connection, nodes: Collection[bytes]) -> dict[bytes, int]:
    """Which of these identifiers were erased, and when."""
    found: dict[bytes, int] = {}
    for chunk in in_chunks(nodes):
        for row in connection.execute(select(ERASED.c.node, ERASED.c.erased_at).where(ERASED.c.node.in_(chunk))):
            found[bytes(row.node)] = row.erased_at
    return found


def write_erased(connection: Connection, workspace: str, nodes: Iterable[bytes], erased_at: int) -> None:
    rows = [{"node": node, "workspace": workspace, "erased_at": erased_at} for node in nodes]
    add_up(connection, ERASED, rows, counted=(), latest=("erased_at",))


def note_records(connection: Connection, places: Iterable[RecordPlace]) -> None:
    """Records that hold what was erased; the same again changes nothing."""
    rows = [{"segment": place.segment, "ordinal": place.ordinal} for place in sorted(set(places))]
    add_up(connection, ERASED_RECORDS, rows, counted=(), latest=("ordinal",))


def list_records(connection: Connection, limit: int = CHUNK) -> list[RecordPlace]:
    rows = connection.execute(
        select(ERASED_RECORDS).order_by(ERASED_RECORDS.c.segment, ERASED_RECORDS.c.ordinal).limit(limit)
    )
    return [RecordPlace(row.segment, row.ordinal) for row in rows]


def forget_records(connection: Connection, places: Sequence[RecordPlace]) -> None:
    t = ERASED_RECORDS.c
    for start in range(0, len(places), CHUNK // 10):
        pairs = [(place.segment, place.ordinal) for place in places[start : start + CHUNK // 10]]
        connection.execute(delete(ERASED_RECORDS).where(tuple_(t.segment, t.ordinal).in_(pairs)))
