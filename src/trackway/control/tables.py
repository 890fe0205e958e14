"""The tables of the relational state. A change here needs a migration beside it."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    false,
)

METADATA = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
    }
)

# Anything a running process keeps in memory bumps `configuration.version` when it changes.
CONFIGURATION = Table(
    "configuration",
    METADATA,
    Column("name", String(40), primary_key=True),
    Column("value", BigInteger, nullable=False),
)

WORKSPACES = Table(
    "workspaces",
    METADATA,
    Column("id", String(60), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("ip_mode", String(20), nullable=False),
    Column("hash_key", LargeBinary(32), nullable=False),
    Column("created_at", BigInteger, nullable=False),
)

SOURCES = Table(
    "sources",
    METADATA,
    Column("id", String(60), primary_key=True),
    Column("workspace", String(60), ForeignKey("workspaces.id"), nullable=False),
    Column("name", String(200), nullable=False),
    Column("protocol", String(40), nullable=False),
    Column("channel", String(10), nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("settings", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Index("ix_sources_workspace_name", "workspace", "name", unique=True),
)

# A public credential (browser key) is kept readable, since pages show it; of a secret only the digest.
CREDENTIALS = Table(
    "credentials",
    METADATA,
    Column("digest", String(64), primary_key=True),
    Column("source", String(60), ForeignKey("sources.id"), nullable=False, index=True),
    Column("field", String(40), nullable=False),
    Column("trusted", Boolean, nullable=False),
    Column("shown", String(200), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("revoked_at", BigInteger, nullable=True),
)

USERS = Table(
    "users",
    METADATA,
    Column("name", String(100), primary_key=True),
    Column("password_hash", String(200), nullable=False),
    Column("session_epoch", Integer, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)

TOKENS = Table(
    "tokens",
    METADATA,
    Column("digest", String(64), primary_key=True),
    Column("name", String(100), nullable=False),
    Column("shown", String(20), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("revoked_at", BigInteger, nullable=True),
)

# Visitor salts live two days, so that a cookieless visitor cannot be followed from one day to the next.
SALTS = Table(
    "salts",
    METADATA,
    Column("day", Integer, primary_key=True),
    Column("salt", LargeBinary(32), nullable=False),
)

POSITIONS = Table(
    "positions",
    METADATA,
    Column("stream", String(40), primary_key=True),
    Column("segment", BigInteger, nullable=False),
    Column("ordinal", BigInteger, nullable=False),
    Column("offset", BigInteger, nullable=False),
    Column("committed_at", BigInteger, nullable=False),
)

# What the door counted, per source and minute of receipt; moved on in the transaction that moves a position.
RECEIVED = Table(
    "received",
    METADATA,
    Column("source", String(60), primary_key=True),
    Column("minute", Integer, primary_key=True),
    Column("events", BigInteger, nullable=False),
)

# Refusals at the door; never part of what was received.
REJECTED = Table(
    "rejected",
    METADATA,
    Column("source", String(60), primary_key=True),
    Column("minute", Integer, primary_key=True),
    Column("reason", String(40), primary_key=True),
    Column("events", BigInteger, nullable=False),
)

# What could not be stored, kept until someone looks: dead letters, repeats that differ from the first, refusals.
# `content` says what `payload` is: a submission (MessagePack) or an event (JSON); "" is of an earlier version.
# `events` are those that still wait, at the places `indexes` of the request ("": all of it).
DEAD_LETTERS = Table(
    "dead_letters",
    METADATA,
    Column("id", String(60), primary_key=True),
    Column("workspace", String(60), nullable=False),
    Column("source", String(60), nullable=False),
    Column("kind", String(20), nullable=False),
    Column("reason", String(40), nullable=False),
    Column("detail", Text, nullable=False),
    Column("event_id", String(40), nullable=False, index=True),
    Column("payload", LargeBinary, nullable=False),
    Column("received_at", BigInteger, nullable=False),
    Column("protocol", String(40), nullable=False, server_default=""),
    Column("field", String(200), nullable=False, server_default=""),
    Column("submission", String(32), nullable=False, server_default="", index=True),
    Column("content", String(12), nullable=False, server_default=""),
    Column("cut", Boolean, nullable=False, server_default=false()),
    Column("events", Integer, nullable=False, server_default="1"),
    Column("indexes", Text, nullable=False, server_default=""),
    Column("items", Text, nullable=False, server_default="[]"),
    Column("replayed_events", Integer, nullable=False, server_default="0"),
    Column("replayed_at", BigInteger, nullable=False, server_default="0"),
    Index("ix_dead_letters_source_received_at", "source", "received_at"),
    Index("ix_dead_letters_workspace_received_at", "workspace", "received_at"),
)

# How much was kept of what a source was refused on a day, and how often nothing more was kept.
KEPT_LETTERS = Table(
    "kept_letters",
    METADATA,
    Column("source", String(60), primary_key=True),
    Column("day", Integer, primary_key=True),
    Column("kind", String(20), primary_key=True),
    Column("letters", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("not_kept", BigInteger, nullable=False),
)

# A dedupe_key that swallows events of several visitors is badly chosen; its sender is told.
SWALLOWING_KEYS = Table(
    "swallowing_keys",
    METADATA,
    Column("source", String(60), primary_key=True),
    Column("dedupe_key", String(500), primary_key=True),
    Column("swallowed", BigInteger, nullable=False),
    Column("last_at", BigInteger, nullable=False),
)
