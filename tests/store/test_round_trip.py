"""What is inserted comes back: every field, every text, every JSON shape."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trackway.event import Event, Row
from trackway.outcome import Outcome, Reason
from trackway.store.client import EventStore, StoreRefused
from trackway.store.rows import EVENT_SELECT, PLAIN_FIELDS, TIME_FIELDS, OutcomeRow, make_event

STORED_AT = 1_763_700_000_500


def read_events(store: EventStore, segment: int) -> list[Event]:
    rows = store.select(
        f"SELECT {EVENT_SELECT} FROM events WHERE log_segment = {{segment:UInt64}} ORDER BY log_record, log_index",
        {"segment": segment},
    )
    return [make_event(row) for row in rows]


def fill_every_field() -> dict[str, Any]:
    """A value for each field that differs from every other field's and from the default."""
    texts = {name: f"{name} ü 'q' \\ \t\n\0 😀" for name in PLAIN_FIELDS}
    chosen = {
        "event_id": "019aa4c1-9d00-7abc-8def-0123456789ab",
        "channel": "mobile",
        "time_rule": "corrected",
        "trusted": True,
        "properties": {"plan": "pro"},
        "context": {"screen": {"width": 1920}},
        "identifiers": {"email": ["a@example.com"]},
        "traits": {"plan": "pro"},
        "account_traits": {"seats": 3},
        "consent": {"analytics": "granted"},
        "profile_key": "25f1c778-f0f0-88e0-a9d5-f6dd1bb67312",
        "profile_id": "01f1c778-f0f0-88e0-a9d5-f6dd1bb67312",
        "revenue": 123_456_789_012,
        "plan_version": 4_000_000_000,
    }
    times = {name: 1_700_000_000_123 + number for number, name in enumerate(TIME_FIELDS)}
    return {**texts, **chosen, **times, "dedupe_scope": "workspace"}


def test_every_field_of_an_event_comes_back(store: EventStore, segment: int, make_row: Any) -> None:
    row = make_row(segment, 7, 3, **fill_every_field())
    store.insert_events([row], STORED_AT)
    assert read_events(store, segment) == [row.event]
    (found,) = store.select(
        "SELECT log_record, log_index, toUnixTimestamp64Milli(stored_at) AS stored_at FROM events "
        "WHERE log_segment = {segment:UInt64}",
        {"segment": segment},
    )
    assert found == {"log_record": 7, "log_index": 3, "stored_at": STORED_AT}


def test_an_event_with_nothing_but_its_required_fields_comes_back(
    store: EventStore, segment: int, make_row: Any
) -> None:
    row = make_row(segment, 0)
    store.insert_events([row], STORED_AT)
    assert read_events(store, segment) == [row.event]


@pytest.mark.parametrize("moment", [0, 1, 999, 1_763_700_000_001, 4_102_444_800_000, 9_000_000_000_000])
def test_times_keep_their_millisecond(store: EventStore, segment: int, make_row: Any, moment: int) -> None:
    row = make_row(segment, 0, occurred_at=moment, sent_at=moment)
    store.insert_events([row], STORED_AT)
    (event,) = read_events(store, segment)
    assert (event.occurred_at, event.sent_at) == (moment, moment)


def test_every_field_of_an_outcome_comes_back(store: EventStore, segment: int, make_row: Any) -> None:
    place = make_row(segment, 5, 2).place
    outcome = OutcomeRow(
        event_id="019aa4c1-9d00-7abc-8def-0123456789ab",
        workspace="main",
        source="shop",
        protocol="pact",
        outcome=Outcome.DUPLICATE,
        reason=Reason.TRANSPORT_KEY,
        event_type="purchase",
        received_at=1_763_700_000_123,
        place=place,
        first_event_id="019aa4c1-9d00-7abc-8def-000000000000",
        detail="same dedupe_key",
    )
    store.insert_outcomes([outcome], STORED_AT)
    (found,) = store.select(
        "SELECT toString(event_id) AS event_id, workspace, source, protocol, outcome, reason, event_type, "
        "toUnixTimestamp64Milli(received_at) AS received_at, first_event_id, detail, log_record, log_index "
        "FROM outcomes WHERE log_segment = {segment:UInt64}",
        {"segment": segment},
    )
    expected = {name: getattr(outcome, name) for name in found if not name.startswith("log_")}
    assert found == {**expected, "log_record": 5, "log_index": 2}


HARD_OBJECTS: dict[str, dict[str, Any]] = {
    "nothing": {},
    "null": {"a": None},
    "empty key": {"": 1},
    "empty keys nested": {"": {"": {"": 1}}},
    "dotted key beside nested": {"a": {"b": 1}, "a.b": 2},
    "escaped dot beside dot": {"x%2Ey": 1, "x.y": 2},
    "escaped dot, dot and nested": {"x%2Ey": 1, "x.y": 2, "x": {"y": 3}},
    "dots alone": {".": 1, "..": 2, ".a": 3, "a.": 4},
    "value beside object of one path": {"a": [1, "x", None, {"b": 1}, [1, [2]], True, 1.5]},
    "integers at the edges": {"most": 2**63 - 1, "least": -(2**63)},
    "integers beyond 64 bits": {"unsigned": 2**64 - 1, "longer": 2**70},
    "floats at the edges": {"large": 1e308, "largest": 1.7976931348623157e308, "small": 5e-324, "minus": -0.0},
    "date-like texts": {"d": "2026-01-01", "t": "2026-01-01T10:00:00Z", "n": "9999-99-99"},
    "texts that look like numbers": {"a": "1e400", "b": "NaN", "c": "0x1", "d": "null"},
    "NUL and controls": {"a\0b": "c\0d", "\n": "\t\r\x1b"},
    "type syntax in keys": {"a:Int64": 1, ".:`Array(JSON)`": 2, "^a": 3, "a[]": 4, "`": 5},
    "twenty thousand keys": {f"key{number}": number for number in range(20_000)},
    "many keys nested in a list": {"list": [{f"key{number}": number} for number in range(2_000)]},
    "a long key": {"k" * 100_000: 1},
    "a long text": {"text": "x" * 900_000},
    "a long list": {"list": list(range(50_000))},
    "lists in lists": {"a": [[[{"b": [{"c": [1, {"d": 2}]}]}]]]},
    "empty containers": {"a": [], "b": [[]], "c": [{}], "d": {}},
}


def nest(depth: int, as_list: bool) -> dict[str, Any]:
    value: Any = 1
    for _ in range(depth - 1):
        value = [value] if as_list else {"deeper": value}
    return {"deep": value}


HARD_OBJECTS["64 deep objects"] = nest(64, as_list=False)
HARD_OBJECTS["64 deep lists"] = nest(64, as_list=True)


@pytest.mark.parametrize("name", HARD_OBJECTS)
def test_an_object_comes_back_exactly_as_its_text(store: EventStore, segment: int, make_row: Any, name: str) -> None:
    value = HARD_OBJECTS[name]
    rows = [make_row(segment, 0), make_row(segment, 1, properties=value, context=value), make_row(segment, 2)]
    store.insert_events(rows, STORED_AT)
    found = store.select(
        "SELECT properties_text, context_text FROM events WHERE log_segment = {segment:UInt64} ORDER BY log_record",
        {"segment": segment},
    )
    text = msgspec.json.encode(value).decode()
    assert [row["properties_text"] for row in found] == ["{}", text, "{}"]
    assert [row["context_text"] for row in found] == ["{}", text, "{}"]


def test_properties_can_be_asked_by_path(store: EventStore, segment: int, make_row: Any) -> None:
    value = {"plan": "pro", "cart": {"total": 12.5, "items": [{"sku": "a"}, {"sku": "b"}]}, "count": 3, "a.b": "dotted"}
    store.insert_events([make_row(segment, 0, properties=value)], STORED_AT)
    (found,) = store.select(
        "SELECT properties.plan::String AS plan, properties.cart.total::Float64 AS total, "
        "properties.count::Int64 AS count, properties.`a%2Eb`::String AS dotted, "
        "toString(properties.cart.items[].sku) AS skus FROM events WHERE log_segment = {segment:UInt64}",
        {"segment": segment},
    )
    assert found == {"plan": "pro", "total": 12.5, "count": 3, "dotted": "dotted", "skus": "['a','b']"}


def test_a_text_that_looks_like_a_date_stays_as_it_was(store: EventStore, segment: int, make_row: Any) -> None:
    store.insert_events([make_row(segment, 0, properties={"day": "2026-01-01T10:00:00Z"})], STORED_AT)
    (found,) = store.select(
        "SELECT properties.day::String AS day, dynamicType(properties.day) AS kind "
        "FROM events WHERE log_segment = {segment:UInt64}",
        {"segment": segment},
    )
    assert found == {"day": "2026-01-01T10:00:00Z", "kind": "String"}


def test_each_of_very_many_paths_can_be_asked(store: EventStore, segment: int, make_row: Any) -> None:
    rows = [make_row(segment, record, properties={f"own{record}": record}) for record in range(300)]
    store.insert_events(rows, STORED_AT)
    for record in (0, 150, 299):
        (found,) = store.select(
            f"SELECT count() AS n FROM events WHERE log_segment = {{segment:UInt64}} AND properties.own{record} = {record}",
            {"segment": segment},
        )
        assert found["n"] == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"title": "\ud800"},
        {"properties": {"a": "\udfff"}},
        {"received_at": 2**70},
        {"event_id": "no uuid"},
    ],
    ids=["lone surrogate", "lone surrogate in properties", "time beyond 64 bits", "no uuid"],
)
def test_a_row_that_cannot_be_stored_is_refused_with_all_its_batch(
    store: EventStore, segment: int, make_row: Any, fields: dict[str, Any]
) -> None:
    with pytest.raises(StoreRefused):
        store.insert_events([make_row(segment, 0), make_row(segment, 1, **fields)], STORED_AT)
    assert store.places_present("events", segment, 0) == set()


keys = st.sampled_from(["a", "b", "", ".", "a.b", "a%2Eb", "%", "null", "[]", "^", "`", "\0", "é", "a\tb"]) | st.text(
    st.characters(codec="utf-8"), max_size=6
)
leaves = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"), max_size=8)
    | st.sampled_from(["2026-01-01", "1", "true", "{}", "61f0c404-5cb3-11e7-907b-a6006ad3dba0", "::1"])
)
objects = st.dictionaries(
    keys,
    st.recursive(leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4)),
    max_size=6,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batch=st.lists(objects, min_size=1, max_size=20))
def test_any_decoded_json_object_can_be_stored(
    store: EventStore, segments: Any, make_row: Any, batch: list[dict[str, Any]]
) -> None:
    segment = next(segments)
    rows: list[Row] = [make_row(segment, record, properties=value) for record, value in enumerate(batch)]
    store.insert_events(rows, STORED_AT)
    assert json.dumps([event.properties for event in read_events(store, segment)]) == json.dumps(batch)
