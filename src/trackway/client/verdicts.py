"""What an answer means for a batch. Pure.

| answer | the batch |
|---|---|
| any status with a verdict per event | is settled |
| 413; 400, 411, 415, 422 in Trackway's words | is halved, down to the event that is at fault; that one is rejected |
| no answer, 408, 425, 429, 5xx | is sent again: backoff, or as late as Retry-After says |
| all else: 401, 403, 404, redirects, a 200 or 400 that is not Trackway's | is sent again, slowly: the key or the address is wrong, not the events |
"""

import json
import time
from typing import Any, Literal, NamedTuple

from trackway.client.transport import Answer

LONGEST_WAIT_S = 3600.0
AT_FAULT = (400, 411, 415, 422)
TOO_LARGE = 413
PASSING = (408, 425, 429)


class Verdict(NamedTuple):
    """Of one event; reason, field and message are those of a rejection."""

    status: Literal["accepted", "duplicate", "rejected"]
    reason: str = ""
    field: str = ""
    message: str = ""


class Judgement(NamedTuple):
    """`wait_s` is what the server asked for; None leaves it to the backoff."""

    kind: Literal["settled", "smaller", "later", "wrong"]
    verdicts: list[Verdict]
    message: str = ""
    reason: str = ""
    wait_s: float | None = None


def judge(answer: Answer, count: int) -> Judgement:
    """`count` is the number of events in the batch."""
    content = _decode(answer.body)
    verdicts = _read_verdicts(content.get("results"))
    if answer.status < 500 and verdicts is not None and len(verdicts) == count:
        return Judgement("settled", verdicts)
    said = content.get("error")
    error: dict[str, Any] = said if isinstance(said, dict) else {}
    words = error.get("message") or answer.body[:200].decode(errors="replace")
    message, reason = f"answered {answer.status}: {words}", str(error.get("reason", ""))
    # A 400 of something else on the way (a plain request to an HTTPS port, a firewall) would cost every event.
    if answer.status == TOO_LARGE or (answer.status in AT_FAULT and reason):
        return Judgement("smaller", [], message, reason or "body_too_large")
    if answer.status in PASSING or answer.status >= 500:
        return Judgement("later", [], message, reason, read_retry_after(answer.retry_after, time.time()))
    if answer.location:
        message = f"answered {answer.status}: it sends us to {answer.location}; give that address as url"
    elif answer.status < 300:
        message = f"answered {answer.status}, but not as Trackway does; is the url right?"
    return Judgement("wrong", [], message, reason)


def read_retry_after(value: str, now: float) -> float | None:
    """Seconds from `now`, at most an hour, of a number or an HTTP date; None when it is neither."""
    if not value:
        return None
    if value.strip().isdecimal():
        return min(float(value), LONGEST_WAIT_S)
    from email.utils import parsedate_to_datetime

    try:
        moment = parsedate_to_datetime(value).timestamp()
    except ValueError:
        return None
    return max(0.0, min(moment - now, LONGEST_WAIT_S))


def _decode(body: bytes) -> dict[str, Any]:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _read_verdicts(results: object) -> list[Verdict] | None:
    """None when these are not verdicts."""
    if not isinstance(results, list):
        return None
    verdicts = []
    for said in results:
        status = said.get("status") if isinstance(said, dict) else None
        if status not in ("accepted", "duplicate", "rejected"):
            return None
        words = (str(said.get(name, "")) for name in ("reason", "field", "message"))
        verdicts.append(Verdict(status, *words))
    return verdicts
