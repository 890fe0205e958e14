"""Puts queries together: a `.sql` file, plus filters of a closed set. Nowhere else is SQL composed.

Station 5 of the road, between plan and run. A value never becomes part of the text: it travels as
a named ClickHouse parameter. `tests/query/golden/` shows every text that can come out.

A file may hold these marks: `/* sessions */` becomes the query `sql/sessions.sql`, `/* event columns */`
the columns of an `Event`, `/* filters */` the chosen filters, each as `AND …` on a line of its own, and
`/* current profile */` the profile that a row's `profile_key` belongs to now, which needs
`/* with current profiles */` behind the FROM; `/* person number */` a number for the same, which needs
`/* moved profiles */` in the WITH.
"""

from collections.abc import Mapping
from enum import Enum
from functools import cache
from importlib import resources
from typing import Any

from msgspec import Struct

from trackway.event import Event
from trackway.store.client import EventStore
from trackway.store.rows import MONEY_FIELDS, OBJECT_FIELDS, PROFILE_FIELDS

# A question that takes longer is ended by the engine; nobody waits for its answer any more.
SETTINGS = {"max_execution_time": 20}

TIMES = ("occurred_at", "sent_at", "received_at")
OBJECTS = OBJECT_FIELDS

COLUMNS_MARK = "/* event columns */"
FILTERS_MARK = "/* filters */"
SESSIONS_MARK = "/* sessions */"
CURRENT_MARK = "/* current profile */"
CURRENTS_MARK = "/* with current profiles */"

# The one place that says how rows find the profile they belong to now (docs/reference/store.md, "People").
CURRENT = "if(current_id = toUUID('00000000-0000-0000-0000-000000000000'), profile_id, current_id)"
CURRENTS = """LEFT ANY JOIN (
        SELECT profile_key, argMax(profile_id, version) AS current_id
        FROM profile_overrides
        WHERE workspace = {workspace:String}
        GROUP BY profile_key
    ) AS overrides USING (profile_key)"""


# A number that stands for the person an event belongs to now, for counting people and cutting their
# events: as cheap as the column itself, where a join costs 1.4 times as much (benchmarks/identity_overrides.py).
# It is 64 bits of a hash: of ten million people two meet with a chance of one in 400,000.
NUMBER_MARK = "/* person number */"
MOVED_MARK = "/* moved profiles */"
NUMBER = """if(
    profile_key = toUUID('00000000-0000-0000-0000-000000000000'),
    cityHash64(visitor_key),
    transform(reinterpretAsUInt64(profile_key), moved.1, moved.2, cityHash64(profile_id))
)"""
# One subquery for both lists: two could see different states of the table.
MOVED = """(
    SELECT (groupArray(reinterpretAsUInt64(profile_key)), groupArray(cityHash64(current_id)))
    FROM (
        SELECT profile_key, argMax(profile_id, version) AS current_id
        FROM profile_overrides
        WHERE workspace = {workspace:String}
        GROUP BY profile_key
    )
) AS moved"""


# Where keys are named, they are whose they are named to be: the map, which takes a tenth of a second to build, stays empty.
MOVED_UNNAMED_MARK = "/* moved profiles, unless keys are named */"
MOVED_UNNAMED = MOVED.replace("{workspace:String}\n", "{workspace:String} AND empty({keys:Array(UUID)})\n")


class Filter(Enum):
    """Every condition a question may add. A parameter of a filter has a name of its own."""

    EVENT_TYPE = "event_type = {event_type:String}"
    TYPE_HAS = "positionCaseInsensitiveUTF8(event_type, {type_part:String}) > 0"
    SOURCE = "source = {source:String}"
    BREAKS_PLAN = "plan_errors != ''"
    PROFILE_KEYS = "profile_key IN {keys:Array(UUID)}"
    # An account's events: those that name it, and those of the people who were seen with it.
    ACCOUNT = "(account_id = {account:String} OR profile_key IN {keys:Array(UUID)})"
    OCCURRED_FROM = "occurred_at >= fromUnixTimestamp64Milli({occurred_from:Int64}, 'UTC')"
    BEFORE_MOMENT = (
        "(occurred_at, event_id) < (fromUnixTimestamp64Milli({before_ms:Int64}, 'UTC'), {before_event:UUID})"
    )
    RECEIVED_FROM = "received_at >= fromUnixTimestamp64Milli({received_from:Int64}, 'UTC')"
    # The first line is what the index on received_at can use, the second is the condition.
    BEFORE_PLACE = (
        "received_at <= fromUnixTimestamp64Milli({before_ms:Int64}, 'UTC')\n"
        "    AND (received_at, log_segment, log_record, log_index)\n"
        "        < (fromUnixTimestamp64Milli({before_ms:Int64}, 'UTC'),"
        " {before_segment:UInt64}, {before_record:UInt32}, {before_index:UInt16})"
    )
    # Rows that the pipeline's committed position has passed: of each segment that is open beyond
    # it the records below the given one, of the others all, of segments newer than any known none.
    SETTLED = (
        "log_segment <= {newest_segment:UInt64}\n"
        "    AND log_record < transform(log_segment, {open_segments:Array(UInt64)},"
        " {open_records:Array(UInt64)}, toUInt64(4294967296))"
    )
    # Rows that were there when held events were counted: what came of one since stands below the position too.
    # Removed rows were counted as stored, so their outcomes count at once.
    STORED_BY_THEN = "stored_at <= fromUnixTimestamp64Milli({committed_at:Int64}, 'UTC')"
    TOLD_BY_THEN = "(stored_at <= fromUnixTimestamp64Milli({committed_at:Int64}, 'UTC') OR reason IN ('erased', 'expired', 'replaced'))"
    # Rows that an erasure, retention or a replay has accounted for and not yet removed, which never takes a week.
    NOT_REMOVED = (
        "(log_segment, log_record, log_index) NOT IN (\n"
        "        SELECT log_segment, log_record, log_index FROM outcomes\n"
        "        WHERE reason IN ('erased', 'expired', 'replaced') AND stored_at >= now() - INTERVAL 7 DAY)"
    )


class Query(Struct, frozen=True):
    """A compiled question, ready for `EventStore.select`."""

    sql: str
    parameters: dict[str, Any]


@cache
def read_sql(name: str) -> str:
    return resources.files("trackway.query").joinpath(f"sql/{name}.sql").read_text()


@cache
def list_event_columns() -> str:
    """Times come as milliseconds under another name: an alias equal to a column would hide it in WHERE."""
    columns = []
    for field in Event.__struct_fields__:
        if field in TIMES:
            columns.append(f"toUnixTimestamp64Milli({field}) AS {field}_ms")
        elif field in OBJECTS:
            columns.append(f"{field}_text")
        elif field in PROFILE_FIELDS:
            columns.append(f"toString({field}) AS {field}_text")
        elif field in MONEY_FIELDS:
            # The decimal's own integer: multiplying overflows it above 92 billion.
            columns.append(f"reinterpretAsInt64({field}) AS {field}_parts")
        else:
            columns.append(field)
    return ",\n    ".join(columns)


def compile_query(
    name: str, parameters: Mapping[str, Any], filters: Mapping[Filter, Mapping[str, Any]] | None = None
) -> Query:
    """The query `sql/<name>.sql` with `filters`, each with the values of its own parameters."""
    chosen = filters or {}
    text = read_sql(name).replace(SESSIONS_MARK, read_sql("sessions")).replace(COLUMNS_MARK, list_event_columns())
    text = text.replace(CURRENT_MARK, CURRENT).replace(CURRENTS_MARK, CURRENTS)
    text = text.replace(NUMBER_MARK, NUMBER).replace(MOVED_MARK, MOVED)
    text = text.replace(MOVED_UNNAMED_MARK, MOVED_UNNAMED)
    lines = "\n    ".join(f"AND {f.value}" for f in Filter if f in chosen)
    bound = dict(parameters)
    for values in chosen.values():
        bound |= values
    return Query(text.replace(FILTERS_MARK, lines), bound)


def run_query(store: EventStore, query: Query) -> list[dict[str, Any]]:
    """The rows of a compiled query. StoreUnavailable when the store does not answer or takes too long."""
    return store.select(query.sql, query.parameters, SETTINGS)
