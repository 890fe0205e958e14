"""A power cut takes nothing that was acknowledged.

The engine's directory lies on a file system of its own, mounted over a loop device. `xfs_io -c
shutdown` ends that file system at once: what was written but not synced is gone, as with a pulled
plug. Then the engine is killed, the file system mounted again, and everything acknowledged must
be there. Needs root, loop devices and xfsprogs.
"""

import os
import random
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from trackway.event import LogPlace
from trackway.store.client import EventStore, StoreUnavailable
from trackway.store.migrate import migrate
from trackway.testing.engine import EngineProcess

pytestmark = pytest.mark.faults

STORED_AT = 1_763_700_000_500
IMAGE_BYTES = 1_000_000_000
TOOLS = ("mkfs.xfs", "mkfs.ext4", "xfs_io", "mount", "umount", "losetup")


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(part) for part in command], check=True, capture_output=True, text=True)


class CuttableDisk:
    """A file system in a file, whose power can be cut."""

    def __init__(self, folder: Path, kind: str) -> None:
        self._image = folder / "disk.img"
        self.mount_point = folder / "mounted"
        self.mount_point.mkdir()
        with self._image.open("wb") as file:
            file.truncate(IMAGE_BYTES)
        run(f"mkfs.{kind}", "-q", self._image)
        self._mount()

    def _mount(self) -> None:
        run("mount", "-o", "loop", self._image, self.mount_point)

    def cut_power(self) -> None:
        run("xfs_io", "-x", "-c", "shutdown", self.mount_point)

    def mount_again(self) -> None:
        run("umount", self.mount_point)
        self._mount()

    def remove(self) -> None:
        # Lazily: a test that failed may have left something open.
        run("umount", "--lazy", self.mount_point)


@pytest.fixture(params=["xfs", "ext4"])
def disk(request: pytest.FixtureRequest) -> Iterator[CuttableDisk]:
    if os.geteuid() != 0:
        pytest.skip("cutting the power of a file system needs root")
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}: apt-get install xfsprogs e2fsprogs mount")
    # Not in pytest's own folder, whose removal a mounted disk would stop.
    with TemporaryDirectory(prefix="trackway-power-cut-", ignore_cleanup_errors=True) as folder:
        try:
            disk = CuttableDisk(Path(folder), request.param)
        except subprocess.CalledProcessError as error:
            pytest.skip(f"no loop device can be mounted here: {error.stderr.strip()}")
        yield disk
        disk.remove()


@pytest.fixture
def run_engine(disk: CuttableDisk) -> Iterator[Callable[[], EngineProcess]]:
    """Starts engines on the disk; what still runs at the end is killed before the disk goes."""
    started: list[EngineProcess] = []

    def start() -> EngineProcess:
        started.append(EngineProcess(disk.mount_point / "engine"))
        return started[-1]

    yield start
    for engine in started:
        if engine.process.poll() is None:
            engine.kill()


class Writer:
    """Inserts batches until the power is cut; remembers what was acknowledged."""

    def __init__(self, url: str, segment: int, make_row: Any) -> None:
        self.acknowledged: set[LogPlace] = set()
        self._store = EventStore(url)
        self._segment = segment
        self._make_row = make_row

    def write(self, first_record: int) -> None:
        record = first_record
        while True:
            rows = [self._make_row(self._segment, record + n, properties={"n": n}) for n in range(200)]
            try:
                self._store.insert_events(rows, STORED_AT)
            except StoreUnavailable:
                return
            self.acknowledged |= {row.place for row in rows}
            record += len(rows)

    def close(self) -> None:
        self._store.close()


def test_no_power_cut_takes_an_acknowledged_row_or_a_table(
    disk: CuttableDisk, run_engine: Callable[[], EngineProcess], segment: int, make_row: Any
) -> None:
    chance = random.Random(3)
    acknowledged: set[LogPlace] = set()
    for cut in range(4):
        engine = run_engine()
        store = EventStore(engine.url)
        # The very first cut comes right after the tables were made.
        assert bool(migrate(store)) == (cut == 0)
        assert acknowledged <= store.places_present("events", segment, 0)
        writer = Writer(engine.url, segment, make_row)
        thread = threading.Thread(target=writer.write, args=(cut * 1_000_000,))
        thread.start()
        time.sleep(chance.uniform(0.0, 1.5))
        disk.cut_power()
        thread.join(60)
        engine.kill()
        disk.mount_again()
        acknowledged |= writer.acknowledged
        store.close()
        writer.close()
    assert acknowledged
    engine = run_engine()
    store = EventStore(engine.url)
    present = store.places_present("events", segment, 0)
    assert acknowledged <= present
    (found,) = store.select(
        "SELECT count() AS rows, uniqExact(log_segment, log_record, log_index) AS places FROM events"
    )
    assert found == {"rows": len(present), "places": len(present)}
    (derived,) = store.select("SELECT count() AS rows FROM events WHERE properties.n = log_record % 200")
    assert derived["rows"] == len(present)
    store.close()
    engine.stop()
