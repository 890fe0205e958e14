"""Bad input in the native dialect: each a clear 4xx in JSON, nothing stored, never a 500, and what parsers disagree on has one rule."""

import gzip
import json
import zlib
from collections.abc import Callable
from typing import Any

import brotli
import pytest
import zstandard

from trackway.testing.server import TestServer

Source = dict[str, Any]
Stored = Callable[[Source], list[dict[str, Any]]]
FINE = b'{"event_type": "fine", "anonymous_id": "a"}'


def post(server: TestServer, source: Source, body: bytes | str, **headers: str) -> Any:
    key = source["credentials"]["write_key"]
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return server.request("POST", "/v1/events", body, {"authorization": f"Bearer {key}", **named})


def find_reason(answer: Any) -> tuple[str, str]:
    content = answer.json
    told = content["error"] if "error" in content else content["results"][0]
    assert told["message"]
    return told["reason"], told["field"]


@pytest.mark.parametrize(
    ("case", "body", "status", "reason", "field"),
    [
        ("broken JSON", b'{"event_type": "a"', 400, "invalid_json", ""),
        ("an empty body", b"", 400, "empty_body", ""),
        ("white space", b" \n ", 400, "empty_body", ""),
        ("no events", b'{"events": []}', 400, "empty_body", "events"),
        ("NaN", b'{"event_type": "a", "properties": {"x": NaN}}', 400, "invalid_json", ""),
        ("Infinity", b'{"event_type": "a", "properties": {"x": Infinity}}', 400, "invalid_json", ""),
        ("a byte order mark", b"\xef\xbb\xbf" + FINE, 400, "invalid_json", ""),
        ("UTF-16", FINE.decode().encode("utf-16-le"), 400, "invalid_json", ""),
        ("a lone surrogate", b'{"event_type": "a", "title": "\\ud800"}', 400, "invalid_json", ""),
        ("bytes that are no UTF-8", b'{"event_type": "a", "title": "\xff"}', 400, "invalid_json", ""),
        (
            "10,000 levels",
            b'{"event_type":"a","properties":{"x":' + b"[" * 10_000 + b"]" * 10_000 + b"}}",
            422,
            "too_deep",
            "",
        ),
        (
            "65 levels",
            b'{"event_type":"a","properties":{"x":' + b"[" * 63 + b"]" * 63 + b"}}",
            422,
            "too_deep",
            "properties.x",
        ),
        ("a number too large", b'{"event_type": "a", "properties": {"x": 1e400}}', 422, "out_of_range", ""),
        ("5,000 digits", b'{"event_type": "a", "properties": {"x": ' + b"1" * 5000 + b"}}", 422, "out_of_range", ""),
        ("no event_type", b'{"anonymous_id": "a"}', 422, "missing_field", "event_type"),
        ("a blank event_type", b'{"event_type": "  "}', 422, "missing_field", "event_type"),
        ("event_type a number", b'{"event_type": 1.5}', 422, "wrong_type", "event_type"),
        ("properties a list", b'{"event_type": "a", "properties": [1]}', 422, "wrong_type", "properties"),
        ("an event that is a text", b'["hello"]', 422, "wrong_type", "events[0]"),
        ("a body that is a number", b"5", 422, "wrong_type", ""),
        ("events a text", b'{"events": "x"}', 422, "wrong_type", "events"),
        ("year 0", b'{"event_type": "a", "occurred_at": "0000-01-01T00:00:00Z"}', 422, "out_of_range", "occurred_at"),
        ("year 1", b'{"event_type": "a", "occurred_at": "0001-01-01T00:00:00Z"}', 422, "out_of_range", "occurred_at"),
        (
            "year 9999",
            b'{"event_type": "a", "occurred_at": "9999-12-31T23:59:59Z"}',
            422,
            "out_of_range",
            "occurred_at",
        ),
        (
            "year 10000",
            b'{"event_type": "a", "occurred_at": "10000-01-01T00:00:00Z"}',
            422,
            "out_of_range",
            "occurred_at",
        ),
        ("a time as words", b'{"event_type": "a", "occurred_at": "yesterday"}', 422, "out_of_range", "occurred_at"),
        ("a time as a list", b'{"event_type": "a", "occurred_at": []}', 422, "wrong_type", "occurred_at"),
        ("a time as 1e308", b'{"event_type": "a", "occurred_at": 1e308}', 422, "out_of_range", "occurred_at"),
        ("a wrong channel", b'{"event_type": "a", "channel": "fax"}', 422, "out_of_range", "channel"),
        ("an id of 10 kB", b'{"event_type": "a", "user_id": "' + b"x" * 10_000 + b'"}', 422, "out_of_range", "user_id"),
        ("an event_type of 10 kB", b'{"event_type": "' + b"x" * 10_000 + b'"}', 422, "out_of_range", "event_type"),
        (
            "an event over 1 MB",
            b'{"event_type": "a", "properties": {"x": "' + b"x" * 1_000_000 + b'"}}',
            413,
            "event_too_large",
            "",
        ),
        ("1,001 events", b"[" + b",".join([FINE] * 1001) + b"]", 413, "too_many_events", "events"),
        ("a body over 5 MB", b" " * 5_000_001, 413, "body_too_large", ""),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_mistake_is_named(
    server: TestServer, native: Source, stored: Stored, case: str, body: bytes, status: int, reason: str, field: str
) -> None:
    answer = post(server, native, body)
    said, where = find_reason(answer)
    assert (answer.status, said) == (status, reason), answer.body[:500]
    assert where.split("[0]")[0] == field if field == "properties.x" else where == field
    assert stored(native) == []


def test_a_refused_call_is_in_the_books(server: TestServer, native: Source) -> None:
    post(server, native, b"nonsense")
    post(server, native, b'[{"event_type": "ok"}, {}, {}]')
    server.wait_until_settled()
    [books] = [s for s in server.api("books")["sources"] if s["source"] == native["id"]]
    assert books["rejected"] == {"invalid_json": 1, "missing_field": 2}
    assert (books["received"], books["stored"], books["balanced"]) == (1, 1, True)


@pytest.mark.parametrize(
    ("name", "bomb"),
    [
        ("gzip", gzip.compress(b"0" * 30_000_000)),
        ("gzip", gzip.compress(b"0" * 15_000_000) * 2),
        ("deflate", zlib.compress(b"0" * 30_000_000)),
        ("br", brotli.compress(b"0" * 30_000_000, quality=1)),
        ("zstd", zstandard.ZstdCompressor().compress(b"0" * 30_000_000)),
        ("gzip, gzip", gzip.compress(gzip.compress(b"0" * 30_000_000))),
    ],
    ids=["gzip", "gzip of two members", "deflate", "br", "zstd", "gzip in gzip"],
)
def test_a_decompression_bomb_is_refused(server: TestServer, native: Source, name: str, bomb: bytes) -> None:
    answer = post(server, native, bomb, content_encoding=name)
    assert (answer.status, find_reason(answer)[0]) == (413, "decompressed_too_large")


@pytest.mark.parametrize(
    ("case", "name", "body"),
    [
        ("an unknown packing", "lzma", FINE),
        ("plain text called gzip", "gzip", FINE),
        ("half a gzip", "gzip", gzip.compress(FINE)[:-12]),
        ("half a brotli", "br", brotli.compress(FINE)[:-3]),
        ("packed three times", "gzip, gzip, gzip", FINE),
    ],
    ids=lambda v: v if isinstance(v, str) else "",
)
def test_a_body_that_does_not_unpack_is_415(
    server: TestServer, native: Source, case: str, name: str, body: bytes
) -> None:
    answer = post(server, native, body, content_encoding=name)
    assert (answer.status, find_reason(answer)[0]) == (415, "undecodable_body")


@pytest.mark.parametrize(
    ("body", "reason"),
    [(b"\x1f\x8bxx", "undecodable_body"), (b" " * 5_000_001, "body_too_large")],
    ids=["packing", "size"],
)
def test_a_body_that_cannot_be_read_is_in_the_books_and_on_the_list(
    server: TestServer, native: Source, stored: Stored, body: bytes, reason: str
) -> None:
    """Its key stands in a header, so it is known whose it is."""
    post(server, native, body)
    # What came after it is stored, so word of it was read.
    post(server, native, FINE)
    assert len(stored(native)) == 1
    [books] = [s for s in server.api("books")["sources"] if s["source"] == native["id"]]
    assert books["rejected"] == {reason: 1}
    [letter] = server.api("rejections", source=native["id"])["items"]
    assert letter["reason"] == reason


def test_a_secret_key_in_the_address_is_not_kept(server: TestServer, native: Source, stored: Stored) -> None:
    key = native["credentials"]["write_key"]
    answer = server.request("POST", f"/v1/events?k={key}&note=kept", FINE)
    assert answer.status == 200, answer.body
    assert len(stored(native)) == 1
    logged = b"".join(file.read_bytes() for file in (server.data / "log").rglob("*") if file.is_file())
    assert b"note=kept" in logged
    assert key.encode() not in logged


def test_keys_that_do_not_fit_are_401(server: TestServer, pact_key: str) -> None:
    for key in ("", "tw_pub_0", "ключ", pact_key):
        answer = server.request(
            "POST", "/v1/events", FINE, {"authorization": f"Bearer {key}".encode().decode("latin-1")}
        )
        assert answer.status == 401
        assert answer.headers["www-authenticate"]


@pytest.fixture
def pact_key(server: TestServer, pact: Source) -> str:
    return str(pact["credentials"]["api_key"])


def test_a_header_block_over_the_limit_is_431(server: TestServer) -> None:
    answer = server.request("GET", "/health/live", headers={"x-large": "x" * 60_000})
    assert answer.status == 431
    assert answer.json["error"]["reason"] == "header_bytes"


RULES = [
    ("a duplicate key: the last counts", '{"a": 1, "a": 2}', {"a": 2}),
    ("a dotted key beside a nested one: both stay", '{"a": {"b": 1}, "a.b": 2}', {"a": {"b": 1}, "a.b": 2}),
    ("an escaped dot beside a dot: both stay", '{"x%2Ey": 1, "x.y": 2}', {"x%2Ey": 1, "x.y": 2}),
    ("NUL becomes U+FFFD", '{"a": "x\\u0000y", "k\\u0000": ["\\u0000"]}', {"a": "x\ufffdy", "k\ufffd": ["\ufffd"]}),
    (
        "an integer beyond 64 bit becomes text",
        '{"a": 18446744073709551616, "b": [9223372036854775808]}',
        {"a": "18446744073709551616", "b": ["9223372036854775808"]},
    ),
    (
        "the edges of 64 bit stay numbers",
        '{"a": 9223372036854775807, "b": -9223372036854775808}',
        {"a": 2**63 - 1, "b": -(2**63)},
    ),
    ("the largest float stays", '{"a": 1e308, "b": 5e-324}', {"a": 1e308, "b": 5e-324}),
    ("an empty key stays", '{"": 1}', {"": 1}),
    ("null, empty list and empty object stay", '{"a": null, "b": [], "c": {}}', {"a": None, "b": [], "c": {}}),
    ("a text that looks like a date stays a text", '{"a": "2026-01-01T10:00:00Z"}', {"a": "2026-01-01T10:00:00Z"}),
    ("62 levels stay", '{"a": ' + "[" * 61 + "]" * 61 + "}", {"a": json.loads("[" * 61 + "]" * 61)}),
]


@pytest.mark.parametrize(("rule", "sent", "kept"), RULES, ids=[rule for rule, _, _ in RULES])
def test_what_parsers_disagree_on_has_one_rule(
    server: TestServer, native: Source, stored: Stored, rule: str, sent: str, kept: Any
) -> None:
    assert post(server, native, f'{{"event_type": "a", "properties": {sent}}}').status == 200
    [event] = stored(native)
    assert event["properties"] == kept


def test_the_json_test_suite_gets_no_5xx_and_what_is_json_is_kept(
    server: TestServer, native: Source, outside_data: Any
) -> None:
    import base64

    suite = json.loads(gzip.decompress((outside_data / "json-test-suite.json.gz").read_bytes()))
    for name, encoded in suite.items():
        body = b'{"event_type": "suite", "properties": {"case": ' + base64.b64decode(encoded) + b"}}"
        status = post(server, native, body).status
        if name.startswith("n_") and name not in WRAPPED_INTO_JSON:
            assert 400 <= status < 500, name
        elif name.startswith("y_"):
            assert status == 200, name
        else:
            assert status < 500, name


# Not JSON by themselves, but JSON once they stand inside our object.
WRAPPED_INTO_JSON = frozenset(
    {"n_structure_object_with_trailing_garbage", "n_object_trailing_comment", "n_structure_close_unopened_array"}
)
