"""The live feed over real HTTP, read as a browser's EventSource would."""

import http.client
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from trackway.api import live
from trackway.api.live import write_event
from trackway.clock import now_ms


class Stream:
    """Server-sent events of a response, one by one."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self._response = response
        self.status = response.status
        self.last_id = ""

    def read(self) -> tuple[str, Any] | None:
        """(event, data) of the next event; None when the stream has ended."""
        kind, data = "", []
        for line in iter(self._response.readline, b""):
            name, _, value = line.decode().rstrip("\n").partition(": ")
            if name == "event":
                kind = value
            elif name == "data":
                data.append(value)
            elif name == "id":
                self.last_id = value
            elif not name:
                return kind, json.loads("\n".join(data))
        return None

    def read_events(self, number: int) -> list[str]:
        ids: list[str] = []
        while len(ids) < number:
            read = self.read()
            assert read is not None
            if read[0] == "event":
                ids.append(read[1]["event_id"])
        return ids


@contextmanager
def listen(api: Any, path: str = "/api/v1/live", headers: dict[str, str] | None = None) -> Iterator[Stream]:
    with api.open(path, headers) as response:
        yield Stream(response)


def store(api: Any, events: int = 1, **fields: Any) -> list[str]:
    stored = api.installation.store_events("shop", [now_ms()] * events, **fields)
    return [event.event_id for event in stored]


def test_what_is_stored_while_someone_listens_arrives_as_the_event_itself(api) -> None:  # type: ignore[no-untyped-def]
    store(api)
    with listen(api) as stream:
        assert stream.read() == ("ready", {})
        (event_id,) = store(api, properties={"price": 1})
        kind, event = stream.read()
    assert (kind, event["event_id"], event["properties"]) == ("event", event_id, {"price": 1})
    assert event == api.get("/api/v1/events?limit=1").json["items"][0]


def test_a_browser_that_comes_back_gets_what_it_missed_and_nothing_twice(api) -> None:  # type: ignore[no-untyped-def]
    with listen(api) as stream:
        stream.read()
        ids = store(api, 3)
        assert stream.read_events(2) == ids[:2]
    ids += store(api, 2)
    with listen(api, headers={"Last-Event-ID": stream.last_id}) as again:
        assert again.read_events(3) == ids[2:]
    with listen(api, f"/api/v1/live?cursor={stream.last_id}") as by_parameter:
        assert by_parameter.read_events(3) == ids[2:]


def test_a_last_event_id_that_cannot_be_read_begins_with_the_present_and_says_so(api) -> None:  # type: ignore[no-untyped-def]
    store(api)
    with listen(api, headers={"Last-Event-ID": "of-an-older-version"}) as stream:
        assert stream.read() == ("gap", {})
        assert stream.read_events(1) if store(api) else None


def test_silence_is_filled_with_pings(api, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(live, "PING_SECONDS", 0.05)
    with listen(api) as stream:
        assert [stream.read(), stream.read(), stream.read()] == [("ready", {}), ("ping", {}), ("ping", {})]


def test_a_stream_ends_when_its_time_is_over(api, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(live, "PING_SECONDS", 0.05)
    monkeypatch.setattr(live, "STREAM_SECONDS", 0.0)
    with listen(api) as stream:
        assert [stream.read(), stream.read(), stream.read()] == [("ready", {}), ("ping", {}), None]


def test_a_client_that_goes_away_is_forgotten(api, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    with listen(api) as stay:
        stay.read()
        with listen(api) as leave:
            leave.read()
            assert api.desk.feed.listeners == 2
        ids: list[str] = []
        while api.desk.feed.listeners == 2:
            ids += store(api)
        ids += store(api)
        assert stay.read_events(len(ids)) == ids


def test_the_stream_ends_when_the_server_stops(api) -> None:  # type: ignore[no-untyped-def]
    with listen(api) as stream:
        stream.read()
        api.stop()
        assert stream.read() is None


def test_without_a_token_nothing_is_streamed(api) -> None:  # type: ignore[no-untyped-def]
    answer = api.get("/api/v1/live", token="")
    assert (answer.status, answer.error["reason"]) == (401, "missing_key")


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_json_with_line_ends_between_its_parts_stays_one_event(end: bytes) -> None:
    written = write_event("event", b'{"a":' + end + b'"\\n"}', "cursor")
    assert written == b'event: event\nid: cursor\ndata: {"a":\ndata: "\\n"}\n\n'
