"""When the pipeline reads and looks around: at once when there is something, and hardly ever when there is nothing."""

import asyncio
import time
from pathlib import Path

import pytest

from trackway.control.database import State, bump_version
from trackway.eventlog.embedded import LogReader, LogWriter
from trackway.pipeline import pace
from trackway.pipeline.pace import Pace


@pytest.fixture(autouse=True)
def no_haste(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test depends on how fast it runs: what happens anyway happens in an hour."""
    monkeypatch.setattr(pace, "ANYWAY_S", 3600.0)
    monkeypatch.setattr(pace, "LOOK_AROUND_S", 0.0)


def append(log: Path, payload: bytes) -> None:
    async def write() -> None:
        writer = LogWriter(log, "0", reserve_bytes=0)
        await writer.append(payload)
        await writer.close()

    asyncio.run(write())


def test_it_is_read_until_there_is_nothing_more_and_then_when_something_was_written(
    state: State, tmp_path: Path
) -> None:
    found = Pace(LogReader(tmp_path / "log"), state)
    assert found.should_read()
    found.note_read(moved=True)
    assert found.should_read()
    found.note_read(moved=False)
    assert not found.should_read()
    append(tmp_path / "log", b"an event")
    assert found.should_read()
    found.note_read(moved=False)
    assert not found.should_read()


def test_a_reading_that_failed_is_done_again(state: State, tmp_path: Path) -> None:
    found = Pace(LogReader(tmp_path / "log"), state)
    assert [found.should_read(), found.should_read()] == [True, True]


def test_it_looks_around_after_a_batch_and_when_the_state_has_changed(state: State, tmp_path: Path) -> None:
    found, now = Pace(LogReader(tmp_path / "log"), state), time.monotonic()
    assert found.should_look(now, settled=False)
    assert not found.should_look(now, settled=False)
    assert found.should_look(now, settled=True)
    assert not found.should_look(now, settled=False)
    with state.write() as connection:
        bump_version(connection)
    assert found.should_look(now, settled=False)
    assert not found.should_look(now, settled=False)
    assert found.should_look(now - 7200, settled=False)
