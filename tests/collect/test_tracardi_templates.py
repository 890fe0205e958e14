"""Reshaping, mapping and conditions: what a source's settings make of an event, and what they refuse."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trackway.collect.tracardi_effects import Effects
from trackway.collect.tracardi_templates import join_effects, map_to_traits, reshape
from trackway.control.tracardi_conditions import WrongCondition, read_condition
from trackway.control.tracardi_templates import WrongTemplate, read_mapping, read_reshaping
from trackway.event import Source

EVENT = {
    "id": "e1",
    "type": "order-started",
    "properties": {"price": 12.5, "brand": "Nike", "sizes": [40, 41], "who": {"mail": "ann@example.com"}, "empty": ""},
    "context": {"page": {"url": "https://shop.example/"}},
}
PAYLOAD = {"source": {"id": "web"}, "context": {"ip": "local"}, "options": {}}
SESSION = {"id": "s1"}


def source(**settings: Any) -> Source:
    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in settings.items()}
    return Source(id="web", workspace="w", name="Web", protocol="tracardi", channel="web", settings=texts)


def record(schema: Any, event_type: str = "", condition: str = "", **more: Any) -> dict[str, Any]:
    return {"event_type": event_type, "reshaping": {"reshape_schema": schema, "condition": condition}, **more}


def reshaped(*records: Any) -> Any:
    return reshape(EVENT, PAYLOAD, SESSION, source(reshaping=list(records)))


def test_without_a_setting_an_event_stays_as_it_was() -> None:
    found = reshape(EVENT, PAYLOAD, SESSION, source())
    assert (found.properties, found.context, found.session) == (EVENT["properties"], EVENT["context"], None)


def test_accessors_copy_and_missing_ones_are_null_or_left_out() -> None:
    found = reshaped(
        record(
            {
                "properties": {
                    "amount": "event@properties.price",
                    "second": "event@properties.sizes.1",
                    "whole": "event@...",
                    "payload": "payload@context.ip",
                    "session": "session@id",
                    "missing": "event@properties.nothing",
                    "left_out?": "event@properties.nothing",
                    "there?": "event@properties.brand",
                    "fixed": "as it stands",
                    "list": ["event@type", 1, None],
                }
            }
        )
    )
    assert found.properties == {
        "amount": 12.5,
        "second": 41,
        "whole": EVENT,
        "payload": "local",
        "session": "s1",
        "missing": None,
        "there": "Nike",
        "fixed": "as it stands",
        "list": ["order-started", 1, None],
    }
    assert found.context == EVENT["context"]


def test_only_the_first_record_that_fits_applies() -> None:
    found = reshaped(
        record({"properties": {"by": "off"}}, enabled=False),
        record({"properties": {"by": "other type"}}, "page-view"),
        record({"properties": {"by": "other source"}}, event_source={"id": "app"}),
        record({"properties": {"by": "condition"}}, condition="event@properties.price > 100"),
        record({"context": {"by": "first"}, "session": {"kind": "event@type"}}, "Order Started"),
        record({"properties": {"by": "second"}}),
    )
    assert found.properties == EVENT["properties"]
    assert (found.context, found.session) == ({"by": "first"}, {"kind": "order-started"})


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("{", "is not JSON"),
        ([1], r"\[0\] must be an object"),
        ([{"event_type": "a"}], r"\[0\].reshaping must be an object"),
        ([record({})], "needs a template of properties, context or session"),
        ([record({"properties": {"a": "profile@data.contact"}})], r"properties.a: profile@ is not known when"),
        ([record({"properties": {"a": {"b": ["memory@x"]}}})], r"properties.a.b\[0\]: memory@ is not known"),
        ([record({"properties": {"a": 1}}, condition="price >")], r"reshaping.condition: 'price' is neither"),
        ([record({"profile": {"a": 1}})], "has no field 'profile'"),
        ([record({"properties": {"a": 1}}, evnt_type="x")], "has no field 'evnt_type'"),
        ("x" * 70_000, "70,000 characters"),
    ],
)
def test_a_reshaping_that_cannot_be_used_says_where_and_why(setting: Any, says: str) -> None:
    with pytest.raises(WrongTemplate, match=says):
        read_reshaping(setting if isinstance(setting, str) else json.dumps(setting))


def line(value: Any, target: str, op: int = 0, *, ref: bool = True, **more: Any) -> dict[str, Any]:
    return {"event": {"value": value, "ref": ref}, "op": op, "profile": {"value": target, "ref": True}, **more}


def mapped(*lines: Any, **record_fields: Any) -> Effects:
    records = [{"event_type": {"id": "order-started", "name": "Order"}, "event_to_profile": lines, **record_fields}]
    return map_to_traits(EVENT, PAYLOAD, SESSION, source(mapping=records))


def test_a_mapping_sets_fills_and_appends() -> None:
    found = mapped(
        line("properties.who.mail", "data.contact.email.main"),
        line("properties.brand", "traits.brand", 1),
        line("properties.brand", "data.preferences.brands", 2),
        line("gold", "traits.level", ref=False),
        line("payload@context.ip", "profile@aux.ip"),
        line("properties.nothing", "traits.nothing"),
        line("properties.empty", "traits.empty"),
        line("id", "ids"),
        line(True, "consents.newsletter", ref=False),
        line("properties.brand", "traits.cheap", condition="event@properties.price < 10"),
    )
    assert found.traits == {
        "data.contact.email.main": "ann@example.com",
        "brand": {"$set_once": "Nike"},
        "data.preferences.brands": ["Nike"],
        "level": "gold",
        "aux.ip": "local",
        "ids": ["e1"],
    }
    assert found.identifiers == {"email": ["ann@example.com"], "merge_key": ["e1"]}
    assert found.consent == {"newsletter": True}


def test_a_mapping_of_another_type_or_switched_off_says_nothing() -> None:
    said = line("properties.brand", "traits.brand")
    assert mapped(said, event_type="page-view") == Effects()
    assert mapped(said, enabled=False) == Effects()
    assert mapped(said, config={"condition": "session@id = 'other'"}) == Effects()
    assert mapped(said, event_type="").traits == {"brand": "Nike"}


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ([], "must be a list of mappings"),
        ([line("a", "id")], "must be a path of the profile below data, traits"),
        ([line("a", "data")], "must be a path of the profile"),
        ([line("a", "metadata.time.insert")], "must be a path of the profile"),
        ([line("a", "data.x", 3)], "op must be 0"),
        ([line("two words", "data.x")], "'two words' is no path of the event"),
        ([line("profile@data.x", "data.x")], "profile@ is not known when"),
        ([line(1, "data.x")], "must be a path of the event"),
        ([{"event": {"value": "a"}, "profil": {}}], "has no field 'profil'"),
    ],
)
def test_a_mapping_that_cannot_be_used_says_where_and_why(lines: Any, says: str) -> None:
    with pytest.raises(WrongTemplate, match=says):
        read_mapping(json.dumps([{"event_type": "a", "event_to_profile": lines}]))


def test_of_two_effects_on_one_trait_the_second_counts_and_identifiers_unite() -> None:
    joined = join_effects(
        Effects({"a": 1, "b": 1}, {"email": ["x@y.z"]}, {}, "awareness"), Effects({"a": 2}, {"email": ["q@y.z"]})
    )
    assert joined == Effects({"a": 2, "b": 1}, {"email": ["x@y.z", "q@y.z"]}, {}, "awareness")


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("event@properties.price = 12.5", True),
        ("event@properties.price == 12", False),
        ("event@properties.brand != 'Nike'", False),
        ("event@properties.nothing != 'Nike'", True),
        ("event@properties.price > 12 AND event@properties.price <= 12.5", True),
        ("event@properties.price >= 13 OR event@type = 'order-started'", True),
        ("(event@properties.price > 1 AND event@type = 'x') OR session@id EXISTS", True),
        ("event@properties.price between 10 and 13", True),
        ("event@properties.price BETWEEN 13 AND 20", False),
        ("event@properties.brand > 5", False),
        ("event@properties.brand STARTS WITH 'Ni'", True),
        ("event@properties.brand ENDS WITH 'ki'", False),
        ("event@properties.brand CONTAINS 'ik'", True),
        ("event@properties.sizes CONTAINS 41", True),
        ("event@properties.empty EMPTY", True),
        ("event@properties.sizes NOT EMPTY", True),
        ("event@properties.nothing IS NULL", True),
        ("event@properties.nothing IS NOT NULL", False),
        ("event@properties.nothing NOT EXISTS", True),
        ("event@properties.nothing = null", True),
        ("true = 1", False),
        ('payload@context.ip = "local"', True),
    ],
)
def test_a_condition_holds_or_not(text: str, holds: bool) -> None:
    assert read_condition(text)({"event": EVENT, "payload": PAYLOAD, "session": SESSION}) is holds


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "missing at the end"),
        ("event@a", "an operator is expected"),
        ("event@a =", "missing at the end"),
        ("event@a = 1 AND event@b = 2 OR event@c = 3", "do not mix"),
        ("(event@a = 1", "not closed"),
        ("event@a = 1 event@b = 2", "is more than a condition"),
        ("event@a = now()", "functions are not known"),
        ("event@a = Nike", "write texts in quotes"),
        ("profile@stats.visits > 1", "is not known when an event arrives"),
        ("event@a BETWEEN 1", "needs two values"),
        ("event@a ~ 1", "is no part of a condition"),
        ("(" * 40 + "true = true" + ")" * 40, "parentheses in one another"),
    ],
)
def test_what_is_no_condition_says_why(text: str, says: str) -> None:
    with pytest.raises(WrongCondition, match=says):
        read_condition(text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from(["event@...", "event@type", "a", "session@id.x"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b?", "c"]), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from("abc"), JSON, min_size=1), JSON)
def test_any_template_fits_any_event_and_makes_json_the_same_twice(template: Any, properties: Any) -> None:
    event = {"type": "x", "properties": {"p": properties}, "context": {}}
    setting = source(reshaping=[record({"properties": template})])
    made = reshape(event, {}, {}, setting)
    assert set(made.properties) == set(template)
    assert json.loads(json.dumps(made.properties)) == made.properties
    assert made == reshape(event, {}, {}, setting)


@given(st.text(alphabet="()=!<> ANDORevent@.x'\"10BETWNSLI", max_size=40))
def test_any_text_is_a_condition_or_is_refused_in_words(text: str) -> None:
    try:
        test = read_condition(text)
    except WrongCondition:
        return
    assert test({"event": EVENT, "payload": PAYLOAD, "session": SESSION}) in (True, False)
