"""Reads the body of a request that changes something: one JSON object, within a limit."""

from typing import Any

import msgspec
from starlette.requests import ClientDisconnect, Request

from trackway.api.replies import ApiError, ApiRefusal

BODY_BYTES = 1_000_000


async def read_body(request: Request, lines: str = "") -> dict[str, Any]:
    """The decoded object. ApiRefusal when it is too large, no JSON or no object.

    Where `lines` names a field, the body may also be objects, one a line: the list of them is that field.
    """
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > BODY_BYTES:
                raise ApiRefusal(ApiError.BODY_TOO_LARGE, f"the body is larger than {BODY_BYTES} bytes", "body")
    except ClientDisconnect:
        raise ApiRefusal(ApiError.INVALID_JSON, "the body broke off", "body") from None
    try:
        content = _decode_lines(bytes(body), lines) if lines else msgspec.json.decode(bytes(body))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ApiRefusal(ApiError.INVALID_JSON, f"the body is not JSON: {error}", "body") from None
    if not isinstance(content, dict):
        raise ApiRefusal(ApiError.WRONG_BODY, "the body must be a JSON object", "body")
    return content


def _decode_lines(body: bytes, name: str) -> Any:
    """One object a line; or all in one object, under their name."""
    try:
        content = msgspec.json.decode(body)
    except msgspec.DecodeError:
        rows = []
        for number, line in enumerate(body.split(b"\n"), 1):
            try:
                rows += [msgspec.json.decode(line)] if line.strip() else []
            except msgspec.DecodeError as error:
                raise ApiRefusal(ApiError.INVALID_JSON, f"line {number} is not JSON: {error}", "body") from None
        return {name: rows}
    return {name: [content]} if isinstance(content, dict) and name not in content else content


def read_text(body: dict[str, Any], name: str, *, required: bool = False, longest: int = 500) -> str:
    """A text of the body; a whole number counts as its digits. ApiRefusal when it is something else."""
    value = body.get(name)
    if type(value) is int:
        value = str(value)
    if value is None:
        value = ""
    if not isinstance(value, str) or len(value) > longest:
        raise ApiRefusal(ApiError.WRONG_BODY, f"{name} must be a text of at most {longest} characters", name)
    if required and not value.strip():
        raise ApiRefusal(ApiError.WRONG_BODY, f"{name} is required", name)
    return value.strip()


def read_object(body: dict[str, Any], name: str) -> dict[str, Any]:
    value = body.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ApiRefusal(ApiError.WRONG_BODY, f"{name} must be an object", name)
    return value


def refuse_unknown(body: dict[str, Any], known: tuple[str, ...]) -> None:
    """A misspelt field would be lost without a word, so it is refused."""
    unknown = sorted(set(body) - set(known))
    if unknown:
        raise ApiRefusal(
            ApiError.WRONG_BODY, f"there is no field {unknown[0][:60]!r}; known: {', '.join(known)}", unknown[0][:60]
        )
