"""Which profile a client's session belongs to."""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_25_f_visits"
down_revision = "2026_11_25_e_letters"


def upgrade() -> None:
    op.create_table(
        "visits",
        sa.Column("node", sa.LargeBinary(length=16), nullable=False),
        sa.Column("workspace", sa.String(length=60), nullable=False),
        sa.Column("profile", sa.LargeBinary(length=16), nullable=False),
        sa.Column("visits", sa.Integer(), nullable=False),
        sa.Column("ended", sa.Boolean(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("node", name=op.f("pk_visits")),
    )
    op.create_index("ix_visits_profile", "visits", ["profile"])
    op.create_index("ix_visits_seen_at", "visits", ["seen_at"])
