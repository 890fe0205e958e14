"""The tables of privacy, in the relational state. A change here needs a migration beside the others.

The server asks for erasures and sets rules; the pipeline carries them out and is the only writer of
the rest.
"""

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, String, Table, Text

from trackway.control.tables import METADATA

# Who asked for what about whom, how far it is, and the certificate. `about` is JSON and names the person only
# until an erasure is done; `progress` is what an erasure must remember between its steps.
PRIVACY_REQUESTS = Table(
    "privacy_requests",
    METADATA,
    Column("id", String(40), primary_key=True),
    Column("workspace", String(60), nullable=False),
    Column("kind", String(10), nullable=False),
    Column("profile", LargeBinary(16), nullable=False),
    Column("about", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("asked_by", String(100), nullable=False),
    Column("asked_at", BigInteger, nullable=False),
    Column("state", String(10), nullable=False, index=True),
    Column("step", String(20), nullable=False),
    Column("progress", Text, nullable=False),
    Column("answer", Text, nullable=False),
    Column("finished_at", BigInteger, nullable=True),
    Index("ix_privacy_requests_workspace_asked_at", "workspace", "asked_at"),
)

# Tombstones: what arrived up to `erased_at` under one of these identifiers is not stored any more.
ERASED = Table(
    "erased",
    METADATA,
    Column("node", LargeBinary(16), primary_key=True),
    Column("workspace", String(60), nullable=False),
    Column("erased_at", BigInteger, nullable=False, index=True),
)

# Records of the log that are still to be overwritten.
ERASED_RECORDS = Table(
    "erased_records",
    METADATA,
    Column("segment", BigInteger, primary_key=True),
    Column("ordinal", BigInteger, primary_key=True),
)

# How long events are kept; the event type "*" is every type without a row of its own.
RETENTION = Table(
    "retention",
    METADATA,
    Column("workspace", String(60), primary_key=True),
    Column("event_type", String(200), primary_key=True),
    Column("days", Integer, nullable=False),
    Column("changed_by", String(100), nullable=False),
    Column("changed_at", BigInteger, nullable=False),
)

# Properties in which personal data was seen; `example` is masked.
PII_FINDINGS = Table(
    "pii_findings",
    METADATA,
    Column("workspace", String(60), primary_key=True),
    Column("source", String(60), primary_key=True),
    Column("event_type", String(200), primary_key=True),
    Column("path", String(200), primary_key=True),
    Column("kind", String(10), primary_key=True),
    Column("seen", BigInteger, nullable=False),
    Column("first_at", BigInteger, nullable=False),
    Column("last_at", BigInteger, nullable=False),
    Column("example", String(100), nullable=False),
)

# What is masked or dropped before an event is stored.
PII_RULES = Table(
    "pii_rules",
    METADATA,
    Column("workspace", String(60), primary_key=True),
    Column("path", String(200), primary_key=True),
    Column("action", String(10), nullable=False),
    Column("changed_by", String(100), nullable=False),
    Column("changed_at", BigInteger, nullable=False),
)
