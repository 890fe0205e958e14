"""A web site for the browser's measurements, and a host that counts what the browser sends on its way to the server."""

import contextlib
import http.client
import io
import threading
import wave
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

FILM_SECONDS = 4
PAGE = """<!doctype html><meta charset="utf-8"><title>{title}</title>
<link rel="icon" href="data:,">
<script>(window.trackway ??= []).push(["consent", {{tracking: "granted"}}])</script>
<script async src="{collector}/js/{script}" data-key="{key}"></script>
<body>
<button id="buy">Buy</button>
<a id="pdf" href="/guide.pdf">Guide</a>
<a id="next" href="/next">Next</a>
<a id="out" href="{elsewhere}">Elsewhere</a>
<form id="join" onsubmit="return false"><input name="email"><input type="submit" id="send"></form>
<video id="film" src="/film.wav" muted></video>
<div style="height: 3000px"></div>
</body>"""
# The tag and nothing for it to do but to start.
BARE = """<!doctype html><meta charset="utf-8"><title>Bare</title><link rel="icon" href="data:,">
<script async src="{collector}/js/{script}" data-key="{key}"></script>"""


def make_film() -> bytes:
    """A silent sound: a video element plays it, too."""
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(1)
        sound.setframerate(8000)
        sound.writeframes(b"\x80" * (8000 * FILM_SECONDS))
    return file.getvalue()


class Host(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def reply(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(ConnectionError):
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing: a table is printed."""


class Site(Host):
    """Any path is a page, unless `files` has it."""

    files: dict[str, tuple[str, bytes]]

    def do_GET(self) -> None:
        content_type, body = self.files.get(urlsplit(self.path).path, self.files["*"])
        headers = {"Content-Type": content_type}
        if content_type == "application/pdf":
            headers["Content-Disposition"] = "attachment"  # the page stays
        self.reply(200, headers, body)


class Relay(Host):
    """Passes everything on to the server as it came, and counts what holds events."""

    server_port: int
    bodies: list[int]
    preflights: list[str]

    def do_GET(self) -> None:
        self.pass_on(b"")

    def do_OPTIONS(self) -> None:
        self.preflights.append(self.path)
        self.pass_on(b"")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.bodies.append(len(body))
        self.pass_on(body)

    def pass_on(self, body: bytes) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.server_port, timeout=30)
        try:
            connection.request(self.command, self.path, body, dict(self.headers.items()))
            answer = connection.getresponse()
            dropped = ("content-length", "transfer-encoding", "connection")
            headers = {name: value for name, value in answer.getheaders() if name.lower() not in dropped}
            self.reply(answer.status, headers, answer.read())
        finally:
            connection.close()


@contextlib.contextmanager
def serve(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """The address of a host that answers with `handler` until the block ends."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextlib.contextmanager
def serve_pages(collector: str, key: str, script: str = "trackway.js") -> Iterator[str]:
    """A site whose pages carry the tag of that script. What it links to elsewhere is the same host under another name."""
    files: dict[str, tuple[str, bytes]] = {
        "/film.wav": ("audio/wav", make_film()),
        "/guide.pdf": ("application/pdf", b"%PDF-1.4"),
        "/elsewhere": ("text/html", b'<!doctype html><title>Elsewhere</title><link rel="icon" href="data:,">'),
    }
    with serve(type("Bound", (Site,), {"files": files})) as url:
        elsewhere = url.replace("127.0.0.1", "localhost") + "/elsewhere"
        for path, page in (("*", PAGE), ("/bare", BARE)):
            text = page.format(title="Shop", collector=collector, script=script, key=key, elsewhere=elsewhere)
            files[path] = ("text/html; charset=utf-8", text.encode())
        yield url
