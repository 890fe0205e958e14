"""The engine as a process: it starts, stops and dies without losing or doubling a row."""

import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest

from trackway.event import LogPlace, Row
from trackway.store.client import EventStore, StoreUnavailable
from trackway.store.migrate import migrate
from trackway.testing.engine import EngineProcess, start_engine

STORED_AT = 1_763_700_000_500


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "engine"


def port_of(url: str) -> int:
    return urlsplit(url).port or 0


def test_it_listens_on_the_loopback_address_only(engine_url: str) -> None:
    port = port_of(engine_url)
    listening = [c.laddr for c in psutil.net_connections("tcp") if c.status == "LISTEN" and c.laddr.port == port]
    assert [address.ip for address in listening] == ["127.0.0.1"]


def test_rows_are_there_after_a_restart(directory: Path, segment: int, make_row: Any) -> None:
    with start_engine(directory) as url:
        store = EventStore(url)
        migrate(store)
        store.insert_events([make_row(segment, 0)], STORED_AT)
        store.close()
    with start_engine(directory, secret="another") as url:
        store = EventStore(url)
        assert migrate(store) == []
        assert store.places_present("events", segment, 0) == {LogPlace(segment, 0, 0)}
        store.close()


def test_a_client_finds_the_engine_again_after_a_restart_on_its_port(
    directory: Path, segment: int, make_row: Any
) -> None:
    engine = EngineProcess(directory)
    store = EventStore(engine.url)
    migrate(store)
    engine.kill()
    with pytest.raises(StoreUnavailable):
        store.insert_events([make_row(segment, 0)], STORED_AT)
    with start_engine(directory, port=port_of(engine.url)):
        store.insert_events([make_row(segment, 0)], STORED_AT)
        assert store.places_present("events", segment, 0) == {LogPlace(segment, 0, 0)}
    store.close()


def test_a_second_engine_on_the_same_directory_is_refused_and_says_why(directory: Path) -> None:
    with start_engine(directory) as url:
        with pytest.raises(RuntimeError, match=r"open in another engine process; stop that one first"):
            EngineProcess(directory)
        store = EventStore(url)
        assert store.select("SELECT 1 AS one") == [{"one": 1}]
        store.close()


def test_a_taken_port_is_refused(directory: Path, engine_url: str) -> None:
    with pytest.raises(RuntimeError, match="Address already in use"):
        EngineProcess(directory, port=port_of(engine_url))


def test_sigterm_ends_it_with_status_0(directory: Path) -> None:
    assert EngineProcess(directory).stop() == 0


def test_sigterm_ends_it_while_questions_run(directory: Path) -> None:
    engine = EngineProcess(directory)
    store = EventStore(engine.url)
    failures: list[StoreUnavailable] = []

    def ask() -> None:
        try:
            store.select("SELECT count() FROM system.numbers WHERE NOT ignore(number)")
        except StoreUnavailable as error:
            failures.append(error)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    watcher = EventStore(engine.url)
    while watcher.select("SELECT count() AS n FROM system.processes")[0]["n"] < 4:
        time.sleep(0.02)
    assert engine.stop() == 0
    for thread in threads:
        thread.join()
    assert len(failures) == 3
    store.close()
    watcher.close()


def test_it_ends_when_its_parent_dies_however_that_dies(directory: Path) -> None:
    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, time; from pathlib import Path; from trackway.testing.engine import EngineProcess; "
            "engine = EngineProcess(Path(sys.argv[1])); print(engine.process.pid, flush=True); time.sleep(600)",
            str(directory),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.wait()
    parent.stdout.close()
    child.wait(30)
    with start_engine(directory):
        pass


def test_an_insert_that_cannot_write_its_part_is_no_success(directory: Path, segment: int, make_row: Any) -> None:
    """chDB's own streaming insert reports success here (seen with 4.4): the engine must not use it."""
    engine = EngineProcess(directory)
    store = EventStore(engine.url)
    migrate(store)
    process = psutil.Process(engine.process.pid)
    limits = process.rlimit(psutil.RLIMIT_NOFILE)
    process.rlimit(psutil.RLIMIT_NOFILE, (process.num_fds() + 5, limits[1]))
    with pytest.raises(StoreUnavailable, match="Too many open files"):
        store.insert_events([make_row(segment, record) for record in range(100)], STORED_AT)
    process.rlimit(psutil.RLIMIT_NOFILE, limits)
    assert store.places_present("events", segment, 0) == set()
    store.close()
    engine.stop()


def make_hostile_object(chance: random.Random, depth: int = 4) -> Any:
    """Lists of objects in lists, every key one of many: what makes the most columns of the fewest bytes."""
    kind = chance.random()
    if depth == 0 or kind < 0.3:
        return chance.choice([1, 1.5, "text", True, None, "2026-01-01"])
    if kind < 0.6:
        return [make_hostile_object(chance, depth - 1) for _ in range(3)]
    return {f"key{chance.randrange(60)}": make_hostile_object(chance, depth - 1) for _ in range(4)}


def test_hostile_properties_do_not_multiply_the_files_of_a_part(directory: Path, segment: int, make_row: Any) -> None:
    chance = random.Random(1)
    with start_engine(directory) as url:
        store = EventStore(url)
        migrate(store)
        store.execute("ALTER TABLE events MODIFY SETTING min_bytes_for_wide_part = 0")
        for batch in range(2):
            hostile = [
                {f"key{chance.randrange(60)}": make_hostile_object(chance) for _ in range(5)} for _ in range(300)
            ]
            rows = [make_row(segment, batch * 300 + n, properties=value) for n, value in enumerate(hostile)]
            store.insert_events(rows, STORED_AT)
        store.execute("OPTIMIZE TABLE events FINAL")
        most = max(len(list(part.iterdir())) for part in directory.glob("data/store/*/*/2*"))
        assert 100 < most < 1_000
        store.close()


class Writer:
    """Sends batch after batch as the pipeline does, and after a doubt only what is missing."""

    def __init__(self, url: str, segment: int, make_row: Any) -> None:
        self.acknowledged: set[LogPlace] = set()
        self.doubts = 0
        self._store = EventStore(url)
        self._segment = segment
        self._make_row = make_row
        self._records = 0

    def write(self, batches: int) -> None:
        for _ in range(batches):
            rows = [self._make_row(self._segment, self._records + number) for number in range(500)]
            self._records += len(rows)
            self._write(rows)

    def _write(self, rows: list[Row]) -> None:
        waiting, doubtful = rows, False
        while True:
            try:
                if doubtful:
                    present = self._store.places_present("events", self._segment, rows[0].place.record)
                    waiting = [row for row in rows if row.place not in present]
                self._store.insert_events(waiting, STORED_AT)
                break
            except StoreUnavailable:
                self.doubts += 1
                doubtful = True
                time.sleep(0.05)
        self.acknowledged |= {row.place for row in rows}

    def close(self) -> None:
        self._store.close()


@pytest.fixture
def dying_engine(directory: Path) -> Iterator[list[EngineProcess]]:
    engines = [EngineProcess(directory)]
    yield engines
    engines[-1].stop()


def check_kills(directory: Path, engines: list[EngineProcess], writer: Writer, kills: int, batches: int) -> None:
    store = EventStore(engines[0].url)
    migrate(store)
    port = port_of(engines[0].url)
    chance = random.Random(1)
    thread = threading.Thread(target=writer.write, args=(batches,))
    thread.start()
    for _ in range(kills):
        time.sleep(chance.uniform(0.2, 0.9))
        engines[-1].kill()
        engines.append(EngineProcess(directory, port=port))
    thread.join()
    (found,) = store.select(
        "SELECT count() AS rows, uniqExact(log_segment, log_record, log_index) AS places FROM events"
    )
    assert found == {"rows": len(writer.acknowledged), "places": batches * 500}
    assert writer.doubts > 0
    store.close()
    writer.close()


def test_kill_9_during_inserts_loses_no_acknowledged_row_and_doubles_none(
    directory: Path, dying_engine: list[EngineProcess], segment: int, make_row: Any
) -> None:
    check_kills(directory, dying_engine, Writer(dying_engine[0].url, segment, make_row), kills=3, batches=40)


@pytest.mark.faults
def test_many_kill_9_during_inserts_lose_no_acknowledged_row_and_double_none(
    directory: Path, dying_engine: list[EngineProcess], segment: int, make_row: Any
) -> None:
    check_kills(directory, dying_engine, Writer(dying_engine[0].url, segment, make_row), kills=25, batches=400)
