"""The store traffic of a trial: this service against stock Optuna, on one Postgres, in one run.

A trial is a claim (or `ask`), seven parameters drawn by TPE, 60 reports each followed by a prune decision, and
its end; nothing is trained, and the decisions are not obeyed, so that both sides do the same work. Printed are CPU
milliseconds a trial, client and server together, SQL statements a trial (BEGIN and COMMIT not counted), and what a
worker costs that joins a study with thousands of finished trials. Stock is `RDBStorage` with TPESampler and
MedianPruner, as `study.ask` and `study.tell` drive them. Ratios are ours over stock; lower is better.

    python benchmarks/store_traffic.py          about ten minutes on two cores
"""

import multiprocessing
import os
import statistics
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
import psutil
from sqlalchemy import NullPool, create_engine, event, text

from search.settings import Settings
from search.store import embedded, studies, tickets
from search.store.connection import Store, open_store, optuna_url, store_url
from search.store.guidance import Guide
from search.study import StudyDefinition, load_study

EPOCHS = 60
RELEASE = (0, 1, 0)
FINISHED = 500
RANGES = {
    "lr": (1e-6, 1e-3, True),
    "eps": (1e-10, 1e-4, True),
    "beta1": (0.8, 0.99, False),
    "beta2": (0.9, 0.9999, False),
    "weight_decay": (1e-6, 1e-1, True),
    "mixup_alpha": (0.0, 1.0, False),
    "label_smoothing": (0.0, 0.3, False),
}
STUDY = """
name: {name}
question: How much does the store cost?
dataset: {{name: synthetic_faces, image_size: 32}}
model: {{name: small_cnn}}
objective: accuracy
training: {{epochs: {epochs}}}
space:
{space}
sampler: tpe
pruner: {{name: median, startup_trials: 5, warmup_epochs: 0}}
budget: {{trials: {trials}}}
confirm: {{seeds: 0}}
"""

# Finished trials with every parameter and a whole curve, as either side would have left them.
FINISH = """
WITH new AS (
    INSERT INTO trials (number, study_id, state, datetime_start, datetime_complete)
    SELECT i, :study_id, 'COMPLETE', now(), now() FROM generate_series(0, :trials - 1) AS i
    RETURNING trial_id, number
), curve AS (
    INSERT INTO trial_intermediate_values (trial_id, step, intermediate_value, intermediate_value_type)
    SELECT trial_id, step, 0.8 - 0.5 / step + 0.05 * sin(number), 'FINITE'
    FROM new, generate_series(1, :epochs) AS step
), result AS (
    INSERT INTO trial_values (trial_id, objective, value, value_type)
    SELECT trial_id, 0, 0.8 - 0.5 / :epochs + 0.05 * sin(number), 'FINITE' FROM new
)
INSERT INTO trial_params (trial_id, param_name, param_value, distribution_json)
SELECT trial_id, name, low + (high - low) * (0.5 + 0.5 * sin(number * 7.3 + length(name))), distribution
FROM new, unnest(CAST(:names AS text[]), CAST(:lows AS float8[]), CAST(:highs AS float8[]),
                 CAST(:distributions AS text[])) AS parameter(name, low, high, distribution)
"""


@dataclass(frozen=True)
class Traffic:
    """What one worker did: CPU seconds of its process, and SQL statements, over `trials`."""

    trials: int
    cpu_seconds: float
    statements: int


def main() -> None:
    with _server() as settings:
        _print_trials(settings, workers=1, trials=6)
        _print_trials(settings, workers=16, trials=2)
        _print_queue(settings)
        _print_joining(settings, finished=5000)


def _print_trials(settings: Settings, *, workers: int, trials: int) -> None:
    ours = _measure(settings, ours_worker, _register(settings, workers * trials), workers, trials)
    stock = _measure(settings, stock_worker, _create_stock(settings), workers, trials)
    print(f"{workers} worker(s), {FINISHED} finished trials, {EPOCHS} epochs:")
    print(f"  CPU a trial      stock {stock[0]:7.0f} ms   ours {ours[0]:7.0f} ms   ratio {ours[0] / stock[0]:.2f}")
    print(f"  statements       stock {stock[1]:7.0f}      ours {ours[1]:7.0f}      ratio {ours[1] / stock[1]:.2f}")


def _print_queue(settings: Settings) -> None:
    """Whether waiting tickets make a trial dearer."""
    trials = 6
    short = _measure(settings, ours_worker, _register(settings, trials), 1, trials)[0]
    long = _measure(settings, ours_worker, _register(settings, trials + 2048), 1, trials)[0]
    print(f"2048 tickets waiting, against none: {long:.0f} ms a trial, {short:.0f} ms; ratio {long / short:.2f}")


def _print_joining(settings: Settings, *, finished: int) -> None:
    joined = {}
    for name, join, study in (
        ("stock", join_stock, _create_stock(settings, finished)),
        ("ours", join_ours, _register(settings, 1, finished)),
    ):
        runs = [_alone(join, settings, study) for _ in range(3)]
        joined[name] = [statistics.median(column) for column in zip(*runs, strict=True)]
    (stock_cpu, stock_memory), (cpu, memory) = joined["stock"], joined["ours"]
    print(f"joining a study with {finished} finished trials:")
    print(f"  CPU              stock {stock_cpu:7.2f} s    ours {cpu:7.2f} s    ratio {cpu / stock_cpu:.2f}")
    ratio = memory / stock_memory
    print(f"  memory           stock {stock_memory:7.0f} MiB  ours {memory:7.0f} MiB  ratio {ratio:.2f}")


def ours_worker(settings: Settings, study: str, trials: int, barrier: Any) -> Traffic:
    """The traffic of `trials` trials through the tickets of this service."""
    store = open_store(settings)
    row = store.run(lambda connection: studies.find(connection, study))
    guide = Guide(store.storage, row.definition)
    counted = _count_statements(store.storage.engine)
    _ours_trial(store, row.study_id, guide)  # reads the history, as every worker does once
    barrier.wait(120)
    start, before = time.process_time(), counted[0]
    for _ in range(trials):
        _ours_trial(store, row.study_id, guide)
    return Traffic(trials, time.process_time() - start, counted[0] - before)


def _ours_trial(store: Store, study_id: int, guide: Guide) -> None:
    claim = uuid.uuid4().hex
    lease = store.run(
        lambda c: tickets.claim(c, worker="bench", claim=claim, lease=60.0, release=RELEASE, study_id=study_id)
    )
    assert lease is not None
    parameters = guide.draw(seed=0, ticket=lease.number)
    trial_id = store.run(lambda c: tickets.begin(c, lease, parameters, guide.distributions))
    assert trial_id is not None
    guide.follow(trial_id)
    for epoch in range(1, EPOCHS + 1):
        value = 0.8 - 0.5 / epoch
        ended = store.run_statement(
            lambda c, epoch=epoch, value=value: tickets.report(  # type: ignore[misc]
                c,
                lease,
                epoch=epoch,
                value=value,
                metrics={"accuracy": value},
                seconds=1.0,
                samples_per_second=1.0,
                renew_seconds=60.0,
            )
        )
        assert ended is not None
        guide.should_prune(epoch=epoch, value=value, ended=ended)
    store.run(lambda c: tickets.finish(c, lease, "complete", value=0.8))


def stock_worker(settings: Settings, study: str, trials: int, barrier: Any) -> Traffic:
    """The traffic of `trials` trials through Optuna as it comes."""
    loaded, engine = _load_stock(settings, study)
    counted = _count_statements(engine)
    _stock_trial(loaded)
    barrier.wait(120)
    start, before = time.process_time(), counted[0]
    for _ in range(trials):
        _stock_trial(loaded)
    return Traffic(trials, time.process_time() - start, counted[0] - before)


def _stock_trial(study: optuna.Study) -> None:
    trial = study.ask()
    for name, (low, high, log) in RANGES.items():
        trial.suggest_float(name, low, high, log=log)
    for epoch in range(1, EPOCHS + 1):
        trial.report(0.8 - 0.5 / epoch, epoch)
        trial.should_prune()
    study.tell(trial, 0.8)


def join_ours(settings: Settings, study: str) -> None:
    """What a worker of this service reads before its first trial."""
    store = open_store(settings)
    row = store.run(lambda connection: studies.find(connection, study))
    Guide(store.storage, row.definition).draw(seed=0, ticket=0)


def join_stock(settings: Settings, study: str) -> None:
    """What a worker of stock Optuna reads before its first trial."""
    trial = _load_stock(settings, study)[0].ask()
    for name, (low, high, log) in RANGES.items():
        trial.suggest_float(name, low, high, log=log)


def _load_stock(settings: Settings, study: str) -> tuple[optuna.Study, Any]:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    storage = optuna.storages.RDBStorage(optuna_url(store_url(settings)))
    sampler, pruner = optuna.samplers.TPESampler(seed=os.getpid()), optuna.pruners.MedianPruner(5)
    loaded = optuna.load_study(study_name=study, storage=storage, sampler=sampler, pruner=pruner)
    return loaded, storage.engine


def _count_statements(engine: Any) -> list[int]:
    """A counter of the statements that an engine sends."""
    counted = [0]

    def count(*_: Any) -> None:
        counted[0] += 1

    event.listen(engine, "before_cursor_execute", count)
    return counted


def _measure(
    settings: Settings, worker: Callable[..., Traffic], study: str, workers: int, trials: int
) -> tuple[float, float]:
    """CPU milliseconds, client and server, and statements a trial."""
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager, ProcessPoolExecutor(workers, context) as pool:
        barrier = manager.Barrier(workers + 1)
        futures = [pool.submit(worker, settings, study, trials, barrier) for _ in range(workers)]
        barrier.wait(120)
        before = _server_cpu(settings)
        traffic = [future.result() for future in futures]
        server = _server_cpu(settings) - before
    done = sum(each.trials for each in traffic)
    cpu = server + sum(each.cpu_seconds for each in traffic)
    return 1000 * cpu / done, sum(each.statements for each in traffic) / done


def _server_cpu(settings: Settings) -> float:
    """CPU seconds of the server's processes, those that have ended included."""
    pid = int((settings.home / "postgres" / "postmaster.pid").read_text().splitlines()[0])
    postmaster = psutil.Process(pid)
    total = 0.0
    for process in [postmaster, *postmaster.children()]:
        try:
            spent = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += spent.user + spent.system
        if process == postmaster:
            total += spent.children_user + spent.children_system
    return total


def _alone(join: Callable[[Settings, str], None], settings: Settings, study: str) -> tuple[float, float]:
    """CPU seconds, and MiB at the peak, that `join` costs in a fresh process."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context) as pool:
        return pool.submit(_cost, join, settings, study).result()


def _cost(join: Callable[[Settings, str], None], settings: Settings, study: str) -> tuple[float, float]:
    memory, start = _peak_memory(), time.process_time()
    join(settings, study)
    return time.process_time() - start, _peak_memory() - memory


def _peak_memory() -> float:
    """MiB of this process at its peak so far; the figure of `getrusage` would hold its parent's too."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 2**10


def _register(settings: Settings, trials: int, finished: int = FINISHED) -> str:
    """A study of this service with `finished` trials and tickets for `trials` and each worker's first."""
    store = open_store(settings)
    definition = _definition(settings, trials + 16)
    study_id = store.run(
        lambda c: studies.register(
            c, definition, data_fingerprint="none", validation_items=100, code_version="0.1.0"
        )
    )
    store.close()
    _finish(settings, study_id, finished)
    return definition.name


def _definition(settings: Settings, trials: int) -> StudyDefinition:
    name = f"ours-{uuid.uuid4().hex[:8]}"
    space = "\n".join(
        f"  {name}: {{role: nuisance, low: {low}, high: {high}, log: {str(log).lower()}}}"
        for name, (low, high, log) in RANGES.items()
    )
    settings.home.mkdir(parents=True, exist_ok=True)
    file = settings.home / "study.yaml"
    file.write_text(STUDY.format(name=name, epochs=EPOCHS, space=space, trials=trials))
    return load_study(str(file))


def _create_stock(settings: Settings, finished: int = FINISHED) -> str:
    name = f"stock-{uuid.uuid4().hex[:8]}"
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    storage = optuna.storages.RDBStorage(optuna_url(store_url(settings)))
    study = optuna.create_study(study_name=name, storage=storage, direction="maximize")
    _finish(settings, study._study_id, finished)
    return name


def _finish(settings: Settings, study_id: int, trials: int) -> None:
    distributions = [
        optuna.distributions.FloatDistribution(low, high, log=log) for low, high, log in RANGES.values()
    ]
    values = {
        "study_id": study_id,
        "trials": trials,
        "epochs": EPOCHS,
        "names": list(RANGES),
        "lows": [low for low, _, _ in RANGES.values()],
        "highs": [high for _, high, _ in RANGES.values()],
        "distributions": [optuna.distributions.distribution_to_json(each) for each in distributions],
    }
    with create_engine(store_url(settings), poolclass=NullPool).begin() as connection:
        connection.execute(text(FINISH), values)
    with create_engine(
        store_url(settings), poolclass=NullPool, isolation_level="AUTOCOMMIT"
    ).connect() as connection:
        connection.execute(text("ANALYZE"))


@contextmanager
def _server() -> Iterator[Settings]:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        settings = Settings(home, home, str(home), None)
        open_store(settings).close()
        yield settings
        embedded.stop(home / "postgres")


if __name__ == "__main__":
    main()
