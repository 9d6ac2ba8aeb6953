"""A `search worker` process, and what may be done to it."""

import shutil
import signal
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path

import psutil

WAIT_SECONDS = 120.0


class Worker:
    """A `search worker` process; what it and its child write goes to one file.

    device: what it shows in the store; no two workers of a fleet show the same. No machine has such a GPU, so it
        trains on the processor.
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
