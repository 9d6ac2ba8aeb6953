"""The service as a user runs it: `search` in processes of its own, within a folder of its own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from search.settings import Settings
from search.store import embedded, studies
from search.store.connection import Store, open_store
from search.store.records import StudyRow, TrialRecord
from tests.postgres import Postgres

from .fleet import Fleet
from .ground import Ground

WAIT_SECONDS = 240


class Service:
    """A home folder with an embedded store, the commands run in it, and what they left in the store."""

    def __init__(self, folder: Path, lease_seconds: float = 4.0, stall_seconds: float = 60.0) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.settings = Settings(
            home=folder / "home",
            data=folder / "data",
            results=str(folder / "results"),
            store=None,
            lease_seconds=lease_seconds,
            stall_seconds=stall_seconds,
        )
        self._store: Store | None = None
        self._processes: list[subprocess.Popen[str]] = []

    @property
    def environment(self) -> dict[str, str]:
        return os.environ | {
            "SEARCH_HOME": str(self.settings.home),
            "SEARCH_DATA": str(self.settings.data),
            "SEARCH_RESULTS": str(self.settings.results),
            "SEARCH_LEASE_SECONDS": str(self.settings.lease_seconds),
            "SEARCH_STALL_SECONDS": str(self.settings.stall_seconds),
        }

    @property
    def store(self) -> Store:
        self._store = self._store or open_store(self.settings)
        return self._store

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Starts `search ARGUMENTS` in the service's folder."""
        process = subprocess.Popen(
            [sys.executable, "-m", "search", *arguments],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            # Started in the background of a shell, Python would ignore Ctrl-C.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
        self._processes.append(process)
        return process

    def run(self, *arguments: str, code: int = 0) -> str:
        """Runs `search ARGUMENTS` to its end and returns what it printed."""
        output = self.start(*arguments).communicate(timeout=WAIT_SECONDS)[0]
        assert self._processes[-1].returncode == code, output
        return output

    def study(self, name: str) -> StudyRow:
        return self.store.run(lambda connection: studies.find(connection, name))

    def trials(self, name: str) -> list[TrialRecord]:
        row = self.study(name)
        return self.store.run(lambda connection: studies.records(connection, row))

    def close(self) -> None:
        for process in self._processes:
            with process:
                process.kill()
        if self._store is not None:
            self._store.close()
        embedded.stop(self.settings.home / "postgres")


def wait_for(condition: Callable[[], object], seconds: float = WAIT_SECONDS) -> None:
    """Returns once the condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "what was waited for did not come"
        time.sleep(0.05)


def worker_of(launch: subprocess.Popen[str]) -> psutil.Process:
    """The one worker process of a launch."""
    return next(p for p in psutil.Process(launch.pid).children() if "worker" in p.cmdline())


def trainer_of(launch: subprocess.Popen[str]) -> psutil.Process:
    """The process in which that worker trains."""
    return next(p for p in worker_of(launch).children() if "spawn_main" in " ".join(p.cmdline()))


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    service = Service(tmp_path)
    yield service
    service.close()


@pytest.fixture(scope="session")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """The server, the checkout and the data of every fleet."""
    folder = tmp_path_factory.mktemp("ground")
    with Postgres(folder / "postgres", max_connections=200) as postgres:
        yield Ground(folder, postgres)


@pytest.fixture
def fleet(ground: Ground, tmp_path: Path) -> Iterator[Fleet]:
    """A fleet of one test's own."""
    fleet = Fleet(ground, tmp_path / "fleet")
    yield fleet
    fleet.close()
