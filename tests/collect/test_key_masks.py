"""A secret key stands nowhere in what is kept, however the sender put it into a request; what is kept can be replayed."""

import gzip
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import brotli
import pytest
import zstandard
from tests.collect.dialects import RECIPES
from tests.collect.test_replayed_dialects import compare, wait_for_letters

from trackway.collect.body import unpack_body
from trackway.collect.key_masks import MOST_LOOKED_UP, KeyMask
from trackway.collect.limits import read_limits
from trackway.event import Submission
from trackway.eventlog.embedded import LogReader
from trackway.eventlog.interface import Position
from trackway.records import Refusal, decode_record
from trackway.settings import Settings
from trackway.testing.server import TestServer

Source = dict[str, Any]
Stored = Callable[[Source], list[dict[str, Any]]]

SECRET_DIALECTS = ("native", "pact", "clarm", "tracify")


def key_of(source: Source) -> str:
    return str(next(iter(source["credentials"].values())))


def read_submissions(server: TestServer, source: str) -> Iterator[Submission]:
    """What the log keeps of a source, accepted or refused."""
    reader = LogReader(server.data / "log")
    for stream in reader.streams():
        position = Position.start()
        while (batch := reader.read(stream, position, 1000)).next != position:
            position = batch.next
            for record in batch.records:
                content = decode_record(record.payload)
                kept = content.submission if isinstance(content, Refusal) else content
                if isinstance(kept, Submission) and kept.source == source:
                    yield kept


def check_hidden(server: TestServer, source: Source, *keys: str) -> list[bytes]:
    """The bodies that are kept, unpacked; the keys stand neither there nor in any file of the data folder."""
    kept = list(read_submissions(server, source["id"]))
    bodies = [
        unpack_body(each.body, each.headers.get("content-encoding", ""), read_limits(Settings())) for each in kept
    ]
    files = b"".join(
        file.read_bytes()
        for file in server.data.rglob("*")
        if file.is_file() and not file.name.endswith((".lock", ".sock"))
    )
    for key in keys:
        for each, body in zip(kept, bodies, strict=True):
            assert key not in f"{each.query} {each.headers} {body!r}"
        assert key.encode() not in files
    return bodies


@pytest.mark.parametrize("dialect", SECRET_DIALECTS)
def test_a_key_in_an_event_of_any_dialect_is_masked_and_the_event_is_stored_and_replayed(
    server: TestServer, stored: Stored, dialect: str
) -> None:
    recipe = RECIPES[dialect]
    source = server.add_source(f"{dialect} {time.time_ns()}", dialect, recipe.channel, **recipe.settings)
    key = key_of(source)
    sent = recipe.wrap(key, [recipe.with_extra({"api_key": key, "says": f"use {key}!"})])
    answer = server.request("POST", sent.path, sent.body, {**sent.headers, "referer": f"https://shop.example/?k={key}"})
    assert answer.status < 300, answer.body
    [event] = stored(source)
    assert '"says": "use ***!"' in json.dumps(event)
    explained = server.run_cli("explain", event["event_id"], "--json")
    assert "use ***!" in explained
    assert key not in explained
    [body] = check_hidden(server, source, key)
    assert body == sent.body.replace(key.encode(), b"***")
    difference = compare(server, source["id"])
    assert (difference.same, difference.changed, difference.new, difference.vanished) == (1, 0, 0, 0)


def escape(text: str) -> str:
    return "".join(rf"\u{ord(character):04X}" for character in text)


EVENT = {"event_type": "view", "properties": {"n": 1.5}}
WAYS: dict[str, Callable[[str], bytes]] = {
    "one event": lambda key: json.dumps({**EVENT, "write_key": key}).encode(),
    "a batch": lambda key: json.dumps({"write_key": key, "events": [EVENT]}).encode(),
    "a line": lambda key: json.dumps({**EVENT, "write_key": key}).encode() + b"\n",
    "escaped": lambda key: rf'{{"write_key": "{escape(key)}", "event_type": "view"}}'.encode(),
    "partly escaped": lambda key: rf'{{"write_key": "tw\u005f{key[3:]}", "event_type": "view"}}'.encode(),
    "twice": lambda key: f'{{"write_key": "x", "write_key": "{key}", "events": [{{"event_type": "view"}}]}}'.encode(),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_write_key_in_the_body_lets_the_event_in_and_is_masked(
    server: TestServer, native: Source, stored: Stored, way: str
) -> None:
    key = key_of(native)
    answer = server.request("POST", "/v1/events", WAYS[way](key), {"content-type": "text/plain"})
    assert answer.status == 200, answer.body
    [event] = stored(native)
    assert (event["event_type"], event["trusted"]) == ("view", True)
    [body] = check_hidden(server, native, key, escape(key), key[3:])
    assert b"***" in body
    difference = compare(server, native["id"])
    assert (difference.same, difference.changed, difference.new, difference.vanished) == (1, 0, 0, 0)


PACKINGS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "br": brotli.compress,
    "zstd": zstandard.compress,
    "": gzip.compress,
}


@pytest.mark.parametrize("name", PACKINGS)
def test_a_key_in_a_packed_body_is_masked(server: TestServer, native: Source, stored: Stored, name: str) -> None:
    body = json.dumps({"write_key": key_of(native), "events": [EVENT, EVENT]}).encode()
    answer = server.request("POST", "/v1/events", PACKINGS[name](body), {"content-encoding": name} if name else {})
    assert answer.status == 200, answer.body
    assert len(stored(native)) == 2
    assert check_hidden(server, native, key_of(native)) == [body.replace(key_of(native).encode(), b"***")]
    assert compare(server, native["id"]).same == 2


def test_a_packed_body_without_a_key_is_kept_as_it_came(server: TestServer, native: Source, stored: Stored) -> None:
    packed = brotli.compress(json.dumps(EVENT).encode())
    headers = {"content-encoding": "br", "authorization": f"Bearer {key_of(native)}"}
    assert server.request("POST", "/v1/events", packed, headers).status == 200
    stored(native)
    [kept] = read_submissions(server, native["id"])
    assert (kept.body, kept.headers["content-encoding"]) == (packed, "br")


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        ('{{"write_key": "{key}", "anonymous_id": "a"}}', {}),
        ('{{"write_key": "{key}", "event_type": "view", "properties": "{key}"}}', {}),
        ("{{{key}", {"authorization": "Bearer {key}"}),
        ('{{"write_key": "{key}"', {"authorization": "Bearer {key}", "content-encoding": "unheard-of"}),
    ],
    ids=["no type", "wrong type", "no JSON", "unknown packing"],
)
def test_a_refused_request_is_kept_without_its_key(
    server: TestServer, native: Source, body: str, headers: dict[str, str]
) -> None:
    key = key_of(native)
    sent = {name: value.format(key=key) for name, value in headers.items()}
    answer = server.request("POST", "/v1/events", body.format(key=key), sent)
    assert 400 <= answer.status < 500
    [letter] = wait_for_letters(server, native["id"])
    told = server.api(f"rejections/{letter['id']}")
    assert told["sent"]["body"] == body.format(key="***")
    assert key not in json.dumps(told)
    [kept] = read_submissions(server, native["id"])
    assert key.encode() not in kept.body
    again = {"source": native["id"], "apply": True}
    [item] = server.post("/api/v1/rejections/replay", again, server.admin_token).json["items"]
    assert {each["reason"] for each in item["refused"]} == {letter["reason"]}


def test_the_key_of_another_source_is_masked_too_and_what_only_looks_like_one_is_kept(
    server: TestServer, native: Source, stored: Stored
) -> None:
    public = server.add_source(f"page {time.time_ns()}", channel="web")
    other = server.add_source(f"other {time.time_ns()}")
    alike = "tw_secret_" + "0" * 32
    properties = {"mine": key_of(native), "theirs": key_of(other), "alike": alike, "page": key_of(public)}
    body = json.dumps({"event_type": "view", "properties": properties})
    answer = server.request("POST", f"/v1/events?k={key_of(public)}&x={key_of(native)}", body)
    assert answer.status == 200, answer.body
    [event] = stored(public)
    assert event["properties"] == {"mine": "***", "theirs": "***", "alike": alike, "page": key_of(public)}
    check_hidden(server, public, key_of(native), key_of(other))
    [kept] = read_submissions(server, public["id"])
    assert kept.query == f"k={key_of(public)}&x=***"


def test_an_escaped_key_in_the_address_of_a_pixel_is_masked(server: TestServer, native: Source, stored: Stored) -> None:
    key = key_of(native)
    escaped = key.replace("_", "%5f")
    answer = server.request(
        "GET", f"/p.gif?k={escaped}&t=view&p.key={key}", headers={"referer": f"https://x.example/?{escaped}"}
    )
    assert answer.status == 200
    [event] = stored(native)
    assert (event["properties"], event["url"]) == ({"key": "***"}, "https://x.example/?***")
    check_hidden(server, native, key, escaped)


def test_a_tracardi_source_has_no_secret_so_what_it_sends_is_kept_as_it_is(server: TestServer) -> None:
    """Its id may be any word."""
    name = f"shop{time.time_ns()}"
    source = server.add_source(name, "tracardi", "server", source_id=name, bridge="redirect,webhook")
    answer = server.request("POST", f"/collect/view/{name}?note={name}", json.dumps({"note": name}))
    assert answer.status == 200, answer.body
    server.wait_until_settled()
    [kept] = read_submissions(server, source["id"])
    assert (kept.query, json.loads(kept.body)) == (f"note={name}", {"note": name})


def test_of_very_many_look_alikes_none_is_looked_up() -> None:
    asked: list[str] = []

    def is_secret(key: str) -> bool:
        asked.append(key)
        return False

    alike = [f"tw_secret_{number:032x}" for number in range(MOST_LOOKED_UP + 2)]
    masked = KeyMask("native", "", is_secret).mask_body(" ".join(alike).encode()).decode().split()
    assert masked == [*alike[:MOST_LOOKED_UP], "***", "***"]
    assert asked == alike[:MOST_LOOKED_UP]


@pytest.mark.parametrize("text", ["", "x", "tw_secret_", "tw_secret_" + "g" * 32, r"\u0074\u00zz", "100%", "%74%zz"])
def test_what_holds_no_key_is_not_changed(text: str) -> None:
    key = "tw_secret_" + "1" * 32
    mask = KeyMask("native", key, lambda key: True)
    assert mask.mask_body(text.encode()) == text.encode()
    assert mask.mask_text(text) == text
