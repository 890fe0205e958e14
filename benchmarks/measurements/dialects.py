"""The five dialects beside the native protocol: the same number of events, durable, at the door."""

from pathlib import Path

from benchmarks.dialects import EXAMPLES, NATIVE, Example
from benchmarks.effort import Effort
from benchmarks.subject import Subject, start_subject
from benchmarks.tables import Row, Table

CONNECTIONS = 64


def measure_dialects(effort: Effort, folder: Path) -> list[Table]:
    """Dialect and native protocol take turns; the ratio is within one run."""
    with start_subject(folder) as subject:
        requests = {example: _prepare(subject, example) for example in (*NATIVE.values(), *EXAMPLES)}
        runs: dict[str, list[dict[str, float]]] = {}
        for _ in range(effort.runs):
            for example in EXAMPLES:
                native = NATIVE[example.events]
                yardstick = _send(subject, requests[native], native, effort)
                measured = _send(subject, requests[example], example, effort)
                label = f"{example.protocol}, {example.events} event{'s' if example.events > 1 else ''}"
                ratio = measured["server CPU µs"] / yardstick["server CPU µs"]
                runs.setdefault(label, []).append(
                    {**measured, "native CPU µs": yardstick["server CPU µs"], "CPU ratio": ratio}
                )
        subject.check_books()
    says = (
        f"The example of each seed document, {CONNECTIONS} connections, the pipeline standing still. Server CPU is that of "
        "the server process per request; native CPU that of the native protocol with as many events of the same content, "
        "in the same run. Tracardi's answer holds a profile id, and every eighth request opens a session."
    )
    return [Table("dialects", "The dialects", says, [Row(label, each) for label, each in runs.items()])]


def _prepare(subject: Subject, example: Example) -> bytes:
    settings = dict(setting.split("=", 1) for setting in example.settings)
    name = f"bench {example.protocol} {example.events}"
    source = subject.server.add_source(name, example.protocol, example.channel, **settings)
    [key] = source["credentials"].values()
    return example.write(key)


def _send(subject: Subject, request: bytes, example: Example, effort: Effort) -> dict[str, float]:
    before = subject.read_cpu("server-0")
    with subject.paused_pipeline():
        load = subject.send_request(request, CONNECTIONS, example.events, effort.seconds)
        cpu = subject.read_cpu("server-0") - before
    subject.wait_until_settled()
    return {
        "requests/s": load.requests / load.seconds,
        "p50 ms": load.p50_ms,
        "p99 ms": load.p99_ms,
        "server CPU µs": cpu / load.requests * 1e6,
    }
