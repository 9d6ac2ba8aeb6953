"""Who was shown the split that judges, and what they predicted."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from search.predictions import Predictions
from search.store.tickets import Lease


@dataclass(frozen=True)
class Reading:
    """One time that a model was shown the split.

    ticket: number of the confirming ticket that trained the model.
    outcome: of the attempt at it: complete, or why nothing came of it; None while it is under way.
    """

    ticket: int
    attempt: int
    worker: str
    at: datetime
    outcome: str | None


_STORE = text(
    """
    INSERT INTO search_predictions (ticket_id, split, digest, predictions)
    SELECT ticket_id, :split, :digest, :predictions FROM search_tickets
    WHERE ticket_id = :ticket_id AND attempt = :attempt AND state = 'running'
    ON CONFLICT (ticket_id) DO NOTHING
    """
)

_PREDICTIONS = text(
    """
    SELECT t.source AS ticket, p.predictions
    FROM search_predictions p JOIN search_tickets t USING (ticket_id)
    WHERE t.study_id = :study_id AND t.state = 'complete' ORDER BY t.number
    """
)

_READINGS = text(
    """
    SELECT t.source AS ticket, a.attempt, a.worker, a.claimed_at AS at, a.outcome
    FROM search_attempts a JOIN search_tickets t USING (ticket_id)
    WHERE t.study_id = :study_id AND t.stage = 'conclude' ORDER BY a.claimed_at
    """
)


def store(connection: Connection, lease: Lease, predictions: Predictions) -> None:
    """Keeps what the ticket's model predicts; nothing where the lease was lost."""
    connection.execute(
        _STORE,
        {
            "ticket_id": lease.ticket_id,
            "attempt": lease.attempt,
            "split": predictions.split,
            "digest": predictions.digest(),
            "predictions": predictions.to_bytes(),
        },
    )


def predictions(connection: Connection, study_id: int) -> dict[int, Predictions]:
    """A study's predictions by the number of the confirming ticket."""
    rows = connection.execute(_PREDICTIONS, {"study_id": study_id})
    return {row.ticket: Predictions.from_bytes(bytes(row.predictions)) for row in rows}


def readings(connection: Connection, study_id: int) -> list[Reading]:
    """Each time that a model of the study was shown the split that judges, in order."""
    return [Reading(**row._mapping) for row in connection.execute(_READINGS, {"study_id": study_id})]
