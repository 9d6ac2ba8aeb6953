"""The protections of the service, as texts that can be taken out of it, and the tests that must then fail."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Edit:
    """`old` stands once in `file`, and gives way to `new`."""

    file: str
    old: str
    new: str


@dataclass(frozen=True)
class Protection:
    """What is taken out, by which edits, and the tests that prove it: pytest node ids."""

    name: str
    edits: tuple[Edit, ...]
    tests: tuple[str, ...]


_TICKETS = "tests/integration/test_tickets.py"
_CONNECTION = "tests/integration/test_connection.py"
_CHECKPOINT = "tests/unit/test_checkpoint.py"
_PROCESSES = "tests/acceptance/test_fault_table_processes.py"
_DATABASE = "tests/acceptance/test_fault_table_database.py"
_TRAINING = "tests/acceptance/test_fault_table_training.py"
_DISK = "tests/acceptance/test_fault_table_disk.py"
_VERSIONS = "tests/acceptance/test_fault_table_versions.py"
_SECRETS = "tests/acceptance/test_fault_table_secrets.py"


def _protection(name: str, file: str, old: str, new: str, *tests: str) -> Protection:
    return Protection(name, (Edit(file, old, new),), tests)


_FENCE = "WHERE ticket_id = :ticket_id AND attempt = :attempt AND state = 'running'"
_NO_FENCE = "WHERE ticket_id = :ticket_id AND state = 'running'"
_ZOMBIE = f"{_TICKETS}::test_a_worker_whose_ticket_was_taken_changes_nothing"

PROTECTIONS = [
    # Tickets
    _protection(
        "the fence of a report",
        "search/store/tickets.py",
        f"{_FENCE}\n        RETURNING ticket_id, study_id, trial_id",
        f"{_NO_FENCE}\n        RETURNING ticket_id, study_id, trial_id",
        _ZOMBIE,
    ),
    _protection(
        "the fence of a ticket's end",
        "search/store/tickets.py",
        f"{_FENCE}\n        RETURNING ticket_id, attempt, trial_id, epoch",
        f"{_NO_FENCE}\n        RETURNING ticket_id, attempt, trial_id, epoch",
        _ZOMBIE,
    ),
    _protection(
        "the fence of a renewal",
        "search/store/tickets.py",
        f'{_FENCE}\n    """\n)\n\n_RESUMED',
        f'{_NO_FENCE}\n    """\n)\n\n_RESUMED',
        _ZOMBIE,
    ),
    _protection(
        "the fence of a trial's beginning",
        "search/store/tickets.py",
        f"{_FENCE} FOR UPDATE",
        f"{_NO_FENCE} FOR UPDATE",
        _ZOMBIE,
    ),
    _protection(
        "FOR UPDATE SKIP LOCKED in a claim",
        "search/store/tickets.py",
        "ORDER BY number LIMIT 1 FOR UPDATE SKIP LOCKED)",
        "ORDER BY number LIMIT 1)",
        f"{_TICKETS}::test_many_claim_at_once_and_none_twice",
    ),
    _protection(
        "a claim's own text, so that it may be repeated",
        "search/store/tickets.py",
        "    if taken:\n        return Lease(**taken._mapping)\n    wanted",
        "    wanted",
        f"{_TICKETS}::test_every_step_may_be_repeated",
    ),
    _protection(
        "an end that may be repeated",
        "search/store/tickets.py",
        "return connection.execute(_SETTLED_ALREADY, fence).one_or_none() is not None",
        "return False",
        f"{_TICKETS}::test_every_step_may_be_repeated",
    ),
    _protection(
        "the limit of losses",
        "search/store/tickets.py",
        "CASE WHEN losses >= :max_losses THEN 'failed' ELSE 'waiting' END",
        "'waiting'",
        f"{_TICKETS}::test_a_ticket_that_kills_every_worker_fails_in_the_end",
    ),
    _protection(
        "the limit of losses that a living worker reports",
        "search/store/tickets.py",
        'state = "waiting" if losses is None or losses <= MAX_LOSSES else "failed"',
        'state = "waiting"',
        f"{_TRAINING}::test_a_trial_that_kills_its_process_fails_in_the_end",
    ),
    _protection(
        "giving back uncounted",
        "search/store/tickets.py",
        'return _settle(connection, lease, "waiting", "given back", None, reason, {})',
        "return lose(connection, lease, reason)",
        f"{_TICKETS}::test_giving_back_is_no_loss",
        f"{_PROCESSES}::test_a_worker_told_to_leave_gives_its_ticket_back[SIGTERM]",
    ),
    _protection(
        "epochs of a lost attempt that are superseded",
        "search/store/tickets.py",
        "WHERE :state IN ('complete', 'pruned') AND e.ticket_id",
        "WHERE false AND :state IN ('complete', 'pruned') AND e.ticket_id",
        f"{_TICKETS}",
    ),
    _protection(
        "rungs that a failed attempt leaves",
        "search/store/trials.py",
        'if state == "FAIL":',
        "if False:",
        f"{_TICKETS}",
    ),
    # Leases
    _protection(
        "the renewal of a lease",
        "search/worker/attempt.py",
        "if time.monotonic() - self._renewed_at < seconds / 4:",
        "if True:",
        f"{_PROCESSES}::test_a_lease_is_renewed_within_an_epoch",
    ),
    _protection(
        "the reaping by busy workers",
        "search/worker/attempt.py",
        "        self._desk.reap()\n",
        "",
        f"{_PROCESSES}::test_a_worker_killed_beside_a_busy_one",
    ),
    _protection(
        "the reaping by idle workers",
        "search/worker/supervisor.py",
        "        self._desk.reap()\n",
        "",
        f"{_PROCESSES}::test_a_worker_killed_beside_an_idle_one",
    ),
    _protection(
        "the reaper's patience with a server that has just started",
        "search/store/tickets.py",
        "AND now() > pg_postmaster_start_time() + :patience * interval '1 second'",
        "AND :patience >= 0",
        f"{_TICKETS}::test_a_living_lease_is_not_reaped",
    ),
    _protection(
        "the reaper's patience after its own outage",
        "search/worker/desk.py",
        "if self.store.seconds_in_touch() < patience:",
        "if False:",
        f"{_DATABASE}::test_half_open_connections_are_noticed_and_cost_no_ticket",
    ),
    # The database
    _protection(
        "trying again on a lost connection",
        "search/store/connection.py",
        "retry=retry_if_exception(is_lost_connection)",
        "retry=retry_if_exception(lambda error: False)",
        f"{_CONNECTION}::test_a_killed_connection_is_replaced",
        f"{_DATABASE}::test_the_database_fails_for_a_moment[restart]",
    ),
    _protection(
        "the clock that a call to the database is held to",
        "search/store/patience.py",
        "if isinstance(connection, PatientConnection):",
        "if False:",
        f"{_DATABASE}::test_half_open_connections_are_noticed_and_cost_no_ticket",
    ),
    _protection(
        "leaving soon in an outage",
        "search/store/connection.py",
        "limit = LEAVING_SECONDS if self._leaving.is_set() else OUTAGE_SECONDS",
        "limit = OUTAGE_SECONDS",
        f"{_DATABASE}::test_the_database_is_gone_for_longer_than_the_lease",
    ),
    _protection(
        "the advisory lock of a migration",
        "search/store/schema.py",
        '        lock.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _LOCK})\n',
        "",
        f"{_CONNECTION}::test_eight_processes_may_start_on_an_empty_database",
        f"{_PROCESSES}::test_eight_workers_start_on_an_empty_database",
    ),
    _protection(
        "sessions that speak UTC",
        "search/store/connection.py",
        "-c timezone=UTC ",
        "",
        f"{_VERSIONS}::test_a_worker_whose_clock_and_time_zone_are_off",
    ),
    # Processes
    _protection(
        "the child's death with its supervisor",
        "search/worker/child.py",
        "ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)",
        "pass",
        f"{_PROCESSES}::test_a_child_that_hangs_dies_with_its_supervisor",
    ),
    _protection(
        "the kill of a process that hangs",
        "search/worker/attempt.py",
        "if silent > self._settings.stall_seconds:",
        "if False:",
        f"{_TRAINING}::test_hung_training_is_killed_with_its_stack_and_fails_in_the_end",
    ),
    _protection(
        "the stacks of a process that hangs",
        "search/worker/attempt.py",
        "stacks = self._child.stacks()",
        'stacks = ""',
        f"{_TRAINING}::test_hung_data_loading_is_killed_with_its_stack_and_fails_in_the_end",
    ),
    _protection(
        "stacks that need no turn of Python's own",
        "search/worker/child.py",
        "faulthandler.register(STACKS, file, all_threads=True)",
        "signal.signal(STACKS, lambda *_: faulthandler.dump_traceback(file))",
        f"{_TRAINING}::test_hung_training_is_killed_with_its_stack_and_fails_in_the_end",
    ),
    _protection(
        "the second signal",
        "search/worker/service.py",
        "os._exit(128 + number)",
        "pass",
        f"{_PROCESSES}::test_a_second_ctrl_c_ends_a_worker_at_once",
    ),
    _protection(
        "the child's deafness to Ctrl-C",
        "search/worker/child.py",
        "    signal.signal(signal.SIGINT, signal.SIG_IGN)",
        "    signal.signal(signal.SIGINT, signal.SIG_DFL)",
        f"{_PROCESSES}::test_a_worker_told_to_leave_gives_its_ticket_back[SIGINT]",
    ),
    _protection(
        "the lock of a slot",
        "search/worker/slots.py",
        "fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)",
        "pass",
        f"{_PROCESSES}::test_a_spare_worker_takes_over_the_slot_of_a_dead_one",
    ),
    _protection(
        "a zombie's tidying up",
        "search/worker/attempt.py",
        'shutil.rmtree(folder / f"attempt-{self._lease.attempt}", ignore_errors=True)',
        "pass",
        f"{_PROCESSES}::test_a_frozen_worker_wakes_up_after_another_has_done_its_ticket",
    ),
    _protection(
        "the word that epochs are trained again",
        "search/worker/attempt.py",
        "if resumed_from < self._lease.epochs:",
        "if False:",
        f"{_PROCESSES}::test_without_shared_checkpoints_a_retry_elsewhere_says_so",
    ),
    # Training
    _protection(
        "the look at the training loss",
        "search/training/run.py",
        "if not finite.all():",
        "if False:",
        "tests/unit/test_run.py::test_a_loss_that_is_not_finite_is_divergence",
        f"{_TRAINING}::test_a_loss_that_is_never_finite_prunes_without_a_value",
    ),
    _protection(
        "out of memory as a kind of its own",
        "search/worker/child.py",
        "except torch.OutOfMemoryError as error:",
        "except ZeroDivisionError as error:",
        f"{_TRAINING}::test_out_of_memory_fails_once_with_the_batch_size",
    ),
    _protection(
        "a broken device as a kind of its own",
        "search/worker/child.py",
        "except torch.AcceleratorError as error:",
        "except ZeroDivisionError as error:",
        f"{_TRAINING}::test_a_broken_device_costs_its_worker_and_no_trial",
    ),
    # Files
    Protection(
        "writing a checkpoint aside",
        (
            Edit(
                "search/training/checkpoint.py", 'with aside.open("wb") as file:', 'with path.open("wb") as file:'
            ),
            Edit("search/training/checkpoint.py", "            aside.replace(path)\n", ""),
        ),
        (f"{_CHECKPOINT}::test_a_full_disk_leaves_no_trace_and_the_old_ones_stand", f"{_DISK}::test_a_full_disk"),
    ),
    _protection(
        "the checksums of a checkpoint",
        "search/training/checkpoint.py",
        "damaged = archive.testzip()",
        "damaged = None",
        f"{_CHECKPOINT}::test_a_flipped_bit_in_the_weights_falls_back",
        f"{_DISK}::test_a_damaged_checkpoint_falls_back_to_the_one_before[flipped]",
    ),
    _protection(
        "the checkpoint before the newest",
        "search/training/checkpoint.py",
        "KEPT = 2",
        "KEPT = 1",
        f"{_DISK}::test_a_damaged_checkpoint_falls_back_to_the_one_before[torn]",
    ),
    _protection(
        "going on where a checkpoint can't be saved",
        "search/training/checkpoint.py",
        "if self._failures == FAILURES:",
        "if True:",
        f"{_DISK}::test_a_full_disk",
    ),
    _protection(
        "giving up where none can be saved",
        "search/training/checkpoint.py",
        "if self._failures == FAILURES:",
        "if False:",
        f"{_DISK}::test_a_full_disk",
    ),
    _protection(
        "preparing damaged data again",
        "search/worker/data.py",
        "            cache.discard_damaged(folder)\n",
        "            raise\n",
        f"{_DISK}::test_damaged_prepared_data_are_prepared_again",
    ),
    _protection(
        "the checksums of prepared data",
        "search/training/cache.py",
        "if _measured(file) != expected:",
        "if False:",
        f"{_DISK}::test_damaged_prepared_data_are_prepared_again",
    ),
    _protection(
        "missing data as a fault of the machine",
        "search/worker/attempt.py",
        'if failure.kind == "data":',
        "if False:",
        f"{_DISK}::test_a_machine_without_the_data_serves_other_studies",
    ),
    # Versions and definitions
    _protection(
        "the version that a claim asks for",
        "search/store/tickets.py",
        "      AND ({NEWER}) IS NOT TRUE\n",
        "      AND (({NEWER}) IS NOT TRUE OR true)\n",
        f"{_VERSIONS}::test_a_worker_of_an_older_version",
    ),
    _protection(
        "the version that a worker of one study asks for",
        "search/worker/service.py",
        "            studies.refuse_old_version(row, __version__)\n",
        "            pass\n",
        f"{_VERSIONS}::test_a_worker_of_an_older_version",
    ),
    _protection(
        "the refusal of another definition",
        "search/store/studies.py",
        "if row.definition_hash != definition.hash:",
        "if False:",
        f"{_TICKETS}::test_another_definition_under_that_name_is_refused",
        f"{_VERSIONS}::test_two_definitions_launched_under_one_name_at_once",
    ),
    _protection(
        "one creator of a study",
        "search/store/studies.py",
        " ON CONFLICT (study_name) DO NOTHING RETURNING study_id",
        " RETURNING study_id",
        f"{_VERSIONS}::test_two_definitions_launched_under_one_name_at_once",
    ),
    # Secrets
    _protection(
        "a child's environment without secrets",
        "search/worker/child_process.py",
        "_set_environment(dict.fromkeys(secrets) | dict(changes))",
        "_set_environment(dict(changes))",
        f"{_SECRETS}::test_a_password_appears_nowhere",
    ),
    _protection(
        "logs without secrets",
        "search/logs.py",
        "hide = redaction(secrets)",
        "hide = str",
        "tests/unit/test_logs.py::test_a_secret_appears_nowhere",
    ),
    _protection(
        "the address of a store without its password",
        "search/commands.py",
        "make_url(url).render_as_string(hide_password=True)",
        "url",
        f"{_SECRETS}::test_a_password_appears_nowhere",
    ),
]
