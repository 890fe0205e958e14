"""The tables of consent, in the relational state. A change here needs a migration beside the others.

The pipeline is the only writer of the first two, in the transaction that moves its position.
"""

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, String, Table, Text

from trackway.control.tables import METADATA

# What was said, one row per event and topic; never changed. `node` is the strongest identifier of the event.
# "" as channel or purpose means every one; `proof` is JSON: text_version, source, ip_hash, user_agent.
CONSENTS = Table(
    "consents",
    METADATA,
    Column("event_id", String(40), primary_key=True),
    Column("channel", String(20), primary_key=True),
    Column("purpose", String(100), primary_key=True),
    Column("workspace", String(60), nullable=False),
    Column("node", LargeBinary(16), nullable=False),
    Column("state", String(10), nullable=False),
    Column("jurisdiction", String(10), nullable=False),
    Column("occurred_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=True),
    Column("source", String(60), nullable=False),
    Column("proof", Text, nullable=False),
    Index("ix_consents_node", "node"),
)

# The latest of it, for every identifier that the event carried: what the pipeline asks for each event. It is kept
# although the rows above hold it too, because a page may repeat its visitor's consent with every event, of which
# only changes become rows above.
CONSENT_STATES = Table(
    "consent_states",
    METADATA,
    Column("node", LargeBinary(16), primary_key=True),
    Column("channel", String(20), primary_key=True),
    Column("purpose", String(100), primary_key=True),
    Column("workspace", String(60), nullable=False),
    Column("state", String(10), nullable=False),
    Column("occurred_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=True),
)

# Every version of a workspace's policy, with who made it; the highest is in force.
POLICIES = Table(
    "policies",
    METADATA,
    Column("workspace", String(60), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("rules", Text, nullable=False),
    Column("changed_by", String(100), nullable=False),
    Column("changed_at", BigInteger, nullable=False),
)
