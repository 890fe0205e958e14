"""How an event becomes a row of the table `events`, and a row an event again.

Station 4 of the road, between the pipeline's `Row`s and the columns of `migrations/*.sql`. A batch
becomes one block in ClickHouse's format Native. It decides nothing: what an event holds is stored.
"""

from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any

import msgspec
from msgspec.structs import astuple

from trackway.event import Event, LogPlace, Row
from trackway.outcome import Outcome, Reason
from trackway.store.native import (
    MONEY,
    TIME,
    Column,
    join_block,
    make_bool_column,
    make_bytes_column,
    make_number_column,
    make_text_column,
)

TIME_FIELDS = ("occurred_at", "sent_at", "received_at")
# Objects are kept as their JSON text, in columns of another name.
OBJECT_FIELDS = ("identifiers", "traits", "account_traits", "consent", "properties", "context")
TEXT_COLUMNS = {name: f"{name}_text" for name in OBJECT_FIELDS}
# Ids of profiles are empty where there is none; a UUID column knows no empty text.
PROFILE_FIELDS = ("profile_key", "profile_id")
NO_PROFILE = "00000000-0000-0000-0000-000000000000"
MONEY_FIELDS = ("revenue",)
NUMBER_FIELDS = ("plan_version",)
MONEY_PARTS = 10_000
PLACE_COLUMNS = ("log_segment", "log_record", "log_index")
PLAIN_FIELDS = tuple(name for name in Event.__struct_fields__ if name not in TEXT_COLUMNS)
EVENT_COLUMNS = (*PLAIN_FIELDS, *TEXT_COLUMNS.values(), *PLACE_COLUMNS, "stored_at")

# The columns of an event as `make_event` takes them: times as milliseconds, the id as text.
EVENT_SELECT = ", ".join(
    f"toUnixTimestamp64Milli({name}) AS {name}"
    if name in TIME_FIELDS
    else f"toString({name}) AS {name}"
    if name == "event_id" or name in PROFILE_FIELDS
    else f"reinterpretAsInt64({name}) AS {name}"
    if name in MONEY_FIELDS
    else name
    for name in (*PLAIN_FIELDS, *TEXT_COLUMNS.values())
)


class OutcomeRow(msgspec.Struct, frozen=True, kw_only=True):
    """An event that was received and is not stored as one: duplicate, dropped or dead-lettered."""

    event_id: str
    workspace: str
    source: str
    protocol: str
    outcome: Outcome
    reason: Reason
    event_type: str
    received_at: int
    place: LogPlace
    first_event_id: str = ""
    detail: str = ""


class OverrideRow(msgspec.Struct, frozen=True):
    """`profile_key` belongs to `profile_id` (both UUID texts) as of `version`."""

    workspace: str
    profile_key: str
    profile_id: str
    version: int


OVERRIDE_COLUMNS = OverrideRow.__struct_fields__
OUTCOME_FIELDS = tuple(name for name in OutcomeRow.__struct_fields__ if name != "place")
OUTCOME_COLUMNS = (*OUTCOME_FIELDS, *PLACE_COLUMNS, "stored_at")

_encode_json = msgspec.json.Encoder().encode
_decode_json = msgspec.json.Decoder(dict[str, Any]).decode
_read_outcome = attrgetter(*OUTCOME_FIELDS)


def encode_events(rows: Sequence[Row], stored_at: int) -> bytes:
    """The rows as one block of `EVENT_COLUMNS`; at least one row."""
    fields = zip(*[astuple(row.event) for row in rows], strict=True)
    values = dict(zip(Event.__struct_fields__, fields, strict=True))
    columns = [_make_column(name, values[name]) for name in PLAIN_FIELDS]
    for name, column in TEXT_COLUMNS.items():
        columns.append(make_bytes_column(column, [_encode_json(value) if value else b"{}" for value in values[name]]))
    return join_block(columns + _make_place_columns([row.place for row in rows], stored_at), len(rows))


def encode_outcomes(rows: Sequence[OutcomeRow], stored_at: int) -> bytes:
    """The rows as one block of `OUTCOME_COLUMNS`; at least one row."""
    fields = zip(*[_read_outcome(row) for row in rows], strict=True)
    columns = [_make_column(name, values) for name, values in zip(OUTCOME_FIELDS, fields, strict=True)]
    return join_block(columns + _make_place_columns([row.place for row in rows], stored_at), len(rows))


def encode_overrides(rows: Sequence[OverrideRow]) -> bytes:
    """The rows as one block of `OVERRIDE_COLUMNS`; at least one row."""
    *texts, versions = zip(*[astuple(row) for row in rows], strict=True)
    columns = [make_text_column(name, values) for name, values in zip(OVERRIDE_COLUMNS[:-1], texts, strict=True)]
    return join_block([*columns, make_number_column("version", "UInt64", versions)], len(rows))


def _make_column(name: str, values: Sequence[Any]) -> Column:
    if name in TIME_FIELDS:
        return make_number_column(name, TIME, values)
    if name in NUMBER_FIELDS:
        return make_number_column(name, "UInt32", values)
    if name == "trusted":
        return make_bool_column(name, values)
    if name in MONEY_FIELDS:
        return make_number_column(name, MONEY, values)
    if name in PROFILE_FIELDS:
        return make_text_column(name, [value or NO_PROFILE for value in values])
    return make_text_column(name, values)


def _make_place_columns(places: Sequence[LogPlace], stored_at: int) -> list[Column]:
    return [
        make_number_column("log_segment", "UInt64", [place.segment for place in places]),
        make_number_column("log_record", "UInt32", [place.record for place in places]),
        make_number_column("log_index", "UInt16", [place.index for place in places]),
        make_number_column("stored_at", TIME, [stored_at] * len(places)),
    ]


def make_event(row: Mapping[str, Any]) -> Event:
    """The event of a result row that was selected with `EVENT_SELECT`; further columns are ignored."""
    fields: dict[str, Any] = {name: row[name] for name in PLAIN_FIELDS}
    fields |= {name: "" for name in PROFILE_FIELDS if fields[name] == NO_PROFILE}
    fields |= {name: _decode_json(row[column]) for name, column in TEXT_COLUMNS.items()}
    return Event(**fields)
