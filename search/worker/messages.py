"""What the supervisor and its child say to each other; the only thing they share."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from search.training.epoch import Epoch
from search.training.recipe import Recipe


@dataclass(frozen=True)
class Assignment:
    """To the child: train this. `data` is a prepared data set, `checkpoints` the folder of the ticket."""

    recipe: Recipe
    data: Path
    checkpoints: Path
    attempt: int


@dataclass(frozen=True)
class Stop:
    """To the child: abandon the assignment and answer `Stopped`."""


@dataclass(frozen=True)
class Progress:
    """From the child, about once a second while it makes steps."""


@dataclass(frozen=True)
class EpochDone:
    """From the child: an epoch is whole and its checkpoint is on disk."""

    epoch: Epoch


@dataclass(frozen=True)
class Finished:
    """From the child: every epoch is done."""


@dataclass(frozen=True)
class Stopped:
    """From the child: the assignment was abandoned as told."""


@dataclass(frozen=True)
class Failed:
    """From the child: the run can't go on.

    diverged: a loss or metric stopped being finite. out_of_memory: this configuration does not fit. refused: the
    recipe can't be trained, and the message says why. error: a bug, with its traceback.
    """

    kind: Literal["diverged", "out_of_memory", "refused", "error"]
    reason: str


ToChild = Assignment | Stop
FromChild = Progress | EpochDone | Finished | Stopped | Failed
