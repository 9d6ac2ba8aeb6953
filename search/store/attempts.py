"""Attempts: which worker was at which ticket, from when to when."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from search.store import tickets


@dataclass(frozen=True)
class Attempt:
    """One worker at one ticket.

    ticket: its number in the study; stage: what it is for: search, confirm or conclude.
    number: of the attempt at that ticket, from 1.
    ended_at, outcome: None while it is under way; outcome: complete, pruned, failed, lost or given back.
    reason: why it came to that, where there is something to say.
    """

    ticket: int
    stage: str
    number: int
    worker: str
    started_at: datetime
    ended_at: datetime | None
    outcome: str | None
    reason: str | None

    @property
    def is_infeasible(self) -> bool:
        """Whether it showed that the configuration can't be trained; as for a `TrialRecord`."""
        return tickets.is_infeasible(self.outcome, self.reason)


_ATTEMPTS = text(
    """
    SELECT t.number AS ticket, t.stage, a.attempt AS number, a.worker, a.claimed_at AS started_at, a.ended_at,
           a.outcome, a.reason
    FROM search_attempts a JOIN search_tickets t USING (ticket_id)
    WHERE t.study_id = :study_id ORDER BY a.claimed_at, t.number
    """
)


def attempts(connection: Connection, study_id: int) -> list[Attempt]:
    """Every attempt at a study's tickets, in the order in which they began."""
    return [Attempt(**row._mapping) for row in connection.execute(_ATTEMPTS, {"study_id": study_id})]
