"""Posting the history, with nothing but the standard library; the living shop uses `trackway.client`.

An import wants to know at once what the server says of each batch, and ends at the first refusal. The
dedupe_key that every event carries sees to it that no retry counts twice.
"""

import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Any

BATCH = 500
TRIES = 6
FIRST_PAUSE_S = 0.5

HistoryEvent = dict[str, Any]


class SendingFailed(RuntimeError):
    """The server refused the events or could not be reached; the text holds its answer."""


@dataclass(frozen=True)
class Sent:
    """How many events the server took, and how many of them it had already."""

    accepted: int = 0
    duplicate: int = 0

    def __add__(self, other: "Sent") -> "Sent":
        return Sent(self.accepted + other.accepted, self.duplicate + other.duplicate)


def send_events(
    server: str, key: str, events: Iterable[HistoryEvent], progress: Callable[[int], object] = lambda _: None
) -> Sent:
    """Post all events in batches; `progress` is told the size of each batch that was taken.

    SendingFailed names the first event that the server refused.
    """
    waiting, sent = iter(events), Sent()
    while batch := list(islice(waiting, BATCH)):
        sent += _send_batch(server, key, batch)
        progress(len(batch))
    return sent


def _send_batch(server: str, key: str, batch: list[HistoryEvent]) -> Sent:
    request = urllib.request.Request(
        f"{server}/v1/events",
        json.dumps({"events": batch}).encode(),
        {"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
    )
    problem = ""
    for attempt in range(TRIES):
        if attempt:
            time.sleep(FIRST_PAUSE_S * 2 ** (attempt - 1))
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return _read_answer(json.load(answer))
        except urllib.error.HTTPError as error:
            problem = f"{error.code} {error.read()[:500].decode(errors='replace')}"
            if error.code < 500 and error.code != 429:
                break
        except (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError) as error:
            problem = str(error)
    raise SendingFailed(f"{server}/v1/events did not take {len(batch)} events: {problem}")


def _read_answer(answer: dict[str, Any]) -> Sent:
    if answer["rejected"]:
        first = next(result for result in answer["results"] if result["status"] == "rejected")
        raise SendingFailed(f"{answer['rejected']} events were refused, the first because: {first}")
    return Sent(answer["accepted"], answer["duplicate"])
