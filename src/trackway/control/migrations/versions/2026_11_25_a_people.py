"""People: identifiers, the ledger of links, decisions about them, traits, accounts."""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_25_a_people"
down_revision = "2026_11_21_first_tables"


def upgrade() -> None:
    op.create_table(
        "identities",
        sa.Column("node", sa.LargeBinary(length=16), nullable=False),
        sa.Column("workspace", sa.String(length=60), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("value", sa.String(length=500), nullable=False),
        sa.Column("profile", sa.LargeBinary(length=16), nullable=False),
        sa.Column("hub", sa.SmallInteger(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("node", name=op.f("pk_identities")),
    )
    op.create_index("ix_identities_profile", "identities", ["profile"])
    op.create_index("ix_identities_version", "identities", ["version"])
    op.create_index("ix_identities_workspace_kind_value", "identities", ["workspace", "kind", "value"])
    op.create_table(
        "edges",
        sa.Column("id", sa.String(length=20), nullable=False),
        sa.Column("workspace", sa.String(length=60), nullable=False),
        sa.Column("a", sa.LargeBinary(length=16), nullable=False),
        sa.Column("b", sa.LargeBinary(length=16), nullable=False),
        sa.Column("rule", sa.String(length=20), nullable=False),
        sa.Column("trusted", sa.Boolean(), nullable=False),
        sa.Column("occurred_at", sa.BigInteger(), nullable=False),
        sa.Column("event_id", sa.String(length=40), nullable=False),
        sa.Column("source", sa.String(length=60), nullable=False),
        sa.Column("verdict", sa.String(length=20), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("why", sa.String(length=20), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_edges")),
    )
    op.create_index(op.f("ix_edges_a"), "edges", ["a"])
    op.create_index(op.f("ix_edges_b"), "edges", ["b"])
    op.create_table(
        "decisions",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("workspace", sa.String(length=60), nullable=False),
        sa.Column("action", sa.String(length=20), nullable=False),
        sa.Column("edge", sa.String(length=20), nullable=False),
        sa.Column("a", sa.LargeBinary(length=16), nullable=False),
        sa.Column("b", sa.LargeBinary(length=16), nullable=False),
        sa.Column("asked_by", sa.String(length=100), nullable=False),
        sa.Column("asked_at", sa.BigInteger(), nullable=False),
        sa.Column("applied_at", sa.BigInteger(), nullable=True),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_decisions")),
    )
    op.create_index(op.f("ix_decisions_applied_at"), "decisions", ["applied_at"])
    op.create_table(
        "traits",
        sa.Column("node", sa.LargeBinary(length=16), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("workspace", sa.String(length=60), nullable=False),
        sa.Column("register", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("node", "name", name=op.f("pk_traits")),
    )
    op.create_table(
        "account_traits",
        sa.Column("workspace", sa.String(length=60), nullable=False),
        sa.Column("account", sa.String(length=500), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("register", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "account", "name", name=op.f("pk_account_traits")),
    )
    op.create_table(
        "memberships",
        sa.Column("node", sa.LargeBinary(length=16), nullable=False),
        sa.Column("account", sa.String(length=500), nullable=False),
        sa.Column("workspace", sa.String(length=60), nullable=False),
        sa.Column("first_at", sa.BigInteger(), nullable=False),
        sa.Column("last_at", sa.BigInteger(), nullable=False),
        sa.Column("event_id", sa.String(length=40), nullable=False),
        sa.PrimaryKeyConstraint("node", "account", name=op.f("pk_memberships")),
    )
    op.create_index("ix_memberships_workspace_account", "memberships", ["workspace", "account"])
    op.create_table(
        "projections",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_projections")),
    )
