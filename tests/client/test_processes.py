"""Programs that end, fork and start others, each as a process of its own."""

import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from tests.client.receiver import KEY, Receiver, Said

from trackway.testing.waiting import wait_until

HEAD = """
import os, signal, sys, threading, time
from trackway.client import Client
URL, KEY, SPOOL = sys.argv[1], sys.argv[2], sys.argv[3] or None
"""


def run(receiver: Receiver, script: str, spool: Path | str = "") -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", HEAD + textwrap.dedent(script), receiver.url, KEY, str(spool)]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)


def test_what_waits_when_the_program_ends_is_sent(receiver: Receiver) -> None:
    done = run(receiver, "Client(URL, KEY, flush_every_s=60).track('last words')")
    assert (done.returncode, done.stderr) == (0, "")
    assert receiver.names == ["last words"]


def test_an_exception_that_ends_the_program_takes_no_event_with_it(receiver: Receiver) -> None:
    done = run(receiver, "Client(URL, KEY, flush_every_s=60).track('t'); raise SystemExit(3)")
    assert done.returncode == 3
    assert receiver.names == ["t"]


def test_the_end_of_a_program_waits_for_a_hanging_server_no_longer_than_it_was_told(receiver: Receiver) -> None:
    def hang(_: object) -> Said:
        time.sleep(8)
        return Said(503)

    receiver.otherwise = hang
    began = time.monotonic()
    done = run(receiver, "Client(URL, KEY, close_timeout_s=0.5).track('t')")
    assert done.returncode == 0
    assert time.monotonic() - began < 6
    assert "1 events could not be sent in time and are lost" in done.stderr


def test_what_other_exit_handlers_track_stays_in_the_spool(receiver: Receiver, tmp_path: Path) -> None:
    run(
        receiver,
        """
        import atexit
        atexit.register(lambda: client.track('after'))
        client = Client(URL, KEY, spool=SPOOL, flush_every_s=60)
        client.track('before')
        """,
        tmp_path,
    )
    assert receiver.names == ["before"]
    run(receiver, "Client(URL, KEY, spool=SPOOL)", tmp_path)
    assert receiver.names == ["before", "after"]


@pytest.mark.parametrize("spooled", [False, True])
@pytest.mark.filterwarnings("ignore")
def test_a_fork_doubles_nothing_and_the_child_sends_its_own(receiver: Receiver, tmp_path: Path, spooled: bool) -> None:
    done = run(
        receiver,
        """
        client = Client(URL, KEY, spool=SPOOL, flush_every_s=60)
        client.track('parent before')
        children = []
        for number in range(3):
            child = os.fork()
            if not child:
                client.track(f'child {number}')
                assert client.stats.tracked == 1
                sys.exit()
            children.append(child)
        client.track('parent after')
        for child in children:
            assert os.waitpid(child, 0)[1] == 0
        assert client.stats.tracked == 2
        """,
        tmp_path / "spool" if spooled else "",
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(receiver.names) == ["child 0", "child 1", "child 2", "parent after", "parent before"]


def test_a_fork_while_threads_track_and_send_hangs_nobody(receiver: Receiver, tmp_path: Path) -> None:
    done = run(
        receiver,
        """
        client = Client(URL, KEY, spool=SPOOL, flush_at=5, flush_every_s=0.01)
        stop = threading.Event()
        counts = [0] * 4
        def work(number):
            while not stop.is_set():
                client.track('parent')
                counts[number] += 1
                time.sleep(0.001)
        threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
        for thread in threads: thread.start()
        children = []
        for _ in range(20):
            child = os.fork()
            if not child:
                client.track('child')
                client.close(10)
                os._exit(0)
            children.append(child)
        for child in children:
            assert os.waitpid(child, 0)[1] == 0
        stop.set()
        for thread in threads: thread.join()
        client.close()
        print(sum(counts))
        """,
        tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert receiver.names.count("child") == 20
    assert receiver.names.count("parent") == int(done.stdout)
    keys = [event["dedupe_key"] for event in receiver.taken]
    assert len(keys) == len(set(keys))
    assert list(tmp_path.rglob("*.events")) == []


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_children_of_multiprocessing_send_before_they_end(receiver: Receiver, tmp_path: Path, method: str) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        HEAD
        + textwrap.dedent(
            """
            import multiprocessing
            client = Client(URL, KEY, flush_every_s=60)
            def work(number):
                client.track(f"child {number}")
            if __name__ == "__main__":
                client.track("parent")
                context = multiprocessing.get_context(sys.argv[4])
                children = [context.Process(target=work, args=(n,)) for n in range(2)]
                for child in children: child.start()
                for child in children: child.join()
            """
        )
    )
    command = [sys.executable, str(script), receiver.url, KEY, "", method]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert sorted(receiver.names) == ["child 0", "child 1", "parent"]


def test_a_child_that_outlives_its_parent_does_not_hold_the_parents_events(receiver: Receiver, tmp_path: Path) -> None:
    """A lock on a file goes with the last process that has it open, so the child must let go of it."""
    with subprocess.Popen(
        [
            *(sys.executable, "-c"),
            HEAD + "client = Client('http://127.0.0.1:9', KEY, spool=SPOOL)\nclient.track('parent')\n"
            "if os.fork():\n    os.kill(os.getpid(), 9)\nprint('child', flush=True)\ntime.sleep(60)\n",
            *(receiver.url, KEY, str(tmp_path)),
        ],
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"child\n"
        try:
            run(receiver, "Client(URL, KEY, spool=SPOOL)", tmp_path)
            assert receiver.names == ["parent"]
        finally:
            import os

            os.killpg(process.pid, signal.SIGKILL)


def test_a_signal_handler_that_tracks_in_the_middle_of_tracking_hangs_nothing(
    receiver: Receiver, tmp_path: Path
) -> None:
    done = run(
        receiver,
        """
        client = Client(URL, KEY, spool=SPOOL, flush_every_s=0.05)
        caught = 0
        def catch(*_):
            global caught
            caught += 1
            client.track('signal')
        signal.signal(signal.SIGALRM, catch)
        signal.setitimer(signal.ITIMER_REAL, 0.001, 0.0005)
        for _ in range(5000):
            client.track('plain')
        signal.setitimer(signal.ITIMER_REAL, 0)
        client.close()
        assert client.stats.damaged == 0
        print(caught)
        """,
        tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert receiver.names.count("plain") == 5000
    assert int(done.stdout) > 50
    assert receiver.names.count("signal") == int(done.stdout)


def test_a_process_adopts_what_a_killed_neighbour_left_while_both_ran(receiver: Receiver, tmp_path: Path) -> None:
    """Also without a restart: everybody looks every half minute, and whoever flushes looks at once."""
    script = (
        HEAD + "client = Client('http://127.0.0.1:9', KEY, spool=SPOOL)\nclient.track('left')\nprint('', flush=True)\n"
    )
    command = [sys.executable, "-c", script + "time.sleep(60)", receiver.url, KEY, str(tmp_path)]
    from trackway.client import Client

    with (
        Client(receiver.url, KEY, spool=tmp_path) as client,
        subprocess.Popen(command, stdout=subprocess.PIPE) as neighbour,
    ):
        assert neighbour.stdout is not None
        neighbour.stdout.readline()
        assert client.flush()
        assert receiver.names == []
        neighbour.kill()
        neighbour.wait()
        assert client.flush()
        wait_until(lambda: receiver.names == ["left"])
