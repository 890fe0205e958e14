"""The tables of people, in the relational state. A change here needs a migration beside the others.

Nodes and profiles are 16 bytes (`identifiers.ProfileKeys`). The pipeline is their only writer, in
the transaction that moves its position; `decisions` are asked for by people and carried out there.
"""

from sqlalchemy import BigInteger, Boolean, Column, Index, LargeBinary, SmallInteger, String, Table, Text

from trackway.control.tables import METADATA

# Every identifier that was seen with another or names a person. One that never was needs no row: its
# profile is its node. `version` rises with each change of `profile`; the event store's overrides follow it.
IDENTITIES = Table(
    "identities",
    METADATA,
    Column("node", LargeBinary(16), primary_key=True),
    Column("workspace", String(60), nullable=False),
    Column("kind", String(20), nullable=False),
    Column("value", String(500), nullable=False),
    Column("profile", LargeBinary(16), nullable=False),
    Column("hub", SmallInteger, nullable=False),
    Column("version", BigInteger, nullable=False),
    Index("ix_identities_profile", "profile"),
    Index("ix_identities_version", "version"),
    Index("ix_identities_workspace_kind_value", "workspace", "kind", "value"),
)

# The ledger: links between identifiers with the earliest evidence of each. `verdict` is what a person
# decided; `state` and `why` are what `graph.resolve` made of it.
EDGES = Table(
    "edges",
    METADATA,
    Column("id", String(20), primary_key=True),
    Column("workspace", String(60), nullable=False),
    Column("a", LargeBinary(16), nullable=False, index=True),
    Column("b", LargeBinary(16), nullable=False, index=True),
    Column("rule", String(20), nullable=False),
    Column("trusted", Boolean, nullable=False),
    Column("occurred_at", BigInteger, nullable=False),
    Column("event_id", String(40), nullable=False),
    Column("source", String(60), nullable=False),
    Column("verdict", String(20), nullable=False),
    Column("state", String(20), nullable=False),
    Column("why", String(20), nullable=False),
)

# What people decided about links; never changed once it was carried out.
DECISIONS = Table(
    "decisions",
    METADATA,
    Column("id", String(40), primary_key=True),
    Column("workspace", String(60), nullable=False),
    Column("action", String(20), nullable=False),
    Column("edge", String(20), nullable=False),
    Column("a", LargeBinary(16), nullable=False),
    Column("b", LargeBinary(16), nullable=False),
    Column("asked_by", String(100), nullable=False),
    Column("asked_at", BigInteger, nullable=False),
    Column("applied_at", BigInteger, nullable=True, index=True),
    Column("answer", Text, nullable=False),
)

# One register (profiles/traits.py) per identifier and name.
TRAITS = Table(
    "traits",
    METADATA,
    Column("node", LargeBinary(16), primary_key=True),
    Column("name", String(200), primary_key=True),
    Column("workspace", String(60), nullable=False),
    Column("register", Text, nullable=False),
)

ACCOUNT_TRAITS = Table(
    "account_traits",
    METADATA,
    Column("workspace", String(60), primary_key=True),
    Column("account", String(500), primary_key=True),
    Column("name", String(200), primary_key=True),
    Column("register", Text, nullable=False),
)

# Which identifiers were seen with which account, from when to when: a person's account over time.
MEMBERSHIPS = Table(
    "memberships",
    METADATA,
    Column("node", LargeBinary(16), primary_key=True),
    Column("account", String(500), primary_key=True),
    Column("workspace", String(60), nullable=False),
    Column("first_at", BigInteger, nullable=False),
    Column("last_at", BigInteger, nullable=False),
    Column("event_id", String(40), nullable=False),
    Index("ix_memberships_workspace_account", "workspace", "account"),
)

# How far the event store has followed the relational state.
PROJECTIONS = Table(
    "projections",
    METADATA,
    Column("name", String(40), primary_key=True),
    Column("version", BigInteger, nullable=False),
)
