"""Privacy: requests, tombstones, retention, personal data found in properties."""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_25_c_privacy"
down_revision = "2026_11_25_b_consent"


def upgrade() -> None:
    op.create_table(
        "privacy_requests",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("workspace", sa.String(length=60), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("profile", sa.LargeBinary(length=16), nullable=False),
        sa.Column("about", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("asked_by", sa.String(length=100), nullable=False),
        sa.Column("asked_at", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("step", sa.String(length=20), nullable=False),
        sa.Column("progress", sa.Text(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_privacy_requests")),
    )
    op.create_index(op.f("ix_privacy_requests_state"), "privacy_requests", ["state"])
    op.create_index("ix_privacy_requests_workspace_asked_at", "privacy_requests", ["workspace", "asked_at"])
    op.create_table(
        "erased",
        sa.Column("node", sa.LargeBinary(length=16), nullable=False),
        sa.Column("workspace", sa.String(length=60), nullable=False),
        sa.Column("erased_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("node", name=op.f("pk_erased")),
    )
    op.create_index(op.f("ix_erased_erased_at"), "erased", ["erased_at"])
    op.create_table(
        "erased_records",
        sa.Column("segment", sa.BigInteger(), nullable=False),
        sa.Column("ordinal", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("segment", "ordinal", name=op.f("pk_erased_records")),
    )
    op.create_table(
        "retention",
        sa.Column("workspace", sa.String(length=60), nullable=False),
        sa.Column("event_type", sa.String(length=200), nullable=False),
        sa.Column("days", sa.Integer(), nullable=False),
        sa.Column("changed_by", sa.String(length=100), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "event_type", name=op.f("pk_retention")),
    )
    op.create_table(
        "pii_findings",
        sa.Column("workspace", sa.String(length=60), nullable=False),
        sa.Column("source", sa.String(length=60), nullable=False),
        sa.Column("event_type", sa.String(length=200), nullable=False),
        sa.Column("path", sa.String(length=200), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("seen", sa.BigInteger(), nullable=False),
        sa.Column("first_at", sa.BigInteger(), nullable=False),
        sa.Column("last_at", sa.BigInteger(), nullable=False),
        sa.Column("example", sa.String(length=100), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "source", "event_type", "path", "kind", name=op.f("pk_pii_findings")),
    )
    op.create_table(
        "pii_rules",
        sa.Column("workspace", sa.String(length=60), nullable=False),
        sa.Column("path", sa.String(length=200), nullable=False),
        sa.Column("action", sa.String(length=10), nullable=False),
        sa.Column("changed_by", sa.String(length=100), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "path", name=op.f("pk_pii_rules")),
    )
