"""The writer on a disk that fails: what waiters are told, and that nothing false is promised."""

import asyncio
import errno
import threading
from pathlib import Path

import pytest
from tests.eventlog.crashable import CrashableDisk

from trackway.eventlog.embedded import LogReader, LogWriter
from trackway.eventlog.interface import DiskFull, NotDurable, Position


class CountingDisk(CrashableDisk):
    """Refuses every sync of a file after the first refusal, and counts how often it is asked again."""

    def __init__(self) -> None:
        super().__init__()
        self.refused: set[int] = set()
        self.asked_again = 0

    def sync(self, handle: int) -> None:
        self.asked_again += handle in self.refused
        if "sync" in self.failures:
            self.refused.add(handle)
        super().sync(handle)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """The modelled disk holds the segments; the lock file needs a real folder."""
    (tmp_path / "0").mkdir()
    return tmp_path


def read(disk: CrashableDisk, log: Path) -> list[bytes]:
    reader, position, payloads = LogReader(log, storage=disk), Position.start(), []
    while (batch := reader.read("0", position)).next != position:
        assert not any(damage.records_lost for damage in batch.damages)
        payloads += [record.payload for record in batch.records]
        position = batch.next
    return payloads


@pytest.mark.parametrize("call", ["append", "sync"])
def test_everyone_in_a_group_that_failed_is_told_and_the_next_append_succeeds(log: Path, call: str) -> None:
    disk = CountingDisk()

    async def run() -> None:
        writer = LogWriter(log, "0", storage=disk, reserve_bytes=0)
        first = await writer.append(b"first")
        disk.fail_next(call, errno.EIO)
        waiting = [writer.append(b"in the group %d" % n) for n in range(2)]
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
        assert isinstance(outcomes[0], NotDurable)
        assert not isinstance(outcomes[0], DiskFull)
        assert "Input/output error" in str(outcomes[0])
        later = await writer.append(b"later")
        assert later.segment > first.segment
        await writer.close()

    asyncio.run(run())
    assert disk.asked_again == 0, "a failed sync was tried again on the same file"
    payloads = read(disk, log)
    assert payloads[0] == b"first"
    assert payloads[-1] == b"later"


def test_no_space_left_is_told_as_a_full_disk(log: Path) -> None:
    disk = CrashableDisk()

    async def run() -> None:
        writer = LogWriter(log, "0", storage=disk, reserve_bytes=0)
        disk.fail_next("append", errno.ENOSPC)
        with pytest.raises(DiskFull, match="No space left"):
            await writer.append(b"first")
        await writer.append(b"second")
        await writer.close()

    asyncio.run(run())
    assert read(disk, log) == [b"second"]


def test_below_the_reserve_appends_are_refused_until_there_is_room_again(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trackway.eventlog.appender.FREE_SPACE_CHECK_S", 0.0)
    monkeypatch.setattr("trackway.eventlog.appender.PAUSE_AFTER_REPEATED_ERRORS_S", 0.0)
    disk = CrashableDisk()

    async def run() -> None:
        writer = LogWriter(log, "0", storage=disk, reserve_bytes=1_000)
        await writer.append(b"first")
        disk.free = 999
        for _ in range(3):
            with pytest.raises(DiskFull, match=r"999 bytes are free .* disk_reserve_bytes is 1000"):
                await writer.append(b"refused")
        disk.free = 1_000
        await writer.append(b"second")
        await writer.close()

    asyncio.run(run())
    assert read(disk, log) == [b"first", b"second"]


def test_a_disk_that_goes_on_failing_does_not_fill_up_with_segments(log: Path) -> None:
    disk = CrashableDisk()

    async def run() -> None:
        writer = LogWriter(log, "0", storage=disk, reserve_bytes=0)
        for _ in range(200):
            disk.fail_next("append", errno.EIO)
            with pytest.raises(NotDurable):
                await writer.append(b"refused")
        await writer.close()

    asyncio.run(run())
    assert len(disk.list(log / "0")) < 5
    assert read(disk, log) == []


def test_an_error_of_our_own_leaves_nobody_waiting(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ended_by: list[type[BaseException]] = []
    monkeypatch.setattr(threading, "excepthook", lambda end: ended_by.append(end.exc_type))

    class BrokenDisk(CrashableDisk):
        def append(self, handle: int, data: bytes) -> None:
            raise ZeroDivisionError

    async def run() -> None:
        writer = LogWriter(log, "0", storage=BrokenDisk(), reserve_bytes=0)
        with pytest.raises(NotDurable, match="an error of its own"):
            await asyncio.wait_for(writer.append(b"first"), 10)
        with pytest.raises(NotDurable, match="has stopped"):
            await asyncio.wait_for(writer.append(b"second"), 10)
        await writer.close()
        assert writer.stopped

    asyncio.run(run())
    assert ended_by == [ZeroDivisionError]


@pytest.mark.parametrize("name", ["", "damaged", "A", "../x", "x" * 33])
def test_a_stream_needs_a_plain_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="a stream's name is"):
        LogWriter(tmp_path, name)
