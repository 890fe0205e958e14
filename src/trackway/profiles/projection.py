"""Tells the event store which profiles have changed since their rows were stored.

The relational state is the truth; the store's `profile_overrides` follow it by version, so after a
crash the rest is sent again, which changes nothing that was sent.
"""

from collections.abc import Sequence

from sqlalchemy import select

from trackway.control.database import State, add_up
from trackway.event import Row
from trackway.profiles.identifiers import format_profile_id
from trackway.profiles.tables import IDENTITIES, PROJECTIONS
from trackway.store.client import EventStore
from trackway.store.rows import OverrideRow

OVERRIDES = "profile_overrides"
AT_ONCE = 50_000


def project_profiles(state: State, store: EventStore) -> int:
    """Send what the store does not know yet; returns how many keys. StoreUnavailable when it does not answer."""
    with state.read() as connection:
        known = connection.execute(select(PROJECTIONS.c.version).where(PROJECTIONS.c.name == OVERRIDES)).scalar() or 0
        query = (
            select(IDENTITIES.c.workspace, IDENTITIES.c.node, IDENTITIES.c.profile, IDENTITIES.c.version)
            .where(IDENTITIES.c.version > known)
            .order_by(IDENTITIES.c.version)
            .limit(AT_ONCE)
        )
        found = connection.execute(query).all()
        if len(found) == AT_ONCE:
            # One version may be cut in two; its rest must be greater than what is noted.
            last = found[-1].version
            more = select(*query.selected_columns).where(IDENTITIES.c.version == last)
            found = [row for row in found if row.version < last] + list(connection.execute(more).all())
    if not found:
        return 0
    rows = [
        OverrideRow(
            row.workspace, format_profile_id(bytes(row.node)), format_profile_id(bytes(row.profile)), row.version
        )
        for row in found
    ]
    store.insert_overrides(rows)
    with state.write() as connection:
        add_up(
            connection, PROJECTIONS, [{"name": OVERRIDES, "version": rows[-1].version}], counted=(), latest=("version",)
        )
    return len(rows)


_STORED = """SELECT DISTINCT toString(profile_key) AS key, toString(profile_id) AS profile FROM events
WHERE log_segment = {segment:UInt64} AND log_record BETWEEN {first:UInt32} AND {last:UInt32}"""


def correct_profiles(store: EventStore, rows: Sequence[Row], version: int) -> None:
    """Of rows of one segment that an attempt before this one has stored: those that name another profile than now.

    That attempt was never committed. Cut elsewhere, its batch may have made somebody of a device that the ledger
    never held them for, so no change of the ledger would ever tell the store. StoreUnavailable when it does not answer.
    """
    now = {row.event.profile_key: row.event for row in rows if row.event.profile_key}
    if not now:
        return
    records = [row.place.record for row in rows]
    place = {"segment": rows[0].place.segment, "first": min(records), "last": max(records)}
    store.insert_overrides(
        [
            OverrideRow(event.workspace, event.profile_key, event.profile_id, version)
            for found in store.select(_STORED, place)
            if (event := now.get(found["key"])) is not None and event.profile_id != found["profile"]
        ]
    )
