"""A full disk stops inserts with an error that does not speak against the rows, and takes nothing."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from trackway.store.client import EventStore, StoreUnavailable
from trackway.store.migrate import migrate
from trackway.testing.engine import EngineProcess

pytestmark = pytest.mark.faults

STORED_AT = 1_763_700_000_500
DISK_SIZE = "60m"


@pytest.fixture
def small_disk() -> Iterator[Path]:
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root")
    # Not in pytest's own folder, whose removal a mounted disk would stop.
    with TemporaryDirectory(prefix="trackway-full-disk-", ignore_cleanup_errors=True) as folder:
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={DISK_SIZE}", "tmpfs", folder], capture_output=True, text=True
        )
        if mounted.returncode != 0:
            pytest.skip(f"no tmpfs can be mounted here: {mounted.stderr.strip()}")
        yield Path(folder)
        subprocess.run(["umount", "--lazy", folder], check=True)


def test_a_full_disk_is_an_error_and_what_was_acknowledged_stays(small_disk: Path, segment: int, make_row: Any) -> None:
    engine = EngineProcess(small_disk / "engine")
    store = EventStore(engine.url)
    migrate(store)
    acknowledged = 0
    filler = small_disk / "filler"
    with pytest.raises(StoreUnavailable, match=r"NOT_ENOUGH_SPACE|CANNOT_WRITE"):
        for batch in range(400):
            rows = [make_row(segment, batch * 500 + n, title=os.urandom(200).hex()) for n in range(500)]
            store.insert_events(rows, STORED_AT)
            acknowledged += len(rows)
            if batch == 10:
                filler.write_bytes(os.urandom(25_000_000))
    assert acknowledged > 0
    assert len(store.places_present("events", segment, 0)) == acknowledged
    filler.unlink()
    store.insert_events([make_row(segment + 1, 0)], STORED_AT)
    assert engine.stop() == 0
    store.close()
    again = EngineProcess(small_disk / "engine")
    store = EventStore(again.url)
    assert len(store.places_present("events", segment, 0)) == acknowledged
    store.close()
    again.stop()
