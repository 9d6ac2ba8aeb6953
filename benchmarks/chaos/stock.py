"""The negative control: stock `study.optimize` under the same storm, its workers restarted the same way."""

import os
import signal
import subprocess
import sys
import warnings
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import optuna
import psutil
from optuna.trial import FrozenTrial, TrialState

from benchmarks.chaos import stock_worker
from benchmarks.chaos.fleet import Death, Fleet, Worker
from benchmarks.chaos.plan import LEASE_SECONDS, Kind
from benchmarks.chaos.side import Task
from search.store.connection import optuna_url
from tests.postgres import Postgres

ROOT = Path(__file__).parents[2]
CELLS = 24  # enqueued at a time, as many as the other side's grid has
STUCK_SECONDS = 15 * LEASE_SECONDS  # what is RUNNING for so long with no worker on it stays so

# What each worker process has in training. No epoch that it loses can be resumed.
TASKS = """
SELECT pid.value_json, cell.value_json
FROM trials t
JOIN trial_user_attributes pid ON pid.trial_id = t.trial_id AND pid.key = 'pid'
JOIN trial_user_attributes cell ON cell.trial_id = t.trial_id AND cell.key = 'cell'
WHERE t.state = 'RUNNING'
"""


@dataclass(frozen=True)
class Outcome:
    """What became of the control's configurations, by number, and of its workers.

    epochs_repeated: epochs trained for nothing, since their trial did not complete.
    """

    filed: int
    lost: set[int]
    left_running: set[int]
    duplicated: set[int]
    epochs_repeated: int
    deaths: list[Death]


class Stock:
    """Stock Optuna on a running Postgres of its own; logs go to `folder`."""

    def __init__(self, folder: Path, postgres: Postgres, workers: int) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        self.postgres = postgres
        storage = stock_worker.storage(_optuna_url(postgres.url))
        self._study = optuna.create_study(study_name=stock_worker.STUDY, storage=storage, direction="maximize")
        self._filed = 0
        self._filing = True
        self._looks = 0
        self._enqueue()
        self.fleet = Fleet(workers, self.postgres.port, self._start, folder / "logs")

    def stop_filing(self) -> None:
        self._filing = False

    @property
    def is_done(self) -> bool:
        return not self._open_cells()

    def outcome(self) -> Outcome:
        trials = [trial for trial in self._study.get_trials(deepcopy=False) if "cell" in trial.user_attrs]
        complete = Counter(_cell(trial) for trial in trials if trial.state == TrialState.COMPLETE)
        running = {_cell(trial) for trial in trials if trial.state == TrialState.RUNNING}
        return Outcome(
            self._filed,
            lost=set(range(self._filed)) - set(complete) - running,
            left_running=running,
            duplicated={cell for cell, times in complete.items() if times > 1},
            epochs_repeated=sum(
                len(trial.intermediate_values) for trial in trials if trial.state != TrialState.COMPLETE
            ),
            deaths=self.fleet.deaths_by_themselves,
        )

    def close(self) -> None:
        self.fleet.close()

    def kinds(self) -> Iterable[Kind]:
        """It has no training process of its own, and no checkpoints."""
        return set(Kind) - {Kind.DISK_FULL}

    def trainer(self, worker: Worker) -> psutil.Process | None:
        return psutil.Process(worker.pid) if worker.is_up else None

    def tasks(self) -> dict[int, Task]:
        slots = {worker.pid: worker.slot for worker in self.fleet.workers if worker.is_up}
        rows = self.postgres.execute(TASKS, database="search")
        return {slots[int(pid)]: Task(("storm", int(cell))) for pid, cell in rows if int(pid) in slots}

    def damage(self, worker: Worker, task: Task, draw: float) -> None:
        """There is no checkpoint: the process is killed, and that is all."""

    def fill_disk(self, worker: Worker, full: bool) -> None:
        raise NotImplementedError("stock Optuna writes no checkpoints")

    def tick(self) -> None:
        self._looks += 1
        if self._filing and self._looks % 20 == 0:
            states = [trial.state for trial in self._open_cells()]
            if states.count(TrialState.WAITING) < 2 * len(self.fleet.workers):
                self._enqueue()

    def _open_cells(self) -> list[FrozenTrial]:
        states = (TrialState.WAITING, TrialState.RUNNING)
        trials = self._study.get_trials(deepcopy=False, states=states)
        return [trial for trial in trials if "cell" in trial.user_attrs]

    def _enqueue(self) -> None:
        for cell in range(self._filed, self._filed + CELLS):
            self._study.enqueue_trial({"cell": cell}, user_attrs={"cell": cell})
        self._filed += CELLS

    def _start(self, slot: int, port: int, log: Path) -> subprocess.Popen[bytes]:
        with log.open("ab") as output:
            return subprocess.Popen(
                [sys.executable, "-m", "benchmarks.chaos.stock_worker"],
                cwd=ROOT,
                env=os.environ | {"STOCK_STORE": _optuna_url(self.postgres.url_through(port))},
                stdout=output,
                stderr=output,
                start_new_session=True,
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
            )


def _optuna_url(url: str) -> str:
    return optuna_url(url).replace("postgresql://", "postgresql+psycopg2://")


def _cell(trial: FrozenTrial) -> int:
    cell: int = trial.user_attrs["cell"]
    return cell
