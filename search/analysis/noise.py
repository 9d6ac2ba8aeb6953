"""How much runs that differ in nothing but luck differ."""

import math

from search.analysis.axes import metric_scale
from search.analysis.results import Results
from search.analysis.standing import levels, peak, selecting
from search.analysis.statistics import pooled_deviation


def run_noise(results: Results) -> float | None:
    """How much the objective of one run differs by luck: between fresh runs; else the standard error of a share.

    None where neither is known.
    """
    chosen = [selecting(run) for level in levels(results) for run in level.configurations]
    pooled = pooled_deviation([spread.values for spread in chosen if spread is not None])
    if pooled is not None:
        return pooled
    origin = results.row.context.origin
    items = origin.items if origin else results.row.validation_items
    best = max((peak(results, trial) or 0.0 for trial in results.searched), default=0.0)
    if metric_scale(results.definition.objective) == 1 or not items:
        return None
    return math.sqrt(max(best * (1 - best), 0.0) / items)
