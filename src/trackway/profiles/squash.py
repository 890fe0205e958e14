"""The squash: writes profiles that have changed into the stored rows, so that questions look up few of them.

One step a call, between two batches of the pipeline, which is what makes it right: an event that is
stored after the mutation was ordered has a profile that was decided after it too. The mutation runs
in the background; when it is done, the overrides that it wrote are removed. A crash in between
repeats a step, and as long as an override is there it wins, so no question ever sees half of it.
"""

from sqlalchemy import delete, select

from trackway.control.database import State, add_up
from trackway.profiles.projection import OVERRIDES
from trackway.profiles.tables import PROJECTIONS
from trackway.store.client import EventStore

SQUASH = "squash"
# A question about many people costs 1.2 times as much with 100,000 overrides, 1.7 with 500,000.
SQUASH_FROM = 50_000

_REWRITE = """ALTER TABLE events UPDATE profile_id = toUUID(transform(
    reinterpretAsUInt64(profile_key),
    tupleElement((
        SELECT (groupArray(reinterpretAsUInt64(profile_key)), groupArray(toString(current_id)))
        FROM (
            SELECT profile_key, argMax(profile_id, version) AS current_id
            FROM profile_overrides WHERE version <= {version} GROUP BY profile_key
        )
    ) AS moved, 1),
    tupleElement(moved, 2),
    toString(profile_id)
))
WHERE profile_key IN (SELECT profile_key FROM profile_overrides WHERE version <= {version})"""
_RUNNING = """SELECT count() AS running FROM system.mutations
WHERE database = currentDatabase() AND table = 'events' AND NOT is_done AND command LIKE {pattern:String}"""
IN_BACKGROUND = {"mutations_sync": 0, "allow_nondeterministic_mutations": 1}


def squash_profiles(state: State, store: EventStore, least: int = SQUASH_FROM) -> bool:
    """Begin a squash when there are `least` overrides, or go on with the one that was begun.

    True while one is under way. StoreUnavailable when the store does not answer.
    """
    version = _read_version(state, SQUASH)
    if version == 0:
        return _begin(state, store, least)
    pattern = f"%version <= {version}%"
    (row,) = store.select(_RUNNING, {"pattern": pattern})
    if row["running"]:
        return True
    store.execute(f"ALTER TABLE profile_overrides DELETE WHERE version <= {version}", {"mutations_sync": 2})
    with state.write() as connection:
        connection.execute(delete(PROJECTIONS).where(PROJECTIONS.c.name == SQUASH))
    return False


def _begin(state: State, store: EventStore, least: int) -> bool:
    (row,) = store.select("SELECT count() AS overrides FROM profile_overrides")
    version = _read_version(state, OVERRIDES)
    if row["overrides"] < max(1, least) or version == 0:
        return False
    # Noted after it was ordered: ordered twice it writes the same twice.
    store.execute(_REWRITE.format(version=version), IN_BACKGROUND)
    with state.write() as connection:
        add_up(connection, PROJECTIONS, [{"name": SQUASH, "version": version}], counted=(), latest=("version",))
    return True


def _read_version(state: State, name: str) -> int:
    with state.read() as connection:
        return connection.execute(select(PROJECTIONS.c.version).where(PROJECTIONS.c.name == name)).scalar() or 0
