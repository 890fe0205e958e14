"""Runs statements on the embedded ClickHouse (chDB), in worker threads.

Station 4 of the road, inside the engine child, behind `engine.py`. Every statement gets a
connection of its own (0.2 ms), so that settings and the current database of one request never
reach the next. One connection stays open for the life of the process, because the engine shuts
down with its last connection. chDB crashes a process that exits while a query runs, so `close`
kills what runs, waits for the threads and only then lets go.

It knows nothing of HTTP.
"""

import ctypes
import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from trackway.store.engine_config import DATABASE
from trackway.store.statements import (
    DataInsert,
    EngineError,
    Verdict,
    judge_statement,
    read_first_word,
    read_format,
    split_insert,
)

READ_THREADS = 12
WRITE_THREADS = 4
SECONDS_TO_FINISH = 8.0

READONLY = 164
NO_DATABASE = 81
UNKNOWN_EXCEPTION = 1002

# send_query writes each block for itself: only formats without a head or foot make one text of them.
STREAMABLE = frozenset({"native", "tabseparated", "tsv", "csv", "rowbinary", "jsoneachrow"})

_CODE = re.compile(r"Code: (\d+)\. ")
_OUR_FILE = re.compile(r" ?\(?in file/uri /proc/self/fd/\d+\)?")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(kw_only=True)
class Statement:
    """One request's work. `token` marks it among the running queries; `left` is set when nobody waits any more."""

    text: bytes
    rows: memoryview | None
    database: str
    settings: Mapping[str, str]
    parameters: Mapping[str, str]
    default_format: str
    read_only: bool
    stream: bool
    left: threading.Event = field(default_factory=threading.Event)
    token: str = field(default_factory=lambda: os.urandom(8).hex())


@dataclass(kw_only=True)
class Counts:
    """What the engine says it did, for X-ClickHouse-Summary."""

    read_rows: int = 0
    read_bytes: int = 0
    written_rows: int = 0
    written_bytes: int = 0
    result_rows: int = 0
    elapsed_ns: int = 0


@dataclass(kw_only=True)
class Result:
    """A carried-out statement. `format` is empty where it has no result; `blocks` yields the result's bytes."""

    format: str
    counts: Counts
    blocks: Iterator[bytes]


class Engine:
    """The one open chDB of this process."""

    def __init__(self, directory: Path, config_file: Path) -> None:
        # The library takes 0.3 s and 250 MB, so it is loaded where it is used. Its own signal
        # handlers would replace ours.
        library: Any = import_module("chdb._chdb")
        library.set_signal_handlers_enabled(0)
        self._directory = directory
        self._connect: Callable[[], Any] = lambda: library.connect(f"{directory}?config-file={config_file}")
        self._keeper = self._connect()
        self._readers = ThreadPoolExecutor(READ_THREADS, "engine-read")
        self._writers = ThreadPoolExecutor(WRITE_THREADS, "engine-write")
        self._keeper.query(f"CREATE DATABASE IF NOT EXISTS {DATABASE} ENGINE = Atomic", "Null")
        self._sync()

    def choose_threads(self, statement: Statement) -> ThreadPoolExecutor:
        """Slow questions must not keep the pipeline's inserts waiting, so these have threads of their own."""
        first = read_first_word(statement.text[:4096].decode("utf-8", "replace"))
        return self._writers if first == "INSERT" else self._readers

    def run(self, statement: Statement, deliver: Callable[[Result], None]) -> None:
        """Carry out a statement and hand its result to `deliver`; blocking. EngineError when refused."""
        if statement.left.is_set():
            return
        connection = self._connect()
        try:
            self._prepare(connection, statement)
            insert = split_insert(statement.text)
            if insert is None:
                self._run_query(connection, statement, deliver)
            else:
                self._run_insert(connection, statement, insert, deliver)
        except RuntimeError as error:
            raise _read_engine_error(error) from None
        finally:
            connection.close()

    def _prepare(self, connection: Any, statement: Statement) -> None:
        comment = f"{statement.settings.get('log_comment', '')} [{statement.token}]"
        settings = {**statement.settings, "log_comment": comment}
        for name in settings:
            if not _NAME.fullmatch(name):
                raise EngineError(115, f"Unknown setting {name!r}")
        assignments = ", ".join(f"{name} = {quote_text(value)}" for name, value in settings.items())
        connection.query(f"SET {assignments}", "Null")
        connection.query(f"USE {quote_name(statement.database or DATABASE)}", "Null")

    def _run_query(self, connection: Any, statement: Statement, deliver: Callable[[Result], None]) -> None:
        text = statement.text
        if statement.rows is not None:
            text = text + b"\n" + statement.rows
        sql = text.decode("utf-8", "surrogateescape")
        verdict = judge_statement(connection, sql)
        if statement.read_only and not verdict.reads:
            raise EngineError(READONLY, "Cannot execute query in readonly mode: GET only reads, use POST")
        format_name = read_format(sql, statement.default_format)
        if statement.stream and verdict.streams and format_name.lower() in STREAMABLE:
            deliver(Result(format=format_name, counts=Counts(), blocks=self._stream(connection, text, statement)))
            return
        result = connection.query(text, statement.default_format, params=dict(statement.parameters))
        self._sync_definitions(verdict)
        body = result.bytes()
        deliver(
            Result(
                format=format_name if verdict.reads or body else "",
                counts=Counts(
                    read_rows=result.storage_rows_read(),
                    read_bytes=result.storage_bytes_read(),
                    result_rows=result.rows_read(),
                    written_rows=result.rows_written(),
                    written_bytes=result.bytes_written(),
                    elapsed_ns=int(result.elapsed() * 1e9),
                ),
                blocks=iter((body,) if body else ()),
            )
        )

    def _stream(self, connection: Any, text: bytes, statement: Statement) -> Iterator[bytes]:
        stream = connection.send_query(text, statement.default_format, params=dict(statement.parameters))
        while not statement.left.is_set():
            try:
                block = connection.streaming_fetch_result(stream)
            except RuntimeError as error:
                raise _read_engine_error(error) from None
            if block is None or block.rows_read() == 0:
                return
            yield block.bytes()
        connection.streaming_cancel_query(stream)

    def _run_insert(
        self, connection: Any, statement: Statement, insert: DataInsert, deliver: Callable[[Result], None]
    ) -> None:
        if statement.read_only:
            raise EngineError(READONLY, "Cannot execute query in readonly mode: GET only reads, use POST")
        judge_statement(connection, f"{insert.target} {insert.settings} FORMAT {insert.format}")
        rows = insert.rows if statement.rows is None else statement.rows
        if not len(rows):
            deliver(Result(format="", counts=Counts(), blocks=iter(())))
            return
        # Not chDB's send_insert: it reports success when writing the part failed (too many open
        # files, disk full). Not rows in the query text: binary rows are cut short there.
        with open(os.memfd_create("rows", os.MFD_CLOEXEC), "wb") as file:
            file.write(rows)
            file.flush()
            source = f"FROM INFILE '/proc/self/fd/{file.fileno()}' COMPRESSION 'none'"
            result = connection.query(f"{insert.target} {source} {insert.settings} FORMAT {insert.format}", "Null")
        counts = Counts(
            written_rows=result.rows_written(),
            written_bytes=result.bytes_written(),
            elapsed_ns=int(result.elapsed() * 1e9),
        )
        deliver(Result(format="", counts=counts, blocks=iter(())))

    def _sync_definitions(self, verdict: Verdict) -> None:
        if verdict.defines:
            self._sync()

    def _sync(self) -> None:
        """Bring definitions to disk: chDB does not, and a power cut took tables whose rows were safe."""
        descriptor = os.open(self._directory, os.O_RDONLY)
        try:
            if ctypes.CDLL(None, use_errno=True).syncfs(descriptor) != 0:
                raise OSError(ctypes.get_errno(), "syncfs failed", str(self._directory))
        finally:
            os.close(descriptor)

    def kill(self, condition: str) -> None:
        """Stop the running queries that `condition` (over system.processes) selects; blocking, brief."""
        connection = self._connect()
        try:
            connection.query(f"KILL QUERY WHERE {condition} ASYNC", "Null")
        except RuntimeError as error:
            raise _read_engine_error(error) from None
        finally:
            connection.close()

    def kill_statement(self, statement: Statement) -> None:
        self.kill(f"endsWith(Settings['log_comment'], '[{statement.token}]')")

    def close(self) -> None:
        """Stop questions at once, give inserts and merges' answers a moment, wait for the threads, shut down."""
        self.kill("query_kind != 'Insert'")
        last = threading.Timer(SECONDS_TO_FINISH, self.kill, ("1",))
        last.start()
        try:
            self._writers.shutdown(wait=True, cancel_futures=True)
            self._readers.shutdown(wait=True, cancel_futures=True)
        finally:
            last.cancel()
            last.join()
        self._keeper.close()


def quote_text(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def quote_name(name: str) -> str:
    escaped = name.replace("\\", "\\\\").replace("`", "\\`")
    return f"`{escaped}`"


def _read_engine_error(error: RuntimeError) -> EngineError:
    text = str(error)
    match = _CODE.search(text)
    text = _OUR_FILE.sub("", text[match.end() :] if match else text)
    return EngineError(int(match[1]) if match else UNKNOWN_EXCEPTION, text)
