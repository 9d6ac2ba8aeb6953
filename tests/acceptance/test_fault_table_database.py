"""The database restarts, crashes, is gone or falls silent; training goes on and nothing is lost."""

import signal
import time
from collections.abc import Callable, Iterator

import pytest

from tests.half_open_proxy import HalfOpenProxy

from .fleet import LEASE_SECONDS, Fleet
from .ground import Ground
from .records import RATES
from .search_worker import are_gone

pytestmark = pytest.mark.slow

OUTAGE_SECONDS = 60.0
NOTICE_SECONDS = 25.0 + 10.0  # search.store.patience.ANSWER_SECONDS, and the longest pause between calls


@pytest.fixture(scope="module")
def shared(ground: Ground, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """A fleet for the tests of this file."""
    fleet = Fleet(ground, tmp_path_factory.mktemp("database") / "fleet")
    yield fleet
    fleet.close()


def restart(fleet: Fleet) -> None:
    fleet.postgres.restart()


def crash(fleet: Fleet) -> None:
    fleet.postgres.crash()
    fleet.postgres.start()


def cut_connections(fleet: Fleet) -> None:
    """Twenty times in two seconds: some of them in the middle of a transaction."""
    for _ in range(20):
        fleet.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid != pg_backend_pid()"
        )
        time.sleep(0.1)


@pytest.mark.parametrize("fault", [restart, crash, cut_connections], ids=lambda fault: fault.__name__)
def test_the_database_fails_for_a_moment(shared: Fleet, fault: Callable[[Fleet], None]) -> None:
    workers = shared.standing(2)
    name = fault.__name__
    shared.register(name, rates=RATES[:2])
    shared.wait_until_training(name, tickets=2)
    fault(shared)
    shared.wait_until_done(name)
    shared.check_calm(name)
    assert [attempt["attempt"] for attempt in shared.attempts(name)] == [1, 1]
    assert all(worker.is_up for worker in workers)


def test_the_database_is_gone_for_longer_than_the_lease(shared: Fleet) -> None:
    """Training ends meanwhile, and is reported later; a worker told to leave does so."""
    shared.standing(2)
    shared.register("gone", rates=RATES[:2], pause=0.3)
    before = shared.wait_until_training("gone", epochs=1, tickets=2)
    staying, leaving = shared.trainer_of("gone", 0), shared.trainer_of("gone", 1)
    children = leaving.children()
    with shared.postgres.gone():
        start = time.monotonic()
        time.sleep(LEASE_SECONDS)
        leaving.send(signal.SIGTERM)
        leaving.leaves(75, seconds=40)
        shared.wait(lambda: are_gone(children), "the end of its processes", 5)
        time.sleep(max(0.0, start + OUTAGE_SECONDS - time.monotonic()))
        assert staying.is_up
    back = time.monotonic()

    def is_done() -> bool:
        return shared.trials("gone")[0].state == "complete"

    shared.wait(is_done, "what was trained in the outage", 15)
    assert time.monotonic() - back < 15
    shared.wait_until_done("gone")
    shared.check_calm("gone")
    attempts = [attempt for attempt in shared.attempts("gone") if attempt["number"] == 0]
    assert [attempt["outcome"] for attempt in attempts] == ["complete"]
    assert staying.is_up
    retries = [attempt for attempt in shared.attempts("gone") if attempt["number"] == 1]
    assert [attempt["outcome"] for attempt in retries] == ["lost", "complete"]
    assert retries[1]["resumed_from"] >= (before[1].epoch or 0)


def test_half_open_connections_are_noticed_and_cost_no_ticket(fleet: Fleet) -> None:
    """Every byte vanishes and every connection stays up, for much longer than the lease.

    The first worker to be back finds the other's lease run out, and must not take it for dead.
    """
    with HalfOpenProxy(fleet.postgres.port) as one, HalfOpenProxy(fleet.postgres.port) as other:
        workers = [fleet.start(SEARCH_STORE=fleet.url(proxy.port)) for proxy in (one, other)]
        fleet.register("half-open", rates=RATES[:2], pause=0.3)
        fleet.wait_until_training("half-open", epochs=1, tickets=2)
        first = 0 if fleet.trainer_of("half-open", 0) is workers[0] else 1
        one.swallow()
        other.swallow()
        for worker in workers:
            fleet.wait(
                lambda worker=worker: "can't be reached" in worker.log, "the worker's insight", NOTICE_SECONDS
            )
        epoch = fleet.trials("half-open")[first].epoch
        one.heal()
        fleet.wait(lambda: fleet.trials("half-open")[first].epoch != epoch, "a word of the first worker", 20)
        time.sleep(2)  # in which it would take back the other's ticket
        other.heal()
        fleet.wait_until_done("half-open")
    fleet.check_calm("half-open")
    assert [attempt["outcome"] for attempt in fleet.attempts("half-open")] == ["complete"] * 2
