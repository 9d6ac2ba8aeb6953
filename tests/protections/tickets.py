"""What tickets do only once."""

from tests.protections.protection import Protection, protection

_LOST = "tests/integration/test_lost_attempts.py"
_TICKETS = "tests/integration/test_tickets.py"
_STAGES = "tests/integration/test_stages.py"
_PROCESSES = "tests/acceptance/test_fault_table_processes.py"
_TRAINING = "tests/acceptance/test_fault_table_training.py"
_FENCE = "WHERE ticket_id = :ticket_id AND attempt = :attempt AND state = 'running'"
_NO_FENCE = "WHERE ticket_id = :ticket_id AND state = 'running'"
_ZOMBIE = f"{_TICKETS}::test_a_worker_whose_ticket_was_taken_changes_nothing"

PROTECTIONS: list[Protection] = [
    protection(
        "the fence of a report",
        "search/store/tickets.py",
        f"{_FENCE}\n        RETURNING ticket_id, study_id, trial_id",
        f"{_NO_FENCE}\n        RETURNING ticket_id, study_id, trial_id",
        _ZOMBIE,
    ),
    protection(
        "the fence of a ticket's end",
        "search/store/tickets.py",
        f"{_FENCE}\n        RETURNING ticket_id, attempt, trial_id, epoch",
        f"{_NO_FENCE}\n        RETURNING ticket_id, attempt, trial_id, epoch",
        _ZOMBIE,
    ),
    protection(
        "the fence of a renewal",
        "search/store/tickets.py",
        f'{_FENCE}\n    """\n)\n\n_RESUMED',
        f'{_NO_FENCE}\n    """\n)\n\n_RESUMED',
        _ZOMBIE,
    ),
    protection(
        "the fence of a trial's beginning",
        "search/store/tickets.py",
        f"{_FENCE} FOR UPDATE",
        f"{_NO_FENCE} FOR UPDATE",
        _ZOMBIE,
    ),
    protection(
        "FOR UPDATE SKIP LOCKED in a claim",
        "search/store/tickets.py",
        "ORDER BY number LIMIT 1 FOR UPDATE SKIP LOCKED)",
        "ORDER BY number LIMIT 1)",
        f"{_TICKETS}::test_many_claim_at_once_and_none_twice",
    ),
    protection(
        "a claim's own text, so that it may be repeated",
        "search/store/tickets.py",
        "    if taken:\n        return Lease(**taken._mapping)\n    wanted",
        "    wanted",
        f"{_TICKETS}::test_every_step_may_be_repeated",
    ),
    protection(
        "an end that may be repeated",
        "search/store/tickets.py",
        "return connection.execute(_SETTLED_ALREADY, fence).one_or_none() is not None",
        "return False",
        f"{_TICKETS}::test_every_step_may_be_repeated",
    ),
    protection(
        "the limit of losses",
        "search/store/tickets.py",
        "CASE WHEN losses >= :max_losses THEN 'failed' ELSE 'waiting' END",
        "'waiting'",
        f"{_TICKETS}::test_a_ticket_that_kills_every_worker_fails_in_the_end",
    ),
    protection(
        "the limit of losses that a living worker reports",
        "search/store/tickets.py",
        'state = "waiting" if losses is None or losses <= MAX_LOSSES else "failed"',
        'state = "waiting"',
        f"{_TRAINING}::test_a_trial_that_kills_its_process_fails_in_the_end",
    ),
    protection(
        "giving back uncounted",
        "search/store/tickets.py",
        'return _settle(connection, lease, "waiting", "given back", None, reason, {})',
        "return lose(connection, lease, reason)",
        f"{_TICKETS}::test_giving_back_is_no_loss",
        f"{_PROCESSES}::test_a_worker_told_to_leave_gives_its_ticket_back[SIGTERM]",
    ),
    protection(
        "epochs of a lost attempt that are superseded",
        "search/store/tickets.py",
        "WHERE :state IN ('complete', 'pruned') AND e.ticket_id",
        "WHERE false AND :state IN ('complete', 'pruned') AND e.ticket_id",
        f"{_LOST}::test_epochs_that_the_last_attempt_did_not_come_to_are_no_part_of_the_trial",
    ),
    protection(
        "rungs that a failed attempt leaves",
        "search/store/trials.py",
        'if state == "FAIL":',
        "if False:",
        f"{_LOST}::test_a_lost_attempt_leaves_the_rungs_of_successive_halving",
    ),
    protection(
        "the lock under which a stage begins",
        "search/store/stages.py",
        'connection.execute(_LOCK, {"study_id": study_id})',
        "pass",
        f"{_STAGES}::test_of_many_who_begin_a_stage_one_does",
    ),
    protection(
        "the fence of predictions",
        "search/store/readings.py",
        "WHERE ticket_id = :ticket_id AND attempt = :attempt AND state = 'running'",
        "WHERE ticket_id = :ticket_id",
        f"{_STAGES}::test_who_lost_the_lease_stores_no_predictions",
    ),
    protection(
        "the weights that a confirming run keeps for its conclusion",
        "search/worker/attempt.py",
        "if not self._is_to_be_judged(ending) and self._weights_kept:",
        "if True:",
        "tests/acceptance/test_stages.py::test_each_stage_survives_kills_and_happens_once",
    ),
]
