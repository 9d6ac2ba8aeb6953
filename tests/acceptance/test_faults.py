"""Processes are really killed, and every study ends as a calm run of it does."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from optuna.trial import TrialState
from sqlalchemy import text

from search.store import studies
from search.store.records import TrialRecord

from .conftest import WAIT_SECONDS, Service, trainer_of, wait_for, worker_of

pytestmark = pytest.mark.slow

STUDY = """
name: rates
question: Which learning rate is best?
dataset: {name: synthetic_faces, image_size: 32, images: 1200, test_images: 70, subjects: 40}
model: {name: small_cnn, widths: [8, 16, 32], dropout: 0.1}
objective: accuracy
training: {epochs: 6, batch_size: 16, augmentation: standard, mixup_alpha: 0.2}
space:
  lr: {role: nuisance, grid: "3 points from 3e-4 to 3e-3, log"}
sampler: grid
budget: {trials: 3}
confirm: {seeds: 0}
"""


def write_study(service: Service) -> str:
    file = service.folder / "rates.yaml"
    file.write_text(STUDY)
    return str(file)


def launch(service: Service) -> subprocess.Popen[str]:
    return service.start("launch", write_study(service), "--workers", "1")


def finish(process: subprocess.Popen[str], code: int = 0) -> str:
    output = process.communicate(timeout=WAIT_SECONDS)[0]
    assert process.returncode == code, output
    return output


def results(trials: list[TrialRecord]) -> list[object]:
    """What must be the same whatever happened on the way."""
    return [(trial.ticket, trial.state, trial.parameters, trial.value, trial.epochs) for trial in trials]


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[object]]:
    """The results of a run in which nothing goes wrong."""
    service = Service(tmp_path_factory.mktemp("calm"))
    finish(launch(service))
    yield results(service.trials("rates"))
    service.close()


def interrupted_trial(service: Service, process: subprocess.Popen[str]) -> TrialRecord:
    """Waits until a trial is in the middle of its third epoch or later, and returns what is known of it."""

    def in_the_middle() -> list[TrialRecord]:
        assert process.poll() is None, process.communicate()[0]
        return [trial for trial in service.trials("rates") if trial.state == "running" and len(trial.curve) >= 2]

    wait_for(lambda: service.store.run(studies.everyone))
    wait_for(in_the_middle)
    return in_the_middle()[0]


def seconds_of_epochs(service: Service, ticket: int) -> list[float]:
    """The wall time of each epoch: an epoch trained again would never take the same."""
    query = (
        "SELECT e.seconds FROM search_epochs e JOIN search_tickets t USING (ticket_id) "
        "WHERE t.number = :ticket ORDER BY e.epoch"
    )
    rows = service.store.run(
        lambda connection: connection.execute(text(query), {"ticket": ticket}).scalars().all()
    )
    return [float(seconds) for seconds in rows]


def check_nothing_is_lost(service: Service, calm: list[object], before: TrialRecord, timings: list[float]) -> None:
    trials = service.trials("rates")
    assert results(trials) == calm
    assert trials[before.ticket].attempt == before.attempt + 1
    assert seconds_of_epochs(service, before.ticket)[: len(timings)] == timings, "whole epochs were trained again"
    complete = [
        trial
        for trial in service.store.storage.get_all_trials(service.study("rates").study_id)
        if trial.state == TrialState.COMPLETE
    ]
    assert sorted(trial.user_attrs["ticket"] for trial in complete) == [0, 1, 2]
    assert not list((service.settings.home / "checkpoints").glob("rates-*/*"))


def kill_trainer(process: subprocess.Popen[str]) -> None:
    trainer_of(process).kill()


def test_a_training_process_killed_in_mid_epoch(service: Service, calm: list[object]) -> None:
    process = launch(service)
    before = interrupted_trial(service, process)
    timings = seconds_of_epochs(service, before.ticket)
    kill_trainer(process)
    finish(process)
    check_nothing_is_lost(service, calm, before, timings)
    reasons = [
        trial.user_attrs["reason"]
        for trial in service.store.storage.get_all_trials(service.study("rates").study_id)
        if trial.state == TrialState.FAIL
    ]
    assert reasons == ["the training process was killed by SIGKILL"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_a_launch_stopped_by_a_signal_goes_on_where_it_was(
    service: Service, calm: list[object], number: signal.Signals
) -> None:
    process = launch(service)
    before = interrupted_trial(service, process)
    timings = seconds_of_epochs(service, before.ticket)
    process.send_signal(number)
    assert "the same command goes on from here" in finish(process, 130)
    assert [trial.state for trial in service.trials("rates")].count("running") == 0
    finish(launch(service))
    check_nothing_is_lost(service, calm, before, timings)


def kill_worker(process: subprocess.Popen[str]) -> None:
    worker_of(process).kill()
    assert "worker 0 ended early" in finish(process, 2)


def kill_launch(process: subprocess.Popen[str]) -> None:
    worker = worker_of(process)
    process.kill()
    process.communicate()
    psutil.wait_procs([worker], WAIT_SECONDS)


def kill_everything(process: subprocess.Popen[str]) -> None:
    worker, trainer = worker_of(process), trainer_of(process)
    for victim in (psutil.Process(process.pid), worker, trainer):
        victim.kill()
    process.communicate()


@pytest.mark.parametrize("kill", [kill_worker, kill_launch, kill_everything], ids=lambda kill: kill.__name__)
def test_killed_with_9_and_launched_again(
    service: Service, calm: list[object], kill: Callable[[subprocess.Popen[str]], None]
) -> None:
    process = launch(service)
    before = interrupted_trial(service, process)
    timings = seconds_of_epochs(service, before.ticket)
    trainer = trainer_of(process)
    kill(process)
    wait_for(lambda: not trainer.is_running() or trainer.status() == psutil.STATUS_ZOMBIE, 30)
    finish(launch(service))
    check_nothing_is_lost(service, calm, before, timings)


def test_a_database_that_crashes_stops_nothing(service: Service, calm: list[object]) -> None:
    process = launch(service)
    before = interrupted_trial(service, process)
    postgres = service.settings.home / "postgres"
    os.kill(int((postgres / "postmaster.pid").read_text().splitlines()[0]), signal.SIGKILL)
    again = Service(service.folder)
    assert again.trials("rates"), "opening the store starts the server again"
    finish(process)
    assert results(again.trials("rates")) == calm
    assert again.trials("rates")[before.ticket].attempt == 1
    again.close()


def test_a_hanging_training_process_is_killed_and_its_trial_resumed(tmp_path: Path, calm: list[object]) -> None:
    service = Service(tmp_path, stall_seconds=10.0)
    try:
        process = launch(service)
        before = interrupted_trial(service, process)
        timings = seconds_of_epochs(service, before.ticket)
        trainer_of(process).suspend()
        finish(process)
        check_nothing_is_lost(service, calm, before, timings)
    finally:
        service.close()
