"""The pixel: one event out of the address of an image, for pages and mails where no script runs.

Part of the native protocol. A browser that asked for an image gets one, whatever became of the
event; the header X-Event-Status says that.
"""

import base64
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from trackway.collect.protocol import MOST_PARAMETERS, Reply, Verdict
from trackway.event import Submission
from trackway.outcome import Outcome, Reason, Rejection, refuse

PATH = "/p.gif"
# 43 bytes, one transparent dot.
GIF = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAICRAEAOw==")
STATUS = b"x-event-status"
LONGEST_STATUS = 300

# Short names of what nearly every pixel says; any other name is a field of the protocol.
SHORT = {"t": "event_type", "u": "url", "r": "referrer"}
DEFAULT_TYPE = "page_view"
PROPERTY = "p."
# Not of the event: the key, and the collector's own word.
_LEFT_OUT = frozenset(("k", "validate"))


def read_pixel(submission: Submission) -> bytes:
    """The event of the address, as the JSON of the native protocol. Refused when it has too many parameters."""
    try:
        pairs = parse_qsl(submission.query, max_num_fields=MOST_PARAMETERS)
    except ValueError:
        raise refuse(Reason.OUT_OF_RANGE, f"the address has more than {MOST_PARAMETERS} parameters") from None
    event: dict[str, Any] = {"event_type": DEFAULT_TYPE, "url": submission.headers.get("referer", "")}
    properties: dict[str, str] = {}
    for name, value in pairs:
        if name.startswith(PROPERTY):
            properties[name.removeprefix(PROPERTY)] = value
        elif name not in _LEFT_OUT:
            event[SHORT.get(name, name)] = value
    if properties:
        event["properties"] = properties
    return msgspec.json.encode(event)


def show_verdict(verdict: Verdict) -> Reply:
    if verdict.rejection:
        return show_rejection(verdict.rejection)
    return _show(200, "duplicate" if verdict.outcome is Outcome.DUPLICATE else "accepted")


def show_rejection(rejection: Rejection) -> Reply:
    field = f" {rejection.field}" if rejection.field else ""
    return _show(rejection.status, f"rejected {rejection.reason.value}{field}: {rejection.message}")


def _show(status: int, said: str) -> Reply:
    plain = "".join(character if 32 <= ord(character) < 127 else "?" for character in said[:LONGEST_STATUS])
    headers = ((STATUS, plain.encode()), (b"cache-control", b"no-store"))
    return Reply(status, GIF, headers, b"image/gif")
