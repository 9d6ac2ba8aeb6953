"""What luck could do to the difference of two configurations: that of the seeds, of the items, and both."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from search.analysis import statistics
from search.analysis.entrants import Entrant, Judged
from search.analysis.measures import rightly
from search.analysis.resampling import Resampled

MCNEMAR = "exact McNemar"
BOOTSTRAP = "paired bootstrap"
PROPORTIONS = "two proportions"  # as if each had items of its own


@dataclass(frozen=True)
class Luck:
    """A difference of means, at least 0, before any correction; None for what can't be had.

    p: the largest of p_seeds, p_items and that of both together; None unless all are there.
    items: variance of the difference that the items make; shared: the part of it that more seeds would leave.
    runs: variances of a single run of each, added.
    """

    difference: float
    p_seeds: float | None
    p_items: float | None
    items_test: str | None
    p: float | None
    margin: float | None
    items: float | None
    shared: float
    runs: float

    def seeds_needed(self, comparisons: int) -> int | None:
        """Runs of each that would show the difference; None where it is not seeds that lack."""
        beyond = self.difference**2 - statistics.detectable(self.shared, comparisons=comparisons)
        if beyond <= 0 or self.runs <= 0:
            return None
        return statistics.seeds_for(math.sqrt(2 * beyond / self.runs), comparisons=comparisons)

    def items_factor(self, comparisons: int) -> float | None:
        """How many times the items would show the difference; None where it is not items that lack."""
        if not self.items or not 0 < self.difference**2 <= statistics.detectable(
            self.shared, comparisons=comparisons
        ):
            return None
        return statistics.detectable(self.items, comparisons=comparisons) / self.difference**2


@dataclass(frozen=True)
class _Items:
    """The luck of the items; own: what it adds to a single run of either, beyond what the runs share."""

    p: float
    test: str
    variance: float
    units: int
    own: tuple[float, float]


def luck(
    better: Entrant, worse: Entrant, judged: Judged, resampled: Resampled | None, places: Sequence[list[int]]
) -> Luck:
    """places: of either's runs among the resampled ones."""
    samples = better.turned(judged.metric), worse.turned(judged.metric)
    difference = float(np.mean(samples[0]) - np.mean(samples[1]))
    p_seeds = statistics.welch(*samples)
    items = (
        _of_shares(better, worse, judged)
        if resampled is None
        else _of_predictions(better, worse, judged, resampled, places)
    )
    known = (None, None, None) if items is None else (items.p, items.test, items.variance)
    if p_seeds is None or items is None:
        return Luck(difference, p_seeds, known[0], known[1], None, None, known[2], 0.0, 0.0)
    error, freedom = _together(items, samples)
    sides = list(zip(samples, items.own, strict=True))
    return Luck(
        difference=difference,
        p_seeds=p_seeds,
        p_items=items.p,
        items_test=items.test,
        p=max(p_seeds, items.p, statistics.student(difference, error, freedom)),
        margin=statistics.half_width(error, freedom),
        items=items.variance,
        shared=max(items.variance - sum(own / len(values) for values, own in sides), 0.0),
        runs=sum(max(float(np.var(values, ddof=1)), own) for values, own in sides),
    )


def _together(items: _Items, samples: Sequence[Sequence[float]]) -> tuple[float, float]:
    """Standard error of a difference of means by seeds and items, and its degrees of freedom.

    The squares add up, but what a run's own luck with the items adds is seen between items and between seeds, and
    counts once. Degrees of freedom: Satterthwaite 1946, https://doi.org/10.2307/3002019, and no fewer than the
    least of the parts has, as for any sum: what is taken off could bring them below.
    """
    seeds = [float(np.var(values, ddof=1)) / len(values) for values in samples]
    again = [own / len(values) for own, values in zip(items.own, samples, strict=True)]
    total = max(items.variance - sum(again), 0.0) + sum(map(max, seeds, again))
    doubt = items.variance**2 / (items.units - 1) + sum(
        seed**2 / (len(values) - 1) for seed, values in zip(seeds, samples, strict=True)
    )
    least = min(items.units, *map(len, samples)) - 1
    return math.sqrt(total), max(total**2 / doubt, least) if doubt > 0 else items.units - 1


def _of_predictions(
    better: Entrant, worse: Entrant, judged: Judged, resampled: Resampled, places: Sequence[list[int]]
) -> _Items | None:
    if resampled.units < 2:
        return None
    weights = np.zeros(len(resampled.covariance))
    weights[places[0]], weights[places[1]] = 1 / better.runs, -1 / worse.runs
    variance = resampled.variance(weights)
    own = resampled.interaction(places[0]), resampled.interaction(places[1])
    if judged.metric == "accuracy" and not resampled.grouped:
        return _Items(_mcnemar(better, worse), MCNEMAR, variance, resampled.units, own)
    difference = abs(better.mean - worse.mean)
    p = statistics.student(difference, math.sqrt(variance), resampled.units - 1)
    return _Items(p, BOOTSTRAP, variance, resampled.units, own)


def _mcnemar(better: Entrant, worse: Entrant) -> float:
    """1 where it is the worse one of which most runs are right more often: that speaks for no lead."""
    rights = [np.stack([rightly(run) for run in entrant.predictions]) for entrant in (better, worse)]
    return statistics.mcnemar_exact(*rights) if statistics.favours_first(*rights) else 1.0


def _of_shares(better: Entrant, worse: Entrant, judged: Judged) -> _Items | None:
    """Without predictions, of accuracies alone."""
    if judged.metric != "accuracy" or judged.items is None or judged.items < 2:
        return None
    shares, count = (better.mean, worse.mean), judged.items
    variance = sum(share * (1 - share) / count for share in shares)
    return _Items(statistics.two_proportions(*shares, count, count), PROPORTIONS, variance, count, (0.0, 0.0))
