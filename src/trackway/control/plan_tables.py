"""The tables of the tracking plan, in the relational state. A change here needs a migration beside the others."""

from sqlalchemy import BigInteger, Column, Index, Integer, String, Table, Text

from trackway.control.tables import METADATA

# Every version of every entry, with who made it; the highest is in force, unless its mode is `off`.
# `source` is "" where the entry counts for all; `schema` is JSON: accessor to JSON Schema.
PLANS = Table(
    "plans",
    METADATA,
    Column("workspace", String(60), primary_key=True),
    Column("event_type", String(200), primary_key=True),
    Column("source", String(60), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("mode", String(10), nullable=False),
    Column("schema", Text, nullable=False),
    Column("changed_by", String(100), nullable=False),
    Column("changed_at", BigInteger, nullable=False),
)

# What received events broke of which version, with the last that did. The pipeline is the only writer, in the
# transaction that moves its position. `entry_source` is the entry's, `source` the event's.
PLAN_VIOLATIONS = Table(
    "plan_violations",
    METADATA,
    Column("workspace", String(60), primary_key=True),
    Column("event_type", String(200), primary_key=True),
    Column("entry_source", String(60), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("source", String(60), primary_key=True),
    Column("path", String(200), primary_key=True),
    Column("keyword", String(40), primary_key=True),
    Column("seen", BigInteger, nullable=False),
    Column("first_at", BigInteger, nullable=False),
    Column("last_at", BigInteger, nullable=False),
    Column("message", String(300), nullable=False),
    Column("example", String(40), nullable=False),
    Index("ix_plan_violations_workspace_last_at", "workspace", "last_at"),
)
