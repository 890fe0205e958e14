"""Recorded requests of each protocol: sent through HTTP, compared with the events they must become.

`{key}` in a request is its source's credential; an answer of null is an empty one. A body that is no JSON is its `text`.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from trackway.collect.protocols import PROTOCOLS
from trackway.testing.server import TestServer

CORPUS = Path(__file__).parent / "corpus"
FILES = sorted(CORPUS.glob("*/*.json"))


@pytest.mark.parametrize("file", FILES, ids=lambda f: f"{f.parent.name}: {f.stem.replace('_', ' ')}")
def test_a_recorded_request_becomes_these_events(
    server: TestServer, stored: Callable[[dict[str, Any]], list[dict[str, Any]]], file: Path
) -> None:
    record = json.loads(file.read_text())
    channel, settings = record["request"].get("channel", "server"), record["request"].get("settings", {})
    source = server.add_source(f"{file.parent.name} {file.stem}", file.parent.name, channel, **settings)
    [key] = source["credentials"].values()
    request = json.loads(json.dumps(record["request"]).replace("{key}", key))
    headers = {"content-type": "application/json", "authorization": f"Bearer {key}", **request.get("headers", {})}
    # A body in JSON, or as its text where it is none.
    body = request["text"] if "text" in request else json.dumps(request["body"]) if "body" in request else None
    answer = server.request(request.get("method", "POST"), request["path"], body, headers)
    assert answer.status == record["status"], answer.body
    told = record.get("answer_headers", {})
    assert {name: answer.headers[name] for name in told} == told
    if record["answer"] is None:
        assert answer.body == b""
    else:
        assert {name: answer.json[name] for name in record["answer"]} == record["answer"]
    events = stored(source)
    assert len(events) == len(record["events"])
    for event, expected in zip(events, record["events"], strict=True):
        assert {name: event[name] for name in expected} == expected


def test_every_protocol_has_recorded_requests() -> None:
    assert {f.parent.name for f in FILES} == {p.name for p in PROTOCOLS}
