"""Trials that hang, diverge, run out of memory or kill their process: each ends with its reason, the rest is done.

Two workers serve all of them at once; each test looks at one study.
"""

import re
from collections.abc import Iterator

import pytest
from optuna.trial import TrialState

from search.store.records import TrialRecord
from search.store.tickets import MAX_LOSSES

from .fleet import Fleet
from .ground import Ground
from .records import RATES

pytestmark = pytest.mark.slow

STALL_SECONDS = 8.0
BAD = {  # in the order in which they are served
    "huge": ["none", "memory"],
    "diverging": ["none", "nan", "nan_at_once", "inf"],
    "poisonous": ["none", "poison"],
    "hanging": ["none", "hang"],
}


@pytest.fixture(scope="module")
def served(ground: Ground, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Every bad study, served by two workers in the order of `BAD`."""
    fleet = Fleet(ground, tmp_path_factory.mktemp("training") / "fleet", SEARCH_STALL_SECONDS=str(STALL_SECONDS))
    for name, mischief in BAD.items():
        fleet.register(name, mischief=mischief, pause=0.01)
    fleet.register("stuck", dataset={"name": "stuck", "image_size": 24}, pause=0.01)
    workers = fleet.standing(2)
    yield fleet
    assert all(worker.is_up for worker in workers)
    fleet.close()


def of(fleet: Fleet, study: str, mischief: str) -> TrialRecord:
    """The trial of a kind, once its study is done."""
    fleet.wait_until_done(study, seconds=200)
    (trial,) = [trial for trial in fleet.trials(study) if trial.parameters.get("mischief") == mischief]
    return trial


def outcomes(fleet: Fleet, study: str, ticket: int) -> list[str]:
    return [attempt["outcome"] for attempt in fleet.attempts(study) if attempt["number"] == ticket]


@pytest.mark.parametrize("study", BAD)
def test_the_good_trials_are_those_of_a_calm_run(served: Fleet, study: str) -> None:
    trial = of(served, study, "none")
    assert trial.state == "complete"
    assert (trial.value, trial.epochs) == served.ground.calm[RATES[0]]
    assert trial.attempt == 1


def test_hung_training_is_killed_with_its_stack_and_fails_in_the_end(served: Fleet) -> None:
    trial = of(served, "hanging", "hang")
    assert (trial.state, trial.attempt) == ("failed", MAX_LOSSES + 1)
    assert outcomes(served, "hanging", trial.ticket) == ["lost"] * (MAX_LOSSES + 1)
    for attempt in served.attempts("hanging"):
        if attempt["number"] == trial.ticket:
            assert re.search(r'File ".*/models/unruly\.py", line \d+ in misbehave', attempt["reason"])
            assert "made no progress for" in attempt["reason"]
            assert attempt["resumed_from"] == (0 if attempt["attempt"] == 1 else 2)


def test_hung_data_loading_is_killed_with_its_stack_and_fails_in_the_end(served: Fleet) -> None:
    served.wait_until_done("stuck", seconds=200)
    (trial,) = served.trials("stuck")
    assert (trial.state, trial.attempt) == ("failed", MAX_LOSSES + 1)
    assert re.search(r'File ".*/datasets/stuck\.py", line \d+ in decode', trial.reason or "")
    assert "made no progress for" in (trial.reason or "")


def test_a_trial_that_kills_its_process_fails_in_the_end(served: Fleet) -> None:
    trial = of(served, "poisonous", "poison")
    assert (trial.state, trial.attempt) == ("failed", MAX_LOSSES + 1)
    assert outcomes(served, "poisonous", trial.ticket) == ["lost"] * (MAX_LOSSES + 1)
    assert trial.reason == "the training process was killed by SIGKILL"


@pytest.mark.parametrize("kind", ["nan", "inf"])
def test_a_loss_that_is_not_finite_prunes_with_the_last_finite_value(served: Fleet, kind: str) -> None:
    trial = of(served, "diverging", kind)
    assert (trial.state, trial.attempt) == ("pruned", 1)
    assert trial.value == trial.curve[2] == of(served, "diverging", "none").curve[2]
    assert trial.curve.keys() == {1, 2}
    assert (trial.reason or "").startswith(f"epoch 3, step 3: the training loss is {kind}, of 11 steps an epoch")
    (optuna_trial,) = [t for t in served.optuna_trials("diverging") if t.params["mischief"] == kind]
    assert optuna_trial.state == TrialState.PRUNED
    assert optuna_trial.value == trial.value


def test_a_loss_that_is_never_finite_prunes_without_a_value(served: Fleet) -> None:
    trial = of(served, "diverging", "nan_at_once")
    assert (trial.state, trial.value, trial.curve) == ("pruned", None, {})
    assert (trial.reason or "").startswith("epoch 1, step 1: the training loss is nan")


def test_a_diverged_trial_is_never_the_best(served: Fleet) -> None:
    served.wait_until_done("diverging")
    assert "mischief none" in served.run("status", "diverging")


def test_out_of_memory_fails_once_with_the_batch_size(served: Fleet) -> None:
    trial = of(served, "huge", "memory")
    assert (trial.state, trial.attempt) == ("failed", 1)
    assert (trial.reason or "").startswith("out of memory at batch size 16 on cpu: CUDA out of memory")


def test_a_broken_device_costs_its_worker_and_no_trial(fleet: Fleet) -> None:
    broken = fleet.start(MISCHIEF="device")
    fleet.register("broken", rates=RATES[:2])
    assert "cpu failed: CUDA error: uncorrectable ECC error" in broken.leaves(75)
    assert "uncorrectable ECC error" in fleet.run("status", "--json")
    fleet.start("--study", "broken").leaves(0)
    fleet.check_calm("broken")
    first, second, *_ = fleet.attempts("broken")
    assert (first["outcome"], second["outcome"], second["resumed_from"]) == ("lost", "complete", 2)
    assert fleet.losses("broken") == [1, 0]
