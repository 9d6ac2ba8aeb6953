"""Our side: real `search worker` processes that train for real, on a model that mostly sleeps."""

import math
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import psutil

from benchmarks.chaos.checkout import STUDY_FILE, make_checkout
from benchmarks.chaos.fleet import Fleet, Worker
from benchmarks.chaos.plan import LEASE_SECONDS, STALL_SECONDS, Kind
from benchmarks.chaos.side import Task
from search.settings import Settings
from search.store import studies
from search.store.connection import Store, open_store
from search.store.records import StudyRow, TrialRecord
from search.store.tickets import MAX_LOSSES
from search.worker.slots import cpu_cores
from tests.postgres import Postgres

STEP_SECONDS = 0.06  # that a training step sleeps: about 0.7 s an epoch

# What a worker process trains, and its epochs so far. Each shows itself under a device of its own.
TASK = """
SELECT s.name, t.number, t.losses,
       (SELECT json_object_agg(epoch, seconds) FROM search_epochs e WHERE e.ticket_id = t.ticket_id)
FROM search_tickets t JOIN search_studies s USING (study_id) JOIN search_workers w USING (worker)
WHERE t.state = 'running' AND w.device LIKE %s AND w.started_at > to_timestamp(%s)
"""


class Service:
    """The service in `folder`, on a running Postgres, with studies of the same grid filed as work runs out."""

    def __init__(self, folder: Path, postgres: Postgres, workers: int) -> None:
        self.postgres = postgres
        self._folder = folder
        self._copy = folder / "checkout"
        self._names = ["storm"]
        self._filing = True
        self._looks = 0
        make_checkout(self._copy)
        self._settings = Settings(folder / "home", folder / "data", str(folder / "results"), self.postgres.url)
        self.store: Store = open_store(self._settings)
        self.fleet = Fleet(workers, self.postgres.port, self._start, folder / "logs")

    def register(self) -> None:
        """Registers the study, for a storm and for a calm run, and makes the calm run, which does not sleep."""
        self._run("launch", STUDY_FILE, "--name", "calm", "--workers", "0")
        self._run("worker", "--study", "calm")
        self._run("launch", STUDY_FILE, "--workers", "0")

    def calm(self) -> list[TrialRecord]:
        return self._records("calm")

    def stormy(self) -> dict[str, list[TrialRecord]]:
        """What became of every study filed in the storm."""
        return {name: self._records(name) for name in self._names}

    def study(self, name: str) -> StudyRow:
        return self.store.run(lambda connection: studies.find(connection, name))

    def stop_filing(self) -> None:
        self._filing = False

    @property
    def is_done(self) -> bool:
        return all(self.study(name).is_done for name in self._names)

    def close(self) -> None:
        self.fleet.close()
        self.store.close()

    def kinds(self) -> Iterable[Kind]:
        return Kind

    def trainer(self, worker: Worker) -> psutil.Process | None:
        return worker.trainer()

    def tasks(self) -> dict[int, Task]:
        tasks = {}
        for worker in self.fleet.workers:
            if worker.is_up:
                which = f"%{_device(worker.slot)}", worker.started_at
                for study, number, losses, epochs in self.postgres.execute(TASK, *which, database="search"):
                    seconds = {int(epoch): seconds for epoch, seconds in (epochs or {}).items()}
                    tasks[worker.slot] = Task((study, number), seconds, spent=losses >= MAX_LOSSES - 1)
        return tasks

    def damage(self, worker: Worker, task: Task, draw: float) -> None:
        """Cuts it short or turns one bit of it, at a place that `draw` says."""
        study, number = task.key
        files = self._folder.glob(f"**/checkpoints/**/{study}-*/{number}/attempt-*/epoch-*.pt")
        newest = max(files, key=lambda file: (file.name, int(file.parent.name.split("-")[1])), default=None)
        if newest is None:
            return
        data = bytearray(newest.read_bytes())
        place = math.floor(draw * len(data))
        if place % 2:
            del data[place:]
        else:
            data[place] ^= 1
        newest.write_bytes(data)

    def fill_disk(self, worker: Worker, full: bool) -> None:
        """No file may grow beyond a kilobyte: a write fails as on a full disk, for this one process."""
        trainer = worker.trainer()
        if trainer is None:
            return
        _, hard = resource.prlimit(trainer.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(trainer.pid, resource.RLIMIT_FSIZE, (1024 if full else hard, hard))

    def tick(self) -> None:
        self._looks += 1
        if self._looks % 20 or not self._filing:
            return
        row = self.study(self._names[-1])
        if row.counts.get("waiting", 0) < 2 * len(self.fleet.workers):
            name = f"storm@{len(self._names) + 1}"
            self.store.run(
                lambda connection: studies.register(
                    connection,
                    row.definition.renamed(name),
                    data_fingerprint=row.data_fingerprint,
                    validation_items=row.validation_items,
                    code_version="storm",
                )
            )
            self._names.append(name)

    def _records(self, name: str) -> list[TrialRecord]:
        row = self.study(name)
        return self.store.run(lambda connection: studies.records(connection, row))

    def _environment(self, url: str, slot: int) -> dict[str, str]:
        return os.environ | {
            "PYTHONPATH": str(self._copy),
            "SEARCH_HOME": str(self._folder / "home"),
            "SEARCH_DATA": str(self._folder / "data"),
            "SEARCH_RESULTS": str(self._folder / "results"),
            "SEARCH_CHECKPOINTS": str(self._folder / "checkpoints"),
            "SEARCH_SLOTS": str(self._folder / "slots"),
            "SEARCH_STORE": url,
            "CUDA_VISIBLE_DEVICES": ",".join([_device(slot)] * cpu_cores()),  # so that it gets one thread
            "SEARCH_LEASE_SECONDS": str(LEASE_SECONDS),
            "SEARCH_STALL_SECONDS": str(STALL_SECONDS),
        }

    def _start(self, slot: int, port: int, log: Path) -> subprocess.Popen[bytes]:
        environment = self._environment(self.postgres.url_through(port), slot)
        with log.open("ab") as output:
            return subprocess.Popen(
                [sys.executable, "-m", "search", "worker"],
                cwd=self._copy,
                env=environment | {"CHAOS_STEP_SECONDS": str(STEP_SECONDS)},
                stdout=output,
                stderr=output,
                start_new_session=True,
                # Started in the background of a shell, Python would ignore Ctrl-C.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
            )

    def _run(self, *arguments: str) -> None:
        with (self._folder / "logs" / "commands.log").open("ab") as output:
            subprocess.run(
                [sys.executable, "-m", "search", *arguments],
                cwd=self._copy,
                env=self._environment(self.postgres.url, slot=0),
                check=True,
                stdout=output,
                stderr=output,
            )


def _device(slot: int) -> str:
    """A GPU that no machine has. The worker trains on the processor, under a name of its own."""
    return f"chaos-{slot}"
