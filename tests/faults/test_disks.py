"""Power cuts, full disks and failing syncs, with the whole data folder on a disk of its own.

Needs root, loop devices, xfsprogs, e2fsprogs and strace; what is missing makes a visible skip.
"""

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from trackway.testing.ledger import Load
from trackway.testing.server import TestServer, start_server

Audit = Callable[..., dict[str, Any]]
Until = Callable[..., float]

pytestmark = pytest.mark.faults

IMAGE_BYTES = {"xfs": 700_000_000, "ext4": 500_000_000}
RESERVE_BYTES = 40_000_000


def require(*programs: str) -> None:
    if os.geteuid() != 0:
        pytest.skip("mounting a disk of its own needs root")
    for program in programs:
        if shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") is None:
            pytest.skip(f"{program} is missing: sudo apt-get install xfsprogs e2fsprogs strace mount")


def run(*command: str | Path) -> None:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))}: {done.stderr.strip()}")


class LoopDisk:
    """A file system in a file, mounted at `folder`, that can lose its power."""

    def __init__(self, kind: str, place: Path) -> None:
        self.kind, self.folder, self._image = kind, place / "disk", place / "image"
        self.folder.mkdir(parents=True)
        with self._image.open("wb") as image:
            image.truncate(IMAGE_BYTES[kind])
        run(f"mkfs.{kind}", "-q", self._image)
        self.mount()

    def mount(self) -> None:
        try:
            run("mount", "-o", "loop", self._image, self.folder)
        except RuntimeError as error:
            pytest.skip(f"no loop device can be mounted here: {error}")

    def cut_power(self) -> None:
        """From now on nothing reaches the disk; what was not synced is gone.

        Processes live on for a moment, which they would not in life, and an fdatasync that is under way
        just then can return 0 although nothing was written (Linux 6.18: of 13,780 syncs none that returned
        before the shutdown was lost, and 22 that returned after it began were, on ext4 and on XFS). So an
        answer that comes after `Load.powerless` was set counts as none.
        """
        run("xfs_io", "-x", "-c", "shutdown", self.folder)

    def unmount(self) -> None:
        run("umount", self.folder)


@pytest.fixture(params=["xfs", "ext4"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LoopDisk]:
    require("mount", "xfs_io", f"mkfs.{request.param}")
    made = LoopDisk(request.param, tmp_path)
    yield made
    with contextlib.suppress(RuntimeError):
        made.unmount()


def end_everything(server: TestServer, until: Until) -> None:
    """kill -9 of all processes at once, as the power takes them."""
    pids = list_children(server.process.pid)
    server.process.kill()
    server.process.wait()
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids), "all processes are gone")


def list_children(pid: int) -> list[int]:
    said = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(word) for word in said.split()]


def test_no_power_cut_takes_an_acknowledged_event_or_doubles_one(
    disk: LoopDisk, ledger_folder: Path, audit: Audit, until: Until
) -> None:
    chance, cuts, slowest = random.Random(51), 4, 0.0
    data = disk.folder / "data"
    with contextlib.ExitStack() as sending:
        load = Load("", "", ledger_folder, name=disk.kind, seed=51, pause_s=0.03)
        source = ""
        for cut in range(cuts + 1):
            began = time.monotonic()
            with start_server(data, disk_reserve_bytes=RESERVE_BYTES) as server:
                load.url = server.url
                if cut == 0:
                    added = server.add_source("powerless")
                    load.key, source = added["credentials"]["write_key"], added["id"]
                    sending.enter_context(load)
                else:
                    slowest = max(slowest, time.monotonic() - began)
                load.wait_for_acked(chance.randint(20, 400))
                if cut == cuts:
                    audit(
                        server,
                        source,
                        load.stop(),
                        f"power cut on {disk.kind}",
                        kills=cuts,
                        recovery_s=round(slowest, 2),
                    )
                    return
                time.sleep(chance.uniform(0, 0.5))
                load.powerless.set()
                disk.cut_power()
                time.sleep(chance.uniform(0, 0.3))
                end_everything(server, until)
            disk.unmount()
            disk.mount()
            load.powerless.clear()


def test_a_power_cut_right_after_the_first_start_leaves_a_server_that_starts(
    disk: LoopDisk, ledger_folder: Path, audit: Audit, until: Until
) -> None:
    """Tables, secret, login, source and its key were made seconds before."""
    data = disk.folder / "data"
    with start_server(data, disk_reserve_bytes=RESERVE_BYTES) as server:
        added = server.add_source("newborn")
        key = added["credentials"]["write_key"]
        with Load(server.url, key, ledger_folder, name="newborn", seed=52) as load:
            load.wait_for_acked(10)
            secret = (data / "secret.key").read_bytes()
            load.powerless.set()
            disk.cut_power()
            load.stopping.set()
            end_everything(server, until)
            disk.unmount()
            disk.mount()
            load.powerless.clear()
            assert (data / "secret.key").read_bytes() == secret
            with start_server(data, disk_reserve_bytes=RESERVE_BYTES) as again:
                load.url = again.url
                audit(again, added["id"], load.stop(), f"power cut after first start on {disk.kind}", kills=1)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    require("mount")
    folder = tmp_path / "small"
    folder.mkdir()
    try:
        run("mount", "-t", "tmpfs", "-o", "size=400m", "tmpfs", folder)
    except RuntimeError as error:
        pytest.skip(f"no tmpfs can be mounted here: {error}")
    yield folder
    with contextlib.suppress(RuntimeError):
        run("umount", folder)


def fill(folder: Path, leave: int) -> None:
    """Fill the disk with a file of no use, but for `leave` bytes."""
    free = shutil.disk_usage(folder).free - leave
    with (folder / "ballast").open("ab", buffering=0) as ballast, contextlib.suppress(OSError):
        while free > 0:
            free -= ballast.write(b"\x00" * min(free, 1 << 20))


@pytest.mark.parametrize("leave", [RESERVE_BYTES // 2, 0], ids=["down to the reserve", "to the last byte"])
def test_a_full_disk_is_told_to_the_senders_and_everything_goes_on_when_there_is_room(
    small_disk: Path, ledger_folder: Path, audit: Audit, until: Until, leave: int
) -> None:
    with start_server(small_disk / "data", disk_reserve_bytes=RESERVE_BYTES) as server:
        source = server.add_source("full")
        key = source["credentials"]["write_key"]
        with Load(server.url, key, ledger_folder, name="full", seed=53, pause_s=0.05) as load:
            load.wait_for_acked(100)
            fill(small_disk, leave)
            until(lambda: load.statuses[507] > 0, "senders are told 507")
            told = server.post("/v1/events", {"event_type": "too much"}, key)
            assert (told.status, told.headers["retry-after"]) == (507, "2")
            assert told.json["error"]["reason"] == "disk_full"
            time.sleep(3)
            while_full = load.acked
            time.sleep(1)
            assert load.acked == while_full
            (small_disk / "ballast").unlink()
            began = time.monotonic()
            load.wait_for_acked(100)
            seconds = time.monotonic() - began
        ledger = load.stop()
        assert set(load.statuses) <= {200, 503, 507}
        assert load.without_retry_after == {}
        audit(
            server,
            source["id"],
            ledger,
            f"disk full, {leave} bytes left",
            kills=0,
            resumed_s=round(seconds, 2),
            refused=load.statuses[507] + load.statuses[503],
        )


def test_who_dies_while_the_disk_is_full_runs_again_when_there_is_room(
    small_disk: Path, ledger_folder: Path, audit: Audit, until: Until
) -> None:
    """Nothing can be written about it meanwhile, and that must not end whoever starts them again."""
    with start_server(small_disk / "data", disk_reserve_bytes=RESERVE_BYTES) as server:
        source = server.add_source("mourned")
        with Load(server.url, source["credentials"]["write_key"], ledger_folder, name="mourned", seed=55) as load:
            load.wait_for_acked(100)
            fill(small_disk, 0)
            until(lambda: load.statuses[507] > 0, "senders are told 507")
            killed = {server.kill_child(name) for name in ("pipeline", "engine", "server-0")}
            until(lambda: not killed & set(list_children(server.process.pid)), "their ends were noticed")
            time.sleep(2)
            assert server.process.poll() is None
            (small_disk / "ballast").unlink()
            load.wait_for_acked(100)
        audit(server, source["id"], load.stop(), "killed while the disk was full", kills=3)
        states = json.loads((server.data / "run" / "children.json").read_bytes())
        assert all(state["alive"] and state["restarts"] for state in states), states


@contextlib.contextmanager
def failing_calls(pid: int, rule: str, tmp_path: Path, until: Until) -> Iterator[None]:
    """strace makes calls of a running process fail by `rule` as long as the block runs."""
    log = tmp_path / "strace.log"
    tracer = subprocess.Popen(
        ["strace", "-f", "-qq", "-o", str(log), "-e", "trace=fsync,fdatasync", "-e", f"inject={rule}", "-p", str(pid)],
        stderr=subprocess.PIPE,
    )
    try:
        try:
            until(lambda: log.exists() and "INJECTED" in log.read_text(), "a call failed", 20)
        except TimeoutError:
            if tracer.poll() is not None and tracer.stderr is not None:
                pytest.skip(f"strace cannot trace here: {tracer.stderr.read().decode()}")
            raise
        yield
    finally:
        if tracer.poll() is None:
            tracer.send_signal(signal.SIGINT)
        tracer.wait(10)
        if tracer.stderr is not None:
            tracer.stderr.close()


@pytest.mark.parametrize(
    ("process", "error"), [("server-0", "EIO"), ("server-0", "ENOSPC"), ("pipeline", "EIO"), ("engine", "EIO")]
)
def test_a_sync_that_fails_is_never_acknowledged_and_what_failed_is_written_again(
    tmp_path: Path, ledger_folder: Path, audit: Audit, until: Until, process: str, error: str
) -> None:
    """Every third sync of one process fails, for some seconds, under load."""
    require("strace")
    with start_server(tmp_path / "data") as server:
        source = server.add_source("unsynced")
        key = source["credentials"]["write_key"]
        with Load(server.url, key, ledger_folder, name="unsynced", seed=54) as load:
            load.wait_for_acked(100)
            rule = f"fsync,fdatasync:error={error}:when=1+3"
            with failing_calls(server.child_pid(process), rule, tmp_path, until):
                time.sleep(4)
            load.wait_for_acked(100)
        ledger = load.stop()
        refused = load.statuses[503] + load.statuses[507]
        if process == "server-0":
            assert load.statuses[507 if error == "ENOSPC" else 503] > 0
        else:
            assert set(load.statuses) == {200}
        assert load.without_retry_after.keys() <= {0}
        audit(server, source["id"], ledger, f"{error} for {process}", kills=0, refused=refused)


def test_the_ledger_of_a_power_cut_is_not_on_the_disk_that_loses_power(disk: LoopDisk, ledger_folder: Path) -> None:
    assert not ledger_folder.is_relative_to(disk.folder)
    (disk.folder / "unsynced").write_text(json.dumps({"sent": []}))
    disk.cut_power()
    disk.unmount()
    disk.mount()
    assert not (disk.folder / "unsynced").exists(), "the power cut lost nothing, so the tests here prove nothing"
