"""Where a request of the native protocol has its write key."""

import base64

import msgspec
from msgspec import UNSET, Struct, UnsetType

from trackway.collect.protocol import Request


class KeyInBody(Struct):
    write_key: str | UnsetType = UNSET


_KEY = msgspec.json.Decoder(KeyInBody)


def find_key(request: Request) -> str:
    """The write key; "" when the request has none."""
    authorization = request.headers.get("authorization", "")
    if authorization:
        return request.bearer() or _read_basic(authorization)
    key = request.query_value("k")
    if key or b"write_key" not in request.body:
        return key
    try:
        found = _KEY.decode(request.body).write_key
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _find_key_in_lines(request.body)
    return found if isinstance(found, str) else ""


def _find_key_in_lines(body: bytes) -> str:
    try:
        found = _KEY.decode(body.split(b"\n", 1)[0]).write_key
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    return found if isinstance(found, str) else ""


def _read_basic(authorization: str) -> str:
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return ""
    try:
        user, _, password = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except ValueError:
        # No base64, characters that base64 has not, or bytes that are no UTF-8.
        return ""
    return user or password
