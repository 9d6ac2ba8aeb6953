"""The two sides of a storm, as it sees them: a fleet, a database, and what is in training."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

import psutil

from benchmarks.chaos.fleet import Fleet, Worker
from benchmarks.chaos.plan import Fault, Kind
from tests.postgres import Postgres


@dataclass(frozen=True)
class Task:
    """A configuration in training: which, and the epochs reported of it, each by something that never repeats.

    spent: it must lose its worker no more.
    """

    key: tuple[str, int]
    epochs: dict[int, float] = field(default_factory=dict)
    spent: bool = False


@dataclass
class Strike:
    """A fault that was done, to whom (None: to all), when, and the tasks that were in training there."""

    fault: Fault
    slot: int | None
    tasks: list[Task]
    began: float
    ended: float = float("inf")  # Unix time


class Side(Protocol):
    """What the storm needs of those it strikes."""

    fleet: Fleet
    postgres: Postgres

    def tasks(self) -> dict[int, Task]:
        """What each worker, by its slot, has in training."""

    def trainer(self, worker: Worker) -> psutil.Process | None:
        """The process in which it trains."""

    def kinds(self) -> Iterable[Kind]:
        """The faults that make sense here."""

    def damage(self, worker: Worker, task: Task, draw: float) -> None:
        """Damages the task's newest checkpoint; its trainer is stopped."""

    def fill_disk(self, worker: Worker, full: bool) -> None:
        """Takes from the worker's trainer the room for checkpoints, or gives it back."""

    def tick(self) -> None:
        """Called about ten times a second while the database is there; files more work when it runs out."""

    def stop_filing(self) -> None:
        """The storm is over: what is there is all there is."""

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to train."""
