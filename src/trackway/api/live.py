"""The live feed as server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html).

Ends when the client goes, when the server stops (the desk's feed is closed), and after an hour, so
that a token that was revoked does not listen for ever; a browser comes back by itself and resumes
with Last-Event-ID.
"""

import re
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from trackway.api.desk import ServerDesk
from trackway.api.replies import ApiError, ApiRefusal
from trackway.query.cursors import decode_live_cursor, encode_cursor
from trackway.query.feed import Gap, Heard, Idle, Joined, News, TooManyListeners
from trackway.query.questions import QuestionError

PING_SECONDS = 15.0
STREAM_SECONDS = 3600.0
RETRY_MS = 2000
LAST_EVENT_ID = "last-event-id"
MEDIA_TYPE = "text/event-stream"

HEADERS = {
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    # nginx would hold the stream back until its buffer is full.
    "x-accel-buffering": "no",
}
_LINE_END = re.compile(rb"\r\n|\r|\n")


def write_event(kind: str, data: bytes, cursor: str = "") -> bytes:
    """One server-sent event. JSON as it was accepted may hold line ends, each needs a `data:` of its own."""
    lines = b"".join(b"data: " + line + b"\n" for line in _LINE_END.split(data))
    return (f"event: {kind}\n" + (f"id: {cursor}\n" if cursor else "")).encode() + lines + b"\n"


def write_news(news: News) -> bytes:
    if isinstance(news, Heard):
        return write_event("event", news.event.json, encode_cursor(news.cursor))
    if isinstance(news, Idle):
        return write_event("ping", b"{}")
    kind = "ready" if isinstance(news, Joined) else "gap"
    return write_event(kind, b"{}", encode_cursor(news.cursor))


async def stream_live(desk: ServerDesk, request: Request, cursor: str) -> Response:
    """Answer with what is stored from now on, or after `cursor` or the header Last-Event-ID.

    ApiRefusal (TooManyListeners), QuestionError for a wrong `cursor`, StoreUnavailable.
    """
    resumes = request.headers.get(LAST_EVENT_ID, "")
    after, lost = (decode_live_cursor(cursor) if cursor else None), False
    if resumes:
        try:
            after = decode_live_cursor(resumes, LAST_EVENT_ID)
        except QuestionError:
            # A browser would never connect again after a 4xx, so it is told of a gap instead.
            after, lost = None, True
    if request.method == "HEAD":
        return Response(None, 200, HEADERS, MEDIA_TYPE)
    news = desk.feed.listen(after, PING_SECONDS)
    try:
        joined = await anext(news)
    except StopAsyncIteration:
        raise ApiRefusal(ApiError.STORE_UNAVAILABLE, "the server is stopping; connect again") from None
    except TooManyListeners as error:
        raise ApiRefusal(ApiError.TOO_MANY_LISTENERS, str(error)) from None
    first = Gap(joined.cursor) if lost and isinstance(joined, Joined) else joined
    return StreamingResponse(_write_stream(first, news), 200, HEADERS, MEDIA_TYPE)


async def _write_stream(first: News, news: AsyncGenerator[News]) -> AsyncIterator[bytes]:
    ends = time.monotonic() + STREAM_SECONDS
    async with aclosing(news):
        yield f"retry: {RETRY_MS}\n".encode() + write_news(first)
        async for each in news:
            yield write_news(each)
            if time.monotonic() > ends:
                return
