"""A power cut or a full disk in the middle of an erasure: finished by the next call, nothing else harmed."""

import errno
from pathlib import Path
from random import Random

import pytest
from tests.eventlog.crashable import CrashableDisk

from trackway.eventlog.appender import SegmentAppender
from trackway.eventlog.interface import Position, RecordPlace
from trackway.eventlog.reader import LogReader

LOG = Path("/log")
PAYLOADS = [b"%03d" % n * 300 for n in range(30)]


def fill(disk: CrashableDisk) -> list[RecordPlace]:
    appender = SegmentAppender(
        disk, LOG / "0", "0", clock=lambda: 1, monotonic=lambda: 0.0, segment_bytes=10_000, reserve_bytes=0
    )
    return [place for payload in PAYLOADS for place in appender.commit([payload])]


def find_end(reader: LogReader) -> Position:
    position = Position.start()
    while (batch := reader.read("0", position)).next != position:
        position = batch.next
    return position


def read_payloads(reader: LogReader) -> list[bytes]:
    payloads, position = [], Position.start()
    while (batch := reader.read("0", position)).next != position:
        assert batch.damages == []
        payloads += [record.payload for record in batch.records]
        position = batch.next
    return payloads


@pytest.mark.parametrize("seed", range(60))
@pytest.mark.parametrize("call", ["open", "append", "sync", "sync_directory", "open_again", "overwrite", "unlink"])
def test_an_erasure_that_broke_off_is_finished_by_the_next(call: str, seed: int) -> None:
    disk, random = CrashableDisk(), Random(seed)
    places = fill(disk)
    reader = LogReader(LOG, storage=disk)
    end = find_end(reader)
    gone = sorted(random.sample(range(30), 8))
    disk.fail_next(call, errno.EIO)
    with pytest.raises(OSError, match="Input/output error"):
        reader.erase("0", [places[n] for n in gone], end, bytes)
    disk.crash(random)

    reader.erase("0", [], end, bytes)
    reader.erase("0", [places[n] for n in gone], end, bytes)
    expected = [bytes(len(p)) if n in gone else p for n, p in enumerate(PAYLOADS)]
    assert read_payloads(reader) == expected
