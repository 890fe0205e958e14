"""The supervisor wakes when a child ends or it is told to stop, rather than look all the time."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from trackway.app.supervisor import Bell


@pytest.fixture
def bell() -> Iterator[Bell]:
    before = signal.signal(signal.SIGCHLD, lambda *_: None)
    with Bell() as bell:
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
