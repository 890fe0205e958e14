"""What an inferred schema says: everything it was shown keeps it, whatever that was, and it says no more than it can know."""

import json
from typing import Any

import jsonschema_rs
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trackway.control.plan_schemas import check_schema, compile_schema
from trackway.query.shapes import MOST_NAMES, MOST_PLACES, Places, Shape, list_places, make_schema


def shape_of(*values: dict[str, Any]) -> Shape:
    shape = Shape(Places())
    for number, value in enumerate(values):
        shape.add(value, 1_000 + number)
    return shape


def infer(*values: dict[str, Any]) -> dict[str, Any]:
    return make_schema(shape_of(*values))


TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
FORMATTED = st.sampled_from(
    ["2026-01-31", "2026-01-31T10:00:00Z", "joe@example.com", "https://example.com/a", "a:b", ""]
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS
    | FORMATTED
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4), max_leaves=12
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.dictionaries(st.sampled_from("abc") | TEXTS, VALUES, max_size=5), min_size=1, max_size=12))
def test_every_event_keeps_the_schema_that_was_inferred_from_it(events: list[dict[str, Any]]) -> None:
    schema = infer(*events)
    check_schema(schema)
    validator = jsonschema_rs.Draft202012Validator(schema, validate_formats=True)
    # As the store gives them back.
    for event in msgspec.json.decode(msgspec.json.encode(events)):
        assert validator.is_valid(event), (schema, event)


def test_what_was_always_there_is_required_and_what_was_not_is_not() -> None:
    schema = infer({"price": 1, "coupon": "X"}, {"price": 2.5})
    assert schema == {
        "type": "object",
        "properties": {"coupon": {"type": "string"}, "price": {"type": "number"}},
        "required": ["price"],
    }


def test_few_texts_seen_often_are_the_only_ones() -> None:
    events = [{"currency": "EUR" if n % 3 else "USD", "sku": f"s{n}"} for n in range(60)]
    properties = infer(*events)["properties"]
    assert properties["currency"] == {"type": "string", "enum": ["EUR", "USD"]}
    assert properties["sku"] == {"type": "string"}
    # Of too few events nothing of the kind can be known.
    assert "enum" not in infer(*events[:30])["properties"]["currency"]


def test_a_list_of_values_never_holds_what_looks_personal() -> None:
    schema = infer(*[{"by": f"mail joe{n % 2}@example.com now"} for n in range(200)])
    assert schema["properties"]["by"] == {"type": "string"}


@pytest.mark.parametrize(
    ("value", "format"),
    [
        ("2026-01-31T10:00:00Z", "date-time"),
        ("2026-01-31", "date"),
        ("joe@example.com", "email"),
        ("https://example.com/a?b=c", "uri"),
        ("01890000-0000-7000-8000-000000000000", "uuid"),
        ("size:xl", ""),
    ],
)
def test_a_format_is_one_that_all_texts_keep(value: str, format: str) -> None:
    assert infer(*[{"x": value}] * 6)["properties"]["x"].get("format", "") == format
    assert "format" not in infer(*[{"x": value}] * 6, {"x": "something else"})["properties"]["x"]


def test_an_object_with_names_without_end_is_a_map() -> None:
    shape = shape_of(*[{"by_id": {f"id{n}-{i}": 1 for i in range(10)}} for n in range(30)])
    assert "properties" not in make_schema(shape)["properties"]["by_id"]


WIDE = {
    "objects": {f"n{n}": {f"m{i}": 1 for i in range(MOST_NAMES)} for n in range(MOST_NAMES)},
    "lists": {"items": [{f"n{n}": [{f"m{i}": 1 for i in range(MOST_NAMES)}]} for n in range(MOST_NAMES)]},
    "long names": {f"{n}" + "x" * 98: {"y" * 101: 1} for n in range(MOST_NAMES)},
    "names that grow when written": {
        "\x01" * 90 + str(n): {f"{i}" + "\x01" * 90: None for i in range(9)} for n in range(90)
    },
    "many levels": json.loads('{"a":' * 60 + "1" + "}" * 60),
    "many lists": json.loads('{"a":' + "[" * 60 + "1" + "]" * 60 + "}"),
}


@pytest.mark.parametrize("kind", WIDE)
def test_whatever_was_sent_what_is_inferred_has_a_bound_and_can_be_set(kind: str) -> None:
    shape = shape_of(*[WIDE[kind]] * 3)
    assert len(list(list_places(shape))) <= MOST_PLACES
    check_schema(make_schema(shape, enums=False))


def test_of_what_rules_hide_nothing_is_said() -> None:
    schema = make_schema(shape_of({"phone": "[masked]", "x": 1}), {"properties.phone"})
    assert schema["properties"]["phone"] == {}
    assert schema["required"] == ["x"]


def test_places_are_named_as_a_path_and_as_rules_write_it() -> None:
    shape = shape_of({"items": [{"sku": "a", "of": [{"b.c": 1}]}], "tags": ["x"]})
    assert [(place.path, place.rule_path) for place in list_places(shape)] == [
        ("properties.items", "properties.items"),
        ("properties.items[].of", "properties.items.of"),
        ("properties.items[].of[].b.c", "properties.items.of.b.c"),
        ("properties.items[].sku", "properties.items.sku"),
        ("properties.tags", "properties.tags"),
    ]


def test_an_inferred_schema_can_be_set_as_it_is() -> None:
    schema = check_schema(infer({"a": 1, "items": [{"sku": "x"}]}))
    assert compile_schema(msgspec.json.encode(schema).decode()) is not None
