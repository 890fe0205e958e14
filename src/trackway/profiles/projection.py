"""Tells the event store which profiles have changed since their rows were stored.

The relational state is the truth; the store's `profile_overrides` follow it by version, so after a
crash the rest is sent again, which changes nothing that was sent.
"""

from sqlalchemy import select

from trackway.control.database import State, add_up
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
