"""A newcomer's first minute: from `git clone` over `make run` to the first stored event."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from benchmarks.effort import Effort
from benchmarks.tables import Row, Table

ROOT = Path(__file__).parent.parent.parent
TOKEN = "fresh-clone-token"
PATIENCE_S = 900.0


def measure_fresh_clone(effort: Effort, folder: Path) -> list[Table]:
    """With the working tree's uncommitted files on top of the clone."""
    began = time.perf_counter()
    clone = folder / "clone"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
    _add_uncommitted(clone)
    cloned = time.perf_counter()
    with _run_make(clone, folder / "make.log") as (url, key):
        ready = time.perf_counter()
        _post_event(url, key)
        _wait_for_event(url)
        stored = time.perf_counter()
    return [
        Table(
            "fresh",
            "From a fresh clone to the first stored event, seconds",
            "Packages come from wherever pip and uv get them on this machine: their caches, else the network.",
            [
                Row(
                    "make run",
                    [
                        {
                            "clone": cloned - began,
                            "set up and start": ready - cloned,
                            "first event stored": stored - ready,
                            "together": stored - began,
                        }
                    ],
                )
            ],
        )
    ]


def _add_uncommitted(clone: Path) -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--modified", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (clone / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, clone / name)


@contextlib.contextmanager
def _run_make(clone: Path, log: Path) -> Iterator[tuple[str, str]]:
    """Address and write key as `make run` prints them."""
    environment = {**os.environ, "TRACKWAY_PORT": "0", "TRACKWAY_ADMIN_TOKEN": TOKEN}
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["make", "run"], cwd=clone, stdout=output, stderr=output, env=environment, start_new_session=True
        )
    try:
        deadline = time.monotonic() + PATIENCE_S
        while not (said := re.search(r"curl (http://\S+)/v1/events -H 'Authorization: Bearer (\S+)'", log.read_text())):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"make run did not start a server:\n{log.read_text()[-3000:]}")
            time.sleep(0.05)
        yield said[1], said[2]
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(60)


def _post_event(url: str, key: str) -> None:
    body = json.dumps({"event_type": "page_view", "anonymous_id": "me", "url": "https://example.com/"}).encode()
    request = urllib.request.Request(f"{url}/v1/events", body, {"Authorization": f"Bearer {key}"})
    urllib.request.urlopen(request, timeout=30).close()


def _wait_for_event(url: str) -> None:
    request = urllib.request.Request(f"{url}/api/v1/events", headers={"Authorization": f"Bearer {TOKEN}"})
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with urllib.request.urlopen(request, timeout=30) as answer:
            if json.load(answer)["items"]:
                return
        time.sleep(0.05)
    raise TimeoutError("the first event was not stored within a minute")
