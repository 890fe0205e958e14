"""The server of a data folder, for commands that go through it: the running one, or one of their own."""

import contextlib
import http.client
import json
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import click

from trackway.app.folder import Folder, RunningServer

PATIENCE_S = 60.0


class LocalServer:
    """HTTP to the server of one data folder, as its owner."""

    def __init__(self, running: RunningServer) -> None:
        self._running = running

    def call(self, method: str, path: str, body: bytes | None = None, token: str = "") -> tuple[int, Any]:
        """Status and decoded JSON. ClickException when the server does not answer."""
        request = urllib.request.Request(self._running.url + path, body, method=method)
        request.add_header("Authorization", f"Bearer {token or self._running.token}")
        try:
            with urllib.request.urlopen(request, timeout=120) as response:
                return response.status, json.loads(response.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read() or b"null")
        except (urllib.error.URLError, ConnectionError, TimeoutError) as error:
            raise click.ClickException(f"the server at {self._running.url} does not answer: {error}") from None

    def download(self, path: str, file: Path) -> None:
        """Write an answer's body into `file`, piece by piece; nothing is left of one that broke off."""
        request = urllib.request.Request(self._running.url + path)
        request.add_header("Authorization", f"Bearer {self._running.token}")
        part = file.with_name(file.name + ".part")
        try:
            with urllib.request.urlopen(request, timeout=120) as response, part.open("wb") as out:
                shutil.copyfileobj(response, out)
            part.replace(file)
        except (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError) as error:
            raise click.ClickException(f"the server at {self._running.url} did not send it: {error}") from None
        finally:
            part.unlink(missing_ok=True)

    def api(self, path: str, **query: object) -> Any:
        """GET /api/v1/PATH. None for 404; ClickException for another refusal."""
        status, content = self.call("GET", f"/api/v1/{path}?{urlencode(query)}")
        if status == 404:
            return None
        if status != 200:
            raise click.ClickException(f"the server answered {status}: {content}")
        return content


@contextlib.contextmanager
def reach_server(data: Path) -> Iterator[LocalServer]:
    """The running server of the folder; where none runs, one on a free port until the block ends."""
    folder = Folder(data)
    running = folder.read_server()
    if running is not None:
        yield LocalServer(running)
        return
    command = [sys.executable, "-m", "trackway", "serve", "--data", str(data), "--host", "127.0.0.1", "--port", "0"]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        yield LocalServer(_wait_for(folder, process))
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


def _wait_for(folder: Folder, process: "subprocess.Popen[bytes]") -> RunningServer:
    deadline = time.monotonic() + PATIENCE_S
    while process.poll() is None and time.monotonic() < deadline:
        running = folder.read_server()
        if running is not None and running.pid == process.pid and (folder.run / "ready").exists():
            return running
        time.sleep(0.05)
    raise click.ClickException(f"no server could be started on {folder.root}; try: trackway serve --data {folder.root}")
