"""The load generator: a process of its own that keeps N connections busy for a few seconds.

It is lean, so that its own cost is small and known: prepared request bytes, no HTTP library, one
request in flight on each connection. It only ever talks to 127.0.0.1. `run_load` starts it.
"""

import asyncio
import resource
import subprocess
import sys
import time
from functools import partial
from typing import cast

import msgspec
import uvloop
from msgspec import Struct

from benchmarks.visits import EVENTS_PER_VISITOR, SLOT, Template, find_slots, make_templates

HOST = "127.0.0.1"
TEMPLATES_PER_CONNECTION = 16
MOST_TEMPLATES = 512
PATIENCE_S = 60


class LoadPlan(Struct, frozen=True, kw_only=True):
    """Ends after `seconds`, or earlier when `most_events` are sent. `run` makes the keys of this run its own.

    `request` is sent instead of the usual visits where it is not empty; its slots are filled in.
    """

    port: int
    key: str
    run: int
    connections: int
    events_per_request: int
    seconds: float
    most_events: int = 0
    as_browser: bool = False
    request: bytes = b""


class LoadResult(Struct, frozen=True):
    """Every request was answered with a 2xx. `cpu_us` is the generator's own, per request."""

    requests: int
    events: int
    seconds: float
    p50_ms: float
    p99_ms: float
    cpu_us: float


class LoadFailed(Exception):
    """A request was not answered, or not with a 2xx; the text holds the answer."""


def run_load(plan: LoadPlan) -> LoadResult:
    """Run the generator in its own process. LoadFailed when any request failed."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.load"],
        input=msgspec.json.encode(plan),
        capture_output=True,
        timeout=plan.seconds + PATIENCE_S,
    )
    if done.returncode:
        raise LoadFailed(done.stderr.decode()[-2000:])
    return msgspec.json.decode(done.stdout, type=LoadResult)


class Load:
    """What the connections of one run share."""

    def __init__(self, plan: LoadPlan) -> None:
        self.plan = plan
        self.sent = 0
        self.latencies: list[float] = []
        self.failure = ""
        self.open = 0
        self.ended = asyncio.get_running_loop().create_future()
        self.deadline = 0.0
        self.most = plan.most_events // plan.events_per_request if plan.most_events else sys.maxsize

    def fail(self, why: str) -> None:
        self.failure = self.failure or why
        self.deadline = 0.0

    def leave(self) -> None:
        self.open -= 1
        if self.open == 0 and not self.ended.done():
            self.ended.set_result(None)


class Connection(asyncio.Protocol):
    """One keep-alive connection: sends, waits for the whole answer, sends the next."""

    def __init__(self, load: Load, templates: list[Template]) -> None:
        self.load = load
        self.requests = [(bytearray(t.request), t.keys, t.visitors) for t in templates]
        self.turn = 0
        self.began = 0.0
        self.received = b""
        self.finished = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def send(self) -> None:
        load = self.load
        if load.sent >= load.most or time.perf_counter() >= load.deadline:
            self.finished = True
            self.transport.close()
            return
        request, keys, visitors = self.requests[self.turn]
        self.turn = (self.turn + 1) % len(self.requests)
        number = load.sent
        load.sent = number + 1
        for place in keys:
            request[place : place + SLOT] = b"%04x%012x" % (load.plan.run, number)
        visitor = b"%04x%012x" % (load.plan.run, number // EVENTS_PER_VISITOR)
        for place in visitors:
            request[place : place + SLOT] = visitor
        self.began = time.perf_counter()
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        if self.received:
            data = self.received + data
        head = data.find(b"\r\n\r\n")
        at = data.find(b"content-length: ", 0, max(head, 0))
        length = int(data[at + 16 : data.find(b"\r", at)]) if at >= 0 else 0
        if head < 0 or len(data) < head + 4 + length:
            self.received = data
            return
        self.received = b""
        self.load.latencies.append(time.perf_counter() - self.began)
        if data[9:10] != b"2":
            self.load.fail(data[:1000].decode(errors="replace"))
        self.send()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.finished:
            self.load.fail(f"the server closed a connection in the middle: {error}")
        self.load.leave()


async def generate_load(plan: LoadPlan) -> LoadResult:
    loop = asyncio.get_running_loop()
    load = Load(plan)
    each = max(1, min(TEMPLATES_PER_CONNECTION, MOST_TEMPLATES // plan.connections // plan.events_per_request))
    connections = []
    for number in range(plan.connections):
        templates = (
            [find_slots(plan.request)]
            if plan.request
            else make_templates(
                each, plan.events_per_request, plan.key, as_browser=plan.as_browser, seed=plan.run << 16 | number
            )
        )
        _, connection = await loop.create_connection(partial(Connection, load, templates), HOST, plan.port)
        connections.append(connection)
    load.open = len(connections)
    cpu, began = time.process_time(), time.perf_counter()
    load.deadline = began + plan.seconds
    for connection in connections:
        connection.send()
    await asyncio.wait_for(load.ended, plan.seconds + PATIENCE_S / 2)
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    if load.failure:
        raise LoadFailed(load.failure)
    latencies = sorted(load.latencies)
    answered = len(latencies)
    return LoadResult(
        requests=answered,
        events=answered * plan.events_per_request,
        seconds=seconds,
        p50_ms=latencies[answered // 2] * 1000,
        p99_ms=latencies[answered * 99 // 100] * 1000,
        cpu_us=cpu / answered * 1e6,
    )


def main() -> None:
    plan = msgspec.json.decode(sys.stdin.buffer.read(), type=LoadPlan)
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    sys.stdout.buffer.write(msgspec.json.encode(uvloop.run(generate_load(plan))))


if __name__ == "__main__":
    main()
