"""The tracking plan in the relational state: versions, what a schema may be, and what is refused when it is set."""

import time
from typing import Any

import msgspec
import pytest

from trackway.control.database import State, read_version
from trackway.control.plan_schemas import (
    LONGEST_SCHEMA,
    MOST_SUBSCHEMAS,
    CompiledSchema,
    PlanError,
    check_schema,
    compile_schema,
)
from trackway.control.plans import (
    change_plan,
    end_entry,
    list_entries,
    list_versions,
    read_change,
    read_plans,
)
from trackway.event import Event

PRICED = {"type": "object", "properties": {"price": {"type": "number"}}, "required": ["price"]}


def make_event(**fields: Any) -> Event:
    given: dict[str, Any] = {
        "event_id": "01890000-0000-7000-8000-000000000000",
        "workspace": "w",
        "source": "shop",
        "protocol": "native",
        "channel": "server",
        "trusted": True,
        "event_type": "purchase",
        "occurred_at": 1,
        "received_at": 1,
    }
    return Event(**(given | fields))


def compile_draft(schema: object) -> CompiledSchema:
    return compile_schema(msgspec.json.encode(check_schema(schema)).decode())


def put(state: State, **said: Any) -> list[int]:
    """Versions that were made."""
    change = read_change({"event_type": "purchase", "schema": PRICED, **said}, ["shop"])
    return [entry.version for entry in change_plan(state, "w", [change], "me", 5)]


def test_versions_rise_with_each_change_and_none_is_lost(state: State) -> None:
    assert put(state) == [1]
    assert put(state) == []
    assert put(state, mode="reject") == [2]
    assert put(state, mode="reject", schema={"type": "object"}) == [3]
    assert put(state, source="shop") == [1]
    assert end_entry(state, "w", "purchase", "", "you", 9)
    assert not end_entry(state, "w", "purchase", "", "you", 9)
    assert put(state) == [5]
    told = [(entry.version, entry.mode, entry.changed_by) for entry in list_versions(state, "w", "purchase", "")]
    assert told == [
        (5, "observe", "me"),
        (4, "off", "you"),
        (3, "reject", "me"),
        (2, "reject", "me"),
        (1, "observe", "me"),
    ]
    assert [(entry.source, entry.version) for entry in list_entries(state, "w")] == [("", 5), ("shop", 1)]
    assert list_entries(state, "another workspace") == []


def test_every_change_tells_running_processes_and_no_change_does_not(state: State) -> None:
    before = read_version(state)
    put(state)
    assert read_version(state) == before + 1
    put(state)
    assert read_version(state) == before + 1


def test_what_is_in_force_is_compiled_and_what_ended_is_not(state: State) -> None:
    put(state, mode="mark")
    found = read_plans(state)["w"].find("purchase", "anyone")
    assert found is not None
    assert [each.path for each in found.compiled.check(make_event())] == ["properties.price"]
    end_entry(state, "w", "purchase", "", "me", 9)
    assert read_plans(state) == {}


def test_a_schema_of_another_version_of_the_library_stops_nobody(
    state: State, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    put(state)
    put(state, event_type="other", schema={"type": "object", "maxProperties": 3})
    with state.write() as connection:
        connection.exec_driver_sql(
            'UPDATE plans SET schema = \'{"event@properties": {"type": "gone"}}\' WHERE event_type = \'purchase\''
        )
    plan = read_plans(state)["w"]
    assert plan.find("purchase", "") is None
    assert plan.find("other", "") is not None
    assert "the plan of 'purchase' is not used" in caplog.text


def test_all_entries_are_put_in_force_or_none(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trackway.control.plans.MOST_ENTRIES", 2)
    changes = [read_change({"event_type": f"t{n}", "schema": PRICED}, []) for n in range(3)]
    with pytest.raises(PlanError, match="at most 2 entries"):
        change_plan(state, "w", changes, "me", 1)
    assert list_entries(state, "w") == []


CIRCLE = {"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}
DOUBLING = {
    "$defs": {
        "d0": {"type": "object"},
        **{f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n - 1}"}] * 2} for n in range(1, 40)},
    },
    "$ref": "#/$defs/d39",
}


def nest(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "object"}
    for _ in range(levels):
        schema = {"not": schema}
    return schema


@pytest.mark.parametrize(
    ("schema", "field", "words"),
    [
        pytest.param(None, "schema", "must be a JSON object", id="nothing"),
        pytest.param([], "schema", "must be a JSON object", id="a list"),
        pytest.param({"price": {"type": "number"}}, "schema", "says nothing that could be broken", id="no keyword"),
        pytest.param({"properties": {"a": {"type": "objekt"}}}, "schema.properties.a.type", "a type is", id="a type"),
        pytest.param({"properties": 3}, "schema.properties", 'not of type "object"', id="properties are a number"),
        pytest.param({"properties": {"a": 3}}, "schema.properties.a", "must be an object", id="a schema is a number"),
        pytest.param({"patternProperties": 3}, "schema.patternProperties", "not of type", id="patterns are a number"),
        pytest.param({"required": "a"}, "schema.required", 'not of type "array"', id="required is a text"),
        pytest.param({"$schema": "http://json-schema.org/draft-07/schema#", "type": "object"}, "schema.$schema", "dialect", id="draft 7"),
        pytest.param({"$schema": 5, "type": "object"}, "schema.$schema", "dialect", id="a dialect that is a number"),
        pytest.param({"properties": {"a": {"format": "emal"}}}, "schema.properties.a.format", "Unknown format", id="a format"),
        pytest.param({"properties": {"a": {"pattern": "(?=a)b"}}}, "schema.properties.a.pattern", "look-around", id="look-ahead"),
        pytest.param({"patternProperties": {"(a)\\1": True}}, "schema.patternProperties.(a)\\1", "back references", id="back reference"),
        pytest.param({"pattern": "a{1000}{1000}"}, "schema.pattern", "short", id="a pattern that grows"),
        pytest.param({"pattern": "a" * 501}, "schema.pattern", "at most 500", id="a long pattern"),
        pytest.param({"$ref": "http://169.254.169.254/"}, "schema.$ref", "nothing is fetched", id="the network"),
        pytest.param({"$ref": "file:///etc/passwd"}, "schema.$ref", "nothing is fetched", id="a file"),
        pytest.param({"$id": "http://a/b", "properties": {"a": {"$ref": "c"}}}, "schema.properties.a.$ref", "nothing is fetched", id="beside itself"),
        pytest.param({"properties": {"a": {"$id": "http://a/b", "$ref": "#/x"}}}, "schema.properties.a.$id", "$id", id="an id within"),
        pytest.param({"$ref": "#/$defs/nope"}, "schema.$ref", "there is no", id="nowhere"),
        pytest.param({"$ref": "#"}, "schema.$ref", "refers to itself", id="itself"),
        pytest.param({"$dynamicRef": "#a", "type": "object"}, "schema", "cannot be used", id="dynamic"),
        pytest.param({"event@properties": {"type": "object"}, "profile@traits": {}}, "schema", "no part", id="a part that is none"),
        pytest.param({"event@properties": 3}, "schema.event@properties", "must be a JSON object", id="a part that is a number"),
        pytest.param({"enum": ["x" * LONGEST_SCHEMA]}, "schema", "at most 100,000 bytes", id="too large"),
    ],
)  # fmt: skip
def test_a_schema_that_cannot_be_used_is_refused_with_what_and_where(schema: Any, field: str, words: str) -> None:
    with pytest.raises(PlanError) as error:
        read_change({"event_type": "t", "schema": schema}, [])
    assert error.value.field == field
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        (CIRCLE, "refers to itself"),
        (DOUBLING, f"more than {MOST_SUBSCHEMAS:,} subschemas"),
        (nest(40), "deeper than 32"),
        ({"anyOf": [{"type": "string"}] * MOST_SUBSCHEMAS}, "more than"),
        ({"items": {"anyOf": [{"type": "string"}] * (MOST_SUBSCHEMAS // 10)}}, "more than"),
        ({"allOf": [{"pattern": f"x{n}"} for n in range(MOST_SUBSCHEMAS // 10)]}, "more than"),
        ({"items": {"enum": [[n] for n in range(MOST_SUBSCHEMAS // 100)]}}, "more than"),
    ],
)
def test_a_schema_whose_time_has_no_bound_is_refused_at_once(schema: Any, words: str) -> None:
    begun = time.monotonic()
    with pytest.raises(PlanError, match=words):
        check_schema(schema)
    assert time.monotonic() - begun < 1


def test_a_pattern_takes_time_in_proportion_to_the_text() -> None:
    compiled = compile_draft({"properties": {"a": {"pattern": "^(a+)+$"}, "b": {"pattern": "(x|x|x)*y"}}})
    begun = time.monotonic()
    found = compiled.check(make_event(properties={"a": "a" * 200_000 + "!", "b": "x" * 200_000}))
    assert [each.path for each in found] == ["properties.a", "properties.b"]
    assert time.monotonic() - begun < 2


def test_a_reference_into_the_schema_works() -> None:
    item = {"type": "object", "required": ["sku"]}
    schema = {"$defs": {"an item": item}, "properties": {"items": {"items": {"$ref": "#/$defs/an%20item"}}}}
    found = compile_draft(schema).check(make_event(properties={"items": [{"sku": 1}, {}]}))
    assert [(each.path, each.place) for each in found] == [("properties.items[1].sku", "properties.items[].sku")]


def test_parts_of_an_event_have_schemas_of_their_own() -> None:
    compiled = compile_draft(
        {"event@context": {"required": ["page"]}, "event@traits": {"properties": {"age": {"type": "integer"}}}}
    )
    found = compiled.check(make_event(traits={"age": "x"}))
    assert [each.path for each in found] == ["context.page", "traits.age"]
    assert compiled.check(make_event(context={"page": {}}, traits={"age": 3})) == []


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ([], "entry"),
        ({"schema": PRICED}, "event_type"),
        ({"event_type": "x" * 201, "schema": PRICED}, "event_type"),
        ({"event_type": 3, "schema": PRICED}, "event_type"),
        ({"event_type": "t", "schema": PRICED, "mode": "warn"}, "mode"),
        ({"event_type": "t", "schema": PRICED, "mode": []}, "mode"),
        ({"event_type": "t", "schema": PRICED, "source": "unknown"}, "source"),
        ({"event_type": "t", "schema": PRICED, "source": ["shop"]}, "source"),
        ({"event_type": "t", "schema": PRICED, "shema": {}}, "shema"),
    ],
)
def test_an_entry_that_cannot_be_used_names_the_field(said: Any, field: str) -> None:
    with pytest.raises(PlanError) as error:
        read_change(said, ["shop"])
    assert error.value.field == field
    with pytest.raises(PlanError) as error:
        read_change(said, ["shop"], "entries[2].")
    assert error.value.field == (f"entries[2].{field}" if field != "entry" else "entries[2]")


WORST = {
    "patterns of a long text": (
        {"properties": {"a": {"allOf": [{"not": {"pattern": f"{n}(x|y)*z"}} for n in range(160)]}}},
        {"a": "xy" * 480_000},
    ),
    "patterns of many items": (
        {"properties": {"a": {"items": {"anyOf": [*({"pattern": f"{n}z$"} for n in range(17)), {"type": "string"}]}}}},
        {"a": ["abcdefg"] * 95_000},
    ),
    "types of many items": (
        {"properties": {"a": {"items": {"anyOf": [*[{"type": "integer"}] * 190, {"type": "string"}]}}}},
        {"a": ["a"] * 190_000},
    ),
    "lists compared with lists": (
        {"properties": {"a": {"items": {"enum": [[n, n] for n in range(19)]}}}},
        {"a": [[18, 18]] * 100_000},
    ),
}


@pytest.mark.parametrize("case", WORST)
def test_the_worst_schema_that_can_be_set_checks_the_worst_event_in_a_bounded_time(case: str) -> None:
    schema, properties = WORST[case]
    compiled = compile_draft(schema)
    event = make_event(properties=properties)
    begun = time.process_time()
    assert compiled.check(event) == []
    assert time.process_time() - begun < 2
