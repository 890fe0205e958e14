"""The tables are what `Event` and docs/reference/store.md say, and migrating is safe to repeat."""

import re
from pathlib import Path

import pytest

from trackway.event import Event
from trackway.store.client import EventStore
from trackway.store.engine_config import JSON_SETTINGS
from trackway.store.migrate import DURABLE, Migration, MigrationError, fill_engine, list_migrations, migrate
from trackway.store.rows import EVENT_COLUMNS, OUTCOME_COLUMNS, PLACE_COLUMNS, TEXT_COLUMNS

EXTRA_COLUMNS = {*TEXT_COLUMNS.values(), *PLACE_COLUMNS, "stored_at"}


def list_columns(store: EventStore, table: str) -> dict[str, str]:
    rows = store.select(
        "SELECT name, type FROM system.columns WHERE database = {database:String} AND table = {table:String}",
        {"database": store.database, "table": table},
    )
    return {row["name"]: row["type"] for row in rows}


def test_events_has_one_column_per_event_field_and_the_documented_extras(store: EventStore) -> None:
    # Objects are kept as their text only; `properties` has a derived column besides.
    fields = set(Event.__struct_fields__) - (TEXT_COLUMNS.keys() - {"properties"})
    assert set(list_columns(store, "events")) == fields | EXTRA_COLUMNS


def test_every_column_but_the_derived_one_is_written_by_an_insert(store: EventStore) -> None:
    assert set(list_columns(store, "events")) - {"properties"} == set(EVENT_COLUMNS)
    assert set(list_columns(store, "outcomes")) == set(OUTCOME_COLUMNS)


def test_objects_are_kept_as_text(store: EventStore) -> None:
    columns = list_columns(store, "events")
    assert {columns[name] for name in TEXT_COLUMNS.values()} == {"String"}
    assert columns["properties"].startswith("JSON")


@pytest.mark.parametrize("table", ["events", "outcomes", "migrations", "profile_overrides"])
def test_every_table_syncs_inserts_and_merges_to_disk(store: EventStore, table: str) -> None:
    (found,) = store.select(
        "SELECT engine_full FROM system.tables WHERE database = {database:String} AND name = {table:String}",
        {"database": store.database, "table": table},
    )
    for setting in ("fsync_after_insert", "fsync_part_directory", "min_rows_to_fsync_after_merge"):
        assert f"{setting} = 1" in found["engine_full"]


def test_a_second_migration_changes_nothing(store: EventStore) -> None:
    assert migrate(store) == []


def test_migrations_have_dated_names_and_one_statement_with_a_comment_each() -> None:
    for migration in list_migrations():
        assert re.fullmatch(r"20\d\d_\d\d_\d\d_[a-z_]+", migration.name)
        assert migration.statement.startswith("-- ")
        assert ";" not in migration.statement


def test_a_migration_killed_before_it_was_noted_is_repeated_without_harm(store: EventStore) -> None:
    name = list_migrations()[0].name
    store.execute(f"ALTER TABLE migrations DELETE WHERE name = '{name}'", {"mutations_sync": 2})
    assert migrate(store) == [name]


def test_data_of_a_newer_version_is_refused_and_left_alone(store: EventStore) -> None:
    store.execute("INSERT INTO migrations (name, checksum) VALUES ('2999_01_01_future', 'x')")
    with pytest.raises(MigrationError, match=r"2999_01_01_future.*newer version"):
        migrate(store)
    store.execute("ALTER TABLE migrations DELETE WHERE name = '2999_01_01_future'", {"mutations_sync": 2})


def test_an_edited_migration_is_refused(store: EventStore) -> None:
    migration = list_migrations()[0]
    store.execute(
        f"ALTER TABLE migrations UPDATE checksum = 'edited' WHERE name = '{migration.name}'", {"mutations_sync": 2}
    )
    with pytest.raises(MigrationError, match="never edited"):
        migrate(store)
    store.execute(
        f"ALTER TABLE migrations UPDATE checksum = '{migration.checksum}' WHERE name = '{migration.name}'",
        {"mutations_sync": 2},
    )
    assert migrate(store) == []


@pytest.mark.parametrize("migration", list_migrations(), ids=lambda migration: migration.name)
def test_a_cluster_gets_replicated_tables_on_every_replica(store: EventStore, migration: Migration) -> None:
    statement = fill_engine(migration.statement, cluster="main")
    assert "ON CLUSTER `main`" in statement
    if "CREATE TABLE" in statement:
        assert re.search(r"ENGINE = Replicated(Replacing)?MergeTree", statement)
    # It parses; running it needs a cluster.
    store.execute(f"EXPLAIN AST {statement}")


def test_the_reference_page_names_every_extra_column_and_every_setting() -> None:
    page = (Path(__file__).parents[2] / "docs" / "reference" / "store.md").read_text()
    settings = {*JSON_SETTINGS, *re.findall(r"\w+(?= = )", DURABLE)}
    assert {name for name in EXTRA_COLUMNS | settings if f"`{name}" not in page} == set()
