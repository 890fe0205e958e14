"""ClickHouse's HTTP interface, as raw ASGI, in front of the embedded engine.

Station 4 of the road, inside the engine child. Turns a request into a `Statement`, runs it in a
worker thread, and writes the answer with the status, headers and error form of a ClickHouse
server. It knows nothing of chDB and nothing of tables.
"""

import asyncio
import hmac
import json
import os
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import asdict
from typing import Any
from urllib.parse import parse_qsl

from trackway.store.engine_bodies import BodyError, choose_compressor, decompress_body, read_form
from trackway.store.engine_queries import Engine, Result, Statement
from trackway.store.statements import EngineError, split_insert

BODY_BYTES = 512_000_000

ABORTED = 236
AUTHENTICATION_FAILED = 516

# As in ClickHouse's HTTPHandler; every other code is 500.
STATUS_OF_CODE = {
    **dict.fromkeys((516, 497, 192, 193, 194), 403),
    **dict.fromkeys((6, 26, 27, 36, 38, 41, 43, 44, 53, 62, 72, 117, 130, 456, 457, 467), 400),
    **dict.fromkeys((42, 46, 47, 63, 69, 70, 73, 115, 128, 164, 376, 386, 452), 400),
    **dict.fromkeys((16, 60, 81, 114), 404),
    159: 408,
    202: 503,
    236: 503,
    48: 501,
}

# URL parameters that steer the transport; every other one without `param_` is a setting.
TRANSPORT_PARAMETERS = frozenset(
    {
        "buffer_size",
        "cancel_http_readonly_queries_on_client_close",
        "client_protocol_version",
        "compress",
        "database",
        "decompress",
        "default_format",
        "enable_http_compression",
        "http_headers_progress_interval_ms",
        "password",
        "query",
        "query_id",
        "quota_key",
        "role",
        "send_progress_in_http_headers",
        "session_check",
        "session_id",
        "session_timeout",
        "user",
        "wait_end_of_query",
    }
)

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]


class EngineFront:
    """The ASGI application: /ping for everybody, / for who knows the secret."""

    def __init__(self, engine: Engine, user: str, secret: str) -> None:
        self._engine = engine
        self._user = user
        self._secret = secret

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        parameters = dict(
            parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True, errors="surrogateescape")
        )
        if scope["path"] == "/ping":
            await _answer(send, 200, [], b"Ok.\n")
        elif scope["path"] != "/":
            await _answer(send, 404, [], f"There is no handle {scope['path']}; use / or /ping\n".encode())
        elif scope["method"] not in ("GET", "POST"):
            await _answer(send, 405, [(b"allow", b"GET, POST")], b"Use GET or POST\n")
        elif not self._knows_secret(headers, parameters):
            error = EngineError(AUTHENTICATION_FAILED, "default: Authentication failed: password is incorrect")
            await _answer_error(send, error)
        else:
            await self._serve(scope["method"], headers, parameters, receive, send)

    def _knows_secret(self, headers: Mapping[str, str], parameters: Mapping[str, str]) -> bool:
        user, key = parameters.get("user", ""), parameters.get("password", "")
        user, key = headers.get("x-clickhouse-user", user), headers.get("x-clickhouse-key", key)
        kind, _, encoded = headers.get("authorization", "").partition(" ")
        if kind.lower() == "basic":
            try:
                user, _, key = b64decode(encoded).decode("utf-8").partition(":")
            except (Base64Error, UnicodeDecodeError):
                return False
        same_key = hmac.compare_digest(key.encode("utf-8", "replace"), self._secret.encode())
        return same_key and user in ("", self._user)

    async def _serve(
        self, method: str, headers: Mapping[str, str], parameters: dict[str, str], receive: Receive, send: Send
    ) -> None:
        try:
            body = await _read_body(receive)
            if body is None:
                return
            body = decompress_body(body, headers.get("content-encoding", ""))
            if headers.get("content-type", "").startswith("multipart/form-data"):
                parameters.update(read_form(headers, body))
                body = b""
        except BodyError as error:
            await _answer_error(send, EngineError(error.code, str(error)))
            return
        statement = make_statement(method, headers, parameters, body)
        await Exchange(self._engine, statement, headers, parameters, send).carry_out(receive)


class Exchange:
    """One statement and its answer. The worker thread hands blocks over one by one, so that a slow
    reader holds up its own query and nothing piles up in memory."""

    def __init__(
        self,
        engine: Engine,
        statement: Statement,
        headers: Mapping[str, str],
        parameters: Mapping[str, str],
        send: Send,
    ) -> None:
        self._engine = engine
        self._statement = statement
        self._send = send
        self._query_id = parameters.get("query_id", "")
        self._tag = os.urandom(8).hex()
        wanted = headers.get("accept-encoding", "") if parameters.get("enable_http_compression") == "1" else ""
        self._compressor = choose_compressor(wanted)
        self._loop = asyncio.get_running_loop()
        self._begun = False

    async def carry_out(self, receive: Receive) -> None:
        threads = self._engine.choose_threads(self._statement)
        try:
            work = self._loop.run_in_executor(threads, self._engine.run, self._statement, self._deliver)
        except RuntimeError:
            # The threads take no more work: `Engine.close` has begun.
            await self._fail(EngineError(ABORTED, "The engine is stopping; ask again. (ABORTED)"))
            return
        leaving = asyncio.ensure_future(receive())
        waiting: set[asyncio.Future[Any]] = {work, leaving}
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        try:
            if not work.done():
                await self._stop_unwanted()
            await work
        except EngineError as error:
            await self._fail(error)
        finally:
            leaving.cancel()

    async def _stop_unwanted(self) -> None:
        """The client hung up. A question is stopped; an insert that runs is finished, as ClickHouse does."""
        self._statement.left.set()
        if not split_insert(self._statement.text[:4096]):
            await asyncio.to_thread(self._engine.kill_statement, self._statement)

    async def _fail(self, error: EngineError) -> None:
        if not self._begun:
            await _answer_error(self._send, error, self._query_id)
            return
        # ClickHouse's form since 25.11: the message stands between two marks that carry a random tag.
        text = _describe(error).encode()
        tag = self._tag.encode()
        mark = b"\r\n__exception__\r\n%s\r\n%s\n%d %s\r\n__exception__\r\n" % (tag, text, len(text), tag)
        await self._send_block(self._compressor.compress(mark) + self._compressor.finish(), last=True)

    def _deliver(self, result: Result) -> None:
        """Called in the worker thread."""
        headers = self._make_headers(result)
        for block in result.blocks:
            self._pass_on(headers, self._compressor.compress(block))
        self._pass_on(headers, self._compressor.finish(), last=True)

    def _pass_on(self, headers: Headers, block: bytes, last: bool = False) -> None:
        asyncio.run_coroutine_threadsafe(self._write(headers, block, last), self._loop).result()

    async def _write(self, headers: Headers, block: bytes, last: bool) -> None:
        if not self._begun:
            self._begun = True
            await self._send({"type": "http.response.start", "status": 200, "headers": headers})
        await self._send_block(block, last)

    async def _send_block(self, block: bytes, last: bool) -> None:
        await self._send({"type": "http.response.body", "body": block, "more_body": not last})

    def _make_headers(self, result: Result) -> Headers:
        summary = {name: str(value) for name, value in asdict(result.counts).items()}
        headers = [
            (b"content-type", b"text/plain; charset=UTF-8"),
            (b"x-clickhouse-timezone", b"UTC"),
            (b"x-clickhouse-query-id", make_header_value(self._query_id)),
            (b"x-clickhouse-summary", json.dumps(summary).encode()),
            (b"x-clickhouse-exception-tag", self._tag.encode()),
        ]
        if result.format:
            headers.append((b"x-clickhouse-format", make_header_value(result.format)))
        if self._compressor.name:
            headers.append((b"content-encoding", self._compressor.name.encode()))
        return headers


def make_statement(method: str, headers: Mapping[str, str], parameters: Mapping[str, str], body: bytes) -> Statement:
    """ClickHouse joins the parameter `query` and the body; an INSERT's rows may be the body alone."""
    query = parameters.get("query", "").encode("utf-8", "surrogateescape")
    return Statement(
        text=query or body,
        rows=memoryview(body) if query and body else None,
        database=headers.get("x-clickhouse-database", parameters.get("database", "")),
        settings={
            name: value
            for name, value in parameters.items()
            if name not in TRANSPORT_PARAMETERS and not name.startswith("param_")
        },
        parameters={name[6:]: value for name, value in parameters.items() if name.startswith("param_")},
        default_format=headers.get("x-clickhouse-format", parameters.get("default_format", "TabSeparated")),
        read_only=method == "GET",
        stream=parameters.get("wait_end_of_query") != "1",
    )


def make_header_value(text: str) -> bytes:
    """What a client said, fit for a header: no line ends, nothing but ASCII."""
    return "".join(letter if " " <= letter <= "~" else "?" for letter in text).encode()


async def _read_body(receive: Receive) -> bytes | None:
    """The whole body; None when the client left before its end, BodyError when it is too large."""
    parts, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        part = message.get("body", b"")
        size += len(part)
        if size > BODY_BYTES:
            raise BodyError(f"the body is larger than {BODY_BYTES} bytes; send several inserts")
        parts.append(part)
        if not message.get("more_body"):
            return parts[0] if len(parts) == 1 else b"".join(parts)


def _describe(error: EngineError) -> str:
    return f"Code: {error.code}. {error}"


async def _answer_error(send: Send, error: EngineError, query_id: str = "") -> None:
    headers = [
        (b"x-clickhouse-exception-code", str(error.code).encode()),
        (b"x-clickhouse-query-id", make_header_value(query_id)),
    ]
    await _answer(send, STATUS_OF_CODE.get(error.code, 500), headers, _describe(error).encode() + b"\n")


async def _answer(send: Send, status: int, headers: Headers, body: bytes) -> None:
    start = [(b"content-type", b"text/plain; charset=UTF-8"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": start + headers})
    await send({"type": "http.response.body", "body": body})
