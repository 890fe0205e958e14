"""Consent: what was said, how it stands, and the policies."""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_25_b_consent"
down_revision = "2026_11_25_a_people"


def upgrade() -> None:
    op.create_table(
        "consents",
        sa.Column("event_id", sa.String(length=40), nullable=False),
        sa.Column("channel", sa.String(length=20), nullable=False),
        sa.Column("purpose", sa.String(length=100), nullable=False),
        sa.Column("workspace", sa.String(length=60), nullable=False),
        sa.Column("node", sa.LargeBinary(length=16), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("jurisdiction", sa.String(length=10), nullable=False),
        sa.Column("occurred_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("source", sa.String(length=60), nullable=False),
        sa.Column("proof", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("event_id", "channel", "purpose", name=op.f("pk_consents")),
    )
    op.create_index("ix_consents_node", "consents", ["node"], unique=False)
    op.create_table(
        "consent_states",
        sa.Column("node", sa.LargeBinary(length=16), nullable=False),
        sa.Column("channel", sa.String(length=20), nullable=False),
        sa.Column("purpose", sa.String(length=100), nullable=False),
        sa.Column("workspace", sa.String(length=60), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("occurred_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("node", "channel", "purpose", name=op.f("pk_consent_states")),
    )
    op.create_table(
        "policies",
        sa.Column("workspace", sa.String(length=60), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("rules", sa.Text(), nullable=False),
        sa.Column("changed_by", sa.String(length=100), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "version", name=op.f("pk_policies")),
    )
