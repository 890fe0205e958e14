"""Bodies that hold far too much: small when packed, refused in a moment, and never by making all of it first."""

import gzip
import json
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

from trackway.collect.body import MOST_MEMBERS, unpack_body
from trackway.collect.bulk import MOST_SEPARATORS
from trackway.collect.fields import split_body
from trackway.collect.limits import Limits, read_limits
from trackway.collect.protocol import Request
from trackway.collect.protocols.clarm import find_key
from trackway.outcome import Refused
from trackway.settings import Settings
from trackway.testing.server import TestServer

LIMITS = read_limits(Settings())
NUMBERS = b"1," * 9_000_000 + b"1"
EVENT = b'{"event_type": "view"}'

HUGE: dict[str, tuple[Callable[[], bytes], str]] = {
    "a list of numbers": (lambda: b"[" + NUMBERS + b"]", "too_many_events"),
    "events that are numbers": (lambda: b'{"events": [' + NUMBERS + b"]}", "too_many_events"),
    "events that are empty": (lambda: b' {"events": [' + b"{}," * 6_000_000 + b"{}]}", "too_many_events"),
    "a million events": (lambda: b'{"events": [' + b",".join([b'{"event_type":1}'] * 10**6) + b"]}", "too_many_events"),
    "lines": (lambda: b"{}\n" * 6_000_000, "too_many_events"),
    "names": (lambda: json.dumps(dict.fromkeys(map(str, range(10**6)), 0)).encode(), "event_too_large"),
    "names beside events": (
        lambda: json.dumps({"events": [], **dict.fromkeys(map(str, range(10**6)), 0)}).encode(),
        "event_too_large",
    ),
    "NaN among numbers": (lambda: b"[NaN," + NUMBERS + b"]", "invalid_json"),
    "NaN among fewer numbers": (lambda: b"[NaN," + b"1," * 400_000 + b"1]", "too_many_events"),
    "an end that is missing": (lambda: b"[" + NUMBERS, "invalid_json"),
}


@pytest.mark.parametrize("case", HUGE)
def test_a_body_with_far_too_much_in_it_is_refused_before_it_is_split(case: str) -> None:
    make, reason = HUGE[case]
    body = make()
    assert len(body) <= LIMITS.decompressed_bytes
    began = time.process_time()
    tracemalloc.start()
    try:
        with pytest.raises(Refused) as refused:
            split_body(body, LIMITS)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert refused.value.rejection.reason == reason
    assert peak < 5 * LIMITS.decompressed_bytes
    assert time.process_time() - began < 5


@pytest.mark.parametrize(
    ("events", "numbers"), [(1000, 600), (20, 60_000)], ids=["as many events as a call may have", "large ones"]
)
def test_a_body_that_is_large_and_within_the_limits_is_split(events: int, numbers: int) -> None:
    event = b'{"event_type": "view", "properties": {"n": [' + b"1," * numbers + b"1]}}"
    listed = b"[" + b",".join([event] * events) + b"]"
    assert listed.count(b",") > MOST_SEPARATORS
    for body in (listed, b'{"events": ' + listed + b', "sent_at": null}'):
        raws, _ = split_body(body, LIMITS)
        assert [bytes(raw) for raw in raws] == [event] * events


def test_one_event_too_many_is_refused_however_the_limit_is_set() -> None:
    limits = Limits(10**7, 10**7, 10**7, 3, 64)
    filling = b'{"event_type": "view", "properties": {"n": [' + b"1," * MOST_SEPARATORS + b"1]}}"
    split_body(b"[" + b",".join([filling, EVENT, EVENT]) + b"]", limits)
    with pytest.raises(Refused, match="more than 3 events in one call"):
        split_body(b"[" + b",".join([filling, EVENT, EVENT, EVENT]) + b"]", limits)


def test_lines_of_large_events_are_split() -> None:
    event = b'{"event_type": "view", "properties": {"n": [' + b"1," * 300_000 + b"1]}}"
    raws, outer = split_body(b"\n".join([event] * 3), LIMITS)
    assert ([bytes(raw) for raw in raws], outer) == ([event] * 3, None)


def test_lines_may_have_empty_ones_between_them() -> None:
    raws, outer = split_body(b"\n\n".join([EVENT] * LIMITS.events_per_call), LIMITS)
    assert (len(raws), outer) == (LIMITS.events_per_call, None)


def test_gzip_may_have_members_but_not_very_many() -> None:
    """Each copies what is left of the body: 250,000 empty ones, which fit into 5 MB, took 12 seconds."""
    whole = b"".join(gzip.compress(bytes([number])) for number in range(MOST_MEMBERS))
    assert unpack_body(whole, "gzip", LIMITS) == bytes(range(MOST_MEMBERS))
    began = time.process_time()
    with pytest.raises(Refused, match=f"it has more than {MOST_MEMBERS} members"):
        unpack_body(gzip.compress(b"") * 240_000, "gzip", LIMITS)
    assert time.process_time() - began < 2


def test_whose_a_huge_body_of_clarms_is_must_be_said_outside_of_it() -> None:
    body = b"[" + b"{}," * 6_000_000 + b'{"widget_id": "w"}]'
    asked = Request(method="POST", path="/api/track", query="", headers={}, body=body)
    began = time.process_time()
    assert find_key(asked) == ""
    assert time.process_time() - began < 1
    assert find_key(Request(method="POST", path="/api/track", query="w=w", headers={}, body=body)) == "w"


@pytest.fixture(scope="module")
def packed() -> dict[str, bytes]:
    return {case: gzip.compress(make(), 1) for case, (make, _) in HUGE.items()}


@pytest.mark.parametrize("case", HUGE)
def test_the_server_says_why_and_the_books_know_of_it(
    server: TestServer, native: dict[str, Any], packed: dict[str, bytes], case: str
) -> None:
    headers = {"authorization": f"Bearer {native['credentials']['write_key']}", "content-encoding": "gzip"}
    answer = server.request("POST", "/v1/events", packed[case], headers)
    assert (answer.status in (400, 413), answer.json["error"]["reason"]) == (True, HUGE[case][1])
    fine = server.request("POST", "/v1/events", gzip.compress(EVENT), headers)
    assert fine.status == 200
    books = server.wait_until_settled()
    [line] = [each for each in books["sources"] if each["source"] == native["id"]]
    assert (line["balanced"], line["stored"], line["rejected"]) == (True, 1, {HUGE[case][1]: 1})
