"""The event store as the rest of the program sees it: one client for embedded engine and cluster.

Station 4 of the road. `EventStore` speaks ClickHouse's HTTP interface through clickhouse-connect.
What matters here is certainty: after an insert the caller knows that the rows are stored
(return), that the engine read and refused them (`StoreRefused`), or that nobody can tell
(`StoreUnavailable`): then `places_present` says which rows arrived, and only the others are sent
again. It builds no questions; those live in `trackway.query`.
"""

import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol
from urllib.parse import unquote, urlsplit

import clickhouse_connect
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError, Error, ProgrammingError

from trackway.event import LogPlace, Row
from trackway.store.engine_config import JSON_SETTINGS
from trackway.store.rows import (
    EVENT_COLUMNS,
    OUTCOME_COLUMNS,
    OVERRIDE_COLUMNS,
    OutcomeRow,
    OverrideRow,
    encode_events,
    encode_outcomes,
    encode_overrides,
)

__all__ = ["EventStore", "OutcomeRow", "StoreRefused", "StoreUnavailable"]

# An insert is one block in one part up to these sizes; larger batches become several inserts.
INSERT_BYTES = 32_000_000
CONNECT_SECONDS = 5
ANSWER_SECONDS = 300
# The engine gives up before we do, so that an unanswered insert is not still running.
INSERT_SECONDS = 120
SETTLE_SECONDS = 150

INSERT_SETTINGS = {
    **JSON_SETTINGS,
    "async_insert": 0,
    "max_insert_block_size": 1_000_000,
    "min_insert_block_size_rows": 1_000_000,
    "min_insert_block_size_bytes": 1_000_000_000,
    "max_execution_time": INSERT_SECONDS,
}

# ClickHouse error codes that speak about the rows themselves. Every other failure of an insert
# (disk full, memory, a missing table after a bad deploy) says nothing against them: they are kept
# and tried again.
ROW_CODES = {
    6: "CANNOT_PARSE_TEXT",
    25: "CANNOT_PARSE_ESCAPE_SEQUENCE",
    26: "CANNOT_PARSE_QUOTED_STRING",
    27: "CANNOT_PARSE_INPUT_ASSERTION_FAILED",
    38: "CANNOT_PARSE_DATE",
    41: "CANNOT_PARSE_DATETIME",
    69: "ARGUMENT_OUT_OF_BOUND",
    70: "CANNOT_CONVERT_TYPE",
    72: "CANNOT_PARSE_NUMBER",
    117: "INCORRECT_DATA",
    128: "TOO_LARGE_ARRAY_SIZE",
    130: "CANNOT_READ_ARRAY_FROM_TEXT",
    131: "TOO_LARGE_STRING_SIZE",
    190: "SIZES_OF_ARRAYS_DONT_MATCH",
    306: "TOO_DEEP_RECURSION",
    321: "VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE",
    349: "CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN",
    376: "CANNOT_PARSE_UUID",
    407: "DECIMAL_OVERFLOW",
    441: "CANNOT_PARSE_DOMAIN_VALUE_FROM_STRING",
    467: "CANNOT_PARSE_BOOL",
    645: "NUMBER_OF_DIMENSIONS_MISMATCHED",
    675: "CANNOT_PARSE_IPV4",
    676: "CANNOT_PARSE_IPV6",
    691: "UNKNOWN_ELEMENT_OF_ENUM",
}
# Codes of a question that may succeed when asked again.
PASSING_CODES = {
    159: "TIMEOUT_EXCEEDED",
    202: "TOO_MANY_SIMULTANEOUS_QUERIES",
    203: "NO_FREE_CONNECTION",
    209: "SOCKET_TIMEOUT",
    210: "NETWORK_ERROR",
    236: "ABORTED",
    241: "MEMORY_LIMIT_EXCEEDED",
    242: "TABLE_IS_READ_ONLY",
    243: "NOT_ENOUGH_SPACE",
    252: "TOO_MANY_PARTS",
    279: "ALL_CONNECTION_TRIES_FAILED",
    319: "UNKNOWN_STATUS_OF_INSERT",
    394: "QUERY_WAS_CANCELLED",
    425: "SYSTEM_ERROR",
    439: "CANNOT_SCHEDULE_TASK",
    516: "AUTHENTICATION_FAILED",
    999: "KEEPER_EXCEPTION",
}


# What a value raises that no column can hold: a lone surrogate, an integer beyond 64 bits, endless nesting.
UNWRITABLE = (UnicodeEncodeError, OverflowError, RecursionError)
INCORRECT_DATA = 117
BAD_ARGUMENTS = 36


class Placed(Protocol):
    """A row that says where in the log it stands."""

    @property
    def place(self) -> LogPlace: ...


class Piece(NamedTuple):
    """What one INSERT carries."""

    block: bytes
    rows: int


class StoreUnavailable(Exception):
    """Nobody can say whether it was done: ask `places_present` before sending rows again."""


class StoreRefused(Exception):
    """The question or these rows cannot be accepted; again would not help. None of the rows is stored.

    `code` is ClickHouse's.
    """

    def __init__(self, text: str, code: int) -> None:
        super().__init__(text)
        self.code = code


class EventStore:
    """A ClickHouse at `url` (`http://user:secret@host:port/database`). Threads may share it.

    It connects with the first call, and again after an engine was away.
    """

    def __init__(self, url: str) -> None:
        self._url = urlsplit(url)
        if self._url.scheme not in ("http", "https") or not self._url.hostname:
            raise ValueError("the store's URL must look like http://user:password@host:8123/database")
        self.database = self._url.path.strip("/") or "default"
        self._lock = threading.Lock()
        self._client: Client | None = None

    def _connect(self) -> Client:
        with self._lock:
            if self._client is None:
                secure = self._url.scheme == "https"
                self._client = clickhouse_connect.get_client(
                    interface=self._url.scheme,
                    host=self._url.hostname,
                    port=self._url.port or (8443 if secure else 8123),
                    username=unquote(self._url.username or "default"),
                    password=unquote(self._url.password or ""),
                    # Named on every request instead: it may not exist before `migrate`.
                    database="__default__",
                    compress=secure,
                    connect_timeout=CONNECT_SECONDS,
                    send_receive_timeout=ANSWER_SECONDS,
                    autogenerate_session_id=False,
                    query_retries=0,
                    tz_source="server",
                    dedicated_pool=True,
                )
                self._client.database = self.database
            return self._client

    def select(
        self, sql: str, parameters: Mapping[str, Any] | None = None, settings: Mapping[str, Any] | None = None
    ) -> list[dict[str, Any]]:
        """Rows of a question; values are bound by name, `{name:Type}` in the SQL."""
        try:
            result = self._connect().query(sql, parameters=dict(parameters or {}), settings=dict(settings or {}))
            return list(result.named_results())
        except Error as error:
            raise _read_failure(error, rows=False) from error

    def stream(
        self, sql: str, parameters: Mapping[str, Any] | None = None, settings: Mapping[str, Any] | None = None
    ) -> Iterator[dict[str, Any]]:
        """Rows of a question one by one, of which a block at a time is in memory."""
        try:
            with self._connect().query_row_block_stream(
                sql, parameters=dict(parameters or {}), settings=dict(settings or {})
            ) as blocks:
                names = blocks.source.column_names
                for block in blocks:
                    yield from (dict(zip(names, row, strict=True)) for row in block)
        except Error as error:
            raise _read_failure(error, rows=False) from error

    def execute(self, sql: str, settings: Mapping[str, Any] | None = None) -> None:
        """Carry out a statement that has no result, such as a definition."""
        try:
            self._connect().command(sql, settings=dict(settings or {}))
        except Error as error:
            raise _read_failure(error, rows=False) from error

    def create_database(self, on_cluster: str = "") -> None:
        """Make the URL's database where it is missing; the embedded engine brings its own."""
        try:
            if self.database not in str(self._connect().command("SHOW DATABASES", use_database=False)).split():
                self._connect().command(f"CREATE DATABASE `{self.database}` {on_cluster}", use_database=False)
        except Error as error:
            raise _read_failure(error, rows=False) from error

    def insert_events(self, rows: Sequence[Row], stored_at: int) -> None:
        """Store events; when it returns they are on disk. `stored_at` in milliseconds, one per batch."""
        if rows:
            self._insert("events", EVENT_COLUMNS, encode_events, rows, stored_at)

    def insert_outcomes(self, rows: Sequence[OutcomeRow], stored_at: int) -> None:
        """Store what became of events that are not in `events`; on disk when it returns."""
        if rows:
            self._insert("outcomes", OUTCOME_COLUMNS, encode_outcomes, rows, stored_at)

    def insert_overrides(self, rows: Sequence[OverrideRow]) -> None:
        """Say which profile a key belongs to now; on disk when it returns. The same again changes nothing."""
        if rows:
            self._send(
                f"profile_overrides ({', '.join(OVERRIDE_COLUMNS)})", Piece(encode_overrides(rows), len(rows)), ""
            )

    def _insert(
        self,
        table: str,
        columns: Sequence[str],
        encode: Callable[[Any, int], bytes],
        rows: Sequence[Placed],
        stored_at: int,
    ) -> None:
        try:
            pieces = _encode_pieces(encode, rows, stored_at)
        except UNWRITABLE as error:
            raise StoreRefused(f"a row cannot be written as a row of {table}: {error}", INCORRECT_DATA) from error
        target = f"{table} ({', '.join(columns)})"
        name = _name_insert(table, {row.place.segment for row in rows})
        self._send(target, pieces[0], name)
        for piece in pieces[1:]:
            try:
                self._send(target, piece, name)
            except StoreRefused as error:
                # Refused means that nothing is stored, and the rows of the first piece are.
                raise StoreUnavailable(f"stored only a part of {len(rows)} rows, then: {error}") from error

    def _send(self, target: str, piece: Piece, name: str) -> None:
        try:
            summary = self._connect().raw_insert(
                target,
                # A memoryview: the client sends `bytes` a second time when the connection breaks,
                # and an insert that arrived twice is stored twice.
                insert_block=memoryview(piece.block),  # type: ignore[arg-type]
                fmt="Native",
                settings={**INSERT_SETTINGS, "log_comment": name},
            )
        except Error as error:
            raise _read_failure(error, rows=True) from error
        written = int(summary.summary.get("written_rows", piece.rows))
        if written < piece.rows:
            raise StoreUnavailable(f"of {piece.rows} rows the engine says it wrote {written}")

    def places_present(self, table: str, segment: int, from_record: int) -> set[LogPlace]:
        """Which places of a log segment, from a record on, have a row in `table` (events or outcomes).

        First waits until no insert of that segment is under way, in case its sender died.
        StoreUnavailable when one does not end.
        """
        self._wait_for_inserts(table, segment)
        found = self.select(
            f"SELECT log_record, log_index FROM {_known_table(table)} "
            "WHERE log_segment = {segment:UInt64} AND log_record >= {record:UInt32}",
            {"segment": segment, "record": from_record},
        )
        return {LogPlace(segment, row["log_record"], row["log_index"]) for row in found}

    def ids_present(self, table: str, event_ids: Sequence[str], segments: Collection[int]) -> set[str]:
        """Which of these events, of these log segments, have a row in `table`. Waits as `places_present` does."""
        for segment in segments:
            self._wait_for_inserts(table, segment)
        found = self.select(
            f"SELECT toString(event_id) AS id FROM {_known_table(table)} WHERE event_id IN {{ids:Array(UUID)}}",
            {"ids": list(event_ids)},
        )
        return {row["id"] for row in found}

    def find_places(self, event_ids: Sequence[str]) -> list[tuple[str, LogPlace]]:
        """Where each of these events stands as a row, or has an outcome that is the last word on it.

        That is none that a replay may mend, nor one that only says that it stands elsewhere. Waits as
        `places_present` does, whoever inserts.
        """
        found = []
        final = " AND outcome != 'dead_lettered' AND reason NOT IN ('already_stored', 'replaced')"
        for table, condition in (("events", ""), ("outcomes", final)):
            self.wait_for_any_insert(table)
            found += self.select(
                f"SELECT toString(event_id) AS id, log_segment, log_record, log_index FROM {table}"
                f" WHERE event_id IN {{ids:Array(UUID)}}{condition}",
                {"ids": list(event_ids)},
            )
        return [(row["id"], LogPlace(row["log_segment"], row["log_record"], row["log_index"])) for row in found]

    def find_standing(self, event_ids: Sequence[str]) -> list[dict[str, Any]]:
        """Rows of these events: id, place, how they are stored, and the names that depend on the day."""
        return self.select(
            "SELECT toString(event_id) AS id, log_segment, log_record, log_index, stored_as, visitor_key, weak_key"
            " FROM events WHERE event_id IN {ids:Array(UUID)}",
            {"ids": list(event_ids)},
        )

    def wait_for_any_insert(self, table: str) -> None:
        """Until no insert of ours into `table` is under way, in case its sender died."""
        named = "startsWith(Settings['log_comment'], {name:String})"
        self._wait_while_inserting(table, named, f"trackway:{_known_table(table)}:")

    def _wait_for_inserts(self, table: str, segment: int) -> None:
        named = "has(splitByChar(' ', Settings['log_comment']), {name:String})"
        self._wait_while_inserting(table, named, _name_insert(table, {segment}))

    def _wait_while_inserting(self, table: str, condition: str, name: str) -> None:
        deadline = time.monotonic() + SETTLE_SECONDS
        while self.select(
            f"SELECT query_id FROM system.processes WHERE query_kind = 'Insert' AND {condition}", {"name": name}
        ):
            if time.monotonic() > deadline:
                raise StoreUnavailable(f"an insert into {table} is still running after {SETTLE_SECONDS} s")
            time.sleep(0.05)

    def ping(self) -> bool:
        """True when the store answers now."""
        try:
            return bool(self._connect().ping())
        except Error:
            return False

    def close(self) -> None:
        with self._lock:
            if self._client is not None:
                self._client.close()
                self._client = None


def _encode_pieces(encode: Callable[[Any, int], bytes], rows: Sequence[Placed], stored_at: int) -> list[Piece]:
    """One block, or several where it would be larger than `INSERT_BYTES`."""
    block = encode(rows, stored_at)
    if len(block) <= INSERT_BYTES or len(rows) == 1:
        return [Piece(block, len(rows))]
    middle = len(rows) // 2
    return [
        *_encode_pieces(encode, rows[:middle], stored_at),
        *_encode_pieces(encode, rows[middle:], stored_at),
    ]


def _known_table(table: str) -> str:
    if table not in ("events", "outcomes"):
        raise ValueError(f"there is no table {table!r}; use events or outcomes")
    return table


def _name_insert(table: str, segments: set[int]) -> str:
    """What an insert is called among the running queries: one word per segment."""
    return " ".join(f"trackway:{_known_table(table)}:{segment}" for segment in sorted(segments))


def _read_failure(error: Error, *, rows: bool) -> StoreUnavailable | StoreRefused:
    code = error.code if isinstance(error, DatabaseError) else None
    if code is not None and (code in ROW_CODES if rows else code not in PASSING_CODES):
        return StoreRefused(str(error), code)
    if isinstance(error, ProgrammingError) and not rows:
        # The client did not even send it: a setting that may not be changed, a parameter of the wrong type.
        return StoreRefused(str(error), BAD_ARGUMENTS)
    return StoreUnavailable(str(error))
