"""The yardstick: uvicorn as Trackway runs it, around an application that reads the body and answers nothing.

Figures divided by its figures of the same run outlive a change of machine.
Run: `python -m benchmarks.empty_server PORT`.
"""

import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import uvicorn

HEADERS = [(b"content-length", b"0")]


async def answer_nothing(scope: dict[str, Any], receive: Any, send: Any) -> None:
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": b""})


@contextlib.contextmanager
def start_empty_server() -> Iterator[tuple[int, int]]:
    """Process id and port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.empty_server", str(port)])
    try:
        _wait_until_it_answers(port)
        yield process.pid, port
    finally:
        process.terminate()
        process.wait(30)


def _wait_until_it_answers(port: int) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


if __name__ == "__main__":
    uvicorn.run(
        answer_nothing,
        host="127.0.0.1",
        port=int(sys.argv[1]),
        http="httptools",
        loop="uvloop",
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_keep_alive=65,
    )
