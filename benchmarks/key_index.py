"""Which engine should hold the dedupe keys: SQLite, LMDB or RocksDB? The figures of decision 0002.

Each engine loads random 16-byte keys with 41-byte values in batches that are synced to disk,
then answers look-ups of 50 keys, in the writer and in a reader process that follows it.
Run: `python -m benchmarks.key_index [KEYS]`. This compares candidates; the product's own index is
`trackway.store.keys`.
"""

# ruff: noqa: T201

import json
import os
import re
import resource
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

import lmdb
from rocksdict import AccessType, Rdict, WriteBatch, WriteOptions

from trackway.store.keys import make_options

BATCH = 1_000
LOOKED_UP = 50


def make_value(key: bytes) -> bytes:
    """41 bytes that do not compress, as ids and hashes do not."""
    return key[::-1] + bytes(b ^ 90 for b in key) + key[:9]


def make_batches(keys: int, seed: int) -> Iterator[list[bytes]]:
    random = Random(seed)
    for _ in range(keys // BATCH):
        yield [random.randbytes(16) for _ in range(BATCH)]


class Sqlite:
    def __init__(self, path: Path, *, reader: bool) -> None:
        self.connection = sqlite3.connect(path / "keys.db", isolation_level=None)
        self.connection.execute("PRAGMA mmap_size=4000000000")
        if not reader:
            self.connection.execute("PRAGMA journal_mode=WAL")
            self.connection.execute("PRAGMA synchronous=FULL")
            self.connection.execute("CREATE TABLE keys (key BLOB PRIMARY KEY, value BLOB) WITHOUT ROWID")

    def put(self, keys: list[bytes]) -> None:
        self.connection.execute("BEGIN")
        self.connection.executemany(
            "INSERT OR IGNORE INTO keys VALUES (?, ?)", [(key, make_value(key)) for key in keys]
        )
        self.connection.execute("COMMIT")

    def get(self, keys: list[bytes]) -> int:
        marks = ",".join("?" * len(keys))
        return len(self.connection.execute(f"SELECT key, value FROM keys WHERE key IN ({marks})", keys).fetchall())

    def refresh(self) -> None:
        """Every SELECT sees the newest commit."""


class Lmdb:
    def __init__(self, path: Path, *, reader: bool) -> None:
        self.environment = lmdb.open(str(path), map_size=16 << 30, readonly=reader, lock=True)

    def put(self, keys: list[bytes]) -> None:
        with self.environment.begin(write=True) as transaction:
            for key in keys:
                transaction.put(key, make_value(key), overwrite=False)

    def get(self, keys: list[bytes]) -> int:
        with self.environment.begin() as transaction:
            return sum(transaction.get(key) is not None for key in keys)

    def refresh(self) -> None:
        """Every transaction sees the newest commit."""


class Rocks:
    def __init__(self, path: Path, *, reader: bool) -> None:
        options = make_options()
        access = AccessType.secondary(tempfile.mkdtemp(dir=path.parent)) if reader else AccessType.read_write()
        self.database = Rdict(
            str(path / "rocks"), options, column_families={"default": options} if reader else None, access_type=access
        )
        self.synced = WriteOptions()
        self.synced.sync = True

    def put(self, keys: list[bytes]) -> None:
        batch = WriteBatch(raw_mode=True)
        for key in keys:
            batch.put(key, make_value(key))
        self.database.write(batch, self.synced)

    def get(self, keys: list[bytes]) -> int:
        return sum(value is not None for value in self.database.get(keys))

    def refresh(self) -> None:
        self.database.try_catch_up_with_primary()


ENGINES: dict[str, Callable[..., Any]] = {"SQLite": Sqlite, "LMDB": Lmdb, "RocksDB": Rocks}


def read_bytes_written() -> int:
    """What this process has sent to the disk."""
    return int(re.search(r"^write_bytes: (\d+)", Path("/proc/self/io").read_text(), re.M).group(1))


def time_us(call: Callable[[], object], times: int = 200) -> float:
    taken = []
    for _ in range(times):
        begin = time.perf_counter()
        call()
        taken.append(time.perf_counter() - begin)
    return round(median(taken) * 1e6, 1)


def time_lookups(engine: Any, present: list[bytes]) -> tuple[float, float]:
    """Median µs for 50 missing and for 50 present keys, other ones each time."""
    random = Random(9)
    absent = time_us(lambda: engine.get([random.randbytes(16) for _ in range(LOOKED_UP)]))
    held = time_us(lambda: engine.get(random.sample(present, LOOKED_UP)))
    return absent, held


def measure(name: str, path: Path, keys: int) -> dict[str, float]:
    """Runs in a process of its own, so that memory is that of one engine."""
    engine = ENGINES[name](path, reader=False)
    taken, present, random = [], [], Random(1)
    begin, cpu, written = time.perf_counter(), time.process_time(), read_bytes_written()
    for batch in make_batches(keys, seed=7):
        before = time.perf_counter()
        engine.put(batch)
        taken.append(time.perf_counter() - before)
        present += random.sample(batch, 2)
    seconds, cpu = time.perf_counter() - begin, time.process_time() - cpu
    written = read_bytes_written() - written
    tenth = max(1, len(taken) // 10)
    absent, held = time_lookups(engine, present)

    child = [
        sys.executable,
        "-m",
        "benchmarks.key_index",
        "--read",
        name,
        str(path),
        json.dumps([key.hex() for key in present[:2000]]),
    ]
    follower = subprocess.Popen(child, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert follower.stdin
    assert follower.stdout
    follower.stdout.readline()
    seen = []
    for batch in make_batches(50 * BATCH, seed=8):
        engine.put(batch)
        follower.stdin.write(batch[0].hex() + "\n")
        follower.stdin.flush()
        seen.append(float(follower.stdout.readline()))
    follower.stdin.close()
    read = json.loads(follower.stdout.readline())
    follower.wait()
    return {
        "load keys/s": round(keys / seconds),
        "last tenth keys/s": round(tenth * BATCH / sum(taken[-tenth:])),
        "CPU µs/key": round(cpu / keys * 1e6, 2),
        "slowest batch ms": round(max(taken) * 1e3),
        "written MB": round(written / 1e6),
        "50 missing µs": absent,
        "50 present µs": held,
        "reader: 50 missing µs": read["absent"],
        "reader: 50 present µs": read["held"],
        "reader: refresh after 1k new µs": round(median(seen) * 1e6),
        "disk MB": round(sum(f.stat().st_size for f in path.rglob("*") if f.is_file()) / 1e6),
        "writer RSS MB": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3),
    }


def follow(name: str, path: Path, present: list[bytes]) -> None:
    """The reader process: how long until it sees what the writer says it wrote, then look-ups."""
    engine = ENGINES[name](path, reader=True)
    print("ready", flush=True)
    for line in sys.stdin:
        begin = time.perf_counter()
        engine.refresh()
        assert engine.get([bytes.fromhex(line)]) == 1, "the reader does not see what was written"
        print(time.perf_counter() - begin, flush=True)
    absent, held = time_lookups(engine, present)
    print(json.dumps({"absent": absent, "held": held}), flush=True)


def main(keys: int) -> None:
    results: dict[str, dict[str, float]] = {}
    for name in ENGINES:
        path = Path(tempfile.mkdtemp(dir=os.environ.get("TRACKWAY_BENCH_DIR", ".")))
        (path / "db").mkdir()
        try:
            command = [sys.executable, "-m", "benchmarks.key_index", "--one", name, str(path / "db"), str(keys)]
            results[name] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
        finally:
            shutil.rmtree(path)
    print(f"{keys} keys, batches of {BATCH}, {os.cpu_count()} cores")
    print(f"{'':34}" + "".join(f"{name:>12}" for name in results))
    for row in next(iter(results.values())):
        print(f"{row:34}" + "".join(f"{result[row]:>12}" for result in results.values()))


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["--one", name, path, keys]:
            print(json.dumps(measure(name, Path(path), int(keys))))
        case ["--read", name, path, present]:
            follow(name, Path(path), [bytes.fromhex(key) for key in json.loads(present)])
        case rest:
            main(int(rest[0]) if rest else 1_000_000)
