"""What is compared, and by what it is judged."""

from dataclasses import dataclass

import numpy as np

from search.predictions import Predictions
from search.tasks import turned


@dataclass(frozen=True)
class Entrant:
    """A configuration with its judged runs.

    name: as tables have it; spoken: as sentences have it.
    values: the metric of each run, at least one.
    predictions: of each run, in the order of `values`; empty where they are not there.
    """

    name: str
    spoken: str
    values: tuple[float, ...]
    predictions: tuple[Predictions, ...] = ()

    @property
    def mean(self) -> float:
        return float(np.mean(self.values))

    @property
    def runs(self) -> int:
        return len(self.values)

    def turned(self, metric: str) -> list[float]:
        """The values, of which more is better."""
        return [turned(metric, value) for value in self.values]


@dataclass(frozen=True)
class Judged:
    """What entrants were judged by.

    split: test, validation or unknown. items: how many it has, None where unknown.
    groups: how many subjects or sequences they belong to, None where unknown.
    """

    metric: str
    split: str
    items: int | None
    groups: int | None = None
