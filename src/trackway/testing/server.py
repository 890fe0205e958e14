"""A real Trackway server for a test: started on a free port, stopped at the end."""

import contextlib
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from trackway.app.folder import Folder
from trackway.control.database import State, make_url
from trackway.control.sources import add_source
from trackway.eventlog.embedded import LogReader
from trackway.eventlog.interface import Position
from trackway.query.progress import read_positions
from trackway.testing.commands import run_command
from trackway.testing.waiting import wait_until

ADMIN_TOKEN = "test-admin-token"
START_PATIENCE_S = 60.0


@dataclass
class Answer:
    """An HTTP answer. `json` decodes its body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class TestServer:
    """A running server and the few calls every test makes."""

    __test__ = False

    data: Path
    url: str
    process: "subprocess.Popen[bytes]"
    log: Path
    admin_token: str = ADMIN_TOKEN

    @property
    def password(self) -> str:
        """Of the login `admin`, as printed at the first start, a moment after the server is ready."""
        said = wait_until(
            lambda: re.findall(r"with the password  (\S+)", self.log.read_text()),
            describe=lambda: "no password in what the server printed: the data folder is not new",
        )
        return str(said[0])

    def request(
        self, method: str, path: str, body: bytes | str | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        where = urlsplit(self.url)
        connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=30)
        try:
            connection.request(method, path, body.encode() if isinstance(body, str) else body, dict(headers or {}))
            response = connection.getresponse()
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        finally:
            connection.close()

    def post(self, path: str, content: Any, key: str = "", headers: Mapping[str, str] | None = None) -> Answer:
        """POST JSON with a bearer key."""
        own = {
            "content-type": "application/json",
            **({"authorization": f"Bearer {key}"} if key else {}),
            **(headers or {}),
        }
        return self.request("POST", path, json.dumps(content), own)

    def api(self, path: str, **query: Any) -> Any:
        """GET /api/v1/PATH as admin; the decoded answer. AssertionError unless it is 200."""
        answer = self.request(
            "GET", f"/api/v1/{path}?{urlencode(query)}", headers={"authorization": f"Bearer {self.admin_token}"}
        )
        if answer.status != 200:
            raise AssertionError(f"GET {path} answered {answer.status}: {answer.body[:500]!r}")
        return answer.json

    def add_source(
        self, name: str, protocol: str = "native", channel: str = "server", **settings: str
    ) -> dict[str, Any]:
        """A new source, made while the server runs, as `trackway sources add --json` prints it."""
        state = State(make_url(self.data, ""))
        try:
            added = add_source(state, name, protocol, channel, settings)
        finally:
            state.close()
        source = added.source
        told = {name: getattr(source, name) for name in ("id", "name", "protocol", "channel", "workspace")}
        return {**told, "credentials": added.credentials}

    def run_cli(self, *arguments: str) -> str:
        """The output of a `trackway` command on this server's data folder."""
        done = run_command(*arguments, "--data", str(self.data))
        if done.returncode:
            raise AssertionError(
                f"trackway {' '.join(arguments)} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
            )
        return done.stdout

    def wait_until_settled(self, patience_s: float = 30.0, **query: Any) -> dict[str, Any]:
        """Until nothing is in flight; the books. `workspace="test"` asks for those of the test space."""
        deadline = time.monotonic() + patience_s
        self._wait_for_the_log()
        while True:
            books: dict[str, Any] = self.api("books", **query)
            if all(source["in_flight"] == 0 for source in books["sources"]):
                return books
            if time.monotonic() > deadline:
                raise TimeoutError(f"still in flight: {books}\n{self.log.read_text()[-3000:]}")
            time.sleep(0.05)

    def _wait_for_the_log(self) -> None:
        """Until the pipeline has settled what the log holds: to look at files costs less than to ask for the books.

        Two seconds at most: what a killed writer left half written stays behind the position.
        """
        deadline = time.monotonic() + 2
        log, state = LogReader(Folder(self.data).log), State(make_url(self.data, ""))
        try:
            while time.monotonic() < deadline:
                positions = read_positions(state)
                streams = [(stream, positions.get(stream, Position.start())) for stream in log.streams()]
                if not any(log.backlog_bytes(stream, position) for stream, position in streams):
                    return
                time.sleep(0.01)
        finally:
            state.close()

    def kill(self) -> None:
        """kill -9 of the supervisor; its children end by themselves."""
        self.process.kill()
        self.process.wait()

    def child_pid(self, name: str) -> int:
        children = json.loads((self.data / "run" / "children.json").read_bytes())
        return next(int(child["pid"]) for child in children if child["name"] == name)

    def kill_child(self, name: str) -> int:
        """kill -9 of a child, as soon as it runs; the process id it had."""
        deadline = time.monotonic() + START_PATIENCE_S
        # A child that is down has process id 0, and to kill 0 would be to kill ourselves.
        while (pid := self.child_pid(name)) <= 0:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{name} does not run")
            time.sleep(0.02)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        return pid


@contextlib.contextmanager
def start_server(data: Path, *, port: int = 0, **settings: Any) -> Iterator[TestServer]:
    """`trackway serve`, ready to answer, on a free port unless one is given; `settings` are those of settings.py."""
    data.mkdir(parents=True, exist_ok=True)
    log = data / "server.log"
    environment = {
        **os.environ,
        "TRACKWAY_ADMIN_TOKEN": ADMIN_TOKEN,
        **{f"TRACKWAY_{name.upper()}": str(value) for name, value in settings.items()},
    }
    where = ["--data", str(data), "--host", "127.0.0.1", "--port", str(port)]
    command = [sys.executable, "-m", "trackway", "serve", *where]
    with log.open("ab") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment)
    try:
        yield TestServer(data, _wait_until_ready(data, process, log), process, log)
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_until_ready(data: Path, process: "subprocess.Popen[bytes]", log: Path) -> str:
    deadline = time.monotonic() + START_PATIENCE_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with {process.returncode}:\n{log.read_text()[-3000:]}")
        running = Folder(data).read_server()
        if running is not None and running.pid == process.pid:
            try:
                with urllib.request.urlopen(f"{running.url}/health/ready", timeout=5) as response:
                    if response.status == 200:
                        return running.url
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                pass
        time.sleep(0.05)
    raise TimeoutError(f"the server was not ready after {START_PATIENCE_S} s:\n{log.read_text()[-3000:]}")
