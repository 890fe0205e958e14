"""The relational state: one SQLAlchemy engine, its migrations, its transactions.

SQLite runs in WAL mode with synchronous=FULL, so that what a transaction said survives a power
cut. Several processes of one installation open the same database; each write is short.
"""

import logging
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Table, create_engine, event, inspect, select, update
from sqlalchemy.dialects import postgresql, sqlite

from trackway.control.tables import CONFIGURATION

BUSY_TIMEOUT_S = 20
CHECKPOINT_TIMEOUT_MS = 200


def make_url(data: Path, state_url: str) -> str:
    return state_url or f"sqlite:///{data / 'state.db'}"


class State:
    """An open relational state. `read` and `write` are transactions; threads may share it."""

    def __init__(self, url: str) -> None:
        self.engine: Engine = create_engine(url)
        self._watches: list[ChangeWatch] = []
        if self.engine.dialect.name == "sqlite":
            event.listen(self.engine, "connect", _prepare_sqlite)
            event.listen(self.engine, "begin", _begin_sqlite)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One snapshot: what is read in it belongs together."""
        options = {} if self.engine.dialect.name == "sqlite" else {"isolation_level": "REPEATABLE READ"}
        with self.engine.connect().execution_options(**options) as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction; SQLite takes its write lock at the start, so a reader never has to upgrade."""
        with self.engine.connect().execution_options(trackway_write=True) as connection, connection.begin():
            yield connection

    def forget_old_pages(self) -> bool:
        """Empty the write-ahead log, in which earlier contents of pages stand. False when a reader is in the way.

        Where it is not SQLite there is nothing to do: the server's own vacuum reuses what was deleted.
        """
        if self.engine.dialect.name != "sqlite":
            return True
        pooled = self.engine.raw_connection()
        try:
            cursor = pooled.cursor()
            cursor.execute(f"PRAGMA busy_timeout={CHECKPOINT_TIMEOUT_MS}")
            busy = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
            cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_S * 1000}")
            cursor.close()
        finally:
            pooled.close()
        return not busy

    def watch(self) -> "ChangeWatch":
        """For one who asks again and again whether there is anything new."""
        self._watches.append(ChangeWatch(self.engine))
        return self._watches[-1]

    def close(self) -> None:
        for watch in self._watches:
            watch.close()
        self.engine.dispose()


class ChangeWatch:
    """Says whether anybody, of any process, has committed since it was asked last: a hundredth of what a question costs.

    SQLite knows it; of another database the answer is always yes. For one thread at a time.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._connection: sqlite3.Connection | None = None
        self._now: int | None = None
        self._seen: int | None = None

    def has_changed(self) -> bool:
        """True until `note_seen`. It never waits: where the database does not answer at once, something may have changed."""
        if self._engine.dialect.name != "sqlite":
            return True
        try:
            if self._connection is None:
                self._connection = self._connect()
            (self._now,) = self._connection.execute("PRAGMA data_version").fetchone()
        except sqlite3.OperationalError:
            return True
        return self._now != self._seen

    def note_seen(self) -> None:
        """What there was when it was asked last has been read, and reading it has not failed."""
        self._seen = self._now

    def _connect(self) -> sqlite3.Connection:
        """One of its own: what a connection itself commits, its `data_version` does not tell."""
        pooled = self._engine.raw_connection()
        connection = pooled.driver_connection
        pooled.detach()
        assert isinstance(connection, sqlite3.Connection)
        connection.execute("PRAGMA busy_timeout=0")
        return connection

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        f"busy_timeout={BUSY_TIMEOUT_S * 1000}",
        "foreign_keys=ON",
        # What is deleted is overwritten with zeros: an erasure must not leave bytes in free pages.
        "secure_delete=ON",
    ):
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


VERSIONS = "trackway.control.migrations.versions"


def find_migrations() -> list[str]:
    """Names of all migrations, oldest first: their dates are their order."""
    return sorted(
        file.name.removesuffix(".py")
        for file in resources.files(VERSIONS).iterdir()
        if file.name[:1].isdigit() and file.name.endswith(".py")
    )


def _read_applied(state: State) -> str | None:
    with state.read() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        return connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()


def migrate_state(state: State) -> list[str]:
    """Bring the tables to this version's form; returns the names of the migrations applied.

    RuntimeError, and nothing changed, when a newer Trackway has been here.
    """
    known, applied = find_migrations(), _read_applied(state)
    if applied == known[-1]:
        return []
    if applied is not None and applied not in known:
        raise RuntimeError(
            f"the state database is of a newer Trackway (its schema is {applied}); install that version or restore a backup of this one"
        )
    logging.getLogger("alembic").setLevel(logging.WARNING)
    # Loaded only where there is something to do: it takes longer than most commands run.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "trackway:control/migrations")
    config.set_main_option("path_separator", "os")
    config.attributes["engine"] = state.engine
    command.upgrade(config, "head")
    return known[known.index(applied) + 1 :] if applied else known
