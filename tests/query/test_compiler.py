"""The compiler: every text it can make is in `golden/`, and no value is ever part of one."""

import os
import re
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from trackway.query.compiler import (
    COLUMNS_MARK,
    CURRENT_MARK,
    CURRENTS_MARK,
    FILTERS_MARK,
    MOVED_MARK,
    NUMBER_MARK,
    SESSIONS_MARK,
    Filter,
    compile_query,
    read_sql,
)
from trackway.query.events import find_events
from trackway.query.kpis import count_by_minute
from trackway.testing.installation import Installation

GOLDEN = Path(__file__).parent / "golden"
UPDATE = "TRACKWAY_UPDATE_GOLDEN"

FILES = sorted(file.name.removesuffix(".sql") for file in resources.files("trackway.query").joinpath("sql").iterdir())

MARKS = (COLUMNS_MARK, FILTERS_MARK, SESSIONS_MARK, CURRENT_MARK, CURRENTS_MARK, NUMBER_MARK, MOVED_MARK)
COMPOSED = [name for name in FILES if any(mark in read_sql(name) for mark in MARKS)]

CASES: dict[str, tuple[str, tuple[Filter, ...]]] = {
    **{name: (name, ()) for name in COMPOSED},
    **{f"list_events+{f.name.lower()}": ("list_events", (f,)) for f in Filter if f is not Filter.SETTLED},
    "list_events+all": ("list_events", tuple(f for f in Filter if f is not Filter.SETTLED)),
    "list_sessions+profile_keys": ("list_sessions", (Filter.PROFILE_KEYS,)),
    "count_by_minute+event_type": ("count_by_minute", (Filter.EVENT_TYPE,)),
    "count_stored_by_source+settled": ("count_stored_by_source", (Filter.SETTLED,)),
    "count_outcomes_by_source+settled": ("count_outcomes_by_source", (Filter.SETTLED,)),
    "count_stored_by_minute+settled": ("count_stored_by_minute", (Filter.SETTLED, Filter.RECEIVED_FROM)),
    "count_outcomes_by_minute+settled": ("count_outcomes_by_minute", (Filter.SETTLED, Filter.RECEIVED_FROM)),
}


@pytest.mark.parametrize("case", CASES)
def test_the_text_of_a_query_is_the_golden_one(case: str) -> None:
    name, filters = CASES[case]
    text = compile_query(name, {}, {f: {} for f in filters}).sql
    file = GOLDEN / f"{case}.sql"
    if os.environ.get(UPDATE):
        file.write_text(text)
    assert file.exists(), f"{file.name} is missing: look at the text, then run with {UPDATE}=1"
    assert text == file.read_text(), f"{case} has changed: look at the difference, then run with {UPDATE}=1"


@pytest.mark.parametrize("name", sorted(set(FILES) - set(COMPOSED)))
def test_a_query_without_marks_is_asked_as_it_stands(name: str) -> None:
    assert compile_query(name, {}).sql == read_sql(name)


def test_no_golden_file_is_left_over() -> None:
    assert {file.stem for file in GOLDEN.iterdir()} == set(CASES)


@pytest.mark.parametrize("name", FILES)
def test_every_query_says_at_its_head_what_it_answers_and_names_its_workspace(name: str) -> None:
    text = read_sql(name)
    head = text.splitlines()[0]
    assert head.startswith("-- ")
    assert len(head) > 20
    store_wide = {"newest_stored", "newest_marks"}
    assert (
        text.count("FROM events") + text.count("FROM outcomes") == text.count("workspace = {workspace:String}")
    ) != (name in store_wide)


@pytest.mark.parametrize("name", FILES)
def test_no_mark_is_left_in_a_compiled_query(name: str) -> None:
    text = compile_query(name, {}).sql
    assert [mark for mark in MARKS if mark in text] == []


def test_the_order_in_which_filters_are_asked_for_does_not_change_the_text() -> None:
    there: Mapping[Filter, Mapping[str, Any]] = {Filter.SOURCE: {"source": "a"}, Filter.EVENT_TYPE: {"event_type": "b"}}
    back = dict(reversed(there.items()))
    assert compile_query("list_events", {}, there).sql == compile_query("list_events", {}, back).sql


NOW = 1_795_000_000_000

HOSTILE = [
    "' OR 1=1 --",
    "\\' OR 1=1 -- ",
    "\\",
    "\\\\",
    "'",
    '"',
    "`",
    "\\`",
    "}",
    "{event_type:String}",
    "{workspace:String}",
    "%s",
    "%(workspace)s",
    "/* filters */",
    "*/",
    "--",
    ";DROP TABLE events",
    "\n",
    "\t",
    "\r\n",
    "\\n",
    "\\t",
    "\\N",
    "\u2028",
    "\ud7ff",
    "𝒳",
    "a" * 500,
    "NULL",
    "' UNION ALL SELECT * FROM system.one --",
    "$1",
    "?",
    "file('/etc/passwd')",
    "&database=system",
    "\x01\x1f\x7f",
]


def compile_with(value: str) -> str:
    filters: Mapping[Filter, Mapping[str, Any]] = {
        Filter.EVENT_TYPE: {"event_type": value},
        Filter.SOURCE: {"source": value},
    }
    return compile_query("list_events", {"workspace": value, "limit": 1}, filters).sql


@pytest.mark.parametrize("value", HOSTILE)
def test_a_value_never_becomes_part_of_the_text(value: str) -> None:
    assert compile_with(value) == compile_with("harmless")


def test_a_hostile_value_finds_exactly_the_event_that_has_it(installation: Installation) -> None:
    store, workspace = installation.store, installation.workspace
    source = installation.add_source("shop")
    stored = {value: installation.store_events(source, [NOW], event_type=value)[0].event_id for value in HOSTILE}
    for value, event_id in stored.items():
        (found,) = find_events(store, workspace, event_type=value)["items"]
        assert (found["event_id"], found["event_type"]) == (event_id, value)
        assert count_by_minute(store, workspace, NOW, 1, event_type=value)["items"][0]["events"] == 1
        assert find_events(store, workspace, source=value)["items"] == []
        assert find_events(store, value)["items"] == []


def test_parameters_are_all_named_and_typed() -> None:
    for name in FILES:
        for braces in re.findall(r"\{[^}]*\}", read_sql(name)):
            assert re.fullmatch(r"\{[a-z_]+:[A-Za-z0-9()']+\}", braces), (name, braces)
