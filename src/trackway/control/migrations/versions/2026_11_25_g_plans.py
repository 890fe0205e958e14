"""The tracking plan, and what events broke of it."""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_25_g_plans"
down_revision = "2026_11_25_f_visits"


def upgrade() -> None:
    op.create_table(
        "plans",
        sa.Column("workspace", sa.String(length=60), nullable=False),
        sa.Column("event_type", sa.String(length=200), nullable=False),
        sa.Column("source", sa.String(length=60), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("mode", sa.String(length=10), nullable=False),
        sa.Column("schema", sa.Text(), nullable=False),
        sa.Column("changed_by", sa.String(length=100), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "event_type", "source", "version", name=op.f("pk_plans")),
    )
    op.create_table(
        "plan_violations",
        sa.Column("workspace", sa.String(length=60), nullable=False),
        sa.Column("event_type", sa.String(length=200), nullable=False),
        sa.Column("entry_source", sa.String(length=60), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("source", sa.String(length=60), nullable=False),
        sa.Column("path", sa.String(length=200), nullable=False),
        sa.Column("keyword", sa.String(length=40), nullable=False),
        sa.Column("seen", sa.BigInteger(), nullable=False),
        sa.Column("first_at", sa.BigInteger(), nullable=False),
        sa.Column("last_at", sa.BigInteger(), nullable=False),
        sa.Column("message", sa.String(length=300), nullable=False),
        sa.Column("example", sa.String(length=40), nullable=False),
        sa.PrimaryKeyConstraint(
            *("workspace", "event_type", "entry_source", "version", "source", "path", "keyword"),
            name=op.f("pk_plan_violations"),
        ),
    )
    op.create_index("ix_plan_violations_workspace_last_at", "plan_violations", ["workspace", "last_at"])
