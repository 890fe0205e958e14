"""The form of every answer: JSON, and one shape for errors with a closed set of reasons."""

from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any, NamedTuple

import msgspec
from starlette.responses import Response, StreamingResponse

RETRY_SECONDS = 2


class Meaning(NamedTuple):
    reason: str
    status: int
    meaning: str


class ApiError(Enum):
    """Everything that can be wrong with a request to the API; docs/reference/api.md lists them."""

    MISSING_KEY = Meaning("missing_key", 401, "The request carries no token and no session")
    UNKNOWN_KEY = Meaning("unknown_key", 401, "The token is unknown or revoked, or the session has ended")
    CSRF_TOKEN = Meaning("csrf_token", 403, "A request with a session that changes something needs X-CSRF-Token")
    UNKNOWN_PARAMETER = Meaning("unknown_parameter", 400, "The route has no such query parameter")
    REPEATED_PARAMETER = Meaning("repeated_parameter", 400, "A query parameter is given more than once")
    WRONG_TYPE = Meaning("wrong_type", 400, "A query parameter is not of its type")
    OUT_OF_RANGE = Meaning("out_of_range", 400, "A value is outside its bounds, or is none that was given out")
    INVALID_JSON = Meaning("invalid_json", 400, "The body is not JSON")
    WRONG_BODY = Meaning("wrong_body", 422, "A field of the body is missing, unknown or not of its type")
    BODY_TOO_LARGE = Meaning("body_too_large", 413, "The body is larger than 1,000,000 bytes")
    REFUSED = Meaning("refused", 422, "What was asked for makes no sense as things stand; the message says why")
    UNKNOWN_PERSON = Meaning("unknown_person", 404, "Nobody and nothing is known by this id or identifier")
    NOT_DURABLE = Meaning("not_durable", 503, "It could not be made durable now; send it again")
    GONE = Meaning("gone", 410, "It was there and is erased; there is nothing to send any more")
    UNKNOWN_REQUEST = Meaning("unknown_request", 404, "No privacy request of the workspace has this id")
    UNKNOWN_REJECTION = Meaning("unknown_rejection", 404, "No rejection or dead letter of the workspace has this id")
    UNKNOWN_ENTRY = Meaning("unknown_entry", 404, "The tracking plan has no such entry")
    UNKNOWN_EVENT = Meaning("unknown_event", 404, "No event of the workspace has this id")
    UNKNOWN_SOURCE = Meaning("unknown_source", 404, "No source of the workspace has this id")
    NOT_OFFERED = Meaning("not_offered", 501, "It is not offered, for the reason that the message says")
    UNKNOWN_ROUTE = Meaning("unknown_route", 404, "There is no such path below /api/v1")
    METHOD_NOT_ALLOWED = Meaning("method_not_allowed", 405, "The path exists, the method does not")
    STORE_UNAVAILABLE = Meaning("store_unavailable", 503, "The event store does not answer now; ask again")
    STORE_REFUSED = Meaning("store_refused", 503, "The event store could not answer this question")
    STATE_UNAVAILABLE = Meaning("state_unavailable", 503, "The relational state does not answer now; ask again")
    LOG_UNAVAILABLE = Meaning("log_unavailable", 503, "The event log cannot be read now; ask again")
    TOO_MANY_LISTENERS = Meaning("too_many_listeners", 503, "The live feed serves as many as it can; try again")


class ApiRefusal(Exception):
    """A request that gets an error for an answer; caught once, in `routes.py`."""

    def __init__(
        self, error: ApiError, message: str, field: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.error, self.message, self.field, self.headers = error, message, field, dict(headers or {})


class Download(NamedTuple):
    """An answer that is a file, made while it is sent."""

    name: str
    media_type: str
    pieces: Iterator[bytes]


def reply_download(download: Download) -> Response:
    headers = {
        "cache-control": "no-store",
        "x-content-type-options": "nosniff",
        "content-disposition": f'attachment; filename="{download.name}"',
    }
    return StreamingResponse(download.pieces, 200, headers, download.media_type)


def reply_json(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """`content` may hold `msgspec.Raw`, which is spliced in as it is. Answers are never cached."""
    return Response(
        msgspec.json.encode(content),
        status,
        {"cache-control": "no-store", "x-content-type-options": "nosniff"} | dict(headers or {}),
        "application/json",
    )


def reply_refusal(refusal: ApiRefusal) -> Response:
    meaning = refusal.error.value
    headers = dict(refusal.headers)
    if meaning.status == 401:
        headers["www-authenticate"] = 'Bearer realm="trackway"'
    if meaning.status == 503:
        headers["retry-after"] = str(RETRY_SECONDS)
    error = {"reason": meaning.reason, "message": refusal.message, "field": refusal.field}
    return reply_json({"error": error}, meaning.status, headers)
