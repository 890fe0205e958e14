"""A small real HTTP server that answers as a test says, and keeps what came."""

import contextlib
import json
import ssl
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from trackway.testing.waiting import wait_until

KEY = "tw_secret_of_the_receiver"


class Call(NamedTuple):
    path: str
    headers: dict[str, str]
    events: list[dict[str, Any]]
    sent_at: str
    at: float

    @property
    def names(self) -> list[str]:
        return [event["event_type"] for event in self.events]


class Said(NamedTuple):
    status: int
    body: str = ""
    headers: dict[str, str] = {}  # noqa: RUF012


Script = Callable[[Call], Said]


def accept(call: Call) -> Said:
    """As Trackway does when all is well."""
    results = [{"index": n, "event_id": str(n), "status": "accepted"} for n in range(len(call.events))]
    return Said(200, json.dumps({"accepted": len(results), "duplicate": 0, "rejected": 0, "results": results}))


class Receiver:
    """`answers` are used up one by one; then everything is accepted."""

    def __init__(self) -> None:
        self.answers: list[Script | Said] = []
        self.otherwise: Script = accept
        self.calls: list[Call] = []
        self.taken: list[dict[str, Any]] = []
        self.connections: set[tuple[str, int]] = set()
        self.url = ""

    def judge(self, call: Call) -> Said:
        self.calls.append(call)
        script = self.answers.pop(0) if self.answers else self.otherwise
        said = script if isinstance(script, Said) else script(call)
        if said.status == 200:
            self.taken += call.events
        return said

    @property
    def names(self) -> list[str]:
        return [event["event_type"] for event in self.taken]

    def wait_for(self, count: int) -> None:
        """Until that many events were taken."""
        wait_until(lambda: len(self.taken) >= count)


class Server(ThreadingHTTPServer):
    daemon_threads = True
    # So that the port can be taken again at once, by a test that lets the receiver be away.
    allow_reuse_address = True


@contextlib.contextmanager
def start_receiver(port: int = 0, context: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    receiver = Receiver()

    class Door(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Head and content are written one after the other; else the second waits 40 ms for a delayed ACK.
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            receiver.connections.add(self.client_address)
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = zlib.decompress(body, 31)
            content = json.loads(body)
            headers = {name.lower(): value for name, value in self.headers.items()}
            said = receiver.judge(Call(self.path, headers, content["events"], content["sent_at"], time.monotonic()))
            self.send_response(said.status)
            for name, value in said.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(said.body.encode())))
            self.end_headers()
            self.wfile.write(said.body.encode())

        def log_message(self, *_: object) -> None:
            """The test reads `calls`."""

    with Server(("127.0.0.1", port), Door) as server:
        if context:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        receiver.url = f"{'https' if context else 'http'}://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join()
