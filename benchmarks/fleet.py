"""64 workers on one Postgres: what a report takes, beside the same traffic through stock Optuna, in one run.

A worker is a process of its own (forked from one that has loaded the libraries) with its own store. It claims a
ticket, begins its trial, reports ten epochs that sleep 5 to 10 s, asks the pruner after each, and finishes the
trial; three trials a worker. Prune decisions are not obeyed, so that both sides do the same work. Stock is
`RDBStorage` with pre-ping, driven by `study.ask`, `report`, `should_prune` and `study.tell`. Both draw with TPE
and prune by the median. A report is timed from the end of the epoch until the worker knows whether to go on.

Goals: the median report under 25 ms, at most 0.1 % of the epochs delayed by more than 1 s, no claim lost or
doubled.

    python benchmarks/fleet.py          about nine minutes on two cores
"""

import multiprocessing
import os
import random
import tempfile
import time
import uuid
import warnings
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import optuna

from search import __version__
from search.settings import Settings
from search.store import studies, tickets
from search.store.connection import Store, open_store, optuna_url, store_url
from search.store.guidance import Guide
from search.store.tickets import Lease
from search.study import load_study
from tests.postgres import Postgres

WORKERS = 64
TRIALS = 3  # for each worker
EPOCHS = 10
EPOCH_SECONDS = (5.0, 10.0)
START_SECONDS = 30.0  # for every worker to have started; then they begin within one epoch
LEASE_SECONDS = 60.0
RELEASE = (0, 1, 0)
RANGES = {"lr": (1e-5, 1e-2, True), "weight_decay": (1e-6, 1e-1, True), "label_smoothing": (0.0, 0.3, False)}
STUDY = """
name: fleet
question: How long does a report take?
dataset: {name: synthetic_faces, image_size: 32}
model: {name: small_cnn}
objective: accuracy
training: {epochs: %d}
space:
  lr: {role: nuisance, low: 1e-5, high: 1e-2, log: true}
  weight_decay: {role: nuisance, low: 1e-6, high: 1e-1, log: true}
  label_smoothing: {role: nuisance, low: 0.0, high: 0.3}
sampler: tpe
pruner: {name: median, startup_trials: 5, warmup_epochs: 0}
budget: {trials: %d}
confirm: {seeds: 0}
"""


@dataclass(frozen=True)
class Traffic:
    """What one worker saw: the seconds of each report, and the numbers of the trials it did."""

    reports: list[float]
    trials: list[int]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        ours, stock = _ours(Path(folder)), _stock(Path(folder))
    epochs = WORKERS * TRIALS * EPOCHS
    print(f"{WORKERS} workers, {epochs} epochs of {EPOCH_SECONDS[0]:g} to {EPOCH_SECONDS[1]:g} s each:")
    for (name, own), theirs in zip(_figures(ours).items(), _figures(stock).values(), strict=True):
        ratio = f"ratio {own / theirs:.3f}" if theirs else ""
        print(f"  {name:23} stock {theirs:9.2f}   ours {own:9.2f}   {ratio}")


def _figures(reports: list[float]) -> dict[str, float]:
    return {
        "median report, ms": 1000 * float(np.median(reports)),
        "99.9th percentile, ms": 1000 * float(np.quantile(reports, 0.999)),
        "delayed beyond 1 s, %": 100 * float(np.mean(np.array(reports) > 1.0)),
    }


def _ours(folder: Path) -> list[float]:
    with Postgres(folder / "ours", max_connections=200) as postgres:
        settings = Settings(folder, folder, str(folder), postgres.url)
        _register(settings)
        traffic = _run(ours_worker, settings)
        _check_claims(settings, [number for each in traffic for number in each.trials])
    return [seconds for each in traffic for seconds in each.reports]


def _stock(folder: Path) -> list[float]:
    with Postgres(folder / "stock", max_connections=400) as postgres:
        settings = Settings(folder, folder, str(folder), postgres.url)
        _load_stock(settings, create=True)
        traffic = _run(stock_worker, settings)
    return [seconds for each in traffic for seconds in each.reports]


def _run(worker: Callable[[Settings, float, int], Traffic], settings: Settings) -> list[Traffic]:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["benchmarks.fleet"])
    with ProcessPoolExecutor(WORKERS, context) as pool:
        start_at = time.time() + START_SECONDS
        return [*pool.map(worker, [settings] * WORKERS, [start_at] * WORKERS, range(WORKERS))]


def ours_worker(settings: Settings, start_at: float, number: int) -> Traffic:
    """The traffic of one worker of this service. start_at: when to begin, Unix time."""
    store = open_store(settings)
    row = store.run(lambda connection: studies.find(connection, "fleet"))
    guide = Guide(store.storage, row.definition)
    chance = random.Random(number)
    traffic = Traffic([], [])
    time.sleep(max(0.0, start_at - time.time()) + chance.uniform(0, EPOCH_SECONDS[1]))
    for _ in range(TRIALS):
        lease = _claim(store, guide)
        traffic.trials.append(lease.number)
        for epoch in range(1, EPOCHS + 1):
            time.sleep(chance.uniform(*EPOCH_SECONDS))
            start = time.perf_counter()
            _report(store, guide, lease, epoch)
            traffic.reports.append(time.perf_counter() - start)
        assert store.run(lambda c, lease=lease: tickets.finish(c, lease, "complete", value=0.8))  # type: ignore[misc]
    store.close()
    return traffic


def _claim(store: Store, guide: Guide) -> Lease:
    """A ticket with its trial begun."""
    claim, worker = uuid.uuid4().hex, str(os.getpid())
    lease = store.run(lambda c: tickets.claim(c, worker=worker, claim=claim, lease=LEASE_SECONDS, release=RELEASE))
    assert lease is not None
    parameters = guide.draw(seed=0, ticket=lease.number)
    trial_id = store.run(lambda c: tickets.begin(c, lease, parameters, guide.distributions))
    assert trial_id is not None
    guide.follow(trial_id)
    return lease


def _report(store: Store, guide: Guide, lease: Lease, epoch: int) -> None:
    """What a worker does after an epoch."""
    value = _value(lease.number, epoch)
    ended = store.run_statement(
        lambda c: tickets.report(
            c,
            lease,
            epoch=epoch,
            value=value,
            metrics={"accuracy": value, "balanced_accuracy": value, "train_loss": 1.0 - value},
            seconds=1.0,
            samples_per_second=1.0,
            renew_seconds=LEASE_SECONDS,
        )
    )
    assert ended is not None
    guide.should_prune(epoch=epoch, value=value, ended=ended)


def stock_worker(settings: Settings, start_at: float, number: int) -> Traffic:
    """The traffic of one worker of stock Optuna. start_at: when to begin, Unix time."""
    study = _load_stock(settings)
    chance = random.Random(number)
    traffic = Traffic([], [])
    time.sleep(max(0.0, start_at - time.time()) + chance.uniform(0, EPOCH_SECONDS[1]))
    for _ in range(TRIALS):
        trial = study.ask()
        traffic.trials.append(trial.number)
        for name, (low, high, log) in RANGES.items():
            trial.suggest_float(name, low, high, log=log)
        for epoch in range(1, EPOCHS + 1):
            time.sleep(chance.uniform(*EPOCH_SECONDS))
            start = time.perf_counter()
            trial.report(_value(trial.number, epoch), epoch)
            trial.should_prune()
            traffic.reports.append(time.perf_counter() - start)
        study.tell(trial, 0.8)
    return traffic


def _value(trial: int, epoch: int) -> float:
    return 0.8 - 0.5 / epoch + 0.01 * (trial % 7)


def _check_claims(settings: Settings, done: list[int]) -> None:
    """Prints how many claims were lost or doubled: by the workers' account, and by the store's."""
    store = open_store(settings)
    row = store.run(lambda connection: studies.find(connection, "fleet"))
    records = store.run(lambda connection: studies.records(connection, row))
    doubled = sum(times - 1 for times in Counter(done).values())
    lost = len(set(range(WORKERS * TRIALS)) - set(done))
    amiss = sum(
        record.state != "complete" or record.attempt != 1 or len(record.curve) != EPOCHS for record in records
    )
    store.close()
    print(f"{len(records)} tickets: {lost} lost, {doubled} claimed twice, {amiss} incomplete in the store")
    assert lost == doubled == amiss == 0


def _register(settings: Settings) -> None:
    file = settings.home / "fleet.yaml"
    file.write_text(STUDY % (EPOCHS, WORKERS * TRIALS))
    definition = load_study(str(file))
    store = open_store(settings)
    store.run(
        lambda c: studies.register(
            c, definition, data_fingerprint="none", validation_items=100, code_version=__version__
        )
    )
    store.close()


def _load_stock(settings: Settings, *, create: bool = False) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    storage = optuna.storages.RDBStorage(optuna_url(store_url(settings)), engine_kwargs={"pool_pre_ping": True})
    options: dict[str, Any] = {
        "storage": storage,
        "sampler": optuna.samplers.TPESampler(seed=os.getpid()),
        "pruner": optuna.pruners.MedianPruner(5),
    }
    if create:
        return optuna.create_study(study_name="fleet", direction="maximize", **options)
    return optuna.load_study(study_name="fleet", **options)


if __name__ == "__main__":
    main()
