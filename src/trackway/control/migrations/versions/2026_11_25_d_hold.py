"""Events that are held until their person agrees."""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_25_d_hold"
down_revision = "2026_11_25_c_privacy"


def upgrade() -> None:
    op.create_table(
        "held_events",
        sa.Column("event_id", sa.String(length=40), nullable=False),
        sa.Column("workspace", sa.String(length=60), nullable=False),
        sa.Column("source", sa.String(length=60), nullable=False),
        sa.Column("segment", sa.BigInteger(), nullable=False),
        sa.Column("record", sa.BigInteger(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("look_at", sa.BigInteger(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_held_events")),
    )
    op.create_index(
        "ix_held_events_workspace_source_received_at", "held_events", ["workspace", "source", "received_at"]
    )
    op.create_index("ix_held_events_look_at", "held_events", ["look_at"])
    op.create_table(
        "held_nodes",
        sa.Column("node", sa.LargeBinary(length=16), nullable=False),
        sa.Column("event_id", sa.String(length=40), nullable=False),
        sa.ForeignKeyConstraint(["event_id"], ["held_events.event_id"], name=op.f("fk_held_nodes_event_id")),
        sa.PrimaryKeyConstraint("node", "event_id", name=op.f("pk_held_nodes")),
    )
    op.create_index("ix_held_nodes_event_id", "held_nodes", ["event_id"])
