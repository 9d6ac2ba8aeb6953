"""What tells the living from the dead, and outlasts the database's absence."""

from tests.protections.protection import Edit, Protection, protection

_TICKETS = "tests/integration/test_tickets.py"
_CONNECTION = "tests/integration/test_connection.py"
_PROCESSES = "tests/acceptance/test_fault_table_processes.py"
_DATABASE = "tests/acceptance/test_fault_table_database.py"
_VERSIONS = "tests/acceptance/test_fault_table_versions.py"

PROTECTIONS: list[Protection] = [
    protection(
        "the renewal of a lease",
        "search/worker/attempt.py",
        "if time.monotonic() - self._renewed_at < seconds / 4:",
        "if True:",
        f"{_PROCESSES}::test_a_lease_is_renewed_within_an_epoch",
    ),
    protection(
        "the reaping by busy workers",
        "search/worker/attempt.py",
        "        self._desk.reap()\n",
        "",
        f"{_PROCESSES}::test_a_worker_killed_beside_a_busy_one",
    ),
    protection(
        "the reaping by idle workers",
        "search/worker/supervisor.py",
        "        self._desk.reap()\n",
        "",
        f"{_PROCESSES}::test_a_worker_killed_beside_an_idle_one",
    ),
    protection(
        "the reaper's patience with a server that has just started",
        "search/store/tickets.py",
        "AND now() > pg_postmaster_start_time() + :patience * interval '1 second'",
        "AND :patience >= 0",
        f"{_TICKETS}::test_a_living_lease_is_not_reaped",
    ),
    protection(
        "the reaper's patience after its own outage",
        "search/worker/desk.py",
        "if self.store.seconds_in_touch() < patience:",
        "if False:",
        f"{_DATABASE}::test_half_open_connections_are_noticed_and_cost_no_ticket",
    ),
    protection(
        "trying again on a lost connection",
        "search/store/connection.py",
        "retry=retry_if_exception(is_lost_connection)",
        "retry=retry_if_exception(lambda error: False)",
        f"{_CONNECTION}::test_a_killed_connection_is_replaced",
        f"{_DATABASE}::test_the_database_fails_for_a_moment[restart]",
    ),
    protection(
        "the clock that a call to the database is held to",
        "search/store/patience.py",
        "patient = isinstance(connection, PatientConnection)",
        "patient = False",
        f"{_CONNECTION}::test_a_half_open_connection_is_noticed_and_replaced",
        f"{_DATABASE}::test_half_open_connections_are_noticed_and_cost_no_ticket",
    ),
    protection(
        "leaving soon in an outage",
        "search/store/connection.py",
        "if not self._leaving.is_set():",
        "if True:",
        f"{_DATABASE}::test_the_database_is_gone_for_longer_than_the_lease",
    ),
    protection(
        "the advisory lock of a migration",
        "search/store/schema.py",
        '        lock.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _LOCK})\n',
        "",
        f"{_CONNECTION}::test_eight_processes_may_start_on_an_empty_database",
        f"{_PROCESSES}::test_eight_workers_start_on_an_empty_database",
    ),
    Protection(
        "a trial's times in UTC, whatever the session's zone",
        (
            Edit("search/store/trials.py", "'RUNNING', now() AT TIME ZONE 'UTC'", "'RUNNING', now()"),
            Edit("search/store/trials.py", "_complete = now() AT TIME ZONE 'UTC'", "_complete = now()"),
        ),
        (f"{_VERSIONS}::test_a_worker_whose_clock_and_time_zone_are_off",),
    ),
]
