"""Tickets: the work of a study, one row for each trial to be done.

The laws:

- A ticket is claimed by one worker at a time, with a new attempt number and a lease in database time.
- The attempt number is the fencing token: every later write names it, and does nothing once the ticket was taken
  away. Such a write returns False; the worker then stops and says nothing.
- A ticket and the Optuna trial of its attempt change state in one transaction.
- Every function may be run again after a lost acknowledgement and then changes nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, text

from search.store import trials
from search.store.trials import Parameters

MAX_LOSSES = 3  # how often a ticket may lose its worker before it fails for good

PRUNED = "pruned after epoch"  # how the reason of a trial begins that the pruner stopped

Ending = Literal["complete", "pruned", "failed"]
Stage = Literal["search", "confirm", "conclude"]

# Whether a study was registered by a newer version than the release, an array of numbers such as {0,1,0}.
NEWER = "string_to_array(substring(s.code_version from '^[0-9.]*[0-9]'), '.')::int[] > CAST(:release AS int[])"


@dataclass(frozen=True)
class Lease:
    """A claimed ticket: what to do, and the attempt that every write about it must name.

    stage, source: as of `search.store.records.TrialRecord`.
    parameters: fixed by the design or drawn by an earlier attempt; None where the sampler is still to draw them.
    epochs: how many epochs earlier attempts have reported.
    """

    ticket_id: int
    attempt: int
    study_id: int
    number: int
    stage: Stage
    source: int | None
    parameters: Parameters | None
    seed: int
    worker: str
    epochs: int


@dataclass(frozen=True)
class Lost:
    """A ticket whose worker fell silent, and what became of it."""

    ticket_id: int
    worker: str
    state: str


# Whether the search has used up its budget of epochs or hours: then none of its trials begins any more.
SPENT = """
    ((s.epoch_budget IS NOT NULL AND s.epoch_budget <=
      (SELECT count(*) FROM search_epochs JOIN search_tickets t USING (ticket_id)
       WHERE t.study_id = s.study_id AND t.stage = 'search'))
     OR (s.hour_budget IS NOT NULL AND s.hour_budget * 3600 <= coalesce(
         (SELECT sum(seconds) FROM search_epochs JOIN search_tickets t USING (ticket_id)
          WHERE t.study_id = s.study_id AND t.stage = 'search'), 0)))
    """

# The studies that have work to give, most urgent first. What a newer version registered is not for an older one.
_CLAIMABLE_STUDIES = text(
    f"""
    SELECT s.study_id, spent FROM search_studies s CROSS JOIN LATERAL (SELECT {SPENT}) AS of(spent)
    WHERE s.state = 'open' AND (:study_id IS NULL OR s.study_id = :study_id)
      AND NOT s.study_id = ANY(:refused)
      AND ({NEWER}) IS NOT TRUE
      AND EXISTS (SELECT FROM search_tickets t WHERE t.study_id = s.study_id AND t.state = 'waiting'
                  AND NOT (spent AND t.stage = 'search'))
    ORDER BY s.priority DESC, s.created_at
    """  # noqa: S608 - the only texts put in are constants
)

_LEASE = """
    c.ticket_id, c.attempt, c.study_id, c.number, c.stage, c.source, c.parameters, c.seed, c.worker,
    (SELECT count(*) FROM search_epochs e WHERE e.ticket_id = c.ticket_id) AS epochs
    """

_CLAIM = text(
    f"""
    WITH c AS (
        UPDATE search_tickets SET
            state = 'running', attempt = attempt + 1, claim = :claim, worker = :worker, trial_id = NULL,
            epoch = NULL, claimed_at = coalesce(claimed_at, now()), progress_at = now(),
            lease_expires_at = now() + :lease * interval '1 second'
        WHERE ticket_id = (
            SELECT ticket_id FROM search_tickets WHERE study_id = :study_id AND state = 'waiting'
              AND NOT (:spent AND stage = 'search')
            ORDER BY number LIMIT 1 FOR UPDATE SKIP LOCKED)
        RETURNING *
    ), attempts AS (
        INSERT INTO search_attempts (ticket_id, attempt, worker) SELECT ticket_id, attempt, worker FROM c
    )
    SELECT {_LEASE} FROM c
    """  # noqa: S608 - the only text put in is a constant
)

_CLAIMED_ALREADY = text(
    f"SELECT {_LEASE} FROM search_tickets c WHERE claim = :claim AND state = 'running'"  # noqa: S608 - as above
)

_LOCK = text(
    """
    SELECT trial_id FROM search_tickets
    WHERE ticket_id = :ticket_id AND attempt = :attempt AND state = 'running' FOR UPDATE
    """
)

_NEXT_NUMBER = text("SELECT coalesce(max(number) + 1, 0) FROM search_tickets WHERE study_id = :study_id")

_RENEW = text(
    """
    UPDATE search_tickets SET lease_expires_at = now() + :lease * interval '1 second',
        progress_at = greatest(progress_at, now() - :silent * interval '1 second')
    WHERE ticket_id = :ticket_id AND attempt = :attempt AND state = 'running'
    """
)

_RESUMED = text(
    "UPDATE search_attempts SET resumed_from = :epochs WHERE ticket_id = :ticket_id AND attempt = :attempt"
)

# One statement renews the lease, stores the epoch and reports the objective: all of it, or, fenced off, nothing.
_REPORT = text(
    """
    WITH lease AS (
        UPDATE search_tickets SET epoch = :epoch, progress_at = now(),
            lease_expires_at = now() + :lease * interval '1 second'
        WHERE ticket_id = :ticket_id AND attempt = :attempt AND state = 'running'
        RETURNING ticket_id, study_id, trial_id
    ), stored AS (
        INSERT INTO search_epochs (ticket_id, epoch, metrics, seconds, samples_per_second)
        SELECT ticket_id, :epoch, CAST(:metrics AS jsonb), :seconds, :samples_per_second FROM lease
        ON CONFLICT (ticket_id, epoch) DO UPDATE SET metrics = excluded.metrics, seconds = excluded.seconds,
            samples_per_second = excluded.samples_per_second
    ), reported AS (
        INSERT INTO trial_intermediate_values (trial_id, step, intermediate_value, intermediate_value_type)
        SELECT trial_id, :epoch, :value, 'FINITE' FROM lease
        ON CONFLICT (trial_id, step) DO UPDATE SET intermediate_value = excluded.intermediate_value
    )
    SELECT trials_ended FROM lease JOIN search_studies USING (study_id)
    """
)

# Epochs that an earlier attempt reported and the one that ended the trial did not come to are no part of it.
_SETTLE = text(
    """
    WITH settled AS (
        UPDATE search_tickets SET state = :state, reason = :reason, lease_expires_at = NULL,
            finished_at = CASE WHEN :state = 'waiting' THEN NULL ELSE now() END
        WHERE ticket_id = :ticket_id AND attempt = :attempt AND state = 'running'
        RETURNING ticket_id, attempt, trial_id, epoch
    ), attempts AS (
        UPDATE search_attempts a SET ended_at = now(), outcome = :outcome, reason = :reason
        FROM settled s WHERE a.ticket_id = s.ticket_id AND a.attempt = s.attempt
    ), superseded AS (
        DELETE FROM search_epochs e USING settled s
        WHERE :state IN ('complete', 'pruned') AND e.ticket_id = s.ticket_id AND e.epoch > coalesce(s.epoch, 0)
    )
    SELECT trial_id FROM settled
    """
)

_COUNT_ENDED = text("UPDATE search_studies SET trials_ended = trials_ended + 1 WHERE study_id = :study_id")

_SETTLED_ALREADY = text(
    "SELECT FROM search_tickets WHERE ticket_id = :ticket_id AND attempt = :attempt AND state = :state"
)

_HAS_ENDED = text("SELECT state NOT IN ('waiting', 'running') FROM search_tickets WHERE ticket_id = :ticket_id")

# While the server has been up for a short time only, every lease looks expired though its worker may live.
_REAP = text(
    """
    WITH lost AS (
        UPDATE search_tickets SET
            state = CASE WHEN losses >= :max_losses THEN 'failed' ELSE 'waiting' END,
            finished_at = CASE WHEN losses >= :max_losses THEN now() END,
            losses = losses + 1, lease_expires_at = NULL,
            reason = format('worker %s fell silent in attempt %s', worker, attempt)
        WHERE ticket_id IN (
            SELECT ticket_id FROM search_tickets
            WHERE state = 'running' AND lease_expires_at < now() FOR UPDATE SKIP LOCKED)
          AND now() > pg_postmaster_start_time() + :patience * interval '1 second'
        RETURNING ticket_id, attempt, worker, state, reason, trial_id
    ), attempts AS (
        UPDATE search_attempts a SET ended_at = now(), outcome = 'lost', reason = l.reason
        FROM lost l WHERE a.ticket_id = l.ticket_id AND a.attempt = l.attempt
    )
    SELECT * FROM lost
    """
)


def is_infeasible(state: str | None, reason: str | None) -> bool:
    """Whether a trial that ended so has a configuration that can't be trained: it failed or diverged."""
    return state == "failed" or (state == "pruned" and not (reason or "").startswith(PRUNED))


@dataclass(frozen=True)
class Work:
    """A ticket to be filed. parameters: None where the sampler is to draw them."""

    parameters: Parameters | None
    seed: int
    stage: Stage = "search"
    source: int | None = None


def file(connection: Connection, study_id: int, work: Sequence[Work]) -> None:
    """Files one waiting ticket for each entry, numbered on from those that there are.

    The caller has the study locked, or nobody else knows of it yet.
    """
    if not work:
        return
    first = connection.execute(_NEXT_NUMBER, {"study_id": study_id}).scalar_one()
    connection.execute(
        text(
            "INSERT INTO search_tickets (study_id, number, stage, source, parameters, seed) "
            "VALUES (:study_id, :number, :stage, :source, CAST(:parameters AS jsonb), :seed)"
        ),
        [
            {
                "study_id": study_id,
                "number": number,
                "stage": each.stage,
                "source": each.source,
                "parameters": trials.to_json(each.parameters),
                "seed": each.seed,
            }
            for number, each in enumerate(work, first)
        ],
    )


def claim(
    connection: Connection,
    *,
    worker: str,
    claim: str,
    lease: float,
    release: Sequence[int],
    study_id: int | None = None,
    refused: Sequence[int] = (),
) -> Lease | None:
    """Takes the next waiting ticket, of one study or of any; None where there is none.

    claim: a text of the caller's that no other claim ever has; running again with it finds the same ticket.
    lease: seconds that the worker may be silent.
    release: the worker's version as numbers, such as (0, 1, 0); it is given nothing that a newer one registered.
    refused: ids of studies that this worker can't serve.
    """
    taken = connection.execute(_CLAIMED_ALREADY, {"claim": claim}).one_or_none()
    if taken:
        return Lease(**taken._mapping)
    wanted = {"study_id": study_id, "refused": list(refused), "release": list(release)}
    for study in connection.execute(_CLAIMABLE_STUDIES, wanted).all():
        values = {**study._mapping, "claim": claim, "worker": worker, "lease": lease}
        taken = connection.execute(_CLAIM, values).one_or_none()
        if taken:
            return Lease(**taken._mapping)
    return None


def begin(connection: Connection, lease: Lease, parameters: Parameters, kinds: trials.Distributions) -> int | None:
    """Creates the Optuna trial of this attempt and returns its id; None where the lease was lost.

    The parameters are kept on the ticket, so that a later attempt trains the same ones.
    """
    ticket = connection.execute(_LOCK, _fence(lease)).one_or_none()
    if ticket is None:
        return None
    if ticket.trial_id is not None:
        return int(ticket.trial_id)
    notes = {
        "stage": lease.stage,
        "ticket": lease.number,
        "attempt": lease.attempt,
        "seed": lease.seed,
        "worker": lease.worker,
    }
    trial_id = trials.create(connection, lease.study_id, parameters, kinds, notes)
    connection.execute(
        text(
            "UPDATE search_tickets SET trial_id = :trial_id, parameters = CAST(:parameters AS jsonb) "
            "WHERE ticket_id = :ticket_id"
        ),
        {"trial_id": trial_id, "parameters": trials.to_json(parameters), "ticket_id": lease.ticket_id},
    )
    return trial_id


def renew(connection: Connection, lease: Lease, *, seconds: float, silent: float) -> bool:
    """Prolongs the lease; False where it was lost.

    silent: seconds since the last training step, which is what people are shown.
    """
    return connection.execute(_RENEW, _fence(lease) | {"lease": seconds, "silent": silent}).rowcount == 1


def resumed(connection: Connection, lease: Lease, *, epochs: int) -> None:
    """Notes how many whole epochs the attempt took over from earlier ones."""
    connection.execute(_RESUMED, _fence(lease) | {"epochs": epochs})


def report(
    connection: Connection,
    lease: Lease,
    *,
    epoch: int,
    value: float,
    metrics: dict[str, float],
    seconds: float,
    samples_per_second: float,
    renew_seconds: float,
) -> int | None:
    """Stores one epoch, its objective `value` for the pruners, and renews the lease.

    Returns how many trials of the study have ended, which tells pruners whether there is news; None where the
    lease was lost.
    """
    values: dict[str, Any] = {
        "epoch": epoch,
        "value": value,
        "metrics": trials.to_json(metrics),
        "seconds": seconds,
        "samples_per_second": samples_per_second,
        "lease": renew_seconds,
    }
    ended: int | None = connection.execute(_REPORT, _fence(lease) | values).scalar()
    return ended


def finish(
    connection: Connection,
    lease: Lease,
    state: Ending,
    *,
    value: float | None = None,
    reason: str | None = None,
    notes: dict[str, Any] | None = None,
) -> bool:
    """Ends the ticket and its trial for good; False where the lease was lost.

    value: the trial's objective, finite; None where no epoch was whole.
    reason: why it was pruned or failed, for people.
    notes: small facts for the trial's user attributes.
    """
    return _settle(connection, lease, state, state, value, reason, notes or {})


def give_back(connection: Connection, lease: Lease, reason: str) -> bool:
    """Makes the ticket wait again, uncounted as a loss; False where the lease was lost."""
    return _settle(connection, lease, "waiting", "given back", None, reason, {})


def lose(connection: Connection, lease: Lease, reason: str) -> bool:
    """As `give_back`, counted as a loss: after `MAX_LOSSES` of them the ticket fails."""
    losses = connection.execute(
        text(
            "UPDATE search_tickets SET losses = losses + 1 "
            "WHERE ticket_id = :ticket_id AND attempt = :attempt AND state = 'running' RETURNING losses"
        ),
        _fence(lease),
    ).scalar()
    state = "waiting" if losses is None or losses <= MAX_LOSSES else "failed"
    return _settle(connection, lease, state, "lost", None, reason, {})


def has_ended(connection: Connection, lease: Lease) -> bool:
    """Whether the ticket has ended for good, by whatever attempt, or is no longer there."""
    return connection.execute(_HAS_ENDED, {"ticket_id": lease.ticket_id}).scalar() is not False


def reap(connection: Connection, *, patience: float) -> list[Lost]:
    """Takes back every ticket whose lease ran out, closing the dead attempts' trials.

    patience: seconds that the server must have been up, within which living workers renew their leases.
    """
    rows = connection.execute(_REAP, {"patience": patience, "max_losses": MAX_LOSSES}).all()
    for row in rows:
        if row.trial_id is not None:
            trials.close(connection, row.trial_id, "FAIL", None, {"reason": row.reason})
    return [Lost(row.ticket_id, row.worker, row.state) for row in rows]


def _settle(
    connection: Connection,
    lease: Lease,
    state: str,
    outcome: str,
    value: float | None,
    reason: str | None,
    notes: dict[str, Any],
) -> bool:
    fence = _fence(lease) | {"state": state}
    row = connection.execute(_SETTLE, fence | {"outcome": outcome, "reason": reason}).one_or_none()
    if row is None:
        return connection.execute(_SETTLED_ALREADY, fence).one_or_none() is not None
    connection.execute(_COUNT_ENDED, {"study_id": lease.study_id})
    if row.trial_id is not None:
        trial_state = {"complete": "COMPLETE", "pruned": "PRUNED"}.get(state, "FAIL")
        reasons = {"reason": reason} if reason else {}
        trials.close(connection, row.trial_id, trial_state, value, notes | reasons)
    return True


def _fence(lease: Lease) -> dict[str, Any]:
    return {"ticket_id": lease.ticket_id, "attempt": lease.attempt}
