"""One HTTP connection to the collector, kept open between batches. Knows nothing of events.

`http.client` (and with it `ssl` and `email`) is loaded with the first batch, not by the import of the
package: that is 20 ms which a program that only hashes, or never sends, does not pay.
"""

import contextlib
from base64 import b64encode
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from http.client import HTTPConnection, HTTPResponse

PATH = "/v1/events"
LONGEST_ANSWER = 16 << 20


class Answer(NamedTuple):
    status: int
    retry_after: str
    location: str
    body: bytes


class Unreachable(Exception):
    """No answer came. The server may have taken the batch or not."""


class Transport:
    def __init__(self, url: str, write_key: str) -> None:
        """ValueError when the address or the key is none."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.username is not None:
            raise ValueError(f"url must be like https://events.example.com, not {url!r}")
        if not write_key or not write_key.isascii() or not write_key.isprintable() or " " in write_key:
            raise ValueError("write_key must be the write key of a source, as `trackway sources list` names it")
        self._https = parts.scheme == "https"
        self._host, self._port = parts.hostname, parts.port
        self._path = parts.path.rstrip("/").removesuffix(PATH) + PATH
        self._headers = {
            "Authorization": f"Bearer {write_key}",
            "Content-Type": "application/json",
            "User-Agent": "trackway-python",
        }
        self.address = f"{parts.scheme}://{parts.netloc}{self._path}"
        self._connection: HTTPConnection | None = None

    def post(self, body: bytes, *, gzipped: bool, timeout_s: float) -> Answer:
        """`timeout_s` bounds each wait for the network. Unreachable when no answer came."""
        from http.client import HTTPException

        headers = {**self._headers, "Content-Encoding": "gzip"} if gzipped else self._headers
        while True:
            reused = self._connection is not None
            try:
                return self._post_once(body, headers, timeout_s)
            except (OSError, HTTPException) as error:
                self.close()
                # The server may have closed a connection that lay idle: that says nothing of the server.
                if reused and isinstance(error, ConnectionError):
                    continue
                raise Unreachable(f"{type(error).__name__}: {error}") from None

    def _post_once(self, body: bytes, headers: dict[str, str], timeout_s: float) -> Answer:
        connection = self._connection or self._open()
        connection.timeout = timeout_s
        if connection.sock is not None:
            connection.sock.settimeout(timeout_s)
        # A server that refuses a long body may answer and hang up before it has read all of it.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.request("POST", self._path, body, headers)
        response: HTTPResponse = connection.getresponse()
        content = response.read(LONGEST_ANSWER)
        answer = Answer(
            response.status, response.getheader("Retry-After", ""), response.getheader("Location", ""), content
        )
        if response.will_close or not response.isclosed():
            self.close()
        return answer

    def _open(self) -> "HTTPConnection":
        """Through the proxy that the environment names (HTTPS_PROXY, HTTP_PROXY, NO_PROXY), if any."""
        from http.client import HTTPConnection, HTTPSConnection
        from urllib.request import getproxies, proxy_bypass

        kind = HTTPSConnection if self._https else HTTPConnection
        proxy = "" if proxy_bypass(self._host) else getproxies().get("https" if self._https else "http", "")
        if not proxy:
            self._connection = kind(self._host, self._port)
            return self._connection
        parts = urlsplit(proxy if "//" in proxy else f"//{proxy}")
        self._connection = kind(parts.hostname or "", parts.port or 8080)
        headers = {}
        if parts.username is not None:
            login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            headers["Proxy-Authorization"] = f"Basic {b64encode(login.encode()).decode()}"
        self._connection.set_tunnel(self._host, self._port or (443 if self._https else 80), headers)
        return self._connection

    def close(self) -> None:
        """Closes this process's end; in a forked child the parent's connection stays as it is."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
