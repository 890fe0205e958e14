"""The relational state: one SQLAlchemy engine, its migrations, its transactions.

SQLite runs in WAL mode with synchronous=FULL, so that what a transaction said survives a power
cut. Several processes of one installation open the same database; each write is short.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, Table, create_engine, event, select, update
from sqlalchemy.dialects import postgresql, sqlite

from trackway.control.tables import CONFIGURATION

BUSY_TIMEOUT_S = 20


def make_url(data: Path, state_url: str) -> str:
    return state_url or f"sqlite:///{data / 'state.db'}"


class State:
    """An open relational state. `read` and `write` are transactions; threads may share it."""

    def __init__(self, url: str) -> None:
        self.engine: Engine = create_engine(url)
        if self.engine.dialect.name == "sqlite":
            event.listen(self.engine, "connect", _prepare_sqlite)
            event.listen(self.engine, "begin", _begin_sqlite)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        with self.engine.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction; SQLite takes its write lock at the start, so a reader never has to upgrade."""
        with self.engine.connect().execution_options(trackway_write=True) as connection, connection.begin():
            yield connection

    def close(self) -> None:
        self.engine.dispose()


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", f"busy_timeout={BUSY_TIMEOUT_S * 1000}", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("trackway_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def add_up(
    connection: Connection,
    table: Table,
    rows: list[dict[str, Any]],
    counted: tuple[str, ...],
    latest: tuple[str, ...] = (),
) -> None:
    """Insert `rows`, adding the columns `counted` to a row that is there and setting `latest` anew."""
    if not rows:
        return
    insert: Callable[[Table], Any] = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    statement = insert(table)
    changes = {name: table.c[name] + statement.excluded[name] for name in counted}
    changes |= {name: statement.excluded[name] for name in latest}
    keys = [column.name for column in table.primary_key]
    connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=changes), rows)


def bump_version(connection: Connection) -> None:
    """Tell every running process that sources, keys or workspaces changed."""
    connection.execute(
        update(CONFIGURATION).where(CONFIGURATION.c.name == "version").values(value=CONFIGURATION.c.value + 1)
    )


def read_version(state: State) -> int:
    """Rises with every change that `bump_version` tells of."""
    with state.read() as connection:
        return connection.execute(select(CONFIGURATION.c.value).where(CONFIGURATION.c.name == "version")).scalar() or 0


def _alembic(state: State) -> Config:
    config = Config()
    config.set_main_option("script_location", "trackway:control/migrations")
    config.set_main_option("path_separator", "os")
    config.set_main_option("file_template", "%%(rev)s")
    logging.getLogger("alembic").setLevel(logging.WARNING)
    config.attributes["engine"] = state.engine
    return config


def migrate_state(state: State) -> list[str]:
    """Bring the tables to this version's form; returns the names of the migrations applied."""
    config = _alembic(state)
    script = ScriptDirectory.from_config(config)
    with state.read() as connection:
        before = MigrationContext.configure(connection).get_current_revision()
    known = {revision.revision for revision in script.walk_revisions()}
    if before is not None and before not in known:
        raise RuntimeError(
            f"the state database is of a newer Trackway (its schema is {before}); "
            "install that version or restore a backup made by this one"
        )
    command.upgrade(config, "head")
    applied = [r.revision for r in script.iterate_revisions("head", before or "base")]
    return list(reversed(applied))
