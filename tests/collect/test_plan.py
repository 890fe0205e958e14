"""The tracking plan at the door: what it refuses, how the sender is told, and what is let in all the same."""

import time
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from trackway.collect.plan import check_plan
from trackway.collect.protocol import Parsed
from trackway.control.database import State, make_url
from trackway.control.plan_schemas import check_schema, compile_schema
from trackway.control.plans import InForce, Plan, PlanEntry, change_plan, end_entry, read_change
from trackway.control.workspaces import list_workspaces
from trackway.event import Event
from trackway.outcome import Reason, Refused, Rejection
from trackway.testing.server import Answer, TestServer

Source = dict[str, Any]
Stored = Callable[[Source], list[dict[str, Any]]]

PRICED = {"type": "object", "properties": {"price": {"type": "number", "minimum": 0}}, "required": ["price"]}


def make_plan(mode: str, schema: dict[str, Any] = PRICED, source: str = "") -> Plan:
    entry = PlanEntry(
        event_type="purchase", source=source, version=3, mode=mode, schema=schema, changed_by="me", changed_at=1
    )
    text = msgspec.json.encode(check_schema(schema)).decode()
    return Plan([InForce(entry, compile_schema(text))])


def make_event(number: int, **properties: Any) -> Event:
    return Event(
        event_id=f"01890000-0000-7000-8000-{number:012x}",
        workspace="main",
        source="shop",
        protocol="native",
        channel="server",
        trusted=True,
        event_type="purchase",
        occurred_at=1,
        received_at=1,
        properties=properties,
    )


@pytest.mark.parametrize(
    ("properties", "field", "words"),
    [
        ({"price": "free"}, "events[1].properties.price", 'the value is not of type "number"'),
        ({}, "events[1].properties.price", '"price" is a required property'),
        ({"price": -1}, "events[1].properties.price", "the value is less than the minimum of 0"),
    ],
)
def test_a_refusal_names_the_field_what_is_wrong_and_the_version(
    properties: dict[str, Any], field: str, words: str
) -> None:
    parsed = Parsed([make_event(0, price=1), make_event(1, **properties), make_event(2, price=2)])
    good, bad, also_good = check_plan(parsed, make_plan("reject")).items
    assert isinstance(good, Event)
    assert isinstance(also_good, Event)
    assert isinstance(bad, Rejection)
    assert (bad.reason, bad.status, bad.field, bad.index) == (Reason.PLAN_VIOLATION, 422, field, 1)
    assert words in bad.message
    assert "version 3 of the tracking plan's 'purchase'" in bad.message
    # A value may be personal, and what is told is kept.
    assert "free" not in bad.message


def test_a_single_event_is_named_without_its_place() -> None:
    [bad] = check_plan(Parsed([make_event(0)], single=True), make_plan("reject")).items
    assert isinstance(bad, Rejection)
    assert bad.field == "properties.price"


def test_where_all_or_nothing_one_event_refuses_the_whole_request() -> None:
    parsed = Parsed([make_event(0, price=1), make_event(1)], all_or_nothing=True)
    with pytest.raises(Refused) as refused:
        check_plan(parsed, make_plan("reject"))
    assert (refused.value.rejection.index, refused.value.rejection.reason) == (1, Reason.PLAN_VIOLATION)
    assert check_plan(parsed, make_plan("mark")).events == parsed.events


def test_mode_mark_warns_and_mode_observe_says_nothing() -> None:
    parsed = Parsed([make_event(0, price=1), make_event(1)])
    marked = check_plan(parsed, make_plan("mark"))
    assert marked.events == parsed.events
    assert list(marked.warnings) == [1]
    assert marked.warnings[1][0].startswith('properties.price: "price" is a required property')
    assert check_plan(parsed, make_plan("observe")) is parsed


def test_an_entry_of_a_source_counts_alone_for_it() -> None:
    of_shop = make_plan("reject", {"type": "object"}, source="shop")
    of_all = make_plan("reject")
    both = Plan([each for plan in (of_shop, of_all) if (each := plan.find("purchase", "shop"))])
    event = make_event(0)
    assert both.check(event) is None
    assert both.check(msgspec.structs.replace(event, source="other")) is not None


def test_text_that_is_no_unicode_breaks_the_plan_and_nothing_else() -> None:
    schema = {"properties": {"name": {"pattern": "^a"}}}
    [bad] = check_plan(Parsed([make_event(0, name="\ud800")], single=True), make_plan("reject", schema)).items
    assert isinstance(bad, Rejection)
    assert bad.field == "properties"


class Planner:
    """Changes the plan of a running server as the API does, and waits until every process follows."""

    def __init__(self, server: TestServer) -> None:
        self.state = State(make_url(server.data, ""))
        self.workspace = list_workspaces(self.state)[0].id

    def set(self, event_type: str, mode: str, schema: dict[str, Any], source: str = "") -> None:
        change = read_change({"event_type": event_type, "mode": mode, "schema": schema, "source": source}, [source])
        change_plan(self.state, self.workspace, [change], "tests", 1)
        time.sleep(1.2)


@pytest.fixture
def planner(server: TestServer) -> Any:
    made = Planner(server)
    yield made
    made.state.close()


def send(server: TestServer, source: Source, *events: dict[str, Any], query: str = "") -> Answer:
    return server.post(f"/v1/events{query}", list(events), next(iter(source["credentials"].values())))


def test_what_a_plan_refuses_is_not_stored_and_counts_as_rejected(
    server: TestServer, native: Source, stored: Stored, planner: Planner
) -> None:
    planner.set("plan_reject", "reject", PRICED, native["id"])
    events = [{"event_type": "plan_reject", "user_id": "u", "properties": {"price": price}} for price in (1, "x", 2)]
    checked = send(server, native, *events, query="?validate=1")
    answer = send(server, native, *events)
    for each in (checked, answer):
        good, bad, also_good = each.json["results"]
        assert (good["status"], also_good["status"]) == ("accepted", "accepted")
        assert (bad["status"], bad["field"]) == ("rejected", "events[1].properties.price")
        assert bad["reason"] == "plan_violation"
    assert [event["properties"] for event in stored(native)] == [{"price": 1}, {"price": 2}]
    assert [event["plan_version"] for event in stored(native)] == [1, 1]
    book = next(each for each in server.api("books")["sources"] if each["source"] == native["id"])
    assert (book["received"], book["rejected"]) == (2, {"plan_violation": 1})
    end_entry(planner.state, planner.workspace, "plan_reject", native["id"], "tests", 2)
    time.sleep(1.2)
    assert send(server, native, events[1]).json["results"][0]["status"] == "accepted"


def test_pact_words_a_refusal_by_the_plan_as_any_other(server: TestServer, pact: Source, planner: Planner) -> None:
    planner.set("plan_pact", "reject", PRICED, pact["id"])
    answer = server.post(
        "/v1/tracking/events", {"event_type": "plan_pact", "distinct_id": "d"}, pact["credentials"]["api_key"]
    )
    assert answer.status == 422
    [detail] = answer.json["detail"]
    assert (detail["loc"], detail["type"]) == (["body", "properties", "price"], "plan_violation")


def test_a_marked_event_is_stored_with_what_it_breaks_and_says_nothing_of_its_person(
    server: TestServer, native: Source, stored: Stored, planner: Planner
) -> None:
    planner.set("plan_mark", "mark", PRICED, native["id"])
    user = f"marked-{time.time_ns()}"
    good = {"event_type": "plan_mark", "user_id": user, "properties": {"price": 1}, "traits": {"city": "Köln"}}
    good |= {"account_id": user, "account_traits": {"size": 1}}
    bad = {"event_type": "plan_mark", "user_id": user, "properties": {}, "traits": {"city": "Rom", "size": 3}}
    bad |= {"account_id": user, "account_traits": {"size": 2, "city": "Rom"}}
    assert "tracking plan" in send(server, native, good, bad).json["results"][1]["warnings"][0]
    first, second = stored(native)
    assert (first["plan_version"], first["plan_errors"]) == (1, "")
    assert (second["plan_version"], second["plan_errors"]) == (1, 'properties.price: "price" is a required property')
    assert second["traits"] == {"city": "Rom", "size": 3}
    profile = server.api("profiles/lookup", kind="user_id", value=user)
    assert {trait["name"]: trait["value"] for trait in profile["traits"]} == {"city": "Köln"}
    account = server.api(f"accounts/{user}")
    assert {trait["name"]: trait["value"] for trait in account["traits"]} == {"size": 1}


def test_an_observed_event_is_stored_as_ever(
    server: TestServer, native: Source, stored: Stored, planner: Planner
) -> None:
    planner.set("plan_observe", "observe", PRICED, native["id"])
    assert "warnings" not in send(server, native, {"event_type": "plan_observe"}).json["results"][0]
    [event] = stored(native)
    assert (event["plan_version"], event["plan_errors"]) == (0, "")
