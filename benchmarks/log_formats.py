"""Should the event log be plain segment files or SQLite? The figures of decision 0001.

Both take 600-byte records from 1, 16 and 64 tasks that each wait until their record is on disk,
through the same group commit: what arrives during one sync shares the next. The segment log is
the product's; SQLite runs in WAL mode with synchronous=FULL, one transaction per group.
Run: `python -m benchmarks.log_formats [SECONDS]`.
"""

# ruff: noqa: T201

import asyncio
import contextlib
import os
import shutil
import sqlite3
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Empty, SimpleQueue
from random import Random
from statistics import median
from typing import Any, NamedTuple

import uvloop

from trackway.eventlog.embedded import LogReader, LogWriter, check
from trackway.eventlog.interface import Position

PAYLOAD = os.urandom(600)
RUNS = 3
TRIALS = 200
APPENDERS = (1, 16, 64)


class SqliteLog:
    """As much of a log as the comparison needs: append and read."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "log.db"
        self.queue: SimpleQueue[Any] = SimpleQueue()
        self.loop = asyncio.get_running_loop()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def append(self, payload: bytes) -> "asyncio.Future[int]":
        future: asyncio.Future[int] = self.loop.create_future()
        self.queue.put((payload, future))
        return future

    async def close(self) -> None:
        self.queue.put(None)
        await asyncio.to_thread(self.thread.join)

    def run(self) -> None:
        connection = sqlite3.connect(self.file, isolation_level=None)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("CREATE TABLE log (place INTEGER PRIMARY KEY, payload BLOB)")
        while (item := self.queue.get()) is not None:
            group = [item]
            with contextlib.suppress(Empty):
                while len(group) < 5_000 and (item := self.queue.get_nowait()) is not None:
                    group.append(item)
            connection.execute("BEGIN")
            connection.executemany("INSERT INTO log (payload) VALUES (?)", [(payload,) for payload, _ in group])
            connection.execute("COMMIT")
            self.loop.call_soon_threadsafe(self.resolve, group)
            if item is None:
                break
        connection.close()

    @staticmethod
    def resolve(group: list[tuple[bytes, "asyncio.Future[int]"]]) -> None:
        for _, future in group:
            future.set_result(0)


def read_sqlite(folder: Path) -> int:
    connection = sqlite3.connect(f"file:{folder}/log.db?mode=ro", uri=True)
    last = count = 0
    while rows := connection.execute("SELECT place, payload FROM log WHERE place > ? LIMIT 1000", (last,)).fetchall():
        last = rows[-1][0]
        count += len(rows)
    return count


def examine_sqlite(folder: Path) -> tuple[list[bytes], bool]:
    """The payloads that can be read, and whether anything was noticed."""
    connection = sqlite3.connect(f"file:{folder}/log.db?mode=ro", uri=True)
    payloads: list[bytes] = []
    try:
        for (payload,) in connection.execute("SELECT payload FROM log ORDER BY place"):
            payloads.append(payload)
        return payloads, connection.execute("PRAGMA integrity_check").fetchone() != ("ok",)
    except sqlite3.DatabaseError:
        return payloads, True
    finally:
        connection.close()


def read_segments(folder: Path) -> int:
    reader, position, count = LogReader(folder), Position.start(), 0
    while (batch := reader.read("0", position)).next != position:
        count += len(batch.records)
        position = batch.next
    return count


def examine_segments(folder: Path) -> tuple[list[bytes], bool]:
    batch = LogReader(folder).read("0", Position.start(), max_records=10_000)
    return [record.payload for record in batch.records], bool(check(folder))


class Format(NamedTuple):
    open: Callable[[Path], Any]
    read: Callable[[Path], int]
    examine: Callable[[Path], tuple[list[bytes], bool]]


FORMATS = {
    "segments": Format(lambda folder: LogWriter(folder, "0"), read_segments, examine_segments),
    "SQLite": Format(SqliteLog, read_sqlite, examine_sqlite),
}


async def append_for(seconds: float, appenders: int, log: Any) -> int:
    end = time.perf_counter() + seconds
    count = 0

    async def append() -> None:
        nonlocal count
        while time.perf_counter() < end:
            await log.append(PAYLOAD)
            count += 1

    await asyncio.gather(*(append() for _ in range(appenders)))
    return count


def read_bytes_written() -> int:
    """What this process has sent to the disk."""
    lines = Path("/proc/self/io").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("write_bytes"))


@contextlib.contextmanager
def new_folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(dir=os.environ.get("TRACKWAY_BENCH_DIR", ".")))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


class Speed(NamedTuple):
    """Of one run; `cpu_us` and `written` are per record, CPU that of the whole process."""

    appended: float
    cpu_us: float
    written: float
    read: float


async def measure(name: str, appenders: int, seconds: float) -> Speed:
    with new_folder() as folder:
        log = FORMATS[name].open(folder)
        begin, cpu, written = time.perf_counter(), time.process_time(), read_bytes_written()
        count = await append_for(seconds, appenders, log)
        taken, cpu = time.perf_counter() - begin, time.process_time() - cpu
        await log.close()
        written = read_bytes_written() - written
        begin = time.perf_counter()
        read = FORMATS[name].read(folder)
        assert read == count, f"{name} gave back {read} of {count} records"
        return Speed(count / taken, cpu / count * 1e6, written / count, read / (time.perf_counter() - begin))


async def rot(name: str, trials: int) -> tuple[int, int, int]:
    """Flip one bit at a time in a closed log of 1,000 records.

    Returns how often it was noticed, how many records were then missing at worst, and how often a
    record came back changed.
    """
    payloads = [os.urandom(600) for _ in range(1_000)]
    noticed = worst = changed = 0
    with new_folder() as folder:
        log = FORMATS[name].open(folder)
        await asyncio.gather(*(log.append(payload) for payload in payloads))
        await log.close()
        file = max((path for path in folder.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
        sound, random = file.read_bytes(), Random(5)
        for _ in range(trials):
            data = bytearray(sound)
            data[random.randrange(len(data))] ^= 1 << random.randrange(8)
            file.write_bytes(data)
            found, told = FORMATS[name].examine(folder)
            missing = set(payloads) - set(found)
            noticed += told
            changed += bool(set(found) - set(payloads))
            worst = max(worst, len(missing))
    return noticed, worst, changed


def main(seconds: float) -> None:
    print(f"600-byte records, {os.cpu_count()} cores, medians of {RUNS} runs of {seconds} s")
    print(f"{'format':10}{'appenders':>10}{'records/s':>12}{'CPU µs/record':>15}{'bytes written':>15}{'read/s':>12}")
    for appenders in APPENDERS:
        runs: dict[str, list[Speed]] = {name: [] for name in FORMATS}
        for _ in range(RUNS):
            for name in FORMATS:
                runs[name].append(uvloop.run(measure(name, appenders, seconds)))
        for name, speeds in runs.items():
            middle = Speed(*(median(column) for column in zip(*speeds, strict=True)))
            print(
                f"{name:10}{appenders:>10}{middle.appended:>12,.0f}{middle.cpu_us:>15.1f}"
                f"{middle.written:>15,.0f}{middle.read:>12,.0f}"
            )
    print(f"One flipped bit in a closed log of 1,000 records, {TRIALS} times:")
    for name in FORMATS:
        noticed, worst, changed = asyncio.run(rot(name, TRIALS))
        print(f"{name:10} noticed {noticed}, records missing at worst {worst}, a changed record given back {changed}")


if __name__ == "__main__":
    main(float(sys.argv[1]) if sys.argv[1:] else 1.0)
