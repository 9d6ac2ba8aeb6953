"""The bootstrap over items: all runs judged on the same resampled splits, so that they are compared in pairs.

Efron and Tibshirani 1993. Where subjects or sequences are known they are drawn whole: the images of one are not
independent, and resampling images would take them for more evidence than they are.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from search.analysis.measures import Floats, item_sums, labelled, of_sums
from search.predictions import Predictions

REPLICATES = 2000
_SEED = 0
_AT_ONCE = 4_000_000  # drawn weights held in memory


@dataclass(frozen=True)
class Resampled:
    """Metrics of R runs on resampled splits.

    covariance: (R, R), of the runs' metrics over the luck of the items.
    units: what was drawn: groups where they are known, else items.
    grouped: whether they were groups.
    """

    covariance: Floats
    units: int
    grouped: bool

    def variance(self, weights: Floats) -> float:
        """The luck of the items in a weighted sum of the runs' metrics; weights: (R,)."""
        return max(float(weights @ self.covariance @ weights), 0.0)

    def interaction(self, runs: Sequence[int]) -> float:
        """The variance that a single run's own luck with the items adds, beyond what all the `runs` share.

        It is seen twice, between items and between seeds. 0 for a single run.
        """
        own = self.covariance[np.ix_(runs, runs)]
        count = len(runs)
        if count < 2:
            return 0.0
        shared = (own.sum() - np.trace(own)) / (count * (count - 1))
        return max(float(np.trace(own) / count - shared), 0.0)


def resample(runs: Sequence[Predictions], metric: str, seed: int = _SEED) -> Resampled:
    """The metric of each run on `REPLICATES` splits drawn with replacement from their common items with a label.

    runs: at least one; all with the same digest.
    """
    kept = labelled(runs[0], metric)
    groups = runs[0].groups
    inverse = None if groups is None else np.unique(groups[kept], return_inverse=True)[1]
    units = int(kept.sum()) if inverse is None else int(inverse.max()) + 1
    sums = [_by_unit(item_sums(run, metric)[kept], inverse, units) for run in runs]
    generator = np.random.default_rng(seed)
    step = max(1, _AT_ONCE // units)
    blocks = []
    for start in range(0, REPLICATES, step):
        rows = min(step, REPLICATES - start)
        drawn = generator.integers(units, size=(rows, units)) + units * np.arange(rows)[:, None]
        weights = np.bincount(drawn.ravel(), minlength=rows * units).reshape(rows, units).astype(np.float64)
        blocks.append([of_sums(weights @ shares, run, metric) for shares, run in zip(sums, runs, strict=True)])
    replicates = np.concatenate([np.stack(block) for block in blocks], axis=1)
    # A bootstrap's variance is (units - 1) / units of what it estimates: little for items, much for ten subjects.
    covariance = np.cov(replicates).reshape(len(runs), len(runs)) * units / max(units - 1, 1)
    return Resampled(covariance, units, groups is not None)


def _by_unit(sums: Floats, inverse: NDArray[np.intp] | None, units: int) -> Floats:
    if inverse is None:
        return sums
    grouped = np.zeros((units, sums.shape[1]))
    np.add.at(grouped, inverse, sums)
    return grouped
