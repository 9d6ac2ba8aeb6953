"""The supervisor's end of its child: started ahead of need, reused from trial to trial, replaced after a kill."""

import os
import signal
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from multiprocessing import get_context, resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path

from search.settings import SECRET_VARIABLES
from search.worker import child
from search.worker.messages import Failed, Finished, FromChild, Stop, Stopped, ToChild
from search.worker.slots import Slot

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

START_SECONDS = 120.0  # how long a child may take to load CUDA and the like, beside what it is given for a step
STOP_SECONDS = 20.0  # how long it may take to abandon its step
STACK_SECONDS = 2.0  # how long it may take to tell where it hangs


class ChildDied(Exception):
    """The child process is gone without a word."""


class ChildProcess:
    """A process that trains on one slot."""

    def __init__(self, slot: Slot) -> None:
        self._slot = slot
        self._context = get_context("spawn")
        self._process: BaseProcess | None = None
        self._pipe: Connection[ToChild, FromChild] | None = None
        self._progress: Synchronized[float] = self._context.Value("d", lock=False)
        self._folder = tempfile.TemporaryDirectory(prefix="search-child-")
        self._stacks = Path(self._folder.name, "stacks")

    def start(self) -> None:
        """Starts the process unless it runs."""
        if self._process is not None and self._process.is_alive():
            return
        self._pipe, theirs = self._context.Pipe()
        self._process = self._context.Process(
            target=child.main,
            args=(theirs, self._progress, self._stacks, self._slot.threads),
            name="search-child",
            daemon=True,
        )
        self._progress.value = time.monotonic() + START_SECONDS
        with _environment(self._slot.environment), _signals_held_back():
            self._process.start()
        theirs.close()

    def send(self, message: ToChild) -> None:
        """Starts the process if need be and sends. Raises ChildDied."""
        self.start()
        assert self._pipe is not None
        try:
            self._pipe.send(message)
        except OSError as error:
            raise self._died() from error

    def receive(self, seconds: float) -> FromChild | None:
        """The next message; None where none comes within `seconds`. Raises ChildDied."""
        assert self._pipe is not None
        try:
            return self._pipe.recv() if self._pipe.poll(seconds) else None
        except (EOFError, OSError) as error:
            raise self._died() from error

    def seconds_without_progress(self) -> float:
        """How long ago the child last made a training step, decoded images, or was given work."""
        return max(0.0, time.monotonic() - self._progress.value)

    def expect_progress(self) -> None:
        """Starts the clock of `seconds_without_progress` anew."""
        self._progress.value = max(self._progress.value, time.monotonic())

    def abandon(self) -> None:
        """Stops the assignment under way, by force where the child does not answer."""
        deadline = time.monotonic() + STOP_SECONDS
        try:
            self.send(Stop())
            while (left := deadline - time.monotonic()) > 0:
                if isinstance(self.receive(left), Stopped | Finished | Failed):
                    return
        except ChildDied:
            return
        self.kill()

    def stacks(self) -> str:
        """Where each thread of the child is, the one that hangs included; empty where the child can't tell."""
        if self._process is None or self._process.pid is None:
            return ""
        os.kill(self._process.pid, child.STACKS)
        deadline = time.monotonic() + STACK_SECONDS
        while not (text := self._stacks.read_text()) and time.monotonic() < deadline:
            time.sleep(0.05)
        return text

    def kill(self) -> None:
        """Ends the process at once."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._process = None

    def close(self) -> None:
        """Ends the process for good."""
        self.kill()
        self._folder.cleanup()

    def _died(self) -> ChildDied:
        assert self._process is not None
        self._process.join(STOP_SECONDS)
        code = self._process.exitcode
        self.kill()
        if code is not None and code < 0:
            return ChildDied(f"the training process was killed by {signal.Signals(-code).name}")
        return ChildDied(f"the training process exited with code {code}")


@contextmanager
def _signals_held_back() -> Iterator[None]:
    """Signals that mean stop wait until the end, and for good in a process that is started meanwhile.

    They may be sent to every process of a terminal or a service; only the supervisor is to hear them.
    """
    resource_tracker.ensure_running()  # of multiprocessing: when it starts, it lets signals through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _environment(changes: Mapping[str, str]) -> Iterator[None]:
    """The environment that a child is to inherit: with the changes, and without secrets."""
    secrets = ("SEARCH_STORE", *SECRET_VARIABLES)
    before = {name: os.environ.get(name) for name in (*changes, *secrets)}
    _set_environment(dict.fromkeys(secrets) | dict(changes))
    try:
        yield
    finally:
        _set_environment(before)


def _set_environment(values: Mapping[str, str | None]) -> None:
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
