"""Recorded requests of each protocol: sent through HTTP, compared with the events they must become."""

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
    request = record["request"]
    source = server.add_source(file.stem, protocol=file.parent.name, channel=request.get("channel", "server"))
    [key] = source["credentials"].values()
    answer = server.post(request["path"], request["body"], key, request.get("headers"))
    assert answer.status == record["status"], answer.body
    assert {name: answer.json[name] for name in record["answer"]} == record["answer"]
    events = stored(source)
    assert len(events) == len(record["events"])
    for event, expected in zip(events, record["events"], strict=True):
        assert {name: event[name] for name in expected} == expected


def test_every_protocol_has_recorded_requests() -> None:
    assert {f.parent.name for f in FILES} == {p.name for p in PROTOCOLS}
