"""What the caller can mend is said at once; what is sent is what the native protocol reads."""

import json
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from tests.client.conftest import MakeClient
from tests.client.receiver import Receiver

from trackway.client import Client
from trackway.client.events import CHANNELS, IDS, LONGEST_ID, LONGEST_TYPE, OBJECTS, TEXTS, encode_event
from trackway.collect import limits
from trackway.collect.protocols.native import KNOWN
from trackway.event import CHANNELS as SERVERS_CHANNELS

SELF_REFERRING: dict[str, Any] = {}
SELF_REFERRING["again"] = SELF_REFERRING
DEEP: list[Any] = []
for _ in range(100_000):
    DEEP = [DEEP]

MISTAKES = {
    "no type": ("", {}, "event_type must be a text that is not empty"),
    "a type of blanks": ("  ", {}, "event_type must be a text"),
    "a type that is no text": (7, {}, "event_type must be a text"),
    "a type too long": ("x" * 201, {}, "event_type has 201 characters, at most 200"),
    "an id that is a list": ("t", {"user_id": ["u"]}, "user_id must be a text, an integer or a UUID, not list"),
    "an id that is a yes": ("t", {"user_id": True}, "user_id must be a text, an integer or a UUID, not bool"),
    "an id too long": ("t", {"dedupe_key": "k" * 501}, "dedupe_key has 501 characters, at most 500"),
    "properties that are a list": ("t", {"properties": ["a"]}, "properties must be a mapping, not list"),
    "an unknown channel": ("t", {"channel": "fax"}, "channel must be one of web, server, mobile, api, not 'fax'"),
    "an address that is no text": ("t", {"url": 3}, "url must be a text, not int"),
    "a time without a zone": ("t", {"occurred_at": datetime(2026, 1, 2)}, "occurred_at has no time zone"),
    "a time that is none": ("t", {"occurred_at": "yesterday"}, "occurred_at is no ISO 8601 time"),
    "a time before 1970": ("t", {"occurred_at": -1}, "occurred_at must be a datetime"),
    "a property that is an object": (
        "t",
        {"properties": {"a": object()}},
        "properties cannot be made JSON: object is no",
    ),
    "a property that is no number": ("t", {"properties": {"a": float("nan")}}, "properties cannot be made JSON"),
    "a property that holds itself": ("t", {"properties": SELF_REFERRING}, "properties cannot be made JSON: Circular"),
    "traits without an end": ("t", {"traits": {"a": DEEP}}, "traits is nested too deep"),
    "half a character": ("t", {"title": "\ud800"}, "title holds half of a surrogate pair"),
}


@pytest.mark.parametrize(("event_type", "fields", "words"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_raised_where_it_is_made(
    make_client: MakeClient, event_type: Any, fields: dict[str, Any], words: str
) -> None:
    client = make_client()
    with pytest.raises(ValueError) as raised:
        client.track(event_type, **fields)
    assert words in str(raised.value)
    assert client.stats.tracked == 0


def test_an_unknown_field_is_a_type_error_as_of_any_function(make_client: MakeClient) -> None:
    with pytest.raises(TypeError, match="plan is no field of an event; values of your own belong into properties"):
        make_client().track("signup", plan="growth")  # type: ignore[call-arg]


def test_the_fields_are_those_of_the_native_protocol() -> None:
    assert {*IDS, *TEXTS, *OBJECTS, "event_type", "occurred_at"} == KNOWN - {"sent_at", "write_key"}
    assert CHANNELS == SERVERS_CHANNELS
    assert (LONGEST_TYPE, LONGEST_ID) == (limits.LONGEST_TYPE, limits.LONGEST_ID)


def test_what_python_has_and_json_has_not_is_written_in_its_usual_form() -> None:
    properties = {
        "price": Decimal("19.99"),
        "day": date(2026, 1, 31),
        "at": datetime(2026, 1, 31, 10, tzinfo=UTC),
        "order": UUID("019a0000-0000-7000-8000-000000000001"),
        "pair": (1, 2),
        "name": "Jürgen",
    }
    line = encode_event("purchase", {"user_id": 7, "properties": properties}, {}).line
    event = json.loads(line)
    assert event["user_id"] == "7"
    assert event["properties"] == {
        "price": 19.99,
        "day": "2026-01-31",
        "at": "2026-01-31T10:00:00+00:00",
        "order": "019a0000-0000-7000-8000-000000000001",
        "pair": [1, 2],
        "name": "Jürgen",
    }
    assert b"\n" not in encode_event("t", {"title": "two\nlines"}, {}).line


def test_what_is_empty_is_left_out() -> None:
    event = json.loads(encode_event("t", {"user_id": None, "anonymous_id": "", "traits": {}}, {}).line)
    assert set(event) == {"event_type", "occurred_at", "dedupe_key"}


def test_each_event_has_a_key_and_the_time_of_the_call(make_client: MakeClient, receiver: Receiver) -> None:
    client = make_client()
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    keys = [client.track("a"), client.track("b"), client.track("c", dedupe_key="order-7")]
    after = datetime.now(UTC)
    assert client.flush()
    assert [event["dedupe_key"] for event in receiver.taken] == keys
    assert keys[2] == "order-7"
    assert UUID(keys[0]).version == 7
    assert keys[0] != keys[1]
    for event in receiver.taken:
        assert before <= datetime.fromisoformat(event["occurred_at"]) <= after
    assert datetime.fromisoformat(receiver.calls[0].sent_at) >= datetime.fromisoformat(receiver.taken[0]["occurred_at"])


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        (datetime(2026, 1, 2, 3, tzinfo=timezone(timedelta(hours=1))), "2026-01-02T03:00:00+01:00"),
        ("2026-01-02T03:00:00Z", "2026-01-02T03:00:00Z"),
        (1_767_322_800, 1_767_322_800),
    ],
)
def test_a_time_of_ones_own_is_sent_as_given(given: Any, sent: Any) -> None:
    assert json.loads(encode_event("t", {"occurred_at": given}, {}).line)["occurred_at"] == sent


def test_what_is_changed_after_the_call_changes_nothing(make_client: MakeClient, receiver: Receiver) -> None:
    client, properties = make_client(), {"step": 1}
    client.track("t", properties=properties)
    properties["step"] = 2
    assert client.flush()
    assert receiver.taken[0]["properties"] == {"step": 1}


def test_the_clients_context_goes_with_every_event_and_the_events_own_before_it(
    make_client: MakeClient, receiver: Receiver
) -> None:
    client = make_client(context={"release": "1.2", "region": "eu"})
    client.track("a")
    client.track("b", context={"region": "us"})
    assert client.flush()
    assert [event["context"] for event in receiver.taken] == [
        {"release": "1.2", "region": "eu"},
        {"release": "1.2", "region": "us"},
    ]


def test_each_call_says_what_its_name_says(make_client: MakeClient, receiver: Receiver) -> None:
    client = make_client()
    client.page("https://example.com/", anonymous_id="a", user_id="u")
    client.identify("u", {"plan": "growth"}, anonymous_id="a")
    client.group("acc", {"seats": 5}, user_id="u")
    client.consent({"tracking": "granted"}, anonymous_id="a")
    assert client.flush()
    said = [{k: v for k, v in e.items() if k not in ("occurred_at", "dedupe_key")} for e in receiver.taken]
    assert said == [
        {"event_type": "page_view", "anonymous_id": "a", "url": "https://example.com/", "user_id": "u"},
        {"event_type": "identify", "anonymous_id": "a", "user_id": "u", "traits": {"plan": "growth"}},
        {"event_type": "group", "account_id": "acc", "account_traits": {"seats": 5}, "user_id": "u"},
        {"event_type": "consent_updated", "anonymous_id": "a", "consent": {"tracking": "granted"}},
    ]


SETTINGS = {
    "no address": ({"url": "events.example.com"}, "url must be like https://"),
    "an address of another kind": ({"url": "ftp://example.com"}, "url must be like https://"),
    "no key": ({"write_key": ""}, "write_key must be"),
    "a key with a line break": ({"write_key": "a\nb"}, "write_key must be"),
    "batches of nothing": ({"flush_at": 0}, "flush_at must be at least 1"),
    "a queue too short": ({"queue_bytes": 10}, "queue_bytes must be at least 65536"),
    "an unknown policy": ({"when_full": "explode"}, "when_full must be"),
    "an unknown fsync": ({"spool_fsync": "maybe"}, "spool_fsync must be"),
    "no time": ({"request_timeout_s": 0}, "must be above 0"),
    "waiting for nobody": ({"when_full": "wait", "background": False}, "needs background=True"),
    "a context that is no JSON": ({"context": {"a": object()}}, "context cannot be made JSON"),
}


@pytest.mark.parametrize(("wrong", "words"), SETTINGS.values(), ids=SETTINGS)
def test_a_wrong_setting_is_raised_at_once(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError) as raised:
        Client(**{"url": "http://127.0.0.1:1", "write_key": "k", **wrong})
    assert words in str(raised.value)


@pytest.mark.parametrize("suffix", ["", "/", "/v1/events"])
def test_the_address_may_have_a_path(make_client: MakeClient, receiver: Receiver, suffix: str) -> None:
    client = make_client(f"{receiver.url}/under/here{suffix}")
    client.track("t")
    assert client.flush()
    assert receiver.calls[0].path == "/under/here/v1/events"
