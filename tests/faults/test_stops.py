"""Stopping in order under load, and a second server on a folder that is taken."""

import json
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from trackway.testing.ledger import Ledger, Load
from trackway.testing.server import TestServer, start_server

Audit = Callable[..., dict[str, Any]]

STOP_PATIENCE_S = 40.0


class HalfSent:
    """A request whose headers and first half of the body have been sent."""

    def __init__(self, server: TestServer, key: str, name: str) -> None:
        self.name = name
        body = json.dumps({"event_type": "half", "dedupe_key": name, "properties": {"id": name}}).encode()
        head = f"POST /v1/events HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {key}\r\nContent-Length: {len(body)}\r\n\r\n"
        where = urlsplit(server.url)
        self._rest = body[len(body) // 2 :]
        self._socket = socket.create_connection((where.hostname or "", where.port or 0), timeout=30)
        self._socket.sendall(head.encode() + body[: len(body) // 2])

    def finish(self) -> bytes:
        """Send the rest; the status line of the answer."""
        self._socket.sendall(self._rest)
        with self._socket, self._socket.makefile("rb") as answer:
            return answer.readline()


def test_sigterm_under_load_answers_what_is_under_way_and_loses_nothing(
    tmp_path: Path, ledger_folder: Path, audit: Audit, until: Callable[..., float]
) -> None:
    data = tmp_path / "data"
    with start_server(data) as first:
        source = first.add_source("stopped")
        key = source["credentials"]["write_key"]
        with Load(first.url, key, ledger_folder, name="stopped", seed=21) as load:
            load.wait_for_acked(200)
            halves = [HalfSent(first, key, f"half-{number}") for number in range(8)]
            load.wait_for_acked(50)
            first.process.terminate()
            answers = [half.finish() for half in halves]
            seconds = until(lambda: first.process.poll() is not None, "the server has ended", STOP_PATIENCE_S)
            load.stopping.set()
            assert first.process.returncode == 0
            assert "is killed" not in first.log.read_text()
            assert answers == [b"HTTP/1.1 200 OK\r\n"] * 8
            with start_server(data) as second:
                load.url = second.url
                ledger = load.stop()
                names = {half.name for half in halves}
                everything = Ledger(ledger.sent | names, ledger.acked | names, ledger.rejected)
                audit(second, source["id"], everything, "SIGTERM under load", kills=0, stopped_in_s=round(seconds, 2))


def test_sigterm_during_the_start_ends_the_server_in_order(tmp_path: Path, until: Callable[..., float]) -> None:
    data = tmp_path / "data"
    data.mkdir()
    command = [sys.executable, "-m", "trackway", "serve", "--data", str(data), "--host", "127.0.0.1", "--port", "0"]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as early:
        until(lambda: (data / "run" / "children.json").exists(), "the children are started")
        early.terminate()
        _, errors = early.communicate(timeout=STOP_PATIENCE_S)
    assert early.returncode == 0, errors.decode()
    assert b"Traceback" not in errors


def test_a_second_server_on_the_same_folder_is_refused_and_harms_nothing(
    battered: TestServer, source: dict[str, Any], ledger_folder: Path, audit: Audit
) -> None:
    before = [battered.child_pid(name) for name in ("engine", "pipeline", "server-0")]
    command = [sys.executable, "-m", "trackway", "serve", "--data", str(battered.data), "--port", "0"]
    with Load(battered.url, source["credentials"]["write_key"], ledger_folder, name="second", seed=22) as load:
        load.wait_for_acked(50)
        second = subprocess.run(command, capture_output=True, text=True, timeout=STOP_PATIENCE_S, check=False)
        load.wait_for_acked(50)
    assert second.returncode == 1
    assert second.stderr.startswith("Error: another Trackway runs on"), second.stderr
    assert f"process {battered.process.pid}, {battered.url}" in second.stderr
    assert "--data" in second.stderr
    assert "Traceback" not in second.stderr
    assert [battered.child_pid(name) for name in ("engine", "pipeline", "server-0")] == before
    assert set(load.statuses) == {200}
    audit(battered, source["id"], load.stop(), "second server refused", kills=0)


def test_a_second_pipeline_started_by_hand_is_stopped_by_the_lock_of_the_key_index(battered: TestServer) -> None:
    command = [sys.executable, "-m", "trackway", "role", "pipeline", "--data", str(battered.data)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as second:
        assert second.stderr is not None
        errors = second.stderr.read().decode()
    assert second.returncode != 0
    assert "does another pipeline run on this data folder?" in errors
    assert battered.request("GET", "/health").status == 200
