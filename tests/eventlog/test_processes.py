"""Several processes on one log: one writer, readers that follow it, writers that are killed."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from trackway.eventlog.embedded import LogReader, LogWriter, check
from trackway.eventlog.interface import DiskFull, NotDurable, Position, StreamInUse

# Appends numbered payloads from many waiters and says each number only once it is acknowledged.
WRITER = """
import asyncio, itertools, os, resource, sys
from pathlib import Path
from trackway.eventlog.embedded import LogWriter
from trackway.eventlog.interface import NotDurable

async def run(log, first, waiters, limit, file_bytes):
    if file_bytes:
        resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes))
    writer = LogWriter(Path(log), "0", segment_bytes=200_000, reserve_bytes=0)
    numbers = itertools.count(first)

    async def append():
        while (number := next(numbers)) < first + limit:
            try:
                await writer.append(b"%d " % number + b"x" * (number % 900))
                os.write(1, b"%d\\n" % number)
            except NotDurable:
                os.write(1, b"refused\\n")
                await asyncio.sleep(0.01)
    await asyncio.gather(*(append() for _ in range(waiters)))
    await writer.close()

asyncio.run(run(sys.argv[1], *map(int, sys.argv[2:])))
"""


def start_writer(log: Path, first: int = 0, *, limit: int = 1 << 40, file_bytes: int = 0) -> "subprocess.Popen[bytes]":
    arguments = [sys.executable, "-c", WRITER, str(log), str(first), "32", str(limit), str(file_bytes)]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE)


def read_numbers(log: Path) -> list[int]:
    reader, position, numbers = LogReader(log), Position.start(), []
    while (batch := reader.read("0", position)).next != position:
        assert not any(damage.records_lost != 0 for damage in batch.damages)
        numbers += [int(record.payload.split()[0]) for record in batch.records]
        position = batch.next
    return numbers


def test_a_second_writer_is_turned_away_and_told_by_whom(tmp_path: Path) -> None:
    writer = start_writer(tmp_path)
    assert writer.stdout
    try:
        writer.stdout.readline()
        before = sorted(path.name for path in (tmp_path / "0").iterdir())
        with pytest.raises(StreamInUse, match=rf"is being written by process {writer.pid}: stop it first"):
            LogWriter(tmp_path, "0")
        assert set(before) <= {path.name for path in (tmp_path / "0").iterdir()}
    finally:
        writer.kill()
        writer.communicate()


def test_a_lock_left_by_a_dead_writer_does_not_block(tmp_path: Path) -> None:
    writer = start_writer(tmp_path)
    assert writer.stdout
    writer.stdout.readline()
    writer.kill()
    writer.communicate()
    assert (tmp_path / "0" / "lock").exists()
    asyncio.run(LogWriter(tmp_path, "0").close())


def test_a_reader_follows_a_live_writer_in_another_process_over_many_segments(tmp_path: Path) -> None:
    writer = start_writer(tmp_path, limit=3_000)
    reader, position, numbers, segments = LogReader(tmp_path), Position.start(), [], set()
    ended = False
    while True:
        ended = ended or writer.poll() is not None
        batch = reader.read("0", position, max_records=100)
        assert batch.damages == []
        numbers += [int(record.payload.split()[0]) for record in batch.records]
        segments |= {record.segment for record in batch.records}
        if batch.next == position:
            if ended:
                break
            time.sleep(0.001)
        position = batch.next
        # The pipe must not fill up while nobody reads it.
        if not ended and writer.stdout:
            os.set_blocking(writer.stdout.fileno(), False)
            writer.stdout.read()
    writer.communicate()
    assert sorted(numbers) == list(range(3_000))
    assert len(segments) > 3


@pytest.mark.faults
def test_killing_a_writer_under_load_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    acknowledged: list[int] = []
    for life in range(8):
        writer = start_writer(tmp_path, first=life * 1_000_000)
        assert writer.stdout
        lines = [writer.stdout.readline()]
        time.sleep(0.02 + 0.03 * life)
        writer.send_signal(signal.SIGKILL)
        lines += writer.communicate()[0].splitlines()
        acknowledged += [int(line) for line in lines if line.strip()]
        numbers = read_numbers(tmp_path)
        assert len(numbers) == len(set(numbers)), "a record is there twice"
        missing = set(acknowledged) - set(numbers)
        assert not missing
    assert len(acknowledged) > 100
    assert not any(damage.records_lost for damage in check(tmp_path))


@pytest.mark.faults
def test_a_file_size_limit_only_makes_segments_shorter(tmp_path: Path) -> None:
    writer = start_writer(tmp_path, limit=2_000, file_bytes=50_000)
    lines = writer.communicate()[0].split()
    acknowledged = {int(line) for line in lines if line != b"refused"}
    assert writer.returncode == 0
    assert b"refused" in lines, "the limit was never met"
    numbers = read_numbers(tmp_path)
    assert len(numbers) == len(set(numbers))
    assert acknowledged <= set(numbers)
    assert len(acknowledged) > 100


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"needs to mount a tmpfs (root): {mounted.stderr.decode().strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.faults
@pytest.mark.parametrize("reserve_bytes", [0, 1_000_000])
def test_a_disk_that_fills_up_is_told_loses_nothing_and_goes_on_when_there_is_room(
    tmp_path: Path, reserve_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trackway.eventlog.appender.FREE_SPACE_CHECK_S", 0.0)
    monkeypatch.setattr("trackway.eventlog.appender.PAUSE_AFTER_REPEATED_ERRORS_S", 0.0)
    with small_disk(tmp_path / "disk", "6m") as disk:
        ballast = disk / "ballast"
        ballast.write_bytes(bytes(2_000_000))

        async def fill() -> list[int]:
            writer = LogWriter(disk / "log", "0", segment_bytes=500_000, reserve_bytes=reserve_bytes)
            done: list[int] = []
            with pytest.raises(DiskFull):
                for number in range(1_000):
                    await writer.append(b"%d " % number + b"x" * 9_000)
                    done.append(number)
            for _ in range(20):
                with pytest.raises(NotDurable):
                    await writer.append(b"999999 refused" + b"x" * 9_000)
            free = os.statvfs(disk)
            assert free.f_bavail * free.f_frsize >= reserve_bytes - 20_000
            assert len(done) > 100
            ballast.unlink()
            await writer.append(b"1000 after")
            await writer.close()
            return [*done, 1000]

        acknowledged = asyncio.run(fill())
        assert [number for number in read_numbers(disk / "log") if number != 999999] == acknowledged
