"""One server process: collector, API and dashboard on a socket that the supervisor holds."""

import asyncio
import socket
from pathlib import Path
from types import FrameType

import uvicorn
import uvloop
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from trackway.app.children import start_child
from trackway.app.front import Front
from trackway.settings import Settings

GOODBYE_S = 5

_COMPLAINT = b'{"error":{"reason":"header_bytes","field":"","message":"request line and headers are over the limit header_bytes"}}'
TOO_MUCH_HEADER = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-type: application/json\r\n"
    b"content-length: %d\r\n\r\n%s" % (len(_COMPLAINT), _COMPLAINT)
)


def make_http_protocol(header_bytes: int) -> type[HttpToolsProtocol]:
    """uvicorn's HTTP protocol with a cap on request line and headers, which it does not have itself."""

    class CappedProtocol(HttpToolsProtocol):
        in_headers = True
        seen_bytes = 0

        def on_headers_complete(self) -> None:
            self.in_headers = False
            super().on_headers_complete()

        def on_message_complete(self) -> None:
            super().on_message_complete()
            self.in_headers, self.seen_bytes = True, 0

        def data_received(self, data: bytes) -> None:
            if self.in_headers:
                end = data.find(b"\r\n\r\n")
                self.seen_bytes += len(data) if end < 0 else end
                if self.seen_bytes > header_bytes:
                    self.transport.write(TOO_MUCH_HEADER)
                    self.transport.close()
                    return
            super().data_received(data)

    return CappedProtocol


class Server(uvicorn.Server):
    """Ends the live streams when told to stop: uvicorn waits for open answers first."""

    def __init__(self, config: uvicorn.Config, front: Front) -> None:
        super().__init__(config)
        self._front = front

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._front.feed.close()
        self._front.test_feed.close()
        super().handle_exit(sig, frame)


def run_server(data: Path, settings: Settings, listener: int, stream: str) -> None:
    start_child(f"server-{stream}")
    front = Front(data, settings, stream)
    config = uvicorn.Config(
        front,
        http=make_http_protocol(settings.header_bytes),
        loop="uvloop",
        ws="none",
        lifespan="on",
        access_log=False,
        log_config=None,
        log_level="warning",
        server_header=False,
        date_header=True,
        proxy_headers=False,
        timeout_keep_alive=65,
        timeout_graceful_shutdown=GOODBYE_S,
        backlog=2048,
    )
    server = Server(config, front)
    with socket.socket(fileno=listener) as shared, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(server.serve(sockets=[shared]))
