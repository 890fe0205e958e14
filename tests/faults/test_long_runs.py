"""Random kills of any process for a minute, with one collector and with two."""

import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from trackway.testing.ledger import Load
from trackway.testing.server import start_server

Audit = Callable[..., dict[str, Any]]

pytestmark = pytest.mark.faults

SECONDS = 60.0


@pytest.mark.parametrize("collectors", [1, 2])
def test_a_minute_of_random_kills_loses_nothing_and_doubles_nothing(
    tmp_path: Path, ledger_folder: Path, audit: Audit, recover: Callable[..., float], collectors: int
) -> None:
    chance = random.Random(60 + collectors)
    names = ["engine", "pipeline", *(f"server-{number}" for number in range(collectors))]
    kills, recoveries = 0, []
    with start_server(tmp_path / "data", collectors=collectors) as server:
        source = server.add_source("minute")
        key = source["credentials"]["write_key"]
        with Load(server.url, key, ledger_folder, name="minute", seed=60 + collectors) as load:
            load.wait_for_acked(100)
            ends_at = time.monotonic() + SECONDS
            while time.monotonic() < ends_at:
                name = chance.choice(names)
                killed = server.kill_child(name)
                kills += 1
                if chance.random() < 0.5:
                    recoveries.append(recover(server, name, killed))
                time.sleep(chance.uniform(0, 2))
            recover(server, name, killed)
            load.wait_for_acked(50)
        assert set(load.statuses) <= {0, 200}
        audit(
            server,
            source["id"],
            load.stop(),
            f"random kills, {collectors} collectors",
            kills=kills,
            recovery_s=round(max(recoveries, default=0), 2),
        )
