"""Events take the place of their own rows, and the pipeline dies or a call of its fails at every step: the end is the same.

The rows are stored first. Then the log holds the same submissions once more, with what an adapter makes of them
today (here: with another body), asked for twice: something else, something that the store refuses, a duplicate,
something that nobody may store any more.
"""

import json
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import select
from tests.faults.crash_steps import choose_steps

from trackway.clock import now_ms
from trackway.control.database import State, make_url
from trackway.control.replaced import REPLACED_ROWS
from trackway.control.sources import add_source
from trackway.control.tables import DEAD_LETTERS
from trackway.event import Submission
from trackway.eventlog.embedded import LogReader
from trackway.ids import read_event_id
from trackway.profiles.accounts import read_account_traits
from trackway.profiles.check import check_ledger
from trackway.profiles.people import Guards
from trackway.profiles.policy_versions import change_policy
from trackway.profiles.traits import find_traits
from trackway.query.books import balance_books
from trackway.query.people import find_by_identifier, list_traits
from trackway.store.client import EventStore
from trackway.store.migrate import migrate
from trackway.testing.engine import start_engine
from trackway.testing.installation import Installation

pytestmark = pytest.mark.timeout(900)

WHOLE = 10_000
TABLES = ("events", "outcomes", "profile_overrides")
# How many; the rest of the sequence of random ones is for `make test-all`.
CRASH_CHAINS = [6, pytest.param(30, marks=pytest.mark.slow)]

SAYS = {"logins": {"$add": 1}, "score": {"$points": 5}, "tags": ["a"]}
# "z" comes after "a" in every order: the value said now wins because it is said now.
BEFORE: dict[str, list[dict[str, Any]]] = {
    "shop": [
        {"event_type": "view", "user_id": "W", "properties": {"n": 1}, "traits": SAYS | {"plan": "z"}},
        {"event_type": "view", "properties": {"n": 1}},
        {"event_type": "purchase", "account_id": "acme", "account_traits": SAYS, "properties": {"n": 1, "amount": 5}},
        {"event_type": "view", "dedupe_key": "k2", "properties": {"n": 1}},
        {"event_type": "view", "dedupe_key": "k1", "properties": {"n": 1}},
    ],
    "bots": [{"event_type": "view", "properties": {"n": 1}}],
    "consent": [{"event_type": "view", "anonymous_id": "V", "properties": {"n": 1}}],
}
NOW: dict[str, list[dict[str, Any]]] = {
    "shop": [
        {"event_type": "view", "user_id": "W", "properties": {"n": 2}, "traits": SAYS | {"plan": "a"}},
        {"event_type": "view", "properties": {"n": 2, "refused": True}},
        {"event_type": "purchase", "account_id": "acme", "account_traits": SAYS, "properties": {"n": 2, "amount": 7}},
        {"event_type": "view", "dedupe_key": "k1", "properties": {"n": 1}},
        {"event_type": "view", "dedupe_key": "k1", "properties": {"n": 1}},
    ],
    "consent": [{"event_type": "view", "anonymous_id": "V", "properties": {"n": 2}, "consent": {"tracking": False}}],
}
POLICY = [
    {"id": "consent", "jurisdictions": ["*"], "sources": ["consent"], "mode": "opt_out"},
    {"id": "rest", "jurisdictions": ["*"], "mode": "none"},
]
EXPECTED: dict[str, Any] = {
    "rows": {"shop 0": [2.0], "shop 1": [1.0], "shop 2": [2.0], "shop 4": [1.0], "bots 0": [1.0]},
    "revenue": 7.0,
    "last words": {"shop 1": "store_refused", "shop 3": "transport_key", "consent 0": "no_consent"},
    "made way": ["consent 0", "shop 0", "shop 2", "shop 3", "shop 4"],
    "letters": ["shop 1"],
    "person": {"logins": 1, "score": 5, "tags": ["a"], "plan": "a"},
    "account": {"logins": 1, "score": 5, "tags": ["a"]},
    "ledger": [],
    "unbalanced": [],
    "to be removed": 0,
}


class Bench:
    """As the log was when the rows were stored, and as it is with what replaces them; one engine, one process."""

    def __init__(self, folder: Path, url: str) -> None:
        self._folder, self._url = folder, url
        self._names: dict[bytes, str] = {}
        self.store = EventStore(url)
        migrate(self.store)
        installation = Installation(folder / "before", url)
        self.workspace = installation.workspace
        for name in BEFORE:
            add_source(installation.state, name, "native", "server", {"source_id": name}, self.workspace)
        change_policy(installation.state, self.workspace, POLICY, "this test", now_ms())
        sent = [self._make_submission(installation, name, events) for name, events in BEFORE.items()]
        installation.append(sent)
        installation.close()
        shutil.copytree(folder / "before" / "log", folder / "log")
        installation.log_folder = folder / "log"
        installation.append(list(self._make_anew(sent)))
        script = Path(__file__).with_name("crashing_pipeline.py")
        self._process = subprocess.Popen(
            [sys.executable, str(script), str(folder / "pipeline.log")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def _make_submission(self, installation: Installation, name: str, events: list[dict[str, Any]]) -> Submission:
        body = json.dumps({"events": events}).encode()
        made = installation.make_submission(name, now_ms(), len(events), body)
        self._names[made.submission_id] = name
        return msgspec.structs.replace(made, trusted=True)

    def _make_anew(self, sent: list[Submission]) -> Iterator[Submission]:
        for submission in sent:
            if submission.source in NOW:
                body = json.dumps({"events": NOW[submission.source]}).encode()
                anew = msgspec.structs.replace(submission, body=body, replay=True, replaces=True)
                yield anew
                if submission.source == "shop":
                    # The command was run again before the first was read.
                    yield msgspec.structs.replace(anew, events=2, refused=(1, 3, 4))

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()
        self.store.close()

    def begin_case(self, template: str = "before") -> Path:
        data = self._folder / "case"
        shutil.rmtree(data, ignore_errors=True)
        shutil.copytree(self._folder / template, data)
        for table in TABLES:
            self.store.execute(f"TRUNCATE TABLE {table}")
        return data

    def begin_stored(self) -> Path:
        """With all rows of the first log stored. The pipeline does it once; the other cases get a copy of what it left."""
        if not (self._folder / "stored").exists():
            data = self.begin_case()
            assert not self.run(data, WHOLE)["status"]
            shutil.copytree(data, self._folder / "stored")
            for table in TABLES:
                self.store.execute(f"CREATE TABLE kept_{table} AS {table}")
                self.store.execute(f"INSERT INTO kept_{table} SELECT * FROM {table}")
        data = self.begin_case("stored")
        for table in TABLES:
            self.store.execute(f"INSERT INTO {table} SELECT * FROM kept_{table}")
        self.ask_for_it(data)
        return data

    def ask_for_it(self, data: Path) -> None:
        shutil.copytree(self._folder / "log", data / "log", dirs_exist_ok=True)

    def run(self, data: Path, batch: int, hurt_at: int = -1, how: str = "kill") -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        order = {"data": str(data), "url": self._url, "batch": batch, "hurt_at": hurt_at, "how": how}
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def _name(self, row: dict[str, Any]) -> str:
        submission_id, index = read_event_id(str(row["event_id"]))
        return f"{self._names[submission_id]} {index}"

    def count_rows(self) -> dict[str, list[float]]:
        """Of each event, what its rows say."""
        rows: dict[str, list[float]] = {}
        for row in self.store.select("SELECT event_id, JSONExtractFloat(properties_text, 'n') AS n FROM events"):
            rows.setdefault(self._name(row), []).append(row["n"])
        return rows

    def look(self, data: Path) -> dict[str, Any]:
        rows = self.count_rows()
        revenue = self.store.select("SELECT toFloat64(sum(revenue)) AS revenue FROM events")[0]["revenue"]
        told = self.store.select("SELECT event_id, reason FROM outcomes")
        state = State(make_url(data, ""))
        try:
            books = balance_books(self.store, state, LogReader(data / "log"), self.workspace, now_ms())
            person = find_by_identifier(state, self.workspace, "user_id", "W")
            with state.read() as connection:
                letters = [self._name(row._asdict()) for row in connection.execute(select(DEAD_LETTERS)).all()]
                waiting = len(connection.execute(select(REPLACED_ROWS)).all())
                traits = {trait.name: trait.value for trait in list_traits(connection, person.known)}
                account = tell_account(connection, self.workspace)
            ledger = check_ledger(state, Guards()).differences
        finally:
            state.close()
        return {
            "rows": rows,
            "revenue": revenue,
            "last words": {
                self._name(row): row["reason"] for row in told if row["reason"] not in ("already_stored", "replaced")
            },
            "made way": sorted({self._name(row) for row in told if row["reason"] == "replaced"}),
            "letters": letters,
            "person": traits,
            "account": account,
            "ledger": ledger,
            "unbalanced": [line for line in books["sources"] if not line["balanced"] or line["in_flight"]],
            "to be removed": waiting,
        }


def tell_account(connection: Any, workspace: str) -> dict[str, Any]:
    registers = read_account_traits(connection, {(workspace, "acme")})
    return {trait.name: trait.value for trait in find_traits((name, r) for (_, _, name), r in registers.items())}


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    folder = tmp_path_factory.mktemp("bench")
    with start_engine(folder / "engine") as url:
        made = Bench(folder, url)
        yield made
        made.close()


def count_steps(bench: Bench, batch: int) -> list[str]:
    data = bench.begin_stored()
    answer = bench.run(data, batch)
    assert not answer["killed"]
    assert bench.look(data) == EXPECTED
    steps: list[str] = answer["steps"]
    assert {"before INSERT", "after ALTER", "before forget_replaced"} <= set(steps)
    return steps


# The whole sweep takes minutes; with small batches there are three times as many steps.
SWEEPS = [
    pytest.param(WHOLE, False, id="one batch"),
    pytest.param(WHOLE, True, id="one batch, every step", marks=pytest.mark.slow),
    pytest.param(1, True, id="small batches, every step", marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("batch", "every"), SWEEPS)
@pytest.mark.parametrize("how", ["kill", "fail"])
def test_an_event_is_replaced_once_whatever_happens_at_any_step(
    bench: Bench, batch: int, every: bool, how: str
) -> None:
    """`make test` takes the steps that differ (crash_steps.py), `make test-all` every one."""
    wrong: dict[str, Any] = {}
    points = choose_steps(count_steps(bench, batch), every)
    for number, step in points:
        data = bench.begin_stored()
        bench.run(data, batch, number, how)
        # Whatever is in the middle, what is stored in the end is there, once or twice.
        assert set(bench.count_rows()) >= set(EXPECTED["rows"]), step
        assert not bench.run(data, batch)["status"], step
        if (found := bench.look(data)) != EXPECTED:
            wrong[f"{number} {step}"] = {name: found[name] for name in found if found[name] != EXPECTED[name]}
    figures = {"test": f"rows that make way, {how}, batches of {batch}", "points": len(points), "wrong": len(wrong)}
    sys.stdout.write(f"FAULT {json.dumps(figures)}\n")
    assert wrong == {}


@pytest.mark.parametrize("chains", CRASH_CHAINS)
def test_crash_after_crash_also_before_the_first_rows_are_committed(bench: Bench, chains: int) -> None:
    chance = random.Random(22)
    wrong: dict[str, Any] = {}
    for case in range(chains):
        data = bench.begin_case()
        # Who asks for a replay finds rows in the store; whether their batch was committed, nobody can see.
        history = [(WHOLE, chance.choice([3, 5, 7, 1000]))]
        bench.run(data, *history[0])
        bench.ask_for_it(data)
        for _ in range(chance.randint(1, 4)):
            history.append((chance.choice([1, 2, 3, WHOLE]), chance.randint(0, 16)))
            bench.run(data, *history[-1])
        assert not bench.run(data, chance.choice([1, WHOLE]))["status"]
        if (found := bench.look(data)) != EXPECTED:
            wrong[f"{case} {history}"] = {name: found[name] for name in found if found[name] != EXPECTED[name]}
    assert wrong == {}
