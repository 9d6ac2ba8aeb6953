"""The tests behind a conclusion: what the luck of seeds and of items could do.

Two kinds of luck are kept apart. That of the **seeds**: another initialisation and order would have given other
runs. That of the **items**: another test split would have held other images, perhaps of other subjects. A
difference is claimed only when neither explains it.

Values are turned so that more is better before they come here. docs/conclusions.md says why each is as it is.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.meta_analysis import effectsize_smd
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestIndPower
from statsmodels.stats.proportion import test_proportions_2indep

from search.analysis.findings import Spread

LEVEL = 0.05  # of significance
POWER = 0.8
MOST_SEEDS = 1000  # that anybody is advised to run
_SAME = 1e-12  # relative: what rounding leaves of equal values
_LARGEST_EFFECT = 5.0  # two runs of each show it


def spread(values: Sequence[float]) -> Spread:
    """Mean, sample standard deviation, and the 95 % interval of the mean by Student's t. At least one value."""
    mean, count = float(np.mean(values)), len(values)
    if count < 2:
        return Spread(tuple(values), mean, None, None, None)
    deviation = _deviation(values)
    half = float(stats.t.ppf(1 - LEVEL / 2, count - 1)) * deviation / math.sqrt(count)
    return Spread(tuple(values), mean, deviation, mean - half, mean + half)


def pooled_deviation(samples: Sequence[Sequence[float]]) -> float | None:
    """Standard deviation within samples, pooled; None where none has two values."""
    repeated = [values for values in samples if len(values) > 1]
    freedom = sum(len(values) - 1 for values in repeated)
    squares = sum((len(values) - 1) * _deviation(values) ** 2 for values in repeated)
    return math.sqrt(squares / freedom) if freedom else None


def welch(a: Sequence[float], b: Sequence[float]) -> float | None:
    """p, two-sided, that two means over runs are equal, with variances of their own; None for a single run.

    Welch 1947, https://doi.org/10.1093/biomet/34.1-2.28. Where neither sample varies at all it is 1 or 0.
    """
    if min(len(a), len(b)) < 2:
        return None
    if _deviation(a) == _deviation(b) == 0:
        return float(math.isclose(a[0], b[0]))
    summaries = (np.mean(a), _deviation(a), len(a), np.mean(b), _deviation(b), len(b))
    return float(stats.ttest_ind_from_stats(*summaries, equal_var=False).pvalue)


def hedges_g(a: Sequence[float], b: Sequence[float]) -> float | None:
    """The difference of two means in pooled standard deviations, without the bias of small samples.

    Hedges 1981, https://doi.org/10.3102/10769986006002107. None for a single run, or where nothing varies.
    """
    if min(len(a), len(b)) < 2 or _deviation(a) == _deviation(b) == 0:
        return None
    effect, _ = effectsize_smd(np.mean(a), _deviation(a), len(a), np.mean(b), _deviation(b), len(b))
    return float(effect)


def mcnemar_exact(right_a: NDArray[np.bool_], right_b: NDArray[np.bool_]) -> float:
    """p, two-sided, that A is right and B wrong as often as the other way round, over N items.

    right_a, right_b: (runs, N), whether each run is right. An item counts as right where most of the runs are;
    with one run each it is the plain exact test, McNemar 1947, https://doi.org/10.1007/BF02295996.
    """
    a, b = (right.mean(axis=0) > 0.5 for right in (right_a, right_b))
    table = [[np.sum(a & b), np.sum(a & ~b)], [np.sum(~a & b), np.sum(~a & ~b)]]
    return float(mcnemar(table, exact=True).pvalue)


def favours_first(right_a: NDArray[np.bool_], right_b: NDArray[np.bool_]) -> bool:
    """Whether most runs of A are right on more items than most runs of B."""
    return bool((right_a.mean(axis=0) > 0.5).sum() > (right_b.mean(axis=0) > 0.5).sum())


def two_proportions(share_a: float, share_b: float, items_a: int, items_b: int) -> float:
    """p, two-sided, that two shares are equal, each counted on items of its own (Agresti and Caffo 2000).

    What can be had of published accuracies. The same items for both would ask for McNemar's, which needs to
    know on which ones each is right.
    """
    counts = round(share_a * items_a), items_a, round(share_b * items_b), items_b
    return float(test_proportions_2indep(*counts, method="agresti-caffo").pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values after Holm's correction for their number (1979, https://www.jstor.org/stable/4615733)."""
    if len(p_values) < 2:
        return [*p_values]
    return [float(p) for p in multipletests(p_values, method="holm")[1]]


def seeds_for(effect: float, *, comparisons: int = 1) -> int | None:
    """Runs of each that would show an effect with 80 % power, at 5 % shared by all comparisons.

    effect: in standard deviations between runs, at least 0. None for more than `MOST_SEEDS`.
    """
    power, level = TTestIndPower(), LEVEL / comparisons
    if effect <= 0 or power.power(effect, MOST_SEEDS, level) < POWER:
        return None
    return math.ceil(float(power.solve_power(min(effect, _LARGEST_EFFECT), alpha=level, power=POWER)))


def detectable(variance: float, *, comparisons: int = 1) -> float:
    """Square of the smallest difference that a known variance lets be shown with 80 % power."""
    reach = stats.norm.isf(LEVEL / comparisons / 2) + stats.norm.isf(1 - POWER)
    return float(reach**2 * variance)


def student(difference: float, error: float, freedom: float) -> float:
    """p, two-sided, of a difference with a standard error and its degrees of freedom."""
    if error <= 0:
        return float(difference == 0)
    return float(2 * stats.t.sf(abs(difference) / error, freedom))


def half_width(error: float, freedom: float) -> float:
    """Half the width of the 95 % interval by Student's t."""
    return float(stats.t.ppf(1 - LEVEL / 2, freedom)) * error


def _deviation(values: Sequence[float]) -> float:
    deviation = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
    return 0.0 if deviation <= _SAME * max(map(abs, values)) else deviation
