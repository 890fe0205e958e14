"""Rows that a crash left in the store belong to whom the ledger says, also when the next batch is cut elsewhere."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from trackway.clock import now_ms
from trackway.control.database import State, make_url
from trackway.query.compiler import compile_query, run_query
from trackway.query.people import find_by_identifier
from trackway.store.client import EventStore
from trackway.store.migrate import migrate
from trackway.testing.engine import start_engine
from trackway.testing.installation import Installation

AFTER_INSERT = 1
LOGIN = {"event_type": "login", "user_id": "anna", "anonymous_id": "till"}
VIEW = {"event_type": "view", "anonymous_id": "till"}
OTHER_LOGIN = {"event_type": "login", "user_id": "bert", "anonymous_id": "till"}
EVERYONE = {"before_ms": 10_413_791_999_999, "before_profile": "", "limit": 1000}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with start_engine(tmp_path_factory.mktemp("engine")) as url:
        yield url


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[..., dict[str, Any]]]:
    """Runs the real pipeline over a data folder, in batches of a size, killed at a step when it is told."""
    script = Path(__file__).with_name("crashing_pipeline.py")
    with subprocess.Popen(
        [sys.executable, str(script), str(tmp_path / "log")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None

        def order(data: Path, url: str, batch: int, hurt_at: int = -1) -> dict[str, Any]:
            assert process.stdin is not None
            assert process.stdout is not None
            said = {"data": str(data), "url": url, "batch": batch, "hurt_at": hurt_at, "how": "kill"}
            process.stdin.write(json.dumps(said) + "\n")
            process.stdin.flush()
            answer: dict[str, Any] = json.loads(process.stdout.readline())
            return answer

        yield order
        process.stdin.close()


@pytest.mark.parametrize(
    ("events", "before", "after"),
    [
        pytest.param([LOGIN, VIEW, OTHER_LOGIN], 2, 100, id="the next batch is larger"),
        pytest.param([VIEW, LOGIN, OTHER_LOGIN], 2, 1, id="the next batch is smaller"),
        pytest.param([VIEW, LOGIN, OTHER_LOGIN], 2, 100, id="the view comes first"),
    ],
)
def test_a_view_on_a_shared_till_is_nobodys_whatever_a_crashed_batch_made_of_it(
    tmp_path: Path, url: str, run: Callable[..., dict[str, Any]], events: list[dict[str, Any]], before: int, after: int
) -> None:
    store = EventStore(url)
    migrate(store)
    for table in ("events", "outcomes", "profile_overrides"):
        store.execute(f"TRUNCATE TABLE {table}")
    installation = Installation(tmp_path / "case", url)
    installation.add_source("shop")
    bodies = [json.dumps({"events": [event]}).encode() for event in events]
    made = [installation.make_submission("shop", now_ms(), 1, body) for body in bodies]
    installation.append([replace(each, trusted=True) for each in made])
    workspace = installation.workspace
    installation.close()

    assert run(tmp_path / "case", url, before, AFTER_INSERT)["killed"]
    assert not run(tmp_path / "case", url, after)["status"]

    state = State(make_url(tmp_path / "case", ""))
    people = {find_by_identifier(state, workspace, kind, value).id
              for kind, value in (("user_id", "anna"), ("user_id", "bert"), ("anonymous_id", "till"))}  # fmt: skip
    state.close()
    mapped = run_query(store, compile_query("list_visitors", EVERYONE | {"workspace": workspace}))
    store.close()
    assert len(people) == 3
    assert {row["profile_text"] for row in mapped} == people
