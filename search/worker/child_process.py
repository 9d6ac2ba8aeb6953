"""The supervisor's end of its child: started ahead of need, reused from trial to trial, replaced after a kill."""

import time
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

from search.worker import child
from search.worker.messages import Failed, Finished, FromChild, Stop, Stopped, ToChild

STOP_SECONDS = 20.0  # how long a child may take to abandon its step


class ChildDied(Exception):
    """The child process is gone without a word."""


class ChildProcess:
    """A process that trains on one device.

    slot: counts from 0; the GPU of that number where there are any. threads: CPU threads it computes with.
    """

    def __init__(self, slot: int, threads: int) -> None:
        self._slot = slot
        self._threads = threads
        self._process: BaseProcess | None = None
        self._pipe: Connection[ToChild, FromChild] | None = None

    def start(self) -> None:
        """Starts the process unless it runs."""
        if self._process is not None and self._process.is_alive():
            return
        context = get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=child.main, args=(theirs, self._slot, self._threads), name="search-child", daemon=True
        )
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

    def kill(self) -> None:
        """Ends the process at once."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._process = None

    def _died(self) -> ChildDied:
        assert self._process is not None
        self._process.join(STOP_SECONDS)
        code = self._process.exitcode
        self.kill()
        how = f"was killed by signal {-code}" if code is not None and code < 0 else f"exited with code {code}"
        return ChildDied(f"the training process {how}")
