"""The pipeline dies, or a call of its fails, at every single step: the end is the same as without.

One log with everything that is special (keys repeated in one batch, a business key, a public event
before a secret one of the same key, a bot, a submission that does not parse, an event that the store
refuses, a refusal of the door, a replay that was asked for twice) is processed by the real pipeline in a process that is hurt
(`crashing_pipeline.py`), then by one that is not.
"""

import json
import random
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from sqlalchemy import select
from tests.faults.crash_steps import choose_steps

from trackway.clock import now_ms
from trackway.control.database import State, make_url
from trackway.control.sources import add_source
from trackway.control.tables import DEAD_LETTERS, SWALLOWING_KEYS
from trackway.event import Submission
from trackway.eventlog.embedded import LogReader
from trackway.ids import make_event_id, read_event_id
from trackway.outcome import Reason
from trackway.profiles.check import check_ledger
from trackway.profiles.people import Guards
from trackway.profiles.policy_versions import change_policy
from trackway.query.books import balance_books
from trackway.query.compiler import compile_query, run_query
from trackway.query.people import describe_accounts, find_by_identifier, list_traits
from trackway.records import Refusal
from trackway.store.client import EventStore
from trackway.store.migrate import migrate
from trackway.testing.engine import start_engine
from trackway.testing.installation import Installation

pytestmark = pytest.mark.timeout(900)

WHOLE, SMALL = 10_000, 3
# How many; the rest of the sequence of random ones is for `make test-all`.
CRASH_CHAINS = [6, pytest.param(24, marks=pytest.mark.slow)]
LOOK_AT_EVERYONE = {"before_ms": 10_413_791_999_999, "before_profile": "", "limit": 1000}
GOOGLEBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"

ADDS_ONE = {"traits": {"logins": {"$add": 1}, "tags": ["a"]}}
# name of a submission -> (trusted, source, events)
SENT: dict[str, tuple[bool, str, list[dict[str, Any]]]] = {
    "plain": (True, "shop", [{"event_type": "view", "properties": {"n": n}} for n in range(3)]),
    "twice": (True, "shop", [{"event_type": "view", "dedupe_key": "k1"}] * 2),
    "first": (True, "shop", [{"event_type": "view", "dedupe_key": "k2", "anonymous_id": "A", "properties": {"v": 1}}]),
    "other": (True, "shop", [{"event_type": "view", "dedupe_key": "k2", "anonymous_id": "B", "properties": {"v": 2}}]),
    "order": (True, "shop", [{"event_type": "purchase", "properties": {"order_id": "7"}}]),
    "again": (True, "shop", [{"event_type": "purchase", "properties": {"order_id": "7"}}]),
    "public": (False, "shop", [{"event_type": "view", "dedupe_key": "k3", "properties": {"amount": 1}}]),
    "secret": (True, "shop", [{"event_type": "view", "dedupe_key": "k3", "properties": {"amount": 2}}]),
    "secret again": (True, "shop", [{"event_type": "view", "dedupe_key": "k3", "properties": {"amount": 2}}]),
    "public again": (False, "shop", [{"event_type": "view", "dedupe_key": "k3", "properties": {"amount": 1}}]),
    "bot": (False, "no-bots", [{"event_type": "view"}]),
    "refused": (True, "shop", [{"event_type": "view", "properties": {"refused": True}}]),
    "visitor": (True, "shop", [{"event_type": "view", "anonymous_id": "D"}]),
    "login": (True, "shop", [{"event_type": "login", "anonymous_id": "D", "user_id": "U", **ADDS_ONE}]),
    "crm": (True, "shop", [{"event_type": "crm", "contact_id": "C", "email": "u@example.com", **ADDS_ONE}]),
    "merge": (True, "shop", [{"event_type": "form", "user_id": "U", "email": "u@example.com", "account_id": "acme"}]),
    "waits": (True, "hold", [{"event_type": "view", "anonymous_id": "H", "user_id": "V", **ADDS_ONE}] * 2),
    "waits refused": (True, "hold", [{"event_type": "view", "anonymous_id": "H", "properties": {"refused": True}}]),
    "in vain": (True, "hold", [{"event_type": "view", "anonymous_id": "I", "dedupe_key": "k6"}]),
    "in vain again": (True, "hold", [{"event_type": "view", "anonymous_id": "I", "dedupe_key": "k6"}]),
    "against": (True, "hold", [{"event_type": "view", "anonymous_id": "J"}]),
    "agrees": (True, "hold", [{"event_type": "view", "anonymous_id": "H", "consent": {"tracking": True}}]),
    "refuses": (True, "hold", [{"event_type": "view", "anonymous_id": "J", "consent": {"tracking": False}}]),
    "waits on": (True, "hold", [{"event_type": "view", "anonymous_id": "K"}]),
    "mended": (True, "shop", [{"event_type": "view"}, {"event_type": "view", "dedupe_key": "k7", **ADDS_ONE}]),
    "last": (True, "shop", [{"event_type": "view", "dedupe_key": "k5"}]),
}
STORED = Counter(
    [
        *("plain 0", "plain 1", "plain 2", "twice 0", "first 0", "order 0", "public 0", "secret 0", "last 0"),
        *("visitor 0", "login 0", "crm 0", "merge 0"),
        *("waits 0", "waits 1", "agrees 0"),
        *("mended 0", "mended 1"),
    ]
)
OUTCOMES = Counter(
    [
        ("twice 1", "duplicate", "transport_key", "twice 0"),
        ("other 0", "duplicate", "transport_key", "first 0"),
        ("again 0", "duplicate", "business_key", "order 0"),
        ("secret again 0", "duplicate", "transport_key", "secret 0"),
        ("public again 0", "duplicate", "transport_key", "secret 0"),
        ("bot 0", "dropped", "bot", ""),
        ("in vain 0", "dropped", "hold_expired", ""),
        ("in vain again 0", "duplicate", "transport_key", "in vain 0"),
        ("against 0", "dropped", "no_consent", ""),
        ("refuses 0", "dropped", "no_consent", ""),
        ("waits refused 0", "dead_lettered", "store_refused", ""),
        ("unreadable 0", "dead_lettered", "adapter_failed", ""),
        ("unreadable 1", "dead_lettered", "adapter_failed", ""),
        *[("refused 0", "dead_lettered", "store_refused", "")] * 2,
        ("mended 1", "duplicate", "already_stored", "mended 1"),
    ]
)
# What still waits, and what was replayed.
SET_ASIDE = {
    ("other 0", "conflict", "transport_key", 1, 0),
    ("public again 0", "conflict", "transport_key", 1, 0),
    ("unreadable 0", "dead_letter", "adapter_failed", 1, 0),
    ("unreadable 1", "dead_letter", "adapter_failed", 1, 0),
    ("refused 0", "dead_letter", "store_refused", 1, 0),
    ("waits refused 0", "dead_letter", "store_refused", 1, 0),
    ("", "rejected", "too_deep", 3, 0),
    ("", "rejected", "wrong_type", 0, 1),
}
SWALLOWED = {"k2": 1}
RECEIVED = {"shop": 25, "no-bots": 1, "hold": 9}
HELD = {"hold": 1}
# One person out of four events, each told exactly once; the store maps every row to whom the ledger says.
PEOPLE = {
    "one profile": ["anonymous_id:D", "contact_id:C", "email:u@example.com", "user_id:U"],
    "logins": 2,
    "accounts": ["acme"],
    "ledger": [],
    "rows of others": [],
    "logins of who waited": 2,
}
HOLD = {"jurisdictions": ["*"], "sources": ["hold"], "mode": "opt_in", "without_consent": "hold"}
POLICY = [{"id": "hold", **HOLD}, {"id": "rest", "jurisdictions": ["*"], "mode": "none"}]
FOUR_DAYS_MS = 4 * 86_400_000


class Found(NamedTuple):
    stored: Counter[str]
    outcomes: Counter[tuple[str, ...]]
    set_aside: set[tuple[str | int, ...]]
    swallowed: dict[str, int]
    received: dict[str, int]
    rejected: dict[str, dict[str, int]]
    unbalanced: list[dict[str, Any]]
    held: dict[str, int]
    people: dict[str, Any]


EXPECTED = Found(
    STORED,
    OUTCOMES,
    SET_ASIDE,
    SWALLOWED,
    RECEIVED,
    {"shop": {"too_deep": 3, "wrong_type": 1}, "no-bots": {}, "hold": {}},
    [],
    HELD,
    PEOPLE,
)


class Bench:
    """A data folder to copy for each case, one engine for all, and the process that is hurt."""

    def __init__(self, folder: Path, url: str) -> None:
        self._folder, self._url = folder, url
        self._names: dict[bytes, str] = {}
        self.store = EventStore(url)
        migrate(self.store)
        installation = Installation(folder / "template", url)
        self.workspace = installation.workspace
        installation.add_source("shop")
        settings = {"source_id": "no-bots", "bots": "drop"}
        add_source(installation.state, "no-bots", "native", "web", settings, self.workspace)
        add_source(installation.state, "hold", "native", "server", {"source_id": "hold"}, self.workspace)
        change_policy(installation.state, self.workspace, POLICY, "this test", now_ms())
        installation.append(self._make_records(installation))
        installation.close()
        script = Path(__file__).with_name("crashing_pipeline.py")
        self._process = subprocess.Popen(
            [sys.executable, str(script), str(folder / "pipeline.log")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def _make_records(self, installation: Installation) -> list[Submission | Refusal]:
        records: list[Submission | Refusal] = []
        for name, (trusted, source, events) in SENT.items():
            received_at = now_ms() - FOUR_DAYS_MS if name == "in vain" else now_ms()
            body = json.dumps({"events": events}).encode()
            made = installation.make_submission(source, received_at, len(events), body)
            headers = {"user-agent": GOOGLEBOT} if name == "bot" else {}
            records.append(msgspec.structs.replace(made, trusted=trusted, headers=headers))
            self._names[made.submission_id] = name
        unreadable = installation.make_submission("shop", now_ms(), 2, b'{"events": [')
        self._names[unreadable.submission_id] = "unreadable"
        records.insert(5, unreadable)
        records.insert(9, installation.make_refusal("shop", now_ms(), Reason.TOO_DEEP, 3))
        self._replay(installation, records)
        return records

    def _replay(self, installation: Installation, records: list[Submission | Refusal]) -> None:
        """An event that was refused beside another, twice in different batches; one that will be refused again."""
        numbers = {self._names[each.submission_id]: n for n, each in enumerate(records) if isinstance(each, Submission)}
        mended, refused = records[numbers["mended"]], records[numbers["refused"]]
        assert isinstance(mended, Submission)
        assert isinstance(refused, Submission)
        records[numbers["mended"]] = msgspec.structs.replace(mended, events=1, refused=(1,))
        said = {"submission": msgspec.structs.replace(mended, events=0), "indexes": (1,)}
        again = msgspec.structs.replace(mended, events=1, refused=(0,), replay=True)
        records.append(installation.make_refusal("shop", mended.received_at, Reason.WRONG_TYPE, **said))
        records += [again, records.pop(numbers["last"]), again]
        records.append(msgspec.structs.replace(refused, replay=True))

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()
        self.store.close()

    def begin_case(self) -> Path:
        data = self._folder / "case"
        shutil.rmtree(data, ignore_errors=True)
        shutil.copytree(self._folder / "template", data)
        for table in ("events", "outcomes", "profile_overrides"):
            self.store.execute(f"TRUNCATE TABLE {table}")
        return data

    def run(self, data: Path, batch: int, hurt_at: int = -1, how: str = "kill") -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        order = {"data": str(data), "url": self._url, "batch": batch, "hurt_at": hurt_at, "how": how}
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def _name(self, event_id: str) -> str:
        if not event_id:
            return ""
        submission_id, index = read_event_id(event_id)
        assert make_event_id(submission_id, index) == event_id
        return f"{self._names[submission_id]} {index}"

    def look(self, data: Path) -> Found:
        """Everything that the pipeline leaves behind, under the names of this test."""
        rows = self.store.select("SELECT event_id FROM events")
        told = self.store.select("SELECT event_id, outcome, reason, first_event_id FROM outcomes")
        state = State(make_url(data, ""))
        try:
            books = balance_books(self.store, state, LogReader(data / "log"), self.workspace, now_ms())
            with state.read() as connection:
                letters = connection.execute(select(DEAD_LETTERS)).all()
                swallowed = connection.execute(select(SWALLOWING_KEYS)).all()
            people = self._tell_people(state)
        finally:
            state.close()
        return Found(
            Counter(self._name(str(row["event_id"])) for row in rows),
            Counter(
                (
                    self._name(str(row["event_id"])),
                    row["outcome"],
                    row["reason"],
                    self._name(str(row["first_event_id"] or "")),
                )
                for row in told
            ),
            {
                (self._name(letter.event_id), letter.kind, letter.reason, letter.events, letter.replayed_events)
                for letter in letters
            },
            {row.dedupe_key: row.swallowed for row in swallowed},
            {line["source"]: line["received"] for line in books["sources"]},
            {line["source"]: line["rejected"] for line in books["sources"]},
            [line for line in books["sources"] if not line["balanced"] or line["in_flight"]],
            {line["source"]: line["held"] for line in books["sources"] if line["held"]},
            people,
        )

    def _tell_people(self, state: State) -> dict[str, Any]:
        person = find_by_identifier(state, self.workspace, "anonymous_id", "D")
        kept = dict.fromkeys(person.keys, person.id)
        mapped = run_query(self.store, compile_query("list_visitors", LOOK_AT_EVERYONE | {"workspace": self.workspace}))
        with state.read() as connection:
            traits = {trait.name: trait.value for trait in list_traits(connection, person.known)}
            accounts = describe_accounts(connection, person.known)
            waited = find_by_identifier(state, self.workspace, "anonymous_id", "H")
            of_who_waited = {trait.name: trait.value for trait in list_traits(connection, waited.known)}
        return {
            "one profile": sorted(
                f"{known.identifier.kind}:{known.identifier.value}"
                for known in person.known.values()
                if known.identifier.kind != "email_hash"
            ),
            "logins": traits.get("logins"),
            "accounts": [account["account_id"] for account in accounts],
            "logins of who waited": of_who_waited.get("logins"),
            "ledger": check_ledger(state, Guards()).differences,
            "rows of others": [
                row["profile_text"]
                for row in mapped
                if kept.get(row["profile_text"]) not in (None, row["profile_text"])
            ],
        }


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    folder = tmp_path_factory.mktemp("bench")
    with start_engine(folder / "engine") as url:
        made = Bench(folder, url)
        yield made
        made.close()


def count_steps(bench: Bench, batch: int) -> list[str]:
    data = bench.begin_case()
    answer = bench.run(data, batch)
    assert not answer["killed"]
    assert bench.look(data) == EXPECTED
    steps: list[str] = answer["steps"]
    return steps


def tell_figures(test: str, batch: int, points: int, wrong: int) -> None:
    figures = {"test": f"{test}, batches of {batch}", "points": points, "wrong": wrong}
    sys.stdout.write(f"FAULT {json.dumps(figures)}\n")


# The whole sweep takes minutes; with small batches there are three times as many steps.
SWEEPS = [
    pytest.param(WHOLE, False, id="one batch"),
    pytest.param(WHOLE, True, id="one batch, every step", marks=pytest.mark.slow),
    pytest.param(SMALL, True, id="small batches, every step", marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("batch", "every"), SWEEPS)
def test_a_crash_at_any_step_changes_nothing_in_the_end(bench: Bench, batch: int, every: bool) -> None:
    """`make test` takes the steps that differ (crash_steps.py), `make test-all` every one."""
    wrong: dict[str, Found] = {}
    points = choose_steps(count_steps(bench, batch), every)
    for number, step in points:
        data = bench.begin_case()
        assert bench.run(data, batch, number)["killed"], step
        assert not bench.run(data, batch)["status"]
        if (found := bench.look(data)) != EXPECTED:
            wrong[f"{number} {step}"] = found
    tell_figures("crash points", batch, len(points), len(wrong))
    assert wrong == {}


@pytest.mark.parametrize(("batch", "every"), SWEEPS)
def test_a_call_that_fails_or_whose_answer_is_lost_changes_nothing_in_the_end(
    bench: Bench, batch: int, every: bool
) -> None:
    """`make test` takes the steps that differ (crash_steps.py), `make test-all` every one."""
    wrong: dict[str, Found] = {}
    points = choose_steps(count_steps(bench, batch), every)
    for number, step in points:
        data = bench.begin_case()
        answer = bench.run(data, batch, number, "fail")
        if "put_many" in step:
            # A key index that failed is opened anew by the next process.
            assert answer["status"], step
            answer = bench.run(data, batch)
        assert not answer["status"], step
        if (found := bench.look(data)) != EXPECTED:
            wrong[f"{number} {step}"] = found
    tell_figures("failing calls", batch, len(points), len(wrong))
    assert wrong == {}


@pytest.mark.parametrize("chains", CRASH_CHAINS)
def test_crash_after_crash_changes_nothing_in_the_end(bench: Bench, chains: int) -> None:
    """Also when batches are cut elsewhere after each start, as they are in life."""
    chance = random.Random(16)
    wrong: dict[str, Found] = {}
    for case in range(chains):
        data = bench.begin_case()
        history = []
        for _ in range(chance.randint(2, 5)):
            batch, step = chance.choice([1, 2, 3, 5, WHOLE]), chance.randint(0, 12)
            bench.run(data, batch, step)
            history.append((batch, step))
        assert not bench.run(data, chance.choice([2, WHOLE]))["status"]
        if (found := bench.look(data)) != EXPECTED:
            wrong[f"{case} {history}"] = found
    assert wrong == {}
