"""POSTs with durability on: how many a second, at what cost in processor time, how long each waits."""

from pathlib import Path

import psutil
from msgspec import Struct

from benchmarks.effort import Effort
from benchmarks.empty_server import start_empty_server
from benchmarks.load import LoadPlan, LoadResult, run_load
from benchmarks.subject import ROLES, Subject, start_subject
from benchmarks.tables import Row, Table

CONNECTIONS = (1, 16, 64)
BATCH = 50


class Shape(Struct, frozen=True):
    """A kind of request."""

    label: str
    events: int
    as_browser: bool = False


SINGLE = Shape("single event", 1)
BROWSER = Shape("as the browser script sends one", 1, as_browser=True)
BATCHED = Shape(f"{BATCH} events", BATCH)


def measure_singles(effort: Effort, folder: Path) -> list[Table]:
    with start_subject(folder) as subject, start_empty_server() as (pid, port):
        shapes = [(SINGLE, connections) for connections in CONNECTIONS] + [(BROWSER, CONNECTIONS[-1])]
        return _measure_shapes("singles", "Single-event POSTs", shapes, effort, subject, pid, port)


def measure_batches(effort: Effort, folder: Path) -> list[Table]:
    with start_subject(folder) as subject, start_empty_server() as (pid, port):
        shapes = [(BATCHED, connections) for connections in CONNECTIONS]
        return _measure_shapes("batches", f"POSTs of {BATCH} events", shapes, effort, subject, pid, port)


def _measure_shapes(
    name: str, title: str, shapes: list[tuple[Shape, int]], effort: Effort, subject: Subject, pid: int, port: int
) -> list[Table]:
    """The two ways and the yardstick take turns, so that a busy moment of the machine hits them alike."""
    door: dict[str, list[dict[str, float]]] = {}
    whole: dict[str, list[dict[str, float]]] = {}
    for _ in range(effort.runs):
        for shape, connections in shapes:
            label = f"{shape.label}, {connections} connections"
            empty = _send_to_empty(shape, connections, effort, pid, port)
            with subject.paused_pipeline():
                alone = _send(subject, shape, connections, effort, ("server-0",))
            subject.wait_until_settled()
            together = _send(subject, shape, connections, effort, ROLES)
            subject.wait_until_settled()
            door.setdefault(label, []).append(_describe_door(alone, empty))
            whole.setdefault(label, []).append(_describe_whole(together))
    subject.check_books()
    return [
        Table(
            f"{name}-door",
            f"{title}: the door",
            "The pipeline stands still meanwhile. Server CPU is that of the server process per request; the ratio is "
            "that CPU divided by the CPU of a bare uvicorn that reads the same requests and answers nothing. Load "
            "generator and server share the machine; the generator's own CPU per request is in the last column.",
            [Row(label, runs) for label, runs in door.items()],
        ),
        Table(
            f"{name}-whole",
            f"{title}: everything running",
            "The pipeline and the store take what processor time is left, as in operation. CPU per event of all three "
            "processes while the load ran.",
            [Row(label, runs) for label, runs in whole.items()],
        ),
    ]


class Watched(Struct, frozen=True):
    """A load, and the processor seconds that each process used meanwhile."""

    load: LoadResult
    cpu_s: dict[str, float]


def _send(subject: Subject, shape: Shape, connections: int, effort: Effort, roles: tuple[str, ...]) -> Watched:
    before = {role: subject.read_cpu(role) for role in roles}
    load = subject.send(connections, shape.events, effort.seconds, as_browser=shape.as_browser)
    return Watched(load, {role: subject.read_cpu(role) - before[role] for role in roles})


def _send_to_empty(shape: Shape, connections: int, effort: Effort, pid: int, port: int) -> Watched:
    process = psutil.Process(pid)
    before = process.cpu_times()
    load = run_load(
        LoadPlan(
            port=port,
            key="tw_0000000000000000000000000000",
            run=0,
            connections=connections,
            events_per_request=shape.events,
            seconds=effort.seconds / 2,
            as_browser=shape.as_browser,
        )
    )
    after = process.cpu_times()
    return Watched(load, {"empty": after.user + after.system - before.user - before.system})


def _describe_door(alone: Watched, empty: Watched) -> dict[str, float]:
    load = alone.load
    server_us = alone.cpu_s["server-0"] / load.requests * 1e6
    empty_us = empty.cpu_s["empty"] / empty.load.requests * 1e6
    return {
        "requests/s": load.requests / load.seconds,
        "events/s": load.events / load.seconds,
        "p50 ms": load.p50_ms,
        "p99 ms": load.p99_ms,
        "server CPU µs": server_us,
        "empty CPU µs": empty_us,
        "CPU ratio": server_us / empty_us,
        "generator CPU µs": load.cpu_us,
    }


def _describe_whole(together: Watched) -> dict[str, float]:
    load = together.load
    return {
        "requests/s": load.requests / load.seconds,
        "events/s": load.events / load.seconds,
        "p50 ms": load.p50_ms,
        "p99 ms": load.p99_ms,
        **{f"{role} CPU µs/event": cpu / load.events * 1e6 for role, cpu in together.cpu_s.items()},
    }
