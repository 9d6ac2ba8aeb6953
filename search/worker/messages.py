"""What the supervisor and its child say to each other; the only thing they share beside a clock of progress."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from search.predictions import Predictions
from search.training.epoch import Epoch
from search.training.recipe import Recipe
from search.worker.data import DataSource


@dataclass(frozen=True)
class Assignment:
    """To the child: train this, or go on with it.

    checkpoints: the folder on this machine of the ticket that trains it.
    stage: searching, only the newest epochs are kept; confirming, the best one, too; concluding, its model is
        shown the split that judges once it is trained.
    """

    recipe: Recipe
    data: DataSource
    checkpoints: Path
    attempt: int
    stage: Literal["search", "confirm", "conclude"]


@dataclass(frozen=True)
class Stop:
    """To the child: abandon the assignment and answer `Stopped`."""


@dataclass(frozen=True)
class Begun:
    """From the child: data and model are there, and so many whole epochs of an earlier attempt."""

    resumed_from: int


@dataclass(frozen=True)
class EpochDone:
    """From the child: an epoch is whole and its checkpoint is on disk."""

    epoch: Epoch


@dataclass(frozen=True)
class Judged:
    """From the child: what the model of the best epoch predicts, and the file that holds it."""

    predictions: Predictions
    weights: Path


@dataclass(frozen=True)
class Finished:
    """From the child: every epoch is done."""


@dataclass(frozen=True)
class Stopped:
    """From the child: the assignment was abandoned as told."""


@dataclass(frozen=True)
class Failed:
    """From the child: the run can't go on.

    Faults of the trial. diverged: a loss or metric stopped being finite. out_of_memory: this configuration does
    not fit. refused: the recipe can't be trained, and the message says why. error: a bug, with its traceback.

    Faults of this machine, at which another may do better. data: the data set is missing, or another one.
    disk: checkpoints can't be written. device: the GPU does not answer.
    """

    kind: Literal["diverged", "out_of_memory", "refused", "error", "data", "disk", "device"]
    reason: str


ToChild = Assignment | Stop
FromChild = Begun | EpochDone | Judged | Finished | Stopped | Failed
