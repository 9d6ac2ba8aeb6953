"""The child process: trains what it is told, knows neither the store nor any secret, and dies with its parent."""

import os
import signal
import time
import traceback
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

from search.errors import Diverged, SearchError
from search.worker.messages import (
    Assignment,
    EpochDone,
    Failed,
    Finished,
    FromChild,
    Progress,
    Stop,
    Stopped,
    ToChild,
)

if TYPE_CHECKING:
    import torch

PROGRESS_SECONDS = 1.0


class _Told(Exception):
    """The supervisor said stop."""


def main(pipe: "Connection[FromChild, ToChild]", slot: int, threads: int) -> None:
    """Serves assignments until the pipe closes.

    slot: counts from 0; the GPU of that number where there are any, the processor otherwise.
    threads: CPU threads to compute with.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole terminal; the supervisor decides
    import torch

    import search.training.run  # noqa: F401 - loaded while the supervisor still looks for work

    torch.set_num_threads(threads)
    gpus = torch.cuda.device_count()
    device = torch.device("cuda", slot % gpus) if gpus else torch.device("cpu")
    link = _Link(pipe)
    while (message := link.receive()) is not None:
        if isinstance(message, Assignment):
            link.send(_carry_out(message, device, link))


class _Link:
    """The pipe to the supervisor. Without a supervisor there is nothing left to do: the process ends at once."""

    def __init__(self, pipe: "Connection[FromChild, ToChild]") -> None:
        self._pipe = pipe
        self._last_progress = 0.0

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

    def on_step(self) -> None:
        now = time.monotonic()
        if now - self._last_progress > PROGRESS_SECONDS:
            self._last_progress = now
            self.send(Progress())
        if self._pipe.poll():
            message = self.receive()
            if message is None:
                os._exit(0)
            if isinstance(message, Stop):
                raise _Told


def _carry_out(assignment: Assignment, device: "torch.device", link: _Link) -> FromChild:
    import torch

    from search.training.cache import open_prepared
    from search.training.checkpoint import Checkpoints
    from search.training.run import train

    recipe = assignment.recipe
    try:
        data = open_prepared(assignment.data)
        checkpoints = Checkpoints(assignment.checkpoints, assignment.attempt)
        for epoch in train(recipe, data, device=device, checkpoints=checkpoints, on_step=link.on_step):
            link.send(EpochDone(epoch))
    except _Told:
        return Stopped()
    except Diverged as error:
        return Failed("diverged", str(error))
    except torch.OutOfMemoryError as error:
        reason = f"out of memory at batch size {recipe.knobs.batch_size} on {device}: {error}"
        return Failed("out_of_memory", reason)
    except SearchError as error:
        return Failed("refused", str(error))
    except Exception:
        return Failed("error", traceback.format_exc())
    return Finished()
