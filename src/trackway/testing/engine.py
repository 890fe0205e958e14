"""A real engine for tests: the child process of `trackway serve`, alone, on a directory of yours.

    with start_engine(tmp_path / "engine") as url:
        store = EventStore(url)

Part of the public test kit. The child stops with its parent, however that ends.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from trackway.store.engine import run_engine

MEMORY_BYTES = 1_500_000_000
SECONDS_TO_STOP = 30
SECRET_VARIABLE = "TRACKWAY_ENGINE_SECRET"


class EngineProcess:
    """An engine child process. `url` is set once it answers; `kill` is kill -9, `stop` is SIGTERM."""

    def __init__(self, directory: Path, *, secret: str = "test-secret", port: int = 0) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "trackway.testing.engine", str(directory), str(port)],
            env={**os.environ, SECRET_VARIABLE: secret},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.url = _stream(self.process.stdout).readline().strip()
        if not self.url:
            errors = _stream(self.process.stderr).read()
            self._close()
            raise RuntimeError(f"the engine on {directory} did not start: {errors.strip()}")

    def kill(self) -> None:
        self.process.kill()
        self._close()

    def stop(self) -> int:
        """Exit status of a clean stop."""
        self.process.terminate()
        return self._close()

    def _close(self) -> int:
        _stream(self.process.stdin).close()
        status = self.process.wait(SECONDS_TO_STOP)
        _stream(self.process.stdout).close()
        _stream(self.process.stderr).close()
        return status


@contextmanager
def start_engine(directory: Path, *, secret: str = "test-secret", port: int = 0) -> Iterator[str]:
    """Run an engine on `directory` for the length of the block; yields its URL."""
    engine = EngineProcess(directory, secret=secret, port=port)
    try:
        yield engine.url
    finally:
        engine.stop()


def _stream(stream: IO[str] | None) -> IO[str]:
    assert stream is not None
    return stream


def _serve(directory: Path, port: int, secret: str) -> None:
    def report(url: str) -> None:
        sys.stdout.write(url + "\n")
        sys.stdout.flush()

    run_engine(directory, port, secret, MEMORY_BYTES, report, parent_pipe=sys.stdin.fileno())


if __name__ == "__main__":
    _serve(Path(sys.argv[1]), int(sys.argv[2]), os.environ[SECRET_VARIABLE])
