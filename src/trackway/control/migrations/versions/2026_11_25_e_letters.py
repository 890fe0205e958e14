"""Letters know enough to be replayed, and how many a source may fill a day with."""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_25_e_letters"
down_revision = "2026_11_25_d_hold"


def upgrade() -> None:
    for column in (
        sa.Column("protocol", sa.String(length=40), nullable=False, server_default=""),
        sa.Column("field", sa.String(length=200), nullable=False, server_default=""),
        sa.Column("submission", sa.String(length=32), nullable=False, server_default=""),
        sa.Column("content", sa.String(length=12), nullable=False, server_default=""),
        sa.Column("cut", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("events", sa.Integer(), nullable=False, server_default="1"),
        sa.Column("indexes", sa.Text(), nullable=False, server_default=""),
        sa.Column("items", sa.Text(), nullable=False, server_default="[]"),
        sa.Column("replayed_events", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("replayed_at", sa.BigInteger(), nullable=False, server_default="0"),
    ):
        op.add_column("dead_letters", column)
    op.create_index(op.f("ix_dead_letters_submission"), "dead_letters", ["submission"])
    op.create_index("ix_dead_letters_workspace_received_at", "dead_letters", ["workspace", "received_at"])
    op.create_table(
        "kept_letters",
        sa.Column("source", sa.String(length=60), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("letters", sa.BigInteger(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("not_kept", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("source", "day", "kind", name=op.f("pk_kept_letters")),
    )
