"""Who works where, and what became of every attempt at a ticket."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TIMESTAMP

revision = "0002"
down_revision = "0001"

NOW = sa.text("now()")
TIME = TIMESTAMP(timezone=True)


def upgrade() -> None:
    op.create_table(
        "search_workers",
        sa.Column("worker", sa.Text, primary_key=True),
        sa.Column("host", sa.Text, nullable=False),
        sa.Column("device", sa.Text, nullable=False),
        sa.Column("code_version", sa.Text, nullable=False),
        sa.Column("started_at", TIME, nullable=False, server_default=NOW),
        sa.Column("seen_at", TIME, nullable=False, server_default=NOW),
        sa.Column("ended_at", TIME),
        sa.Column("note", sa.Text),
    )
    op.create_table(
        "search_attempts",
        sa.Column("ticket_id", sa.BigInteger, sa.ForeignKey("search_tickets.ticket_id"), primary_key=True),
        sa.Column("attempt", sa.Integer, primary_key=True),
        sa.Column("worker", sa.Text, nullable=False),
        sa.Column("claimed_at", TIME, nullable=False, server_default=NOW),
        sa.Column("resumed_from", sa.Integer),
        sa.Column("ended_at", TIME),
        sa.Column("outcome", sa.Text),
        sa.Column("reason", sa.Text),
        sa.CheckConstraint(
            "outcome IN ('complete', 'pruned', 'failed', 'given back', 'lost')", name="search_attempts_outcome"
        ),
    )
    op.add_column("search_tickets", sa.Column("progress_at", TIME))
