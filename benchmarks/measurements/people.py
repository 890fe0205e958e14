"""What people cost: questions over merged profiles, and the pipeline's work on the ledger."""

import time
from pathlib import Path

from msgspec.structs import replace

from benchmarks.effort import Effort
from benchmarks.identity_overrides import PEOPLE, fill_events, make_uuid, name_workspace
from benchmarks.tables import Row, Table
from trackway.control.database import State, migrate_state
from trackway.control.workspaces import ensure_first_workspace, list_workspaces
from trackway.event import Event
from trackway.profiles.identifiers import collect_identifiers
from trackway.profiles.people import Guards, People
from trackway.query.compiler import MOVED, NUMBER
from trackway.store.client import EventStore
from trackway.store.migrate import migrate
from trackway.testing.engine import start_engine

MERGES = 100_000
SPAN = "WHERE workspace = {workspace:String}"
QUESTIONS = {
    "people a day": f"SELECT toDate(occurred_at) AS day, uniqExact(PERSON) FROM events {SPAN} GROUP BY day",
    "people by type": f"SELECT event_type, count(), uniqExact(PERSON) FROM events {SPAN} GROUP BY event_type",
    "funnel of 3 steps": "SELECT level, count() FROM (SELECT windowFunnel(86400)(toDateTime(occurred_at), "
    "event_type = 'search', event_type = 'add_to_cart', event_type = 'purchase') AS level "
    f"FROM events {SPAN} GROUP BY PERSON) GROUP BY level",
}
LOOK_UP = "transform(reinterpretAsUInt64(profile_key), moved.1, moved.2, cityHash64(profile_id))"
BATCH = 1000


def measure_people(effort: Effort, folder: Path) -> list[Table]:
    return [_measure_questions(effort, folder), _measure_ledger(effort, folder)]


def _measure_questions(effort: Effort, folder: Path) -> Table:
    events = 2 * effort.stored_events + PEOPLE
    with start_engine(folder / "engine") as url:
        store = EventStore(url)
        migrate(store)
        fill_events(store, events)
        store.execute(
            f"INSERT INTO profile_overrides SELECT {name_workspace('person')}, {make_uuid(1, 'person')}, "
            f"{make_uuid(2, 'person + 1')}, 1 FROM (SELECT number * 10 AS person FROM numbers({MERGES}))"
        )
        rows = [Row(label, [_ask_both(store, text) for _ in range(effort.runs)]) for label, text in QUESTIONS.items()]
        store.close()
    return Table(
        "overrides",
        "Questions over merged profiles",
        f"{events:,} events of {PEOPLE:,} profiles, {MERGES:,} merged since their rows were stored. `ratio` is to the same "
        "question without the look-up of overrides, asked just before; the bare column counts nobody without a profile.",
        rows,
    )


def _ask_both(store: EventStore, text: str) -> dict[str, float]:
    column = _time(store, text.replace("PERSON", "profile_id"))
    without = _time(store, text.replace("PERSON", NUMBER.replace(LOOK_UP, "cityHash64(profile_id)")))
    merged = _time(store, f"WITH {MOVED} {text.replace('PERSON', NUMBER)}")
    return {
        "bare column ms": column,
        "without overrides ms": without,
        "with overrides ms": merged,
        "ratio": merged / without,
        "ratio to the column": merged / column,
    }


def _time(store: EventStore, text: str) -> float:
    began = time.perf_counter()
    store.select(text, {"workspace": "main"})
    return (time.perf_counter() - began) * 1000


def _measure_ledger(effort: Effort, folder: Path) -> Table:
    """Batches as the pipeline lays them before the ledger, each committed: events of one core's second."""
    state = State(f"sqlite:///{folder / 'state.db'}")
    migrate_state(state)
    ensure_first_workspace(state)
    (workspace,) = list_workspaces(state)
    people = People(Guards())
    keys = people.keys_of(workspace)

    def make(number: int, **fields: str) -> Event:
        event = Event(
            event_id=f"01890000-0000-7000-8000-{number:012x}", workspace=workspace.id, source="shop", protocol="native",
            channel="web", trusted=True, event_type="x", occurred_at=number, received_at=number, **fields,
        )  # fmt: skip
        key = keys.name(collect_identifiers(event).found[0])
        return replace(event, profile_key=key, profile_id=key)

    kinds = {
        "anonymous page views": lambda n: make(n, anonymous_id=f"device-{n % 5000}"),
        "first logins (a new link each)": lambda n: make(n, anonymous_id=f"new-{n}", user_id=f"user-{n}"),
        "page views of people who are logged in": lambda n: make(n, anonymous_id=f"new-{n % 5000}", user_id=f"user-{n % 5000}"),
    }  # fmt: skip
    rows, stamp = [], 0
    for label, of in kinds.items():
        runs = []
        for run in range(effort.runs):
            events = [of(run * 20 * BATCH + number) for number in range(20 * BATCH)]
            began = time.process_time()
            for start in range(0, len(events), BATCH):
                stamp += 1
                with state.read() as connection:
                    settled = people.settle(connection, events[start : start + BATCH], {}, stamp)
                with state.write() as connection:
                    people.write(connection, settled)
                people.remember(settled)
            runs.append({"CPU µs/event": (time.process_time() - began) / len(events) * 1e6})
        rows.append(Row(label, runs))
    state.close()
    return Table(
        "ledger", "The ledger of people", f"What a batch of {BATCH:,} events costs it, committed to SQLite.", rows
    )
