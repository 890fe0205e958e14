"""The catalogue, a plan inferred from stored events, and a schema tried on them: asked of a real engine."""

import msgspec
import pytest

from trackway.control.pii import MASK, set_pii_rule
from trackway.control.plan_schemas import CompiledSchema, check_schema, compile_schema
from trackway.control.plans import change_plan, read_change
from trackway.query import catalogue
from trackway.query.catalogue import Budget, describe_catalogue, infer_plan
from trackway.query.events import find_events
from trackway.query.plans import try_schema
from trackway.query.questions import QuestionError
from trackway.testing.installation import Installation

NOW = 1_795_000_000_000
HOUR = 3_600_000
DAY = 24 * HOUR


def compile_draft(schema: object) -> CompiledSchema:
    return compile_schema(msgspec.json.encode(check_schema(schema)).decode())


def test_types_and_properties_are_told_with_counts_sources_and_times(installation: Installation) -> None:
    shop, blog = installation.add_source("shop"), installation.add_source("blog")
    installation.store_events(shop, [NOW - HOUR], event_type="purchase", properties={"price": 5, "coupon": None})
    installation.store_events(blog, [NOW - 2 * DAY], event_type="purchase", properties={"price": 2.5})
    installation.store_events(shop, [NOW - n for n in range(3)], event_type="page_view")
    installation.store_events(shop, [NOW - 8 * DAY], event_type="too_old")
    change = read_change({"event_type": "purchase", "mode": "mark", "schema": {"type": "object"}}, [])
    change_plan(installation.state, installation.workspace, [change], "me", NOW)
    found = describe_catalogue(installation.store, installation.state, installation.workspace, NOW)
    assert found["events"] == 5
    views, purchases = found["items"]
    assert (views["event_type"], views["events"], views["share"], views["properties"]) == ("page_view", 3, 0.6, [])
    assert (purchases["events"], purchases["sources"], purchases["sampled"]) == (2, ["blog", "shop"], 2)
    assert purchases["plan"] == [{"source": "", "mode": "mark", "version": 1}]
    assert purchases["first_seen"] < purchases["last_seen"]
    coupon, price = purchases["properties"]
    assert (coupon["path"], coupon["types"], coupon["share"]) == ("properties.coupon", {"null": 1.0}, 0.5)
    assert (price["types"], price["share"], price["example"]) == ({"integer": 0.5, "number": 0.5}, 1.0, "5")
    assert price["first_seen"] == purchases["first_seen"]


def test_examples_that_are_personal_are_masked_or_hidden(installation: Installation) -> None:
    shop = installation.add_source("shop")
    properties = {"to": "joe@example.com", "card": 4111111111111111, "who": {"name": "Joe"}, "size": "xl"}
    installation.store_events(shop, [NOW], event_type="signup", properties=properties)
    set_pii_rule(installation.state, installation.workspace, "properties.who", MASK, "me", NOW)
    [item] = describe_catalogue(installation.store, installation.state, installation.workspace, NOW)["items"]
    shown = {place["path"]: (place["example"], place["hidden"]) for place in item["properties"]}
    assert shown == {
        "properties.card": ("…1111", False),
        "properties.size": ("xl", False),
        "properties.to": ("j…@e….com", False),
        "properties.who": ("", True),
        "properties.who.name": ("", True),
    }


def test_a_sample_is_bounded_says_so_and_is_the_same_when_asked_again(installation: Installation) -> None:
    shop = installation.add_source("shop")
    for number in range(4):
        installation.store_events(shop, [NOW - n for n in range(100)], event_type="view", properties={"n": number})
    installation.store_events(shop, [NOW], event_type="rare", properties={"only": True})
    filters = catalogue.filter_events(NOW, 7, "", "")
    asked = (installation.store, installation.workspace, filters)
    rows = catalogue.list_types(*asked, 10)
    first, again = (catalogue.sample_types(*asked, rows, Budget(40, 1000, 10_000_000)) for _ in range(2))
    assert [each.row["events"] for each in first] == [400, 1]
    assert 10 < first[0].shape.seen <= 80
    assert first[1].shape.seen == 1
    assert [each.shape.seen for each in first] == [each.shape.seen for each in again]


def test_of_large_events_fewer_are_looked_at(installation: Installation) -> None:
    shop = installation.add_source("shop")
    installation.store_events(shop, [NOW - n for n in range(400)], event_type="large", properties={"text": "x" * 9000})
    installation.store_events(shop, [NOW - n for n in range(400)], event_type="small", properties={"text": "x"})
    filters = catalogue.filter_events(NOW, 7, "", "")
    asked = (installation.store, installation.workspace, filters)
    rows = catalogue.list_types(*asked, 10)
    large, small = catalogue.sample_types(*asked, rows, Budget(1000, 1000, 400_000))
    assert (large.event_type, small.event_type) == ("large", "small")
    assert 5 < large.shape.seen < 50
    assert small.shape.seen == 400


def test_types_come_in_pages_and_the_totals_count_all_of_them(installation: Installation) -> None:
    shop = installation.add_source("shop")
    for number in range(7):
        times = [NOW - n for n in range(1 + number // 2)]
        installation.store_events(shop, times, event_type=f"Made-up {number}", properties={"n": number})
    installation.store_events(shop, [NOW], event_type="view")
    asked = (installation.store, installation.state, installation.workspace, NOW)
    pages, cursor = [], ""
    while len(pages) < 10:
        page = describe_catalogue(*asked, limit=3, cursor=cursor)
        assert (page["types"], page["events"]) == (8, 17)
        pages.append([item["event_type"] for item in page["items"]])
        cursor = page["next"]
        if not cursor:
            break
    assert pages == [
        ["Made-up 6", "Made-up 4", "Made-up 5"],
        ["Made-up 2", "Made-up 3", "Made-up 0"],
        ["Made-up 1", "view"],
    ]
    found = describe_catalogue(*asked, search="made-UP", limit=1)
    assert (found["types"], found["events"], found["items"][0]["share"]) == (7, 16, 0.25)
    nothing = describe_catalogue(*asked, search="%")
    assert (nothing["types"], nothing["items"], nothing["next"]) == (0, [], None)


def test_what_is_in_a_hidden_place_is_hidden_and_what_is_named_alike_is_not() -> None:
    hidden = frozenset({"properties.who", "properties.a.b"})
    paths = ("properties.who", "properties.who.name", "properties.a.b.c", "properties.whose", "properties.a", "who")
    assert [catalogue.is_hidden(path, hidden) for path in paths] == [True, True, True, False, False, False]


def test_an_event_with_huge_properties_is_counted_and_not_looked_at(installation: Installation) -> None:
    shop = installation.add_source("shop")
    installation.store_events(shop, [NOW], event_type="big", properties={"text": "x" * 100_000})
    [item] = describe_catalogue(installation.store, installation.state, installation.workspace, NOW)["items"]
    assert (item["events"], item["sampled"], item["properties"]) == (1, 0, [])
    assert infer_plan(installation.store, installation.state, installation.workspace, NOW) == {"entries": []}


def test_a_plan_inferred_from_events_is_kept_by_them(installation: Installation) -> None:
    shop = installation.add_source("shop")
    for number in range(60):
        properties = {"price": number / 2, "currency": "EUR", "items": [{"sku": f"s{number}"}], "note": None}
        installation.store_events(shop, [NOW - number], event_type="purchase", properties=properties)
    asked = (installation.store, installation.state, installation.workspace, NOW)
    [entry] = infer_plan(*asked, event_type="purchase")["entries"]
    assert (entry["event_type"], entry["source"], entry["mode"]) == ("purchase", "", "observe")
    assert entry["schema"]["$comment"] == "Inferred from 60 of 60 events of the last 7 days"
    assert entry["schema"]["required"] == ["currency", "items", "note", "price"]
    assert infer_plan(*asked, source="shop")["entries"][0]["source"] == "shop"
    compiled = compile_draft(entry["schema"])
    tried = try_schema(
        installation.store, installation.workspace, NOW, compiled, days=7, event_type="purchase", source=""
    )
    assert (tried["events"], tried["checked"], tried["failed"]) == (60, 60, 0)


def test_a_schema_that_is_tried_says_how_many_break_it_where_and_by_which_event(installation: Installation) -> None:
    shop = installation.add_source("shop")
    good = installation.store_events(shop, [NOW], event_type="p", properties={"items": [{"n": 1}]})
    bad = installation.store_events(shop, [NOW - 1], event_type="p", properties={"items": [{"n": 1}, {"n": "x"}, {}]})
    schema = {"properties": {"items": {"items": {"properties": {"n": {"type": "integer"}}, "required": ["n"]}}}}
    found = try_schema(
        installation.store, installation.workspace, NOW, compile_draft(schema), days=1, event_type="p", source="shop"
    )
    assert (found["checked"], found["failed"]) == (2, 1)
    assert [(each["path"], each["keyword"], each["events"]) for each in found["violations"]] == [
        ("properties.items[].n", "required", 1),
        ("properties.items[].n", "type", 1),
    ]
    assert {each["example"] for each in found["violations"]} == {bad[0].event_id} != {good[0].event_id}


def test_the_list_of_events_can_show_those_that_break_the_plan(installation: Installation) -> None:
    shop = installation.add_source("shop")
    installation.store_events(shop, [NOW], plan_version=2)
    [broken] = installation.store_events(shop, [NOW - 1], plan_version=2, plan_errors="properties.x: is wrong")
    found = find_events(installation.store, installation.workspace, plan="broken")["items"]
    assert [(each["event_id"], each["plan_version"]) for each in found] == [(broken.event_id, 2)]
    with pytest.raises(QuestionError, match="plan must be broken"):
        find_events(installation.store, installation.workspace, plan="kept")


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"days": 0}, "days"),
        ({"days": 367}, "days"),
        ({"source": "\0"}, "source"),
        ({"search": "x" * 501}, "search"),
        ({"limit": 201}, "limit"),
        ({"cursor": "x"}, "cursor"),
    ],
)
def test_what_cannot_be_asked_is_refused(installation: Installation, asked: dict[str, object], field: str) -> None:
    with pytest.raises(QuestionError) as error:
        describe_catalogue(installation.store, installation.state, installation.workspace, NOW, **asked)  # type: ignore[arg-type]
    assert error.value.field == field
