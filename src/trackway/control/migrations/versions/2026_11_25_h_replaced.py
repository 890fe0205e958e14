"""Rows of the store that a replay has replaced and that are still to be removed."""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_25_h_replaced"
down_revision = "2026_11_25_g_plans"


def upgrade() -> None:
    op.create_table(
        "replaced_rows",
        sa.Column("segment", sa.BigInteger(), nullable=False),
        sa.Column("record", sa.BigInteger(), nullable=False),
        sa.Column("event_index", sa.Integer(), nullable=False),
        sa.Column("workspace", sa.String(length=60), nullable=False),
        sa.PrimaryKeyConstraint("segment", "record", "event_index", name=op.f("pk_replaced_rows")),
    )
