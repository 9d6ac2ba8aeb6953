"""Optuna's tables, and our studies, tickets and epochs beside them."""

import sqlalchemy as sa
from alembic import context, op
from optuna.storages import RDBStorage
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP

revision = "0001"
down_revision = None

NOW = sa.text("now()")
TIME = TIMESTAMP(timezone=True)


def upgrade() -> None:
    _create_optuna_tables()
    op.create_table(
        "search_studies",
        sa.Column("study_id", sa.Integer, sa.ForeignKey("studies.study_id"), primary_key=True),
        sa.Column("name", sa.Text, nullable=False, unique=True),
        sa.Column("definition", sa.Text, nullable=False),
        sa.Column("definition_hash", sa.Text, nullable=False),
        sa.Column("data_fingerprint", sa.Text, nullable=False),
        sa.Column("validation_items", sa.Integer, nullable=False),
        sa.Column("code_version", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False, server_default="open"),
        sa.Column("priority", sa.Integer, nullable=False, server_default="0"),
        sa.Column("epoch_budget", sa.Integer),
        sa.Column("hour_budget", sa.Float),
        sa.Column("trials_ended", sa.Integer, nullable=False, server_default="0"),
        sa.Column("created_at", TIME, nullable=False, server_default=NOW),
        sa.Column("figures_at", TIME),
        sa.Column("pictures_at", TIME),
        sa.CheckConstraint("state IN ('open', 'paused', 'stopped')", name="search_studies_state"),
    )
    op.create_table(
        "search_tickets",
        sa.Column("ticket_id", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column("study_id", sa.Integer, sa.ForeignKey("search_studies.study_id"), nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("stage", sa.Text, nullable=False, server_default="search"),
        sa.Column("parameters", JSONB(none_as_null=True)),
        sa.Column("seed", sa.BigInteger, nullable=False),
        sa.Column("state", sa.Text, nullable=False, server_default="waiting"),
        sa.Column("attempt", sa.Integer, nullable=False, server_default="0"),
        sa.Column("losses", sa.Integer, nullable=False, server_default="0"),
        sa.Column("claim", sa.Text),
        sa.Column("worker", sa.Text),
        sa.Column("trial_id", sa.Integer, sa.ForeignKey("trials.trial_id")),
        sa.Column("epoch", sa.Integer),
        sa.Column("claimed_at", TIME),
        sa.Column("lease_expires_at", TIME),
        sa.Column("finished_at", TIME),
        sa.Column("reason", sa.Text),
        sa.UniqueConstraint("study_id", "number"),
        sa.CheckConstraint(
            "state IN ('waiting', 'running', 'complete', 'pruned', 'failed')", name="search_tickets_state"
        ),
        sa.CheckConstraint(
            "(state = 'running') = (lease_expires_at IS NOT NULL)", name="search_tickets_running_has_lease"
        ),
    )
    op.create_index(
        "search_tickets_waiting",
        "search_tickets",
        ["study_id", "number"],
        postgresql_where=sa.text("state = 'waiting'"),
    )
    op.create_index(
        "search_tickets_running",
        "search_tickets",
        ["lease_expires_at"],
        postgresql_where=sa.text("state = 'running'"),
    )
    op.create_index("search_tickets_claim", "search_tickets", ["claim"], unique=True)
    op.create_table(
        "search_epochs",
        sa.Column("ticket_id", sa.BigInteger, sa.ForeignKey("search_tickets.ticket_id"), primary_key=True),
        sa.Column("epoch", sa.Integer, primary_key=True),
        sa.Column("metrics", JSONB, nullable=False),
        sa.Column("seconds", sa.Float, nullable=False),
        sa.Column("samples_per_second", sa.Float, nullable=False),
        sa.Column("reported_at", TIME, nullable=False, server_default=NOW),
    )


def _create_optuna_tables() -> None:
    """Optuna creates and stamps its own tables, on a connection of its own, and leaves current ones alone."""
    url = context.config.attributes["url"]
    RDBStorage(url.replace("{", "%7B").replace("}", "%7D"), {"poolclass": sa.NullPool}).remove_session()
