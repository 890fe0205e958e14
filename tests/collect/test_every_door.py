"""Every dialect into one server: what was sent can be parsed again from the log, and test sources stay apart."""

from collections.abc import Iterator
from typing import Any

import pytest
from tests.collect.dialects import RECIPES

from trackway.app.folder import Folder
from trackway.app.pipeline_process import make_adapters
from trackway.collect.protocols import PROTOCOLS
from trackway.control.database import State, make_url
from trackway.control.sources import list_sources
from trackway.event import Event, Submission
from trackway.eventlog.embedded import LogReader
from trackway.eventlog.interface import Position
from trackway.records import decode_record
from trackway.settings import Settings
from trackway.testing.server import TestServer, start_server

COMPARED = ("event_id", "event_type", "protocol", "session_id", "user_id", "contact_id", "instance_id", "properties")


@pytest.fixture(scope="module")
def fed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestServer]:
    """A server to which every dialect sent its good requests, each of them twice, from a live and a test source."""
    with start_server(tmp_path_factory.mktemp("doors") / "data", pipeline_linger_ms=20) as server:
        for protocol in PROTOCOLS:
            recipe = RECIPES[protocol.name]
            settings = {name: value for name, value in recipe.settings.items() if name != "system_events"}
            for environment in ("live", "test"):
                source = server.add_source(
                    f"{protocol.name} {environment}", protocol.name, recipe.channel, environment=environment, **settings
                )
                [key] = source["credentials"].values()
                for event in (*recipe.events, *recipe.events):
                    sent = recipe.wrap(key, [event])
                    assert server.request("POST", sent.path, sent.body, sent.headers).status < 300
        server.wait_until_settled()
        server.wait_until_settled(workspace="test")
        yield server


def read_again(server: TestServer) -> list[Event]:
    """Today's adapters over everything on the log."""
    folder = Folder(server.data)
    state = State(make_url(server.data, ""))
    sources = {source.id: source for source in list_sources(state)}
    state.close()
    adapters, reader = make_adapters(Settings()), LogReader(folder.log)
    events: list[Event] = []
    for stream in reader.streams():
        position = Position.start()
        while (batch := reader.read(stream, position)).next != position:
            position = batch.next
            for record in batch.records:
                content = decode_record(record.payload)
                if isinstance(content, Submission):
                    events += adapters[content.protocol](content, sources[content.source])
    return events


def list_stored(server: TestServer, workspace: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = server.api("events", workspace=workspace, limit=1000)["items"]
    return items


def test_the_log_parsed_again_gives_the_stored_events_and_their_ids(fed: TestServer) -> None:
    parsed = {event.event_id: event for event in read_again(fed)}
    stored = [*list_stored(fed, "main"), *list_stored(fed, "test")]
    assert {event["protocol"] for event in stored} == {protocol.name for protocol in PROTOCOLS}
    for event in stored:
        again = parsed[event["event_id"]]
        assert {name: getattr(again, name) for name in COMPARED} == {name: event[name] for name in COMPARED}
    # What is not stored is in the books as a duplicate, and nothing else is missing.
    duplicates = sum(s["duplicate"] for w in ("main", "test") for s in fed.api("books", workspace=w)["sources"])
    assert len(parsed) == len(stored) + duplicates


@pytest.mark.parametrize("dialect", [protocol.name for protocol in PROTOCOLS])
def test_a_test_source_of_any_dialect_sends_to_the_test_space_only(fed: TestServer, dialect: str) -> None:
    live, trial = (
        [event for event in list_stored(fed, workspace) if event["protocol"] == dialect]
        for workspace in ("main", "test")
    )
    assert live
    assert trial
    # The same order ids and dedupe keys in both spaces: neither swallows the other's.
    assert sorted(event["event_type"] for event in live) == sorted(event["event_type"] for event in trial)
    assert not {event["source"] for event in live} & {event["source"] for event in trial}
    assert not {event["profile_id"] for event in live} & {event["profile_id"] for event in trial} - {""}


def test_figures_people_and_books_of_the_two_spaces_are_apart(fed: TestServer) -> None:
    spaces = ("main", "test")
    figures = [fed.api("kpis", workspace=workspace, hours=8784) for workspace in spaces]
    assert [f["events"] for f in figures] == [len(list_stored(fed, workspace)) for workspace in spaces]
    assert fed.api("kpis", hours=8784)["items"] == figures[0]["items"]
    people = [{p["profile_id"] for p in fed.api("visitors", workspace=w, limit=200)["items"]} for w in spaces]
    assert people[0]
    assert people[1]
    assert not people[0] & people[1]
    for workspace in spaces:
        assert all(source["balanced"] for source in fed.api("books", workspace=workspace)["sources"])
