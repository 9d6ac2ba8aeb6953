"""A fleet as its operator runs it: `search worker` processes on one Postgres, and what they left in the store."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import psutil
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import make_url

from search import __version__
from search.settings import Settings
from search.store import studies
from search.store.connection import Store, open_store
from search.store.studies import StudyRow, TrialRecord
from search.study import StudyDefinition
from tests.postgres import Postgres

from .unruly import DATASET, MODEL, STUDY

ROOT = Path(__file__).parents[2]
WAIT_SECONDS = 120.0
LEASE_SECONDS = 5.0
PAUSE_SECONDS = 0.06  # that a step sleeps: an epoch takes 0.8 s, a trial 5 s
EPOCHS = 6
RATES = (0.001, 0.003, 0.01)

Result = tuple[float | None, dict[int, dict[str, float]]]


class Ground:
    """What every fleet of a test session stands on: a server, a checkout with the unruly plug-ins, prepared data.

    calm: value and epochs of each learning rate where nothing goes wrong.
    """

    def __init__(self, folder: Path, postgres: Postgres) -> None:
        self.folder, self.postgres = folder, postgres
        self.checkout = folder / "checkout"
        for name in ("search", "models", "datasets", "studies"):
            shutil.copytree(ROOT / name, self.checkout / name, ignore=shutil.ignore_patterns("__pycache__"))
        (self.checkout / "models" / "unruly.py").write_text(MODEL)
        (self.checkout / "datasets" / "stuck.py").write_text(DATASET)
        (self.checkout / "calm.yaml").write_text(STUDY)
        fleet = Fleet(self, folder / "calm")
        fleet.run("launch", str(self.checkout / "calm.yaml"), "--workers", "0")
        fleet.run("worker", "--study", "calm")
        self.study: StudyRow = fleet.study("calm")
        self.calm = {trial.parameters["lr"]: (trial.value, trial.epochs) for trial in fleet.trials("calm")}
        self.cache = folder / "calm" / "home" / "cache"
        fleet.close()
        assert len(self.calm) == len(RATES)


class Worker:
    """A `search worker` process; what it and its child write goes to one file.

    device: that it shows in the store, where no two workers of a fleet have the same. No machine has such a GPU, so
        it trains on the processor.
    """

    def __init__(self, process: subprocess.Popen[bytes], log: Path, device: str) -> None:
        self.process, self._log, self.device = process, log, device

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    @property
    def is_up(self) -> bool:
        return self.process.poll() is None

    def children(self) -> list[psutil.Process]:
        return psutil.Process(self.pid).children(recursive=True)

    def trainer(self) -> psutil.Process:
        """The process in which it trains."""
        return next(child for child in self.children() if "spawn_main" in " ".join(child.cmdline()))

    def send(self, *numbers: signal.Signals, gap: float = 0.0) -> None:
        for number in numbers:
            self.process.send_signal(number)
            time.sleep(gap)

    def kill(self) -> None:
        """With -9, and not its child."""
        self.process.kill()
        self.process.wait(WAIT_SECONDS)

    def leaves(self, code: int, seconds: float = 60.0) -> str:
        """Waits for it to end with that exit code; what it wrote."""
        assert self.process.wait(seconds) == code, self.log
        return self.log


class Fleet:
    """Workers of one database, with a home of their own and a folder of checkpoints that all reach.

    variables: of the environment of each process, over those of a fleet with a short lease.
    """

    def __init__(self, ground: Ground, folder: Path, **variables: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.ground, self.folder = ground, folder
        self.postgres = ground.postgres
        self.home = folder / "home"
        self.home.mkdir()
        if (cache := getattr(ground, "cache", None)) is not None:
            shutil.copytree(cache, self.home / "cache")
        self.database = "fleet_" + "".join(
            c if c.isalnum() else "_" for c in f"{folder.parent.name}_{folder.name}"
        )
        self.postgres.execute(f'DROP DATABASE IF EXISTS "{self.database}" WITH (FORCE)')
        self.postgres.execute(f'CREATE DATABASE "{self.database}" OWNER search')
        self._variables = variables
        self.workers: list[Worker] = []
        self._settings = Settings(self.home, folder / "data", str(folder / "results"), self.url())

    @cached_property
    def store(self) -> Store:
        """The store of this process; it creates the tables."""
        return open_store(self._settings)

    # The processes

    @property
    def checkpoints(self) -> Path:
        return self.folder / "checkpoints"

    def url(self, port: int | None = None) -> str:
        """The URL of its database, by way of another port if one is given."""
        url = make_url(self.postgres.url_through(port or self.postgres.port))
        return url.set(database=self.database).render_as_string(hide_password=False)

    def environment(self, **variables: str) -> dict[str, str]:
        named = {
            "PYTHONPATH": str(self.ground.checkout),
            "SEARCH_HOME": str(self.home),
            "SEARCH_DATA": str(self.folder / "data"),
            "SEARCH_RESULTS": str(self.folder / "results"),
            "SEARCH_CHECKPOINTS": str(self.checkpoints),
            "SEARCH_SLOTS": str(self.folder / "slots"),
            "SEARCH_STORE": self.url(),
            "SEARCH_LEASE_SECONDS": str(LEASE_SECONDS),
            "SEARCH_STALL_SECONDS": "60",
        }
        return os.environ | named | self._variables | variables

    def start(self, *arguments: str, slot: bool = True, wrapper: Sequence[str] = (), **variables: str) -> Worker:
        """Starts `search worker ARGUMENTS`.

        slot: train on slot 0, whoever else does. wrapper: a command that runs it.
        variables: of its environment; an empty one counts as not there.
        """
        device = f"fleet-{len(self.workers)}"
        log = self.folder / f"{device}.log"
        command = [sys.executable, "-m", "search", "worker", *arguments]
        with log.open("wb") as output:
            process = subprocess.Popen(
                [*wrapper, *command, *(["--slot", "0", "--threads", "1"] if slot else [])],
                cwd=self.folder,
                env=self.environment(**{"CUDA_VISIBLE_DEVICES": device} | variables),
                stdout=output,
                stderr=output,
                start_new_session=True,
                # Started in the background of a shell, Python would ignore Ctrl-C.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
            )
        self.workers.append(Worker(process, log, device))
        return self.workers[-1]

    def standing(self, count: int) -> list[Worker]:
        """So many workers that serve every study, at work or waiting for it: those that are up, and new ones."""
        up = [worker for worker in self.workers if worker.is_up]
        up += [self.start() for _ in range(count - len(up))]
        known = "SELECT FROM search_workers WHERE device = %s"
        for worker in up:
            self.wait(lambda worker=worker: self.sql(known, f"slot 0: {worker.device}"), "a worker")
        return up

    def run(self, *arguments: str, code: int = 0, **variables: str) -> str:
        """Runs `search ARGUMENTS` to its end and returns what it printed."""
        done = self.begin(*arguments, **variables)
        output = done.communicate(timeout=WAIT_SECONDS)[0]
        assert done.returncode == code, output
        return output

    def begin(self, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "search", *arguments],
            cwd=self.folder,
            env=self.environment(**variables),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def close(self) -> None:
        for worker in self.workers:
            if worker.is_up:
                children = worker.children()
                for victim in (psutil.Process(worker.pid), *children):
                    kill(victim)
                worker.process.wait(WAIT_SECONDS)
        self.store.close()

    # The store

    def register(
        self,
        name: str,
        *,
        rates: Sequence[float] = RATES[:1],
        mischief: Sequence[str] = ("none",),
        pause: float = PAUSE_SECONDS,
        dataset: dict[str, Any] | None = None,
    ) -> StudyRow:
        """Registers a grid over learning rates and mischief, as `search launch NAME --workers 0` does."""
        plain = json.loads(self.ground.study.definition.canonical_json())
        plain |= {"name": name, "budget": {"trials": len(rates) * len(mischief)}}
        plain["space"]["lr"]["choices"] = [*rates]
        plain["space"]["mischief"]["choices"] = [*mischief]
        plain["model"]["pause"] = pause
        if dataset is not None:
            shared = ("validation_share", "split_seed", "bad_share", "image_size")
            plain["dataset"] = {name: plain["dataset"][name] for name in shared} | dataset
        definition = StudyDefinition.from_json(json.dumps(plain))
        self.store.run(
            lambda connection: studies.register(
                connection,
                definition,
                data_fingerprint=self.ground.study.data_fingerprint if dataset is None else "of other data",
                validation_items=self.ground.study.validation_items,
                code_version=__version__,
            )
        )
        return self.study(name)

    def study(self, name: str) -> StudyRow:
        return self.store.run(lambda connection: studies.find(connection, name))

    def trials(self, name: str) -> list[TrialRecord]:
        row = self.study(name)
        return self.store.run(lambda connection: studies.records(connection, row))

    def optuna_trials(self, name: str) -> list[FrozenTrial]:
        return self.store.storage.get_all_trials(self.study(name).study_id)

    def sql(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        assert self.store is not None
        return self.postgres.execute(statement, *values, database=self.database)

    def attempts(self, name: str) -> list[dict[str, Any]]:
        """Every attempt at the study's tickets, in order."""
        columns = ("number", "attempt", "worker", "resumed_from", "outcome", "reason")
        rows = self.sql(
            f"SELECT {', '.join(columns)} FROM (SELECT t.number, a.* FROM search_attempts a "
            "JOIN search_tickets t USING (ticket_id) JOIN search_studies s USING (study_id) WHERE s.name = %s) q "
            "ORDER BY number, attempt",
            name,
        )
        return [dict(zip(columns, row, strict=True)) for row in rows]

    def losses(self, name: str) -> list[int]:
        rows = self.sql(
            "SELECT losses FROM search_tickets JOIN search_studies USING (study_id) WHERE name = %s ORDER BY number",
            name,
        )
        return [losses for (losses,) in rows]

    def seconds(self, name: str) -> dict[tuple[int, int], float]:
        """The wall time of each epoch, by ticket: an epoch trained again would never take the same."""
        rows = self.sql(
            "SELECT t.number, e.epoch, e.seconds FROM search_epochs e JOIN search_tickets t USING (ticket_id) "
            "JOIN search_studies s USING (study_id) WHERE s.name = %s",
            name,
        )
        return {(number, epoch): seconds for number, epoch, seconds in rows}

    def trainer_of(self, name: str, ticket: int = 0) -> Worker:
        """The process that has the ticket now."""
        rows = self.sql(
            "SELECT w.device FROM search_tickets t JOIN search_workers w USING (worker) "
            "JOIN search_studies s USING (study_id) WHERE s.name = %s AND t.number = %s AND t.state = 'running'",
            name,
            ticket,
        )
        ((device,),) = rows
        (worker,) = [worker for worker in self.workers if device.endswith(f": {worker.device}")]
        return worker

    # Waiting

    def wait(self, condition: Callable[[], Any], what: str, seconds: float = WAIT_SECONDS) -> Any:
        """What the condition returns once it is true."""
        deadline = time.monotonic() + seconds
        while not (found := condition()):
            assert time.monotonic() < deadline, f"{what} did not come within {seconds:g} s\n{self._logs()}"
            time.sleep(0.05)
        return found

    def wait_until_training(self, name: str, *, epochs: int = 2, tickets: int = 1) -> list[TrialRecord]:
        """The running trials, once so many of them are beyond that epoch and none is near its end."""

        def training() -> list[TrialRecord]:
            running = [trial for trial in self.trials(name) if trial.state == "running"]
            far = [trial for trial in running if epochs <= (trial.epoch or 0)]
            return far if len(far) >= tickets else []

        found: list[TrialRecord] = self.wait(training, f"epoch {epochs} of {tickets} tickets of {name}")
        return found

    def wait_until_done(self, *names: str, seconds: float = WAIT_SECONDS) -> None:
        for name in names:
            self.wait(lambda name=name: self.study(name).is_done, f"the end of {name}", seconds)

    # The laws

    def check_calm(self, name: str) -> None:
        """Every ticket of the study is done once, with the results of a calm run, and nothing is left behind."""
        trials = self.trials(name)
        assert [trial.state for trial in trials] == ["complete"] * len(trials)
        for trial in trials:
            assert (trial.value, trial.epochs) == self.ground.calm[trial.parameters["lr"]]
        every = self.optuna_trials(name)
        complete = [trial.user_attrs["ticket"] for trial in every if trial.state == TrialState.COMPLETE]
        assert sorted(complete) == [trial.ticket for trial in trials]
        assert all(trial.state.is_finished() for trial in every)
        assert [trial.number for trial in every] == [*range(len(every))]
        self.wait(lambda: not [*self.checkpoints.glob(f"{name}-*/*/*")], f"the end of {name}'s checkpoints", 10)

    def _logs(self) -> str:
        return "\n".join(
            f"--- {worker.pid}, exit code {worker.process.poll()}\n{worker.log[-3000:]}" for worker in self.workers
        )


def kill(process: psutil.Process) -> None:
    """With -9; it may be gone already."""
    try:
        process.kill()
    except psutil.NoSuchProcess:
        return


def are_gone(processes: Iterable[psutil.Process]) -> bool:
    """Whether each of them has ended, reaped or not."""
    return all(not p.is_running() or p.status() == psutil.STATUS_ZOMBIE for p in processes)


def may_mount() -> bool:
    """Whether a process may mount a disk for itself alone."""
    command = ["unshare", "--map-root-user", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    return bool(shutil.which("unshare")) and subprocess.run(command, capture_output=True).returncode == 0
