"""The stage that compares events with the tracking plan, and how what they break is counted."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import select

from trackway.control.database import State, migrate_state
from trackway.control.plan_schemas import check_schema, compile_schema
from trackway.control.plan_tables import PLAN_VIOLATIONS
from trackway.control.plans import InForce, Plan, PlanEntry
from trackway.control.sources import OWN_SOURCE
from trackway.pipeline.plan import ELSEWHERE, FILLS, MOST_PLACES, PlanWatch, check_plan

PRICED = {"type": "object", "properties": {"price": {"type": "number"}}, "required": ["price"]}


def make_plan(mode: str, schema: dict[str, Any] = PRICED, version: int = 3) -> Plan:
    entry = PlanEntry(
        event_type="purchase", source="", version=version, mode=mode, schema=schema, changed_by="me", changed_at=1
    )
    return Plan([InForce(entry, compile_schema(msgspec.json.encode(check_schema(schema)).decode()))])


@pytest.fixture
def state(tmp_path: Path):
    made = State(f"sqlite:///{tmp_path / 'state.db'}")
    migrate_state(made)
    yield made
    made.close()


def read_counts(state: State) -> list[tuple[str, str, str, int, str]]:
    t = PLAN_VIOLATIONS.c
    with state.read() as connection:
        return [tuple(row) for row in connection.execute(select(t.source, t.path, t.keyword, t.seen, t.example))]  # type: ignore[misc]


def write(state: State, watch: PlanWatch) -> None:
    with state.write() as connection:
        watch.write(connection)


@pytest.mark.parametrize("mode", ["mark", "reject"])
def test_an_event_is_marked_with_the_version_and_with_what_it_breaks(make_event, make_desk, mode: str) -> None:
    desk = make_desk(plan=make_plan(mode), watch=PlanWatch())
    bad = check_plan(make_event(event_type="purchase", properties={"price": "x"}), desk)
    assert (bad.plan_version, bad.plan_errors) == (3, 'properties.price: the value is not of type "number"')
    good = check_plan(make_event(event_type="purchase", properties={"price": 1}), desk)
    assert (good.plan_version, good.plan_errors) == (3, "")
    assert FILLS == ("plan_version", "plan_errors")
    # A second look at the same row changes nothing.
    assert check_plan(bad, desk) == bad


def test_what_is_not_planned_is_left_alone(make_event, make_desk) -> None:
    desk = make_desk(plan=make_plan("mark"), watch=PlanWatch())
    for event in (make_event(event_type="other"), make_event(event_type="purchase", source=OWN_SOURCE)):
        assert check_plan(event, desk) is event
    event = make_event(event_type="purchase")
    assert check_plan(event, make_desk()) is event


def test_mode_observe_counts_and_changes_nothing(make_event, make_desk, state: State) -> None:
    watch = PlanWatch()
    desk = make_desk(plan=make_plan("observe"), watch=watch)
    event = make_event(event_type="purchase")
    assert check_plan(event, desk) is event
    write(state, watch)
    assert read_counts(state) == [("web-1", "properties.price", "required", 1, event.event_id)]


def test_counts_add_up_over_batches_and_name_the_last_event(make_event, make_desk, state: State) -> None:
    ids = [f"01890000-0000-7000-8000-{number:012x}" for number in range(5)]
    for batch in (ids[:2], ids[2:]):
        watch = PlanWatch()
        for number, event_id in enumerate(batch):
            event = make_event(event_id=event_id, event_type="purchase", properties={"price": [number]})
            check_plan(event, make_desk(plan=make_plan("mark"), watch=watch))
        write(state, watch)
    assert read_counts(state) == [("web-1", "properties.price", "type", 5, ids[-1])]


def test_places_in_lists_count_as_one_and_an_event_once(make_event, make_desk, state: State) -> None:
    schema = {"properties": {"items": {"items": {"type": "string"}}}}
    watch = PlanWatch()
    event = make_event(event_type="purchase", properties={"items": [1, 2, 3]})
    marked = check_plan(event, make_desk(plan=make_plan("mark", schema), watch=watch))
    assert "properties.items[2]: " in marked.plan_errors
    write(state, watch)
    assert [row[1:4] for row in read_counts(state)] == [("properties.items[]", "type", 1)]


def test_names_that_senders_make_up_fill_no_table(make_event, make_desk, state: State) -> None:
    # Every map of a sender may hold names that were never seen.
    schema = {"additionalProperties": {"type": "string"}}
    desk_plan = make_plan("observe", schema)
    for batch in range(3):
        watch = PlanWatch()
        for number in range(150):
            name = f"n{batch}-{number}"
            check_plan(make_event(event_type="purchase", properties={name: 1}), make_desk(plan=desk_plan, watch=watch))
        write(state, watch)
    counts = read_counts(state)
    assert len(counts) <= MOST_PLACES + 1
    assert sum(row[3] for row in counts) == 450
    assert [row[3] for row in counts if row[1] == ELSEWHERE] == [250]


def test_a_surplus_property_counts_under_the_object_around_it(make_event, make_desk, state: State) -> None:
    watch = PlanWatch()
    schema = {"properties": {"a": {}}, "additionalProperties": False}
    event = make_event(event_type="purchase", properties={"b": 1})
    marked = check_plan(event, make_desk(plan=make_plan("mark", schema), watch=watch))
    assert marked.plan_errors.startswith("properties.b: Additional properties are not allowed")
    write(state, watch)
    assert [row[1:3] for row in read_counts(state)] == [("properties", "additionalProperties")]


def test_counts_hold_no_name_that_looks_personal(make_event, make_desk, state: State) -> None:
    watch = PlanWatch()
    schema = {"properties": {"by": {"additionalProperties": {"type": "string"}}}, "additionalProperties": False}
    desk = make_desk(plan=make_plan("observe", schema), watch=watch)
    check_plan(make_event(event_type="purchase", properties={"joe@example.com": 1}), desk)
    check_plan(make_event(event_type="purchase", properties={"by": {"jane@example.com": 1}}), desk)
    marking = make_desk(plan=make_plan("mark", schema), watch=PlanWatch())
    marked = check_plan(make_event(event_type="purchase", properties={"by": {"jane@example.com": 1}}), marking)
    assert marked.plan_errors == "elsewhere: a name looks like personal data and is not told"
    write(state, watch)
    with state.read() as connection:
        rows = [tuple(row) for row in connection.execute(select(PLAN_VIOLATIONS))]
    assert len(rows) == 2
    assert "@" not in repr(rows)
