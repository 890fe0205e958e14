"""The list of events, and what became of one, asked of a real engine, log and state."""

import msgspec
import pytest

from trackway.eventlog.interface import Position
from trackway.ids import make_event_id
from trackway.outcome import Outcome, Reason
from trackway.pipeline.progress import Account, DeadLetter, commit_batch
from trackway.query.events import find_event, find_events
from trackway.query.questions import QuestionError
from trackway.testing.installation import Installation

NOW = 1_795_000_000_000
HOUR = 3_600_000
DAY = 24 * HOUR


def read_pages(installation: Installation, limit: int, **filters: str) -> list[str]:
    ids: list[str] = []
    cursor = ""
    while True:
        page = find_events(installation.store, installation.workspace, limit=limit, cursor=cursor, **filters)
        ids += [event["event_id"] for event in page["items"]]
        assert len(page["items"]) <= limit
        if page["next"] is None:
            return ids
        cursor = page["next"]


def test_events_come_newest_first_and_every_page_goes_on_where_the_last_ended(installation: Installation) -> None:
    source = installation.add_source("shop")
    # Ages on both sides of every look-back, and several in one millisecond.
    ages = [0, 0, 0, 1, 59, HOUR - 1, HOUR, HOUR + 1, DAY, DAY + 1, 30 * DAY, 30 * DAY + 1, 400 * DAY]
    stored = installation.store_events(source, [NOW - age for age in ages])
    expected = [stored[i].event_id for i in (2, 1, 0, *range(3, len(ages)))]
    for limit in (1, 2, 3, 5, 12, 13, 14, 1000):
        assert read_pages(installation, limit) == expected


def test_a_cursor_stays_right_while_events_arrive(installation: Installation) -> None:
    source = installation.add_source("shop")
    before = installation.store_events(source, [NOW - n for n in range(10)])
    first = find_events(installation.store, installation.workspace, limit=4)
    installation.store_events(source, [NOW + 1, NOW + 2, NOW - 20])
    rest = find_events(installation.store, installation.workspace, limit=100, cursor=first["next"])
    ids = [event["event_id"] for event in (*first["items"], *rest["items"])]
    assert ids[:10] == [event.event_id for event in before]
    assert len(ids) == 11
    assert rest["next"] is None


def test_filters_choose_by_type_and_by_source(installation: Installation) -> None:
    shop, blog = installation.add_source("shop"), installation.add_source("blog")
    installation.store_events(shop, [NOW, NOW - 1], event_type="page_view")
    bought = installation.store_events(shop, [NOW - 2, NOW - 90 * DAY], event_type="purchase")
    read = installation.store_events(blog, [NOW - 3], event_type="page_view")
    assert read_pages(installation, 1, event_type="purchase") == [event.event_id for event in bought]
    assert read_pages(installation, 1, source="blog") == [read[0].event_id]
    assert read_pages(installation, 1, source="blog", event_type="purchase") == []
    assert len(read_pages(installation, 2)) == 5


def test_an_event_comes_back_field_for_field_and_its_objects_letter_for_letter(installation: Installation) -> None:
    properties = {
        "price": 1.10,
        "big": 2**63,
        "nested": {"a.b": [None, True, "ü\n"]},
        "": {},
        "2026-01-01T00:00:00Z": 1,
    }
    source = installation.add_source("shop")
    stored = installation.store_events(
        source,
        [NOW],
        properties=properties,
        context={"unknown": {"x": 1}},
        sent_at=NOW - 5,
        title="Ä 'quoted' \\ title",
    )[0]
    item = find_events(installation.store, installation.workspace)["items"][0]
    answered = msgspec.json.decode(msgspec.json.encode(item))
    assert list(answered) == list(stored.__struct_fields__)
    assert bytes(item["properties"]) == msgspec.json.encode(properties)
    assert answered["context"] == {"unknown": {"x": 1}}
    assert answered["title"] == "Ä 'quoted' \\ title"
    assert (answered["received_at"], answered["sent_at"]) == ("2026-11-18T11:06:40.000Z", "2026-11-18T11:06:39.995Z")
    assert answered["trusted"] is False


def test_a_time_that_is_not_known_is_empty_text(installation: Installation) -> None:
    installation.store_events(installation.add_source("shop"), [NOW])
    assert find_events(installation.store, installation.workspace)["items"][0]["sent_at"] == ""


@pytest.mark.parametrize("limit", [0, -1, 1001, 10**30])
def test_a_limit_outside_its_bounds_is_refused_and_the_bounds_are_named(installation: Installation, limit: int) -> None:
    with pytest.raises(QuestionError, match="limit must be a whole number from 1 to 1000"):
        find_events(installation.store, installation.workspace, limit=limit)


@pytest.mark.parametrize("text", ["x" * 501, "a\x00b"])
def test_a_filter_that_no_event_can_match_is_refused(installation: Installation, text: str) -> None:
    with pytest.raises(QuestionError):
        find_events(installation.store, installation.workspace, event_type=text)
    with pytest.raises(QuestionError):
        find_events(installation.store, installation.workspace, source=text)


def test_another_workspace_sees_nothing(installation: Installation) -> None:
    event = installation.store_events(installation.add_source("shop"), [NOW])[0]
    assert find_events(installation.store, "someone-else")["items"] == []
    found = find_event(installation.store, installation.state, installation.log, "someone-else", event.event_id)
    assert found is None


def explain(installation: Installation, event_id: str):  # type: ignore[no-untyped-def]
    stages = [("read_device", "Reads the browser", ("browser", "os")), ("cut_ip", "Cuts the address", ("ip",))]
    return find_event(
        installation.store, installation.state, installation.log, installation.workspace, event_id, stages
    )


def test_a_stored_event_is_told_with_what_each_stage_filled(installation: Installation) -> None:
    source = installation.add_source("shop")
    event = installation.store_events(
        source, [NOW], stored_at=NOW + 7, segment=0xABC, browser="Firefox", ip="192.0.2.0"
    )[0]
    found = explain(installation, event.event_id.upper())
    assert found["outcome"] == "stored"
    assert found["event"]["event_id"] == event.event_id
    assert found["stages"] == [
        {"name": "read_device", "says": "Reads the browser", "filled": {"browser": "Firefox"}},
        {"name": "cut_ip", "says": "Cuts the address", "filled": {"ip": "192.0.2.0"}},
    ]
    assert found["log"] == {"segment": "0000000000000abc", "record": 0, "index": 0}
    assert found["times"]["stored_at"] == "2026-11-18T11:06:40.007Z"


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        (Outcome.DUPLICATE, Reason.TRANSPORT_KEY),
        (Outcome.DROPPED, Reason.BOT),
        (Outcome.DEAD_LETTERED, Reason.ADAPTER_FAILED),
    ],
)
def test_an_event_that_was_not_stored_is_told_with_its_reason(
    installation: Installation, outcome: Outcome, reason: Reason
) -> None:
    submission = installation.make_submission(installation.add_source("shop"), NOW, 3)
    (place,) = installation.append([submission])
    first = make_event_id(submission.submission_id, 0)
    installation.store.insert_outcomes(
        [installation.make_outcome(submission, place, outcome, reason, 2, first_event_id=first)], NOW
    )
    found = explain(installation, make_event_id(submission.submission_id, 2))
    assert (found["outcome"], found["reason"], found["first_event_id"]) == (outcome, reason, first)
    assert found["event"] is None
    assert found["source"] == "shop"
    assert found["log"] == {"segment": f"{place.segment:016x}", "record": 0, "index": 2}


def test_an_event_is_in_flight_until_the_position_is_behind_it_and_a_stranger_is_unknown(
    installation: Installation,
) -> None:
    source = installation.add_source("shop")
    submissions = [installation.make_submission(source, NOW + n, 2) for n in range(3)]
    places = installation.append(submissions)
    last = make_event_id(submissions[2].submission_id, 1)
    found = explain(installation, last)
    assert (found["outcome"], found["event"]) == ("in_flight", None)
    assert found["log"] == {"segment": f"{places[2].segment:016x}", "record": 2, "index": 1}
    # The submission has two events; a third was never in it.
    assert explain(installation, make_event_id(submissions[2].submission_id, 2)) is None
    assert explain(installation, make_event_id(b"\x01" * 14 + b"\x00\x00", 0)) is None
    installation.settle(submissions, installation.find_end())
    assert explain(installation, last) is None


def test_an_event_in_flight_of_another_workspace_is_unknown(installation: Installation) -> None:
    submission = installation.make_submission(installation.add_source("shop"), NOW)
    installation.append([submission])
    event_id = make_event_id(submission.submission_id, 0)
    assert find_event(installation.store, installation.state, installation.log, "someone-else", event_id) is None


def test_a_dead_letter_whose_row_is_gone_is_still_told(installation: Installation) -> None:
    event_id = make_event_id(b"\x02" * 14 + b"\x00\x00", 5)
    letter = DeadLetter(
        id="letter",
        workspace=installation.workspace,
        source="shop",
        kind="dead_letter",
        reason=Reason.STORE_REFUSED.value,
        detail="the engine said no",
        event_id=event_id,
        payload=b"",
        received_at=NOW,
    )
    commit_batch(installation.state, "0", Position.start(), Account(set_aside=[letter]), NOW)
    found = explain(installation, event_id)
    assert (found["outcome"], found["reason"], found["detail"]) == (
        "dead_lettered",
        "store_refused",
        "the engine said no",
    )


@pytest.mark.parametrize("text", ["", "x", "019aa3b2", "'; DROP TABLE events", "é" * 36, "\x00" * 36])
def test_what_is_no_event_id_is_refused(installation: Installation, text: str) -> None:
    with pytest.raises(QuestionError, match="is no event id"):
        explain(installation, text)


def test_the_largest_amount_of_money_is_listed(installation: Installation) -> None:
    source = installation.add_source("shop")
    installation.store_events(source, [NOW], event_type="purchase", revenue=9_000_000_000_000_000, currency="EUR")
    (event,) = find_events(installation.store, installation.workspace)["items"]
    assert (event["revenue"], event["currency"]) == (900_000_000_000.0, "EUR")
