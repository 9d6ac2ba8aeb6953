"""Workers: who they are, where they are, and what they do now. For people; no decision hangs on it."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

FORGOTTEN_DAYS = 7  # after which a worker that was not seen again is struck off


@dataclass(frozen=True)
class WorkerRecord:
    """A worker that has not ended, or ended on its own within the last day, leaving a note.

    seconds_silent: since it was last heard of, in database time.
    note: what keeps it from working, for people.
    study, trial, epoch, attempt: what it trains, None where it is idle. progress_at: its last training step.
    """

    worker: str
    host: str
    device: str
    code_version: str
    started_at: datetime
    ended_at: datetime | None
    seconds_silent: float
    note: str | None
    study: str | None
    trial: int | None
    attempt: int | None
    epoch: int | None
    progress_at: datetime | None


_REGISTER = text(
    """
    WITH forgotten AS (DELETE FROM search_workers WHERE seen_at < now() - :days * interval '1 day')
    INSERT INTO search_workers (worker, host, device, code_version)
    VALUES (:worker, :host, :device, :code_version) ON CONFLICT (worker) DO NOTHING
    """
)

_SEEN = text("UPDATE search_workers SET seen_at = now(), note = :note WHERE worker = :worker")

_ENDED = text("UPDATE search_workers SET seen_at = now(), ended_at = now(), note = :note WHERE worker = :worker")

_EVERYONE = text(
    """
    SELECT w.worker, w.host, w.device, w.code_version, w.started_at, w.ended_at, w.note,
           extract(epoch FROM now() - greatest(w.seen_at, t.progress_at))::float8 AS seconds_silent,
           s.name AS study, t.number AS trial, t.attempt, t.epoch, t.progress_at
    FROM search_workers w
    LEFT JOIN search_tickets t ON t.worker = w.worker AND t.state = 'running'
    LEFT JOIN search_studies s USING (study_id)
    WHERE (w.ended_at IS NULL OR (w.note IS NOT NULL AND w.ended_at > now() - interval '1 day'))
      AND (CAST(:study AS text) IS NULL OR s.name = :study)
    ORDER BY w.host, w.started_at
    """
)


def register(connection: Connection, worker: str, *, host: str, device: str, code_version: str) -> None:
    """Enters a worker that starts. worker: a name that no other ever has."""
    values = {"worker": worker, "host": host, "device": device, "code_version": code_version}
    connection.execute(_REGISTER, values | {"days": FORGOTTEN_DAYS})


def seen(connection: Connection, worker: str, *, note: str | None) -> None:
    """Says that a worker is there."""
    connection.execute(_SEEN, {"worker": worker, "note": note})


def ended(connection: Connection, worker: str, *, note: str | None) -> None:
    """Says that a worker has left, with the reason where it could not stay."""
    connection.execute(_ENDED, {"worker": worker, "note": note})


def everyone(connection: Connection, *, study: str | None = None) -> list[WorkerRecord]:
    """The workers of all studies, or those that train one now."""
    rows = connection.execute(_EVERYONE, {"study": study})
    return [WorkerRecord(**row._mapping) for row in rows]
