"""Requests and answers as ASGI knows them: the few words that all raw routes share."""

from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any

from trackway.collect.protocol import Reply
from trackway.outcome import Rejection

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

RETRY_AFTER_S = b"2"


def read_path(scope: Scope) -> str:
    """The path as it was sent: decoded, an escaped slash would make one segment two."""
    raw = scope.get("raw_path")
    return raw.decode("latin-1") if raw else str(scope["path"])


def refusal_headers(rejection: Rejection, methods: tuple[str, ...]) -> list[tuple[bytes, bytes]]:
    if rejection.status in (503, 507):
        # A page of another origin reads it only when it is named.
        return [(b"retry-after", RETRY_AFTER_S), (b"access-control-expose-headers", b"Retry-After")]
    if rejection.status == 405:
        return [(b"allow", ", ".join((*methods, "OPTIONS")).encode())]
    if rejection.status == 401:
        return [(b"www-authenticate", b'Bearer realm="trackway"')]
    return []


async def send_reply(send: Send, reply: Reply, headers: Sequence[tuple[bytes, bytes]]) -> None:
    own = [*reply.headers, *headers]
    # An answer 204 has no length (RFC 9110, 8.6).
    if reply.status != 204:
        own.append((b"content-length", str(len(reply.body)).encode()))
    if reply.body:
        own.append((b"content-type", reply.content_type))
    await send({"type": "http.response.start", "status": reply.status, "headers": own})
    await send({"type": "http.response.body", "body": reply.body})
