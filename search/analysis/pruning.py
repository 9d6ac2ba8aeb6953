"""What an audit of pruning has found, as plain data."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Killed:
    """A winner that a pruner would have stopped.

    ticket: its number. stage: search, or confirm for a fresh run of a winner of the search.
    epoch: after which it would have been stopped. value: what it came to in truth, in the metric's own unit.
    """

    ticket: int
    stage: str
    epoch: int
    value: float


@dataclass(frozen=True)
class Replay:
    """One pruner over the study's curves.

    pruner: its keys, as in a study file. own: whether it is the study's.
    stopped: how many trials with a full curve it would have stopped.
    saved: the share of their epochs, in [0, 1], that would not have been trained.
    killed: the winners among them, the best first, of `winners` that there are, fresh runs included.
    """

    pruner: Mapping[str, Any]
    own: bool
    stopped: int
    saved: float
    killed: tuple[Killed, ...]
    winners: int

    @property
    def is_safe(self) -> bool:
        """Whether nearly all winners would have been left: four in five."""
        return 5 * len(self.killed) <= self.winners


@dataclass(frozen=True)
class Correlation:
    """Spearman's rank correlation, in [-1, 1], of the objective at an epoch with the trial's, over `curves`."""

    epoch: int
    rank: float
    curves: int


@dataclass(frozen=True)
class Audit:
    """What pruning does to a study.

    full: trials with a full learning curve, fresh runs included. cut: those whose curve ends early.
    winners: tickets of the search's best trial and of those within `noise` of it, the best first.
    noise: standard deviation between runs of one configuration, or the standard error of the objective over the
        validation items, in the metric's own unit; None where neither is known.
    recommendation: for the next study, in words.
    caveats: what a reader must know, as sentences.
    """

    full: int
    cut: int
    winners: tuple[int, ...]
    noise: float | None
    replays: tuple[Replay, ...]
    correlations: tuple[Correlation, ...]
    recommendation: str
    caveats: tuple[str, ...]


def pruner_words(pruner: Mapping[str, Any]) -> str:
    """A pruner as a study file names it, such as `hyperband, min_resource 6, max_resource 60`."""
    keys = ("warmup_epochs", "min_resource", "max_resource")
    return ", ".join([pruner["name"], *(f"{key} {pruner[key]}" for key in keys if key in pruner)])
