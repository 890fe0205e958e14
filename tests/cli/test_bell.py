"""Processes wake each other rather than look all the time."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from trackway.app.bells import Bell, make_bell, ring_at_signals
from trackway.eventlog.embedded import LogWriter


@pytest.fixture
def bell() -> Iterator[Bell]:
    before = signal.signal(signal.SIGCHLD, lambda *_: None)
    with make_bell() as bell, ring_at_signals(bell):
        yield bell
    signal.signal(signal.SIGCHLD, before)


def test_it_rings_when_a_child_ends(bell: Bell) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        assert not bell.wait(0.01)
        child.kill()
        assert bell.wait(60)
        assert child.wait() == -signal.SIGKILL


def test_a_signal_before_the_waiting_is_not_missed_and_many_are_one(bell: Bell) -> None:
    for _ in range(10_000):
        os.kill(os.getpid(), signal.SIGCHLD)
    assert bell.wait(60)
    while bell.wait(0.0):
        pass
    os.kill(os.getpid(), signal.SIGCHLD)
    assert bell.wait(60)


def test_it_is_heard_once_however_often_it_rings_and_whoever_rings() -> None:
    with make_bell() as bell:
        assert not bell.wait(0.0)
        for _ in range(100_000):
            # More than a pipe holds: it neither waits nor fails.
            bell.ring()
        assert bell.wait(60)
        while bell.wait(0.0):
            pass
        program = "import sys; from trackway.app.bells import Bell; Bell(-1, int(sys.argv[1])).ring()"
        subprocess.run([sys.executable, "-c", program, str(bell.hammer)], pass_fds=[bell.hammer], check=True)
        assert bell.wait(60)
        Bell(bell.ear, -1).ring()


def test_it_rings_in_the_pipeline_when_a_record_is_durable(tmp_path: Path) -> None:
    async def write(bell: Bell) -> None:
        writer = LogWriter(tmp_path, "0", reserve_bytes=0, tell_written=bell.ring)
        for _ in range(3):
            await writer.append(b"an event")
            assert await asyncio.to_thread(bell.wait, 60)
        await writer.close()

    with make_bell() as bell:
        asyncio.run(write(bell))
        assert not bell.wait(0.0)
