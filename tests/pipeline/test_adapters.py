"""What the log holds becomes the events that the door counted, whatever was changed of their source meanwhile."""

import json

import pytest
from msgspec.structs import replace

from trackway.app.pipeline_process import make_adapters
from trackway.event import Source, Submission
from trackway.ids import make_submission_id
from trackway.outcome import Refused
from trackway.pipeline.adapters import find_missing, parse_as_counted
from trackway.settings import Settings

ADAPTERS = make_adapters(Settings())
EVENT = {"action": "view", "object": "form", "vendor": "Vendor B", "product": "P", "instance_id": "i"}
OLD = Source(id="s", workspace="main", name="S", protocol="orbee", channel="server", settings={"vendors": "Vendor A"})
NEW = replace(OLD, settings={"vendors": "Vendor A,Vendor B"})


@pytest.fixture
def submission() -> Submission:
    """One event of Vendor B that the door has taken."""
    return Submission(
        submission_id=make_submission_id(1_750_000_000_000),
        received_at=1_750_000_000_000,
        workspace="main",
        source="s",
        protocol="orbee",
        trusted=False,
        method="POST",
        path="/collect/1/7/event",
        query="",
        headers={},
        address="",
        body=json.dumps(EVENT).encode(),
        events=1,
    )


def parse(submission: Submission, source: Source, renewed: Source | None) -> list[str]:
    def renew(source_id: str) -> Source | None:
        asked.append(source_id)
        return renewed

    asked: list[str] = []
    events = parse_as_counted(ADAPTERS["orbee"], submission, source, renew)
    return [*(event.event_type for event in events), *asked]


def test_as_long_as_all_that_was_counted_is_found_the_source_is_not_asked_for(submission: Submission) -> None:
    assert parse(submission, NEW, None) == ["view form"]


def test_a_source_that_the_door_knew_newer_is_read_again(submission: Submission) -> None:
    assert parse(submission, OLD, NEW) == ["view form", "s"]


@pytest.mark.parametrize("renewed", [OLD, None], ids=["the same", "gone"])
def test_what_is_not_found_any_more_is_missing(submission: Submission, renewed: Source | None) -> None:
    assert parse(submission, OLD, renewed) == ["s"]
    assert find_missing([], submission) == [0]


def test_a_body_that_is_refused_as_a_whole_stays_refused(submission: Submission) -> None:
    with pytest.raises(Refused):
        parse(replace(submission, body=b"[]"), OLD, NEW)


def test_events_that_nobody_counted_are_left_out(submission: Submission) -> None:
    none = replace(submission, events=0, refused=(0,))
    assert parse(none, NEW, None) == []
    more = replace(submission, events=0)
    assert parse(more, NEW, NEW) == ["s"]
