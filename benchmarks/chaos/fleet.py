"""Worker processes kept running as a container engine would, each behind a proxy of its own."""

import signal
import subprocess
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.half_open_proxy import HalfOpenProxy

RESTART_SECONDS = 1.0  # between a death and the next start
STOP_SECONDS = 60.0  # that a worker gets to leave

# Starts worker number `slot`, which reaches the database on a port, with its output going to a file.
Start = Callable[[int, int, Path], subprocess.Popen[bytes]]


@dataclass(frozen=True)
class Death:
    """A worker that ended. expected: exit codes that what was done to it explains."""

    slot: int
    code: int
    at: float
    expected: frozenset[int]

    @property
    def by_itself(self) -> bool:
        return self.code not in self.expected

    def __str__(self) -> str:
        when = time.strftime("%H:%M:%S", time.gmtime(self.at))
        return f"worker {self.slot} exited with code {self.code} at {when} UTC"


class Worker:
    """One slot of the fleet: its process of the moment, and its proxy.

    busy: something is being done to it that is not over.
    started_at: when its process of the moment was started, Unix time.
    """

    def __init__(self, slot: int, database: int, start: Start, log: Path) -> None:
        self.slot = slot
        self.proxy = HalfOpenProxy(database)
        self.busy = False
        self.started_at = 0.0
        self.log = log
        self._start = start
        self._expected: set[int] = set()
        self._died_at = 0.0
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def is_up(self) -> bool:
        return self.process is not None and self.process.poll() is None

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def trainer(self) -> psutil.Process | None:
        """The process in which it trains; None where there is none just now."""
        try:
            children = psutil.Process(self.pid).children()
            return next((child for child in children if "spawn_main" in " ".join(child.cmdline())), None)
        except psutil.NoSuchProcess:
            return None

    def may_exit(self, *codes: int) -> None:
        """Says that what is being done to it explains these exit codes too."""
        self._expected.update(codes)

    def send(self, *numbers: int, expected: Iterable[int]) -> None:
        """Sends signals, after which the process may exit with these codes."""
        assert self.process is not None
        self.may_exit(*expected)
        for number in numbers:
            self.process.send_signal(number)
            time.sleep(0.05)

    def look_after(self) -> Death | None:
        """Starts it where it has ended for a while; returns its death once."""
        if self.process is not None and self.process.poll() is None:
            return None
        if self.process is not None:
            death = Death(self.slot, self.process.returncode, time.time(), frozenset(self._expected))
            self.process, self._died_at = None, time.monotonic()
            return death
        if time.monotonic() - self._died_at > RESTART_SECONDS:
            self._expected = set()
            self.started_at = time.time()
            self.process = self._start(self.slot, self.proxy.port, self.log)
        return None


class Fleet:
    """Workers numbered from 0, and the deaths seen so far."""

    def __init__(self, count: int, database: int, start: Start, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.workers = [Worker(slot, database, start, folder / f"worker-{slot}.log") for slot in range(count)]
        self.deaths: list[Death] = []

    @property
    def deaths_by_themselves(self) -> list[Death]:
        return [death for death in self.deaths if death.by_itself]

    def look_after(self) -> None:
        """Starts every worker that is not running. To be called about ten times a second."""
        for worker in self.workers:
            death = worker.look_after()
            if death is not None:
                self.deaths.append(death)

    def stop(self) -> None:
        """Tells every worker to leave, and notes how each did."""
        for worker in self.workers:
            if worker.is_up:
                worker.send(signal.SIGTERM, expected=(0,))
        for worker in self.workers:
            if worker.process is not None:
                try:
                    worker.process.wait(STOP_SECONDS)
                except subprocess.TimeoutExpired:
                    worker.process.kill()
                    worker.process.wait()
                death = worker.look_after()
                assert death is not None
                self.deaths.append(death)

    def close(self) -> None:
        """Kills what is left."""
        for worker in self.workers:
            if worker.process is not None and worker.process.poll() is None:
                worker.process.kill()
                worker.process.wait()
            worker.proxy.close()
