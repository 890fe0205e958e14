"""Bodies that hold far too much: small when packed, refused in a moment, and never by making all of it first."""

import gzip
import json
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw
from msgspec.structs import replace
from tests.collect.dialects import RECIPES, Recipe

from trackway.collect.body import MOST_MEMBERS, unpack_body
from trackway.collect.bulk import check_values
from trackway.collect.fields import check_count, decode_item, split_body
from trackway.collect.limits import clean_object, read_limits
from trackway.collect.protocol import Request
from trackway.collect.protocols.clarm import find_key
from trackway.outcome import Reason, Refused
from trackway.settings import Settings
from trackway.testing.server import TestServer

LIMITS = read_limits(Settings())
NUMBERS = b"1," * 9_000_000 + b"1"
EVENT = b'{"event_type": "view"}'

HUGE: dict[str, Callable[[], bytes]] = {
    "a list of numbers": lambda: b"[" + NUMBERS + b"]",
    "events that are numbers": lambda: b'{"events": [' + NUMBERS + b"]}",
    "events that are empty": lambda: b' {"events": [' + b"{}," * 6_000_000 + b"{}]}",
    "a million events": lambda: b'{"events": [' + b",".join([b'{"event_type":1}'] * 10**6) + b"]}",
    "lines": lambda: b"{}\n" * 6_000_000,
    "names": lambda: json.dumps(dict.fromkeys(map(str, range(10**6)), 0)).encode(),
    "names beside events": lambda: json.dumps({"events": [], **dict.fromkeys(map(str, range(10**6)), 0)}).encode(),
    "lists in lists": lambda: b"[" + (b"[" * 50 + b"]" * 50 + b",") * 180_000 + b"1]",
    "large events, each within the limits": lambda: b"[" + b",".join([wrap(NUMBERS[:900_000])] * 20) + b"]",
    "lines of large events": lambda: b"\n".join([wrap(NUMBERS[:900_000])] * 20),
    "NaN among numbers": lambda: b"[NaN," + NUMBERS + b"]",
    "an end that is missing": lambda: b"[" + NUMBERS,
    "texts with commas between numbers": lambda: b'[",\\",\\\\",1' + b',",",1' * 1_000_000 + b"]",
}


def wrap(numbers: bytes, event_type: bytes = b'"view"') -> bytes:
    return b'{"event_type": ' + event_type + b', "properties": {"n": [' + numbers + b"1]}}"


def count_values(value: Any) -> int:
    """As the limit does: what stands in objects and lists, and these; an empty one counts with what it could hold."""
    if isinstance(value, dict | list):
        inner = value.values() if isinstance(value, dict) else value
        return 1 + max(0, len(value) - 1) + sum(map(count_values, inner))
    return 0


@pytest.mark.parametrize("case", HUGE)
def test_a_body_with_far_too_much_in_it_is_refused_before_it_is_read(case: str) -> None:
    body = HUGE[case]()
    assert len(body) <= LIMITS.decompressed_bytes
    tracemalloc.start()
    try:
        with pytest.raises(
            Refused, match=r"more than 500000 JSON values in one call \(limit values_per_call\)"
        ) as refused:
            check_values(body, LIMITS)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert refused.value.rejection.reason is Reason.TOO_MANY_VALUES
    assert peak < 6 * LIMITS.decompressed_bytes


@given(
    st.recursive(
        st.none() | st.integers() | st.text(alphabet='a,[{"\\:}] é'),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(alphabet='a,[{"\\:'), inner, max_size=4),
        max_leaves=30,
    ),
    st.booleans(),
)
def test_values_are_counted_exactly_whatever_stands_in_texts(content: Any, spaced: bool) -> None:
    body = json.dumps(content, separators=None if spaced else (",", ":"), ensure_ascii=spaced).encode()
    count = count_values(content)
    check_values(body, replace(LIMITS, values_per_call=count))
    if count:
        with pytest.raises(Refused):
            check_values(body, replace(LIMITS, values_per_call=count - 1))


@pytest.mark.parametrize(
    "body",
    [
        b"[" + b",".join([b'{"event_type": "view", "properties": {' + b",".join(b'"p%d": %d' % (n, n) for n in range(450)) + b"}}"] * 1000) + b"]",
        b'[{"event_type": "view", "title": "' + b"one, two, three {four} [five], " * 600_000 + b'"}]',
        b"[" + b",".join([b'{"event_type": "view", "properties": {"sent": "' + b'{\\"a\\":[1,2,3],\\"b\\":\\"c\\\\\\"\\"},' * 25_000 + b'"}}'] * 15) + b"]",
    ],
    ids=["a thousand events of 450 properties", "a long text", "JSON in texts"],
)  # fmt: skip
def test_what_real_senders_send_is_let_through(body: bytes) -> None:
    assert 4_000_000 < len(body) <= LIMITS.decompressed_bytes
    assert body.count(b",") > 400_000
    json.loads(body)
    check_values(body, LIMITS)


def test_far_too_many_events_are_refused_without_making_them() -> None:
    """Where an operator allows more values: they are counted before they are decoded."""
    with pytest.raises(Refused, match="600001 events in one call"):
        split_and_count(b"[" + b"{}," * 600_000 + b"{}]")


def split_and_count(body: bytes) -> None:
    raws, _ = split_body(body, LIMITS)
    check_count(len(raws), LIMITS)


def test_numbers_near_the_least_and_the_greatest_are_kept() -> None:
    numbers = [5e-324, 1.7976931348623157e308, -2.2250738585072014e-308, 1.5, -0.0, 1e22, 9007199254740993.0]
    read = decode_item(Raw(json.dumps({"n": numbers}).encode()), "", LIMITS)["n"]
    assert [repr(number) for number in read] == [repr(number) for number in numbers]
    for beyond in (b"1e309", b"-1e400"):
        with pytest.raises(Refused, match="holds a number that cannot be kept"):
            decode_item(Raw(b'{"n": [0.5, %b]}' % beyond), "", LIMITS)


def test_what_is_made_fit_to_keep_is_found_wherever_it_stands() -> None:
    sent = {"a": [1, [2, {"b\x00": "c\x00", "d": 2**63}], "\x00"], "e": {"f": [-(2**63) - 1, 2**63 - 1]}, "g": "h"}
    kept = clean_object(sent, "properties", 10)
    big = str(2**63)
    assert kept == {
        "a": [1, [2, {"b\ufffd": "c\ufffd", "d": big}], "\ufffd"],
        "e": {"f": [str(-(2**63) - 1), 2**63 - 1]},
        "g": "h",
    }
    assert kept["g"] is sent["g"]
    assert clean_object(kept, "properties", 10) is kept


def test_what_is_nested_too_deeply_is_named_by_its_path() -> None:
    with pytest.raises(Refused) as refused:
        clean_object({"x": 1, "a": [0, {"b": [[]]}]}, "properties", 4)
    assert refused.value.rejection.field == "properties.a[1].b[0]"
    clean_object({"x": 1, "a": [0, {"b": [[]]}]}, "properties", 5)


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
    return {case: gzip.compress(make(), 1) for case, make in HUGE.items()}


@pytest.mark.parametrize("case", HUGE)
def test_the_server_says_why_and_the_books_know_of_it(
    server: TestServer, native: dict[str, Any], packed: dict[str, bytes], case: str
) -> None:
    key = native["credentials"]["write_key"]
    headers = {"authorization": f"Bearer {key}", "content-encoding": "gzip"}
    answer = server.request("POST", "/v1/events", packed[case], headers)
    error = answer.json["error"]
    assert (answer.status, error["reason"]) == (413, "too_many_values")
    assert "limit values_per_call" in error["message"]
    fine = server.request("POST", "/v1/events", gzip.compress(EVENT), headers)
    assert fine.status == 200
    books = server.wait_until_settled()
    [line] = [each for each in books["sources"] if each["source"] == native["id"]]
    assert (line["balanced"], line["stored"], line["rejected"]) == (True, 1, {"too_many_values": 1})


@pytest.mark.parametrize("protocol", RECIPES)
def test_every_dialect_refuses_too_many_values(server: TestServer, protocol: str) -> None:
    recipe = RECIPES[protocol]
    source = server.add_source(f"bulky {protocol}", protocol, recipe.channel, **recipe.settings)
    key = next(iter(source["credentials"].values()))
    numbers = [1] * 30_000
    event = recipe.with_extra(numbers)
    sent = recipe.wrap(key, [recipe.with_extra([numbers] * 17)] if recipe.single else [event] * 17)
    answer = server.request("POST", sent.path, sent.body, dict(sent.headers))
    assert "more than 500000 JSON values in one call" in recipe.explains(answer)
    within = recipe.wrap(key, [event] if recipe.single else [event] * 16)
    assert server.request("POST", within.path, within.body, dict(within.headers)).status in (200, 202, 204)
    books = server.wait_until_settled()
    [line] = [each for each in books["sources"] if each["source"] == source["id"]]
    assert (line["balanced"], line["rejected"]) == (True, {"too_many_values": 1})


def test_a_large_body_is_judged_as_a_small_one(server: TestServer, native: dict[str, Any]) -> None:
    """It is read in a thread: what is refused in it is, and its secret key is masked in what is kept."""
    key = native["credentials"]["write_key"]
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    events = [{"event_type": "view", "properties": {"text": "x" * 2000, "key": key}} for _ in range(100)]
    answer = server.request("POST", "/v1/events", json.dumps([*events, {"event_type": 1.5}]).encode(), headers)
    assert (answer.status, answer.json["accepted"], answer.json["rejected"]) == (207, 100, 1)
    server.wait_until_settled()
    kept = server.api("events", source=native["id"], limit=1)["items"][0]
    assert kept["properties"] == {"text": "x" * 2000, "key": "***"}


def test_what_stands_beside_many_events_may_not_be_much(server: TestServer) -> None:
    """It goes with each of them: a context of 1 MB for a thousand events would be a gigabyte."""
    context = {f"name_{number}": number for number in range(2000)}
    for protocol in ("native", "clarm"):
        recipe = RECIPES[protocol]
        key = next(iter(server.add_source(f"lending {protocol}", protocol, recipe.channel)["credentials"].values()))

        def send(events: int, recipe: Recipe = recipe, key: str = key) -> Any:
            sent = recipe.wrap(key, [recipe.events[0]] * events)
            body = json.dumps({**sent.content, "script": "x", "context": context}).encode()
            return server.request("POST", sent.path, body, dict(sent.headers))

        assert send(100).status == 200
        refused = send(1000)
        assert refused.status == 413
        assert "goes with each of them" in recipe.explains(refused)
