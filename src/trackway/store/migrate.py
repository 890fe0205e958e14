"""Brings the store's tables to the version of this program.

Station 4 of the road. One SQL file, one statement, run in the order of the dated names and noted
in the table `migrations`. A run that is killed in between is simply run again: every statement
is harmless when repeated. Engine clauses and ON CLUSTER are filled in here and nowhere else.
The embedded engine answers a definition after it is on disk, so no table is lost to a power cut.
"""

import hashlib
from dataclasses import dataclass
from importlib.resources import files

from trackway.store.client import EventStore

# Without these an acknowledged insert is in memory only; docs/reference/store.md, "Durability".
DURABLE = "fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1"

NOTES_TABLE = """CREATE TABLE IF NOT EXISTS migrations {on_cluster}
(name String, checksum String, applied_at DateTime64(3, 'UTC') DEFAULT now64(3))
ENGINE = {merge_tree} ORDER BY name SETTINGS {durable}"""


class MigrationError(Exception):
    """The tables were made by another version of this program; the text says what to do."""


@dataclass(frozen=True)
class Migration:
    name: str
    statement: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.statement.encode()).hexdigest()


def list_migrations() -> list[Migration]:
    """All migrations of this program, oldest first."""
    folder = files("trackway.store").joinpath("migrations")
    found = [
        Migration(name=file.name.removesuffix(".sql"), statement=file.read_text())
        for file in folder.iterdir()
        if file.name.endswith(".sql")
    ]
    return sorted(found, key=lambda migration: migration.name)


def fill_engine(statement: str, cluster: str = "") -> str:
    """The statement for one server or, where `cluster` names one, for all replicas of a cluster."""
    return statement.format(
        on_cluster=f"ON CLUSTER `{cluster}`" if cluster else "",
        merge_tree="ReplicatedMergeTree" if cluster else "MergeTree",
        replacing_merge_tree="ReplicatedReplacingMergeTree" if cluster else "ReplacingMergeTree",
        durable=DURABLE,
    )


def migrate(store: EventStore, cluster: str = "") -> list[str]:
    """Apply what is missing; returns the names applied now. MigrationError, StoreUnavailable, StoreRefused."""
    store.create_database(f"ON CLUSTER `{cluster}`" if cluster else "")
    store.execute(fill_engine(NOTES_TABLE, cluster))
    applied = {row["name"]: row["checksum"] for row in store.select("SELECT name, checksum FROM migrations")}
    ours = list_migrations()
    _refuse_other_versions(applied, ours)
    missing = [migration for migration in ours if migration.name not in applied]
    for migration in missing:
        store.execute(fill_engine(migration.statement, cluster))
        store.execute(
            f"INSERT INTO migrations (name, checksum) VALUES ('{migration.name}', '{migration.checksum}')",
            {"async_insert": 0},
        )
    return [migration.name for migration in missing]


def _refuse_other_versions(applied: dict[str, str], ours: list[Migration]) -> None:
    known = {migration.name: migration for migration in ours}
    for name, checksum in sorted(applied.items()):
        if name not in known:
            raise MigrationError(
                f"the store has the migration {name!r}, which this version of Trackway does not know: "
                "the data was made by a newer version; run that one"
            )
        if checksum != known[name].checksum:
            raise MigrationError(
                f"the migration {name!r} has changed since it was applied to this store; "
                "a released migration is never edited: add a new file that alters the table"
            )
