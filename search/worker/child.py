"""The child process: trains what it is told, knows neither the store nor any secret, and dies with its parent."""

import ctypes
import faulthandler
import os
import signal
import sys
import time
import traceback
from multiprocessing.connection import Connection
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from typing import TYPE_CHECKING

from search import logs
from search.errors import CheckpointError, Diverged, SearchError
from search.worker.data import DataSource, open_data
from search.worker.messages import (
    Assignment,
    Begun,
    EpochDone,
    Failed,
    Finished,
    FromChild,
    Judged,
    Stop,
    Stopped,
    ToChild,
)

if TYPE_CHECKING:
    import torch

    from search.training.cache import Prepared
    from search.training.checkpoint import Checkpoints

STACKS = signal.SIGUSR1  # asks for the stack of every thread, also where Python itself hangs

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


class _Told(Exception):
    """The supervisor said stop."""


class _NoData(Exception):
    """This machine has not got the data."""


def main(
    pipe: "Connection[FromChild, ToChild]", progress: "Synchronized[float]", stacks: Path, threads: int
) -> None:
    """Serves assignments until the pipe closes, on the first GPU that it can see, or else the processor.

    progress: time.monotonic() of the last sign of progress.
    stacks: the file that receives the stacks that `STACKS` asks for.
    threads: CPU threads to compute with.
    """
    _die_with_parent()
    logs.configure([])
    with stacks.open("w") as file:
        faulthandler.register(STACKS, file, all_threads=True)
        link = _Link(pipe, progress)
        _serve(link, threads)


def _serve(link: "_Link", threads: int) -> None:
    import torch

    import search.training.run  # noqa: F401 - loaded while the supervisor still looks for work

    torch.set_num_threads(threads)
    device = torch.device("cuda", 0) if torch.cuda.device_count() else torch.device("cpu")
    trainer = _Trainer(link, device)
    while (message := link.receive()) is not None:
        if isinstance(message, Assignment):
            link.on_progress()
            link.send(trainer.carry_out(message))


def _die_with_parent() -> None:
    """Ends this process when its supervisor is killed, even in the middle of a step that never ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class _Link:
    """The pipe to the supervisor. Without a supervisor there is nothing left to do: the process ends at once."""

    def __init__(self, pipe: "Connection[FromChild, ToChild]", progress: "Synchronized[float]") -> None:
        self._pipe = pipe
        self._progress = progress

    def receive(self) -> ToChild | None:
        try:
            return self._pipe.recv()
        except (EOFError, OSError):
            return None

    def send(self, message: FromChild) -> None:
        try:
            self._pipe.send(message)
        except OSError:
            os._exit(0)

    def on_progress(self, done: int = 0, total: int = 0) -> None:
        """Shows that something was done, and abandons the work where the supervisor says so."""
        self._progress.value = time.monotonic()
        if self._pipe.poll():
            message = self.receive()
            if message is None:
                os._exit(0)
            if isinstance(message, Stop):
                raise _Told


class _Trainer:
    """Carries out one assignment after another, keeping the data open in between."""

    def __init__(self, link: _Link, device: "torch.device") -> None:
        self._link = link
        self._device = device
        self._opened: tuple[DataSource, Prepared] | None = None

    def carry_out(self, assignment: Assignment) -> FromChild:
        import torch

        try:
            self._test_device()
            self._train(assignment)
        except _Told:
            return Stopped()
        except Diverged as error:
            return Failed("diverged", str(error))
        except torch.OutOfMemoryError as error:
            batch_size = assignment.recipe.knobs.batch_size
            return Failed("out_of_memory", f"out of memory at batch size {batch_size} on {self._device}: {error}")
        except torch.AcceleratorError as error:
            return Failed("device", f"{self._device} failed: {error}")
        except _NoData as error:
            return Failed("data", str(error))
        except CheckpointError as error:
            return Failed("disk", str(error))
        except SearchError as error:
            return Failed("refused", str(error))
        except Exception:
            return Failed("error", traceback.format_exc())
        return Finished()

    def _train(self, assignment: Assignment) -> None:
        from search.training.checkpoint import Checkpoints
        from search.training.run import train

        data = self._open(assignment.data)
        checkpoints = Checkpoints(assignment.checkpoints, assignment.attempt)
        epochs = train(
            assignment.recipe,
            data,
            device=self._device,
            checkpoints=checkpoints,
            keep_best=assignment.stage != "search",
            on_begin=lambda epochs: self._link.send(Begun(epochs)),
            on_step=self._link.on_progress,
        )
        for epoch in epochs:
            self._link.send(EpochDone(epoch))
        if assignment.stage == "conclude":
            self._judge(assignment, data, checkpoints)

    def _judge(self, assignment: Assignment, data: "Prepared", checkpoints: "Checkpoints") -> None:
        from search.training.judge import judge

        weights = assignment.checkpoints / "weights.pt"
        try:
            predictions = judge(
                assignment.recipe,
                data,
                device=self._device,
                checkpoints=checkpoints,
                weights=weights,
                on_step=self._link.on_progress,
            )
        except OSError as error:
            raise CheckpointError(f"{weights} can't be written ({error.strerror}): free some space.") from error
        self._link.send(Judged(predictions, weights))

    def _open(self, source: DataSource) -> "Prepared":
        if self._opened is None or self._opened[0] != source:
            self._opened = None
            try:
                self._opened = source, open_data(source, self._link.on_progress)
            except SearchError as error:
                raise _NoData(str(error)) from error
        return self._opened[1]

    def _test_device(self) -> None:
        """Raises torch.AcceleratorError where the GPU has gone, as after a reset of its driver."""
        import torch

        if self._device.type == "cuda":
            torch.cuda.mem_get_info(self._device)
