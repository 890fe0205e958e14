"""uvicorn's HTTP protocol with what it does not have itself: a cap on request line and headers, a time within which a
request must have arrived, and no upgrades, of which we offer none.

A sender who offers one (Java's client asks every server for HTTP/2) sends its event in the same request; uvicorn stops
reading there, and the event would be lost.
"""

import re
from asyncio import Transport
from collections.abc import Iterable

import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from trackway.settings import Settings

_END = b"\r\n\r\n"
_UPGRADE = re.compile(rb"\r\nupgrade:[^\r\n]*", re.IGNORECASE)


def word_complaint(status: str, reason: str, message: str) -> bytes:
    """A whole answer, after which the connection ends."""
    body = msgspec.json.encode({"error": {"reason": reason, "field": "", "message": message}})
    head = f"HTTP/1.1 {status}\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {len(body)}"
    return head.encode() + _END + body


TOO_MUCH_HEADER = word_complaint(
    "431 Request Header Fields Too Large", "header_bytes", "request line and headers are over the limit header_bytes"
)
TOO_SLOW = word_complaint(
    "408 Request Timeout",
    "request_seconds",
    "the request did not arrive within the limit request_seconds; send it again",
)


class CappedProtocol(HttpToolsProtocol):
    """One connection. `waits_since` is when the request began that is still arriving, 0 when none is."""

    header_bytes = 0
    in_headers = True
    seen_bytes = 0
    waits_since = 0.0

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.waits_since = self.loop.time()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.waits_since = self.loop.time()

    def on_headers_complete(self) -> None:
        self.in_headers = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self.in_headers, self.seen_bytes, self.waits_since = True, 0, 0.0

    def data_received(self, data: bytes) -> None:
        if self.in_headers:
            end = data.find(_END)
            self.seen_bytes += len(data) if end < 0 else end
            if self.seen_bytes > self.header_bytes:
                self.transport.write(TOO_MUCH_HEADER)
                self.transport.close()
                return
            if b"pgrade" in data or b"PGRADE" in data:
                end = len(data) if end < 0 else end
                data = _UPGRADE.sub(b"", data[:end]) + data[end:]
        super().data_received(data)

    def end_if_late(self, before: float) -> None:
        """Answer 408 and close where the request began `before` that time; in silence where nothing of it came."""
        if not 0 < self.waits_since < before or self.transport.is_closing():
            return
        begun = self.seen_bytes > 0 if self.in_headers else not self.cycle.response_started
        if begun:
            self.transport.write(TOO_SLOW)
        self.transport.close()


def make_http_protocol(settings: Settings) -> type[CappedProtocol]:
    class ConfiguredProtocol(CappedProtocol):
        header_bytes = settings.header_bytes

    return ConfiguredProtocol


def end_late_requests(connections: Iterable[object], now: float, settings: Settings) -> None:
    """Whoever sends a request byte by byte holds a connection and memory for as long as it pleases."""
    for connection in list(connections):
        if isinstance(connection, CappedProtocol):
            connection.end_if_late(now - settings.request_seconds)
