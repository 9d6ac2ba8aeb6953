"""Stages of a study, what a ticket takes up, predictions on the test split, and where a study comes from."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP

revision = "0003"
down_revision = "0002"

NOW = sa.text("now()")


def upgrade() -> None:
    op.add_column("search_tickets", sa.Column("source", sa.Integer))
    op.create_check_constraint(
        "search_tickets_stage", "search_tickets", "stage IN ('search', 'confirm', 'conclude')"
    )
    op.add_column("search_studies", sa.Column("stage", sa.Text, nullable=False, server_default="search"))
    op.add_column(
        "search_studies", sa.Column("stage_at", TIMESTAMP(timezone=True), nullable=False, server_default=NOW)
    )
    op.add_column("search_studies", sa.Column("context", JSONB, nullable=False, server_default="{}"))
    op.create_check_constraint(
        "search_studies_stage", "search_studies", "stage IN ('search', 'confirm', 'conclude', 'done')"
    )
    # What was finished before there were further stages stays so, until it is launched again.
    op.execute(
        """
        UPDATE search_studies s SET stage = 'done' WHERE NOT EXISTS (
            SELECT FROM search_tickets t WHERE t.study_id = s.study_id AND t.state IN ('waiting', 'running'))
        """
    )
    op.create_table(
        "search_predictions",
        sa.Column("ticket_id", sa.BigInteger, sa.ForeignKey("search_tickets.ticket_id"), primary_key=True),
        sa.Column("split", sa.Text, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("predictions", sa.LargeBinary, nullable=False),
        sa.Column("stored_at", TIMESTAMP(timezone=True), nullable=False, server_default=NOW),
    )
