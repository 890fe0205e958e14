"""One server process: collector, API and dashboard on a socket that the supervisor holds."""

import asyncio
import socket
from pathlib import Path
from types import FrameType

import uvicorn
import uvloop

from trackway.app.bells import Bell
from trackway.app.children import start_child
from trackway.app.front import Front
from trackway.app.http_protocol import end_late_requests, make_http_protocol
from trackway.settings import Settings

GOODBYE_S = 5


class Server(uvicorn.Server):
    """Ends the live streams when told to stop, for which uvicorn waits first; and requests that do not arrive."""

    def __init__(self, config: uvicorn.Config, front: Front, settings: Settings) -> None:
        super().__init__(config)
        self._front, self._settings = front, settings

    async def on_tick(self, counter: int) -> bool:
        """uvicorn calls it ten times a second."""
        if counter % 10 == 0:
            end_late_requests(self.server_state.connections, asyncio.get_running_loop().time(), self._settings)
        return await super().on_tick(counter)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._front.feed.close()
        self._front.test_feed.close()
        super().handle_exit(sig, frame)


def run_server(data: Path, settings: Settings, listener: int, stream: str, bell: int) -> None:
    start_child(f"server-{stream}")
    front = Front(data, settings, stream, Bell(-1, bell).ring)
    config = uvicorn.Config(
        front,
        http=make_http_protocol(settings),
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
    server = Server(config, front, settings)
    with socket.socket(fileno=listener) as shared, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(server.serve(sockets=[shared]))
