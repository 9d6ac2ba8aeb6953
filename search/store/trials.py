"""The Optuna trial of one attempt, written in the transaction of its ticket.

Optuna's own storage writes each value in a transaction of its own, through its object-relational mapper; these
write the same rows, so samplers, pruners and the dashboard see an ordinary trial.
"""

import json
from typing import Any

from optuna.distributions import BaseDistribution, distribution_to_json
from sqlalchemy import Connection, text

Parameters = dict[str, Any]
Distributions = dict[str, BaseDistribution]

# Optuna numbers trials by counting them under a lock on the study's row; so does this. Its times are UTC without
# saying so, and a session's own zone may be another: libpq's PGTZ outdoes what a connection asks for.
_CREATE = text(
    """
    INSERT INTO trials (number, study_id, state, datetime_start)
    SELECT count(*), :study_id, 'RUNNING', now() AT TIME ZONE 'UTC' FROM trials WHERE study_id = :study_id
    RETURNING trial_id
    """
)

_LEAVE_RUNGS = text(
    "DELETE FROM trial_system_attributes WHERE trial_id = :trial_id AND starts_with(key, 'completed_rung_')"
)


def create(
    connection: Connection,
    study_id: int,
    parameters: Parameters,
    distributions: Distributions,
    user_attributes: dict[str, Any],
) -> int:
    """Creates a running trial with its parameters and returns its id."""
    connection.execute(text("SELECT FROM studies WHERE study_id = :study_id FOR UPDATE"), {"study_id": study_id})
    trial_id: int = connection.execute(_CREATE, {"study_id": study_id}).scalar_one()
    connection.execute(
        text(
            "INSERT INTO trial_params (trial_id, param_name, param_value, distribution_json) "
            "VALUES (:trial_id, :name, :value, :distribution)"
        ),
        [
            {
                "trial_id": trial_id,
                "name": name,
                "value": distribution.to_internal_repr(parameters[name]),
                "distribution": distribution_to_json(distribution),
            }
            for name, distribution in distributions.items()
        ],
    )
    _set_user_attributes(connection, trial_id, user_attributes)
    return trial_id


def close(
    connection: Connection, trial_id: int, state: str, value: float | None, user_attributes: dict[str, Any]
) -> None:
    """Ends a running trial: COMPLETE, PRUNED or FAIL, with its objective where there is one.

    A failed one leaves the rungs of successive halving, where its next attempt would compete against it.
    """
    _set_user_attributes(connection, trial_id, user_attributes)
    if state == "FAIL":
        connection.execute(_LEAVE_RUNGS, {"trial_id": trial_id})
    if value is not None:
        connection.execute(
            text(
                "INSERT INTO trial_values (trial_id, objective, value, value_type) "
                "VALUES (:trial_id, 0, :value, 'FINITE')"
            ),
            {"trial_id": trial_id, "value": value},
        )
    connection.execute(
        text(
            "UPDATE trials SET state = CAST(:state AS trialstate), datetime_complete = now() AT TIME ZONE 'UTC' "
            "WHERE trial_id = :trial_id"
        ),
        {"trial_id": trial_id, "state": state},
    )


def to_json(value: Any) -> str | None:
    """JSON text, or None for None. Raises ValueError for NaN and infinities, which Postgres refuses."""
    return None if value is None else json.dumps(value, allow_nan=False)


def _set_user_attributes(connection: Connection, trial_id: int, attributes: dict[str, Any]) -> None:
    if not attributes:
        return
    connection.execute(
        text(
            "INSERT INTO trial_user_attributes (trial_id, key, value_json) VALUES (:trial_id, :key, :value) "
            "ON CONFLICT (trial_id, key) DO UPDATE SET value_json = excluded.value_json"
        ),
        [{"trial_id": trial_id, "key": key, "value": to_json(value)} for key, value in attributes.items()],
    )
