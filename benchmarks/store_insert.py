"""In which format should rows go to the event store? The figures of decision 0003.

Inserts the same events through HTTP into an engine of its own, once as `EventStore` does it
(format Native, written column by column) and in the formats that were tried beside it. Counts the
CPU time of client and engine together, merges in the background included.
Run: `python -m benchmarks.store_insert`.
"""

# ruff: noqa: T201

import random
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from operator import attrgetter
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

import clickhouse_connect
import msgspec
import psutil
import pyarrow as pa
from clickhouse_connect.driver.client import Client

from trackway.clock import format_time
from trackway.event import Event, LogPlace, Row
from trackway.ids import make_event_id, make_submission_id
from trackway.store.client import INSERT_SETTINGS, EventStore
from trackway.store.migrate import migrate
from trackway.store.rows import EVENT_COLUMNS, PLAIN_FIELDS, TIME_FIELDS
from trackway.testing.engine import EngineProcess

RECEIVED_AT = 1_763_700_000_000
SIZES = {1_000: 30, 10_000: 8}
AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 Safari/537.36"

Insert = Callable[[Sequence[Row]], None]

encode_json = msgspec.json.Encoder().encode
read_values = attrgetter(*PLAIN_FIELDS)


def make_row(chance: random.Random, number: int) -> Row:
    """A page view of a shop: about half of the columns filled, 120 bytes of properties."""
    product, visitor = number % 200, chance.randrange(500)
    event = Event(
        event_id=make_event_id(make_submission_id(RECEIVED_AT), number % 1000),
        workspace="main",
        source=f"shop-{number % 3}",
        protocol="native",
        channel="web",
        trusted=False,
        event_type=chance.choice(["page_view", "click", "purchase"]),
        occurred_at=RECEIVED_AT + number,
        received_at=RECEIVED_AT + number + 80,
        time_rule="client",
        anonymous_id=f"{chance.getrandbits(128):032x}",
        session_id=f"session-{visitor}",
        dedupe_key=f"{chance.getrandbits(128):032x}",
        url=f"https://shop.example/products/{product}?utm_source=news&position={number}",
        referrer="https://www.google.com/",
        title=f"Product {product}",
        properties={
            "plan": chance.choice(["free", "pro"]),
            "price": number * 1.5,
            "cart": {"items": number % 7, "labels": ["new", "sale"]},
            "note": f'thé "{product}"',
        },
        context={"screen": {"width": 1920, "height": 1080}, "library": "trackway-js"},
        ip="203.0.113.0",
        user_agent=AGENT,
        country="DE",
        time_zone="Europe/Berlin",
        place_rule="time_zone",
        browser="Chrome",
        browser_version="120",
        os="Linux",
        device="desktop",
        host="shop.example",
        path=f"/products/{product}",
        referrer_host="www.google.com",
        referrer_class="search",
        referrer_name="Google",
        utm_source="news",
        visitor_key=f"visitor-{visitor}",
    )
    return Row(event, LogPlace(RECEIVED_AT << 16, number, 0))


def list_values(row: Row) -> list[object]:
    """The row's values in the order of EVENT_COLUMNS."""
    event, place = row.event, row.place
    objects = (encode_json(event.properties).decode(), encode_json(event.context).decode())
    return [*read_values(event), *objects, place.segment, place.record, place.index, RECEIVED_AT]


def make_json_insert(client: Client) -> Insert:
    times = [EVENT_COLUMNS.index(name) for name in (*TIME_FIELDS, "stored_at")]

    def insert(rows: Sequence[Row]) -> None:
        lines = []
        for row in rows:
            values = list_values(row)
            for place in times:
                values[place] = format_time(values[place])  # type: ignore[arg-type]
            lines.append(dict(zip(EVENT_COLUMNS, values, strict=True)))
        body = msgspec.json.Encoder().encode_lines(lines)
        client.raw_insert("events", EVENT_COLUMNS, body, fmt="JSONEachRow", settings=INSERT_SETTINGS)

    return insert


def make_client_insert(client: Client) -> Insert:
    def insert(rows: Sequence[Row]) -> None:
        columns = list(zip(*[list_values(row) for row in rows], strict=True))
        client.insert(
            "events", columns, column_names=EVENT_COLUMNS, column_oriented=True, settings=dict(INSERT_SETTINGS)
        )

    return insert


def make_arrow_insert(client: Client) -> Insert:
    moment = pa.timestamp("ms", "UTC")
    types = dict.fromkeys((*TIME_FIELDS, "stored_at"), moment) | {"trusted": pa.bool_()}
    types |= {"log_segment": pa.uint64(), "log_record": pa.uint32(), "log_index": pa.uint16()}
    schema = pa.schema([(name, types.get(name, pa.string())) for name in EVENT_COLUMNS])

    def insert(rows: Sequence[Row]) -> None:
        columns = zip(*[list_values(row) for row in rows], strict=True)
        batch = pa.record_batch([pa.array(c, type=t) for c, t in zip(columns, schema.types, strict=True)], schema)
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, schema) as writer:
            writer.write_batch(batch)
        body = sink.getvalue().to_pybytes()
        client.raw_insert("events", EVENT_COLUMNS, body, fmt="ArrowStream", settings=INSERT_SETTINGS)

    return insert


def measure(insert: Insert, rows: Sequence[Row], engine: psutil.Process, times: int) -> dict[str, float]:
    """Microseconds of CPU per row over `times` inserts; median of the milliseconds one takes."""
    walls = []
    client_before, engine_before = time.process_time(), read_cpu(engine)
    for _ in range(times):
        begin = time.perf_counter()
        insert(rows)
        walls.append((time.perf_counter() - begin) * 1e3)
    inserted = len(rows) * times / 1e6
    client, server = (time.process_time() - client_before) / inserted, (read_cpu(engine) - engine_before) / inserted
    return {"client": client, "engine": server, "both": client + server, "wall": median(walls)}


def read_cpu(process: psutil.Process) -> float:
    spent = process.cpu_times()
    return float(spent.user + spent.system)


def measure_formats(folder: Path) -> dict[tuple[int, str], dict[str, float]]:
    """Results by batch size and format; each format on an engine of its own."""
    chance = random.Random(1)
    rows = [make_row(chance, number) for number in range(max(SIZES))]
    results: dict[tuple[int, str], dict[str, float]] = {}
    for name in ("Native by columns (ours)", "JSONEachRow", "client.insert, columns", "ArrowStream by pyarrow"):
        engine = EngineProcess(folder / name.split(maxsplit=1)[0].lower())
        store = EventStore(engine.url)
        migrate(store)
        url = urlsplit(engine.url)
        client = clickhouse_connect.get_client(
            host=url.hostname, port=url.port or 0, password=url.password or "", database="trackway", compress=False
        )
        inserts: dict[str, Insert] = {
            "Native by columns (ours)": partial(store.insert_events, stored_at=RECEIVED_AT),
            "JSONEachRow": make_json_insert(client),
            "client.insert, columns": make_client_insert(client),
            "ArrowStream by pyarrow": make_arrow_insert(client),
        }
        insert = inserts[name]
        insert(rows[:1000])
        for size, times in SIZES.items():
            results[size, name] = measure(insert, rows[:size], psutil.Process(engine.process.pid), times)
        client.close()
        store.close()
        engine.stop()
    return results


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        results = measure_formats(Path(folder))
    print("| rows | format | client µs/row | engine µs/row | both | ms per insert |")
    print("|---|---|---|---|---|---|")
    for (size, name), found in sorted(results.items()):
        figures = " | ".join(f"{found[column]:.1f}" for column in ("client", "engine", "both", "wall"))
        print(f"| {size:,} | {name} | {figures} |")


if __name__ == "__main__":
    main()
