"""Workers and their children are killed, stopped and frozen; the fleet finishes as a calm one does."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.s3 import S3, S3_SECRET

from .fleet import LEASE_SECONDS, Fleet
from .ground import Ground
from .records import RATES
from .search_worker import Worker, are_gone

pytestmark = pytest.mark.slow

RESCUE_SECONDS = LEASE_SECONDS + 10.0


@pytest.fixture(scope="module")
def shared(ground: Ground, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """A fleet for the tests of this file, which leave living workers to each other."""
    fleet = Fleet(ground, tmp_path_factory.mktemp("processes") / "fleet")
    yield fleet
    fleet.close()


def test_a_worker_killed_beside_an_idle_one(shared: Fleet) -> None:
    shared.standing(2)
    shared.register("idle")
    (before,) = shared.wait_until_training("idle")
    victim = shared.trainer_of("idle")
    trainer = victim.trainer()
    timings = shared.seconds("idle")
    victim.kill()
    killed = time.monotonic()

    def resumed() -> bool:
        return any(a["attempt"] == 2 and a["resumed_from"] is not None for a in shared.attempts("idle"))

    shared.wait(resumed, "the second attempt", RESCUE_SECONDS)
    assert time.monotonic() - killed < RESCUE_SECONDS
    shared.wait(lambda: are_gone([trainer]), "the end of its child", 5)
    shared.wait_until_done("idle")
    shared.check_calm("idle")
    first, second = shared.attempts("idle")
    assert first["outcome"] == "lost"
    assert "fell silent in attempt 1" in first["reason"]
    assert second["resumed_from"] >= (before.epoch or 0), "a whole epoch is trained again"
    now = shared.seconds("idle")
    assert {key: now[key] for key in timings} == timings


def test_a_worker_killed_beside_a_busy_one(shared: Fleet) -> None:
    shared.standing(2)
    shared.register("busy", rates=RATES[:2], pause=0.25)
    shared.wait_until_training("busy", epochs=1, tickets=2)
    shared.trainer_of("busy", ticket=0).kill()
    # The survivor looks after the dead one's ticket in the middle of its own.
    shared.wait(lambda: shared.attempts("busy")[0]["outcome"] == "lost", "the ticket", RESCUE_SECONDS)
    assert shared.trials("busy")[1].state == "running"
    shared.wait_until_done("busy")
    shared.check_calm("busy")
    assert shared.losses("busy") == [1, 0]


def test_a_lease_is_renewed_within_an_epoch(fleet: Fleet) -> None:
    fleet.standing(2)
    fleet.register("long", pause=2 * LEASE_SECONDS / 13)  # steps and validation batches an epoch
    fleet.wait_until_training("long", epochs=1)
    assert [attempt["outcome"] for attempt in fleet.attempts("long")] == [None]


def test_a_frozen_worker_wakes_up_after_another_has_done_its_ticket(shared: Fleet) -> None:
    shared.standing(2)
    shared.register("frozen")
    shared.wait_until_training("frozen")
    zombie = shared.trainer_of("frozen")
    frozen = [psutil.Process(zombie.pid), *zombie.children()]
    for process in frozen:
        process.suspend()
    shared.wait_until_done("frozen")
    (other,) = [worker for worker in shared.workers if worker.is_up and worker is not zombie]
    other.send(signal.SIGTERM)
    other.leaves(0)
    timings, attempts = shared.seconds("frozen"), shared.attempts("frozen")
    for process in frozen[1:]:
        process.resume()
    late = "frozen-*/*/attempt-1/*.pt"
    shared.wait(lambda: [*shared.checkpoints.glob(late)], "a checkpoint that nobody needs any more", 30)
    frozen[0].resume()
    shared.wait(lambda: "was taken by another worker" in zombie.log, "the zombie's insight", 30)
    shared.register("next")
    shared.wait_until_done("next")
    assert zombie.is_up
    assert shared.seconds("frozen") == timings
    assert shared.attempts("frozen") == attempts
    assert [attempt["outcome"] for attempt in attempts] == ["lost", "complete"]
    shared.check_calm("frozen")
    shared.check_calm("next")
    assert [attempt["outcome"] for attempt in shared.attempts("next")] == ["complete"]
    assert not [*shared.checkpoints.glob("frozen-*/*/attempt-1")]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_a_worker_told_to_leave_gives_its_ticket_back(shared: Fleet, number: signal.Signals) -> None:
    shared.standing(1)
    name = f"leaving-{number.name}"
    shared.register(name, pause=0.15)
    shared.wait_until_training(name, epochs=1)
    worker = shared.trainer_of(name)
    processes = worker.children()
    os.killpg(worker.pid, number)  # as a terminal does, and systemd
    worker.leaves(0, seconds=30)
    shared.wait(lambda: are_gone(processes), "the end of its processes", 5)
    assert shared.trials(name)[0].state == "waiting"
    assert shared.attempts(name)[0]["outcome"] == "given back"
    assert shared.losses(name) == [0]
    shared.standing(1)
    shared.wait_until_done(name)
    shared.check_calm(name)


def test_a_second_ctrl_c_ends_a_worker_at_once(fleet: Fleet) -> None:
    gaps = [0.001, 0.03, 0.3]  # seconds
    fleet.standing(3)
    fleet.register("hasty", rates=RATES, pause=0.2)
    fleet.wait_until_training("hasty", epochs=1, tickets=3)
    children = {worker: worker.children() for worker in fleet.workers}
    for worker, gap in zip(fleet.workers, gaps, strict=True):
        worker.send(signal.SIGINT, signal.SIGINT, gap=gap)
    ends = [worker.process.wait(5) for worker in fleet.workers]
    fleet.wait(lambda: all(are_gone(each) for each in children.values()), "the end of the children", 5)
    # Signals that come before the process gets to look at them are one: then it has left in good order.
    assert set(ends[:2]) <= {0, 130}
    assert ends[2] == 130
    fleet.standing(2)
    fleet.wait_until_done("hasty")
    fleet.check_calm("hasty")
    outcomes = [attempt["outcome"] for attempt in fleet.attempts("hasty") if attempt["attempt"] == 1]
    assert sorted(outcomes) == sorted({0: "given back", 130: "lost"}[end] for end in ends)


def test_a_child_that_hangs_dies_with_its_supervisor(fleet: Fleet) -> None:
    """No thread of it can run, for it holds the interpreter's lock: the kernel must end it."""
    worker = fleet.start()
    fleet.register("hanging", mischief=["hang"], pause=0.0)
    fleet.wait_until_training("hanging")
    trainer = worker.trainer()
    time.sleep(1)
    worker.kill()
    fleet.wait(lambda: are_gone([trainer]), "the end of the child", 5)


def test_eight_workers_start_on_an_empty_database(fleet: Fleet) -> None:
    workers = [fleet.start() for _ in range(8)]
    known = "SELECT count(DISTINCT device), count(*) FROM search_workers WHERE ended_at IS NULL"
    fleet.wait(lambda: all("slot 0" in worker.log for worker in workers), "the start of eight workers")
    fleet.wait(lambda: fleet.sql(known) == [(8, 8)], "eight workers")
    assert all(worker.is_up for worker in workers)
    assert fleet.sql("SELECT count(*) FROM search_schema_version") == [(1,)]
    assert not any("rror" in worker.log for worker in workers)


def test_a_spare_worker_takes_over_the_slot_of_a_dead_one(fleet: Fleet) -> None:
    slots = {"CUDA_VISIBLE_DEVICES": "one,other", "MISCHIEF": "none"}
    workers = [fleet.start(slot=False, **slots) for _ in range(3)]

    def on_slots() -> list[Worker]:
        return [worker for worker in workers if worker.is_up and "slot " in worker.log]

    fleet.wait(lambda: len(on_slots()) == 2, "two workers with a slot")
    time.sleep(3)  # a third would be there by now
    first, second = on_slots()
    (spare,) = [worker for worker in workers if worker not in (first, second)]
    assert spare.is_up
    first.kill()
    fleet.wait(lambda: "slot " in spare.log, "the spare worker", 5)
    held = [next(word for word in worker.log.split("slot ")[1:])[0] for worker in (first, spare, second)]
    assert held[0] == held[1] != held[2]


def test_with_checkpoints_on_s3_another_host_goes_on(fleet: Fleet, tmp_path: Path) -> None:
    s3 = S3()
    s3.make_bucket()
    place = {"SEARCH_CHECKPOINTS": f"{s3.url}/checkpoints", **s3.environment}
    here = fleet.start(**place)
    fleet.register("mirrored")
    fleet.wait_until_training("mirrored", epochs=3)
    here.kill()
    there = fleet.start("--study", "mirrored", SEARCH_HOME=str(tmp_path / "another host"), **place)
    log = there.leaves(0)
    fleet.check_calm("mirrored")
    first, second = [attempt["resumed_from"] for attempt in fleet.attempts("mirrored")]
    assert (first, second >= 2) == (0, True)
    assert S3_SECRET not in log
    assert not s3.filesystem().find(s3.url), "what has ended needs no checkpoints"
    s3.stop()


def test_without_shared_checkpoints_a_retry_elsewhere_says_so(fleet: Fleet, tmp_path: Path) -> None:
    here = fleet.start(SEARCH_CHECKPOINTS="")
    fleet.register("elsewhere")
    (before,) = fleet.wait_until_training("elsewhere")
    here.kill()
    there = fleet.start("--study", "elsewhere", SEARCH_CHECKPOINTS="", SEARCH_HOME=str(tmp_path / "another host"))
    log = there.leaves(0)
    fleet.check_calm("elsewhere")
    assert [attempt["resumed_from"] for attempt in fleet.attempts("elsewhere")] == [0, 0]
    assert "epochs of an earlier attempt are trained again" in log
    assert "Set SEARCH_CHECKPOINTS" in log
    assert before.epoch is not None
