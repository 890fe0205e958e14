"""`trackway import access-log` on a generated log, through a running server."""

import json
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import psutil

from benchmarks.effort import Effort
from benchmarks.subject import Subject, start_subject
from benchmarks.tables import Row, Table
from benchmarks.visits import REFERRERS, USER_AGENTS

RUNS = 3
BOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"


def measure_import(effort: Effort, folder: Path) -> list[Table]:
    with start_subject(folder) as subject:
        runs = [_import_once(subject, effort.imported_lines, folder, number) for number in range(RUNS)]
        subject.check_books()
    return [
        Table(
            "import",
            "Importing an access log",
            f"`trackway import access-log` on {effort.imported_lines:,} generated lines in the combined format, from the start of the "
            "command until everything is stored and the summary is printed.",
            [Row("lines", runs)],
        )
    ]


def _import_once(subject: Subject, lines: int, folder: Path, number: int) -> dict[str, float]:
    file = folder / f"access-{number}.log"
    _write_log(file, lines, seed=number)
    before = subject.read_cpu("server-0"), subject.read_cpu("pipeline"), subject.read_cpu("engine")
    command = [sys.executable, "-m", "trackway", "import", "access-log", str(file), "--json", "--site"]
    command += ["https://shop.example.com", "--data", str(subject.server.data)]
    began = time.perf_counter()
    with psutil.Popen(command, stdout=-1) as process:
        tally = json.loads(process.stdout.read())
        seconds = time.perf_counter() - began
        times = process.cpu_times()
    assert tally["stored"] == tally["read"] == lines, f"the import stored {tally['stored']} of {lines} lines: {tally}"
    file.unlink()
    after = subject.read_cpu("server-0"), subject.read_cpu("pipeline"), subject.read_cpu("engine")
    spent = [(b - a) / lines * 1e6 for a, b in zip(before, after, strict=True)]
    return {
        "lines/s": lines / seconds,
        "seconds": seconds,
        "importer CPU µs/line": (times.user + times.system) / lines * 1e6,
        "server CPU µs/line": spent[0],
        "pipeline CPU µs/line": spent[1],
        "engine CPU µs/line": spent[2],
    }


def _write_log(file: Path, lines: int, seed: int) -> None:
    random = Random(seed)
    at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=seed)
    agents = [agent.format(version) for agent in USER_AGENTS for version in range(100, 140)] + [BOT] * 20
    with file.open("w") as out:
        for _ in range(lines):
            at += timedelta(seconds=random.expovariate(1.0))
            address = f"{random.randrange(1, 224)}.{random.randrange(256)}.{random.randrange(64)}.{random.randrange(8)}"
            path = random.choice(
                (f"/products/{random.randrange(2000)}", "/", "/cart", f"/static/app-{random.randrange(9)}.js")
            )
            out.write(
                f'{address} - - [{at:%d/%b/%Y:%H:%M:%S} +0000] "GET {path} HTTP/1.1" {random.choice((200, 200, 200, 304, 404))} '
                f'{random.randrange(200, 60_000)} "{random.choice(REFERRERS) or "-"}" "{random.choice(agents)}"\n'
            )
