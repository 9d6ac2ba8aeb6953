"""A fleet as its operator runs it: `search worker` processes on one Postgres, and the laws that they keep."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
from optuna.trial import TrialState
from sqlalchemy import make_url

from search.settings import Settings
from search.store.records import TrialRecord

from .records import Records
from .search_worker import WAIT_SECONDS, Worker, kill

if TYPE_CHECKING:
    from .ground import Ground

LEASE_SECONDS = 5.0


class Fleet(Records):
    """Workers of one database, with a home of their own and a folder of checkpoints that all reach.

    variables: of the environment of each process, over those of a fleet with a short lease.
    """

    def __init__(self, ground: "Ground", folder: Path, **variables: str) -> None:
        self.ground, self.folder = ground, folder
        self.home = folder / "home"
        self.home.mkdir(parents=True)
        if ground.cache is not None:
            shutil.copytree(ground.cache, self.home / "cache")
        self.workers: list[Worker] = []
        self._variables = variables
        name = re.sub(r"\W", "_", f"fleet_{folder.parent.name}_{folder.name}")
        url = make_url(ground.postgres.url).set(database=name).render_as_string(hide_password=False)
        settings = Settings(self.home, folder / "data", str(folder / "results"), url)
        super().__init__(ground.postgres, name, settings, ground.study)

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
        known = "SELECT worker FROM search_workers WHERE device = %s"
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
