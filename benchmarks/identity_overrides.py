"""How should a question find the profile an event belongs to now? The figures behind the overrides.

An event is stored with `profile_key`, which never changes, and `profile_id`, the profile of that
key at the time. A merge afterwards only adds an override, profile_key -> profile_id. Fills the real
`events` table of an engine of its own with a million people, asks four questions in many forms and
compares each with the same question that reads `profile_id` alone. Then what one more override
costs, and what it costs to write the overrides into the rows (the squash).

Run: `python -m benchmarks.identity_overrides [--rows N] [--runs N]`. Ratios of the engine's CPU
time are what counts: other work on the machine changes them little, unlike the time on the clock.
"""

# ruff: noqa: T201

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import click
import psutil
from msgspec import Struct

from benchmarks.machine import describe_machine
from benchmarks.tables import Row, Table, format_table
from trackway.store import engine_config
from trackway.store.client import EventStore
from trackway.store.engine import run_engine
from trackway.store.migrate import DURABLE, migrate

PEOPLE = 1_000_000
SIZES = (100_000, 1_000, 0)
BATCH = 500_000
ENGINE_MEMORY = 1_500_000_000
NIL = "toUUID('00000000-0000-0000-0000-000000000000')"
SPAN = "workspace = 'main' AND toDate(occurred_at) BETWEEN '2026-10-01' AND '2026-10-30'"
# The forms that are also measured with fewer overrides.
FINALISTS = frozenset(
    {
        "both columns, no look-up",
        "JOIN argMax, no swap",
        "joinGet by UInt64",
        "key UInt64, joinGet",
        "dictGet, hashed array by UInt64",
        "transform to UInt64",
        "transform to UInt64, top 50 named",
    }
)
NO_SWAP = {"query_plan_join_swap_table": "false"}

# What today's grants do not cover, so that dictionaries can be measured all the same.
DICTIONARY_GRANTS = ("GRANT CREATE DICTIONARY, DROP DICTIONARY, dictGet ON trackway.*",)

QUESTIONS = {
    "people a day": "SELECT toDate(occurred_at) AS day, uniqExact({person}) FROM {events} WHERE {span} "
    "GROUP BY day ORDER BY day",
    "people by type": "SELECT event_type, count(), uniqExact({person}) FROM {events} WHERE {span} "
    "GROUP BY event_type ORDER BY event_type",
    "top 50": "SELECT {person} AS person, count() AS events, max(occurred_at) FROM {events} WHERE {span} "
    "GROUP BY person ORDER BY events DESC, person LIMIT 50",
    "funnel": "SELECT level, count() FROM (SELECT {person} AS person, windowFunnel(86400)(toDateTime(occurred_at), "
    "event_type = 'search', event_type = 'add_to_cart', event_type = 'purchase') AS level FROM {events} "
    "WHERE {span} AND event_type IN ('search', 'add_to_cart', 'purchase') GROUP BY person) "
    "GROUP BY level ORDER BY level",
}


# The top 50 where `number` stands for a person; the id is looked up for these 50 only.
TOP_NAMED = (
    "SELECT if(cityHash64(stored) = number, stored, o.profile_id) AS person, events, last FROM "
    "(SELECT {person} AS number, any(profile_id) AS stored, count() AS events, max(occurred_at) AS last "
    "FROM {events} WHERE {span} GROUP BY number ORDER BY events DESC, number LIMIT 50) AS e "
    "LEFT ANY JOIN ({latest}) AS o ON e.number = cityHash64(o.profile_id) ORDER BY events DESC, person"
)


class Form(Struct, frozen=True):
    """A way to ask: what stands for the person and for the table, and what WITH stands before.

    Not `exact` where the answer does not name the profile of now. `latest` where people are counted
    by number, and those of the top 50 are named afterwards.
    """

    label: str
    person: str
    events: str = "events"
    settings: Mapping[str, str] = {}
    exact: bool = True
    before: str = ""
    latest: str = ""

    def ask(self, question: str) -> str:
        text = TOP_NAMED if question == "top 50" and self.latest else QUESTIONS[question]
        return self.before + text.format(person=self.person, events=self.events, span=SPAN, latest=self.latest)


PLAIN = Form("profile_id alone", "profile_id", exact=False)


def make_uuid(salt: int, text: str) -> str:
    return f"reinterpret(sipHash128({salt}, {text}), 'UUID')"


def list_forms(size: int) -> list[Form]:
    """The forms over the overrides of the tables `*_SIZE`."""
    number = "reinterpretAsUInt64(profile_key)"
    chosen = f"if(o.profile_id = {NIL}, e.profile_id, o.profile_id)"
    latest = (
        f"SELECT profile_key, argMax(profile_id, version) AS profile_id FROM overrides_{size} "
        "WHERE workspace = 'main' GROUP BY profile_key"
    )
    latest_by_number = latest.replace("SELECT profile_key,", f"SELECT {number} AS k,").replace("BY profile_key", "BY k")
    keys = f"SELECT profile_key FROM overrides_{size} WHERE workspace = 'main'"
    joined = f"events AS e LEFT ANY JOIN ({latest}) AS o ON e.profile_key = o.profile_key"
    from_join = f"joinGet('trackway.join_{size}', 'profile_id', profile_key)"
    from_join_by_number = f"joinGet('trackway.join_number_{size}', 'profile_id', {number})"
    from_dictionary = f"dictGet('trackway.dictionary_number_{size}', 'profile_id', {number})"

    # One subquery for both lists: two could see different states of the table.
    moved = (
        "WITH (SELECT (groupArray(reinterpretAsUInt64(profile_key)), groupArray(cityHash64(profile_id))) "
        f"FROM ({latest})) AS moved "
    )
    moved_number = f"transform({number}, moved.1, moved.2, cityHash64(profile_id))"

    def choose(found: str) -> str:
        return f"if(({found} AS found) = {NIL}, profile_id, found)"

    two_parts = (
        f"(SELECT occurred_at, event_type, workspace, profile_id AS now FROM events WHERE {SPAN} "
        f"AND profile_key NOT IN ({keys}) UNION ALL SELECT occurred_at, event_type, workspace, o.profile_id AS now "
        f"FROM events AS e LEFT ANY JOIN ({latest}) AS o ON e.profile_key = o.profile_key "
        f"WHERE e.{SPAN} AND e.profile_key IN ({keys}))"
    )
    return [
        Form("both columns, no look-up", f"if(profile_key = {NIL}, profile_key, profile_id)", exact=False),
        Form("as if squashed", "flat_id"),
        Form("JOIN argMax", chosen, joined),
        Form("JOIN argMax, no swap", chosen, joined, NO_SWAP),
        Form(
            "JOIN FINAL, no swap",
            chosen,
            joined.replace(latest, keys.replace(" FROM", ", profile_id FROM").replace(" WHERE", " FINAL WHERE")),
            NO_SWAP,
        ),
        Form(
            "JOIN plain table, no swap",
            chosen,
            f"events AS e LEFT ANY JOIN overrides_{size} AS o ON e.profile_key = o.profile_key",
            NO_SWAP,
        ),
        Form(
            "JOIN by UInt64, no swap",
            chosen,
            f"events AS e LEFT ANY JOIN ({latest_by_number}) AS o ON reinterpretAsUInt64(e.profile_key) = o.k",
            NO_SWAP,
        ),
        Form(
            "JOIN engine Join", chosen, f"events AS e LEFT ANY JOIN join_{size} AS o ON e.profile_key = o.profile_key"
        ),
        Form("joinGet", choose(from_join)),
        Form("joinGet by UInt64", choose(from_join_by_number)),
        Form("IN, then joinGet by UInt64", f"if(profile_key IN ({keys}), {from_join_by_number}, profile_id)"),
        Form(
            "dictGet, complex key hashed",
            f"dictGetOrDefault('trackway.dictionary_{size}', 'profile_id', tuple(profile_key), profile_id)",
        ),
        Form(
            "dictGet, hashed array by UInt64",
            from_dictionary.replace("dictGet", "dictGetOrDefault").removesuffix(")") + ", profile_id)",
        ),
        Form("IN, then dictGet by UInt64", f"if(profile_key IN ({keys}), {from_dictionary}, profile_id)"),
        Form("UNION of two parts", "now", two_parts, NO_SWAP),
        Form("transform to UInt64", moved_number, exact=False, before=moved),
        Form("transform to UInt64, top 50 named", moved_number, before=moved, latest=latest),
        Form("plain, cityHash64 of it", "cityHash64(profile_id)", exact=False),
        Form("key UInt64, joinGet", choose(from_join_by_number.replace(number, "key_number"))),
        Form("plain, String(36)", "id_text", exact=False),
        Form("plain, UInt64", "id_number", exact=False),
        Form(
            "UInt64 both, transform",
            "transform(key_number, moved.1, moved.2, id_number)",
            exact=False,
            before=moved.replace("cityHash64", "reinterpretAsUInt64"),
        ),
    ]


class Measure(Struct):
    """An engine and the processor time it has used."""

    store: EventStore
    engine: psutil.Process

    def spend(self, work: Callable[[], object]) -> tuple[float, float]:
        """Milliseconds of the engine's CPU and of the clock."""
        before, begin = self._read_cpu(), time.perf_counter()
        work()
        return (self._read_cpu() - before) * 1e3, (time.perf_counter() - begin) * 1e3

    def _read_cpu(self) -> float:
        spent = self.engine.cpu_times()
        return float(spent.user + spent.system)

    def ask(self, form: Form, question: str) -> list[dict[str, object]]:
        return self.store.select(form.ask(question), None, form.settings)


@contextmanager
def start_wide_engine(directory: Path) -> Iterator[tuple[str, psutil.Process]]:
    """An engine that also lets dictionaries be made; its URL and process."""
    command = [sys.executable, "-m", "benchmarks.identity_overrides", "--engine", str(directory)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        yield child.stdout.readline().strip(), psutil.Process(child.pid)
        child.terminate()


def serve_wide_engine(directory: Path) -> None:
    list_usual = engine_config.list_grants
    engine_config.list_grants = lambda: [*list_usual(), *DICTIONARY_GRANTS]
    run_engine(directory, 0, os.urandom(8).hex(), ENGINE_MEMORY, report_url, parent_pipe=sys.stdin.fileno())


def report_url(url: str) -> None:
    print(url, flush=True)


def fill_events(store: EventStore, rows: int) -> None:
    """A month of events: everybody has one, most belong to few (the k-th busiest has about k^(-2/3) of the busiest).

    Every tenth person is merged into the next one; `flat_id` has the profile afterwards.
    """
    columns = {"profile_key": "UUID", "profile_id": "UUID", "flat_id": "UUID", "id_text": "String"}
    columns |= {"key_number": "UInt64", "id_number": "UInt64"}
    store.execute("ALTER TABLE events " + ", ".join(f"ADD COLUMN IF NOT EXISTS {n} {t}" for n, t in columns.items()))
    types = "'page_view', 'page_view', 'page_view', 'page_view', 'click', 'click', 'search', 'add_to_cart', 'purchase'"
    for begin in range(0, rows, BATCH):
        store.execute(
            f"""INSERT INTO events (event_id, workspace, source, protocol, channel, event_type, occurred_at, received_at,
                stored_at, anonymous_id, session_id, url, title, properties_text, log_segment, log_record,
                profile_key, profile_id, flat_id, id_text, key_number, id_number)
            WITH toUInt64({PEOPLE} * pow(cityHash64(number, 1) / 18446744073709551616., 3)) AS drawn,
                if(number < {PEOPLE}, number, drawn) AS person, {make_uuid(1, "person")} AS key,
                {make_uuid(2, "person")} AS profile, {make_uuid(2, "person + 1")} AS next,
                toDateTime64('2026-10-01 00:00:00', 3, 'UTC')
                    + toIntervalMillisecond(cityHash64(number, 3) % 2592000000) AS at
            SELECT {make_uuid(9, "number")}, {name_workspace("person")}, 'shop-1', 'native', 'web',
                [{types}][cityHash64(number, 2) % 9 + 1], at, at, toDateTime64('2026-11-01 00:00:00', 3, 'UTC'),
                toString(key), concat('session-', toString(number % 100000)),
                concat('https://shop.example/products/', toString(number % 200)), 'Product',
                concat('{{"price":', toString(number % 1000), '}}'), 1, number,
                key, profile, if(person % 10 = 0, next, profile), toString(profile),
                reinterpretAsUInt64(key), reinterpretAsUInt64(profile)
            FROM numbers({begin}, {min(BATCH, rows - begin)})""",
            {"max_threads": 1, "max_insert_block_size": BATCH, "min_insert_block_size_rows": BATCH},
        )
    wait_for_merges(store)


def name_workspace(person: str) -> str:
    """Four fifths are of `main`, the rest of two others."""
    return f"['shop', 'app', 'main'][least(cityHash64({person}, 4) % 10, 2) + 1]"


def wait_for_merges(store: EventStore) -> None:
    while store.select("SELECT 1 FROM system.merges UNION ALL SELECT 1 FROM system.mutations WHERE NOT is_done"):
        time.sleep(0.2)


def fill_overrides(store: EventStore, size: int) -> None:
    """The overrides of `size` people, in every container that is tried."""
    every = max(PEOPLE // size // 10 * 10, 10) if size else 10
    by_number = f"SELECT reinterpretAsUInt64(profile_key) AS k, profile_id FROM trackway.overrides_{size} FINAL"
    join = "ENGINE = Join(ANY, LEFT, {key}) SETTINGS join_any_take_last_row = 1"
    statements = [
        f"CREATE TABLE overrides_{size} (workspace LowCardinality(String), profile_key UUID, profile_id UUID, "
        f"version UInt64) ENGINE = ReplacingMergeTree(version) ORDER BY (workspace, profile_key) SETTINGS {DURABLE}",
        f"INSERT INTO overrides_{size} SELECT {name_workspace('person')}, {make_uuid(1, 'person')}, "
        f"{make_uuid(2, 'person + 1')}, 1 FROM (SELECT number * {every} AS person FROM numbers({size}))",
        f"CREATE TABLE join_{size} (profile_key UUID, profile_id UUID) {join.format(key='profile_key')}",
        f"INSERT INTO join_{size} SELECT profile_key, profile_id FROM overrides_{size} FINAL",
        f"CREATE TABLE join_number_{size} (k UInt64, profile_id UUID) {join.format(key='k')}",
        f"INSERT INTO join_number_{size} {by_number}",
        f"CREATE DICTIONARY dictionary_{size} (profile_key UUID, profile_id UUID) PRIMARY KEY profile_key "
        f"SOURCE(CLICKHOUSE(TABLE 'overrides_{size}' DB 'trackway')) LAYOUT(COMPLEX_KEY_HASHED()) LIFETIME(0)",
        f"CREATE DICTIONARY dictionary_number_{size} (k UInt64, profile_id UUID) PRIMARY KEY k "
        f"SOURCE(CLICKHOUSE(QUERY '{by_number}')) LAYOUT(HASHED_ARRAY()) LIFETIME(0)",
    ]
    for statement in statements:
        store.execute(statement)


def measure_forms(measure: Measure, size: int, runs: int) -> list[Table]:
    """CPU and clock of each form as a multiple of the plain question asked just before it."""
    forms = [form for form in list_forms(size) if size == SIZES[0] or form.label in FINALISTS]
    truth = {question: measure.ask(Form("", "flat_id"), question) for question in QUESTIONS}
    cpu: dict[str, list[dict[str, float]]] = {form.label: [] for form in forms}
    clock: dict[str, list[dict[str, float]]] = {form.label: [] for form in forms}
    plain: list[dict[str, float]] = []
    for form in forms:
        for question in QUESTIONS:
            found = measure.ask(form, question)
            if form.exact and size == SIZES[0] and list_values(found) != list_values(truth[question]):
                raise AssertionError(f"{form.label} answers {question!r} wrongly")
    for _ in range(runs):
        for form in forms:
            ratios: tuple[dict[str, float], dict[str, float]] = ({}, {})
            base: dict[str, float] = {}
            for question in QUESTIONS:
                reference = measure.spend(lambda q=question: measure.ask(PLAIN, q))  # type: ignore[misc]
                spent = measure.spend(lambda f=form, q=question: measure.ask(f, q))  # type: ignore[misc]
                for found, one, other in zip(ratios, spent, reference, strict=True):
                    found[question] = one / other
                base |= {f"{question}, CPU ms": reference[0], f"{question}, ms": reference[1]}
            cpu[form.label].append(ratios[0])
            clock[form.label].append(ratios[1])
            plain.append(base)
    title = f"{size:,} overrides"
    return [
        Table(f"plain-{size}", f"{title}: the plain question", "Milliseconds.", [Row(PLAIN.label, plain)]),
        *(
            Table(
                f"{name}-{size}",
                f"{title}: {said}",
                "Multiples of the plain question, asked just before.",
                [Row(label, found) for label, found in kept.items()],
            )
            for name, said, kept in (("cpu", "CPU time of the engine", cpu), ("clock", "time on the clock", clock))
        ),
    ]


def list_values(rows: list[dict[str, object]]) -> list[tuple[object, ...]]:
    return [tuple(row.values()) for row in rows]


def measure_entries(measure: Measure, runs: int) -> Table:
    """One more override, beside 100,000."""
    size = SIZES[0]
    by_number = f"SELECT reinterpretAsUInt64(profile_key) AS k, profile_id FROM trackway.overrides_{size} FINAL"
    entry = "generateUUIDv4(1), generateUUIDv4(2)"
    statements = {
        "INSERT into the MergeTree table": f"INSERT INTO overrides_{size} SELECT 'main', {entry}, 2",
        "INSERT into the Join table": f"INSERT INTO join_number_{size} SELECT rand64(1), generateUUIDv4(2)",
        "make the Join table anew": "CREATE OR REPLACE TABLE join_anew (k UInt64, profile_id UUID) "
        f"ENGINE = Join(ANY, LEFT, k) AS {by_number}",
        "make the dictionary anew": "CREATE OR REPLACE DICTIONARY dictionary_anew (k UInt64, profile_id UUID) "
        f"PRIMARY KEY k SOURCE(CLICKHOUSE(QUERY '{by_number}')) LAYOUT(HASHED_ARRAY()) LIFETIME(0)",
    }
    rows = []
    for label, statement in statements.items():
        found = []
        for _ in range(runs * 3):
            spent = measure.spend(lambda s=statement: measure.store.execute(s))  # type: ignore[misc]
            found.append({"ms": spent[1]})
        rows.append(Row(label, found))
    return Table("entry", "One override more, beside 100,000", "A dictionary is loaded by its first use.", rows)


def measure_squash(measure: Measure, rows: int, runs: int) -> Table:
    """Write 100,000 overrides into the rows; `id_number` and `flat_id` tell what was and what must be."""
    size = SIZES[0]
    keys = f"SELECT profile_key FROM overrides_{size}"
    found_id = f"joinGet('trackway.join_{size}', 'profile_id', profile_key)"
    forms = {
        "ALTER UPDATE": f"ALTER TABLE events UPDATE profile_id = {found_id} WHERE profile_key IN ({keys})",
        "ALTER UPDATE without a Join table": "ALTER TABLE events UPDATE profile_id = toUUID(transform("
        "reinterpretAsUInt64(profile_key), tupleElement((SELECT (groupArray(reinterpretAsUInt64(profile_key)), "
        "groupArray(toString(profile_id))) FROM (SELECT profile_key, argMax(profile_id, version) AS profile_id "
        f"FROM overrides_{size} GROUP BY profile_key)) AS moved, 1), tupleElement(moved, 2), toString(profile_id))) "
        f"WHERE profile_key IN ({keys})",
        "ALTER UPDATE of one key": "ALTER TABLE events UPDATE profile_id = flat_id "
        f"WHERE profile_key = {make_uuid(1, 'toUInt64(500)')}",
        "UPDATE (patch part)": f"UPDATE events SET profile_id = {found_id} WHERE profile_key IN ({keys})",
    }
    results = []
    # The patch part comes last and once: it stays, and its table settings with it.
    for label, statement in forms.items():
        found = []
        for _ in range(1 if label.startswith("UPDATE") else runs):
            measure.store.execute(
                "ALTER TABLE events UPDATE profile_id = toUUID(id_text) WHERE 1", {"mutations_sync": 2}
            )
            if label.startswith("UPDATE"):
                measure.store.execute(
                    "ALTER TABLE events MODIFY SETTING enable_block_number_column = 1, enable_block_offset_column = 1"
                )
            cpu, clock = measure.spend(lambda s=statement: measure.store.execute(s, {"mutations_sync": 2}))  # type: ignore[misc]
            left = measure.store.select("SELECT countIf(profile_id != flat_id) AS n FROM events")[0]["n"]
            if left and "one key" not in label:
                raise AssertionError(f"{label} left {left} rows")
            reads = [measure.spend(lambda: measure.ask(PLAIN, "people a day"))[0] for _ in range(runs)]
            others = [measure.spend(lambda: measure.ask(Form("", "flat_id"), "people a day"))[0] for _ in range(runs)]
            found.append({"s": clock / 1e3, "CPU s": cpu / 1e3, "reading it after": median(reads) / median(others)})
        results.append(Row(label, found))
    return Table(
        "squash",
        f"Squash: 100,000 overrides into {rows:,} rows",
        "`reading it after`: CPU of people a day by `profile_id`, as a multiple of an untouched column.",
        results,
    )


@click.command()
@click.option("--rows", default=6_000_000, show_default=True)
@click.option("--runs", default=5, show_default=True)
@click.option("--engine", "directory", type=click.Path(path_type=Path), hidden=True)
def main(rows: int, runs: int, directory: Path | None) -> None:
    """Measure how questions follow merged profiles."""
    if directory:
        serve_wide_engine(directory)
        return
    with tempfile.TemporaryDirectory(prefix="trackway-bench-") as folder:
        for name, value in describe_machine(Path(folder)).items():
            print(f"- {name}: {value}")
        with start_wide_engine(Path(folder) / "engine") as (url, process):
            measure = Measure(EventStore(url), process)
            migrate(measure.store)
            fill_events(measure.store, rows)
            print(f"\n{rows:,} rows, {PEOPLE:,} people. Median (lowest-highest) of {runs} runs.")
            for size in SIZES:
                fill_overrides(measure.store, size)
                show(measure_forms(measure, size, runs))
            show([measure_squash(measure, rows, runs), measure_entries(measure, runs)])
            measure.store.close()


def show(tables: list[Table]) -> None:
    for table in tables:
        print(f"\n{format_table(table)}", flush=True)


if __name__ == "__main__":
    main()
