"""Whether a search looked where the best is, and long enough."""

import math
from collections.abc import Iterator, Sequence

import numpy as np
from scipy.special import gammaln

from search.analysis import wording
from search.analysis.axes import Axis, is_numeric, parameter_axis, shown
from search.analysis.findings import HealthWarning
from search.analysis.levels import by_level, level_values
from search.analysis.regions import counted, region
from search.analysis.results import Results
from search.analysis.standing import levels, peak, selecting, turned
from search.analysis.statistics import pooled_deviation
from search.store.records import TrialRecord
from search.study.space import Range

_FEWEST_TRIALS = 5  # of which an edge is told
_FEWEST_IN_A_CURVE = 10  # of which a best-of-n curve is told
_BINS = 10  # of a range
_LARGE_SHARE = 0.1  # of trials that diverged
_SHARES = ("accuracy", "balanced_accuracy", "macro_f1")  # counted on all items, or nearly so
_LAST = 0.2  # the part of the budget of which more is asked


def edges(results: Results) -> Iterator[HealthWarning]:
    """The best value of a parameter is the first or last that was allowed, and it is still rising there."""
    trials = [trial for trial in results.searched if trial.curve]
    if len(trials) < _FEWEST_TRIALS:
        return
    luck = run_noise(results) or 0.0
    for name, parameter in results.definition.space.items():
        if not is_numeric(parameter):
            continue
        axis = parameter_axis(name, parameter)
        bests = _best_by_cell(results, trials, name, axis, isinstance(parameter, Range))
        for end, outward in (("low", bests), ("high", bests[::-1])):
            if _rises(outward, luck) and not _is_natural_end(outward[0][0].parameters[name]):
                yield _edge(results, name, end, outward)


def _best_by_cell(
    results: Results, trials: Sequence[TrialRecord], name: str, axis: Axis, is_range: bool
) -> list[tuple[TrialRecord, float]]:
    """The best trial of each value, or tenth of a range, in their order, with its objective."""
    cells: dict[float, tuple[TrialRecord, float]] = {}
    for trial in trials:
        position = axis.position(trial.parameters[name])
        if is_range:
            position = min(int((position - axis.low) / (axis.high - axis.low) * _BINS), _BINS - 1)
        value = turned(results, peak(results, trial) or 0.0)
        if position not in cells or value > cells[position][1]:
            cells[position] = trial, value
    ordered = [cells[position] for position in sorted(cells)]
    reaches = {0, _BINS - 1} <= cells.keys() or not is_range
    return ordered if reaches else []


def _rises(outward: Sequence[tuple[TrialRecord, float]], luck: float) -> bool:
    """Whether values get better towards the first cell by more than luck."""
    values = [value for _, value in outward]
    if len(values) < 3 or values[0] < max(values):
        return False
    return values[0] - values[1] > luck or (values[1] > values[2] and values[0] - values[2] > luck)


def _is_natural_end(value: object) -> bool:
    """Nothing lies beyond: no dropout below 0."""
    return value == 0


def _edge(results: Results, name: str, end: str, outward: Sequence[tuple[TrialRecord, float]]) -> HealthWarning:
    metric = results.definition.objective
    best, value = outward[0]
    beyond, named = "lower" if end == "low" else "higher", wording.named(name)
    lead = wording.difference(metric, value - outward[1][1])
    inner = f"{named} {shown(outward[1][0].parameters[name])}"
    return HealthWarning(
        kind="edge",
        message=wording.sentence(
            f"the best {named} is at the {beyond} edge of what was searched; a {beyond} one may be better"
        ),
        evidence=wording.sentence(
            f"trial {best.ticket} with {named} {shown(best.parameters[name])} leads the best with "
            f"{inner} by {lead}"
        ),
    )


def infeasible(results: Results) -> Iterator[HealthWarning]:
    """Many trials diverged or failed, or those of one region did."""
    trials = [trial for trial in results.searched if trial.state not in ("waiting", "running")]
    bad = np.array([trial.is_infeasible for trial in trials], dtype=bool)
    if bad.sum() < 2:
        return
    where = region(results.definition, trials, bad)
    if where is None and bad.mean() < _LARGE_SHARE:
        return
    message = f"{bad.sum()} of {len(bad)} trials diverged or failed"
    if where:
        message += f", most of them with {where.words}"
    reasons = [trial.reason.splitlines()[0] for trial in trials if trial.is_infeasible and trial.reason]
    evidence = counted(bad, where) if where else "they are spread over the space"
    example = f"; such as: {reasons[0]}" if reasons else ""
    yield HealthWarning("diverged", wording.sentence(message), wording.sentence(f"{evidence}{example}"))


def budget(results: Results) -> Iterator[HealthWarning]:
    """The last fifth of the trials still brought more than noise."""
    luck = run_noise(results)
    if luck is None or results.row.context.origin or results.row.stage == "search":
        return
    for trials in by_level(results.definition, results.searched).values():
        values = [turned(results, value) for trial in trials if (value := peak(results, trial)) is not None]
        if len(values) < _FEWEST_IN_A_CURVE:
            continue
        before = math.floor(len(values) * (1 - _LAST))
        gain = max(values) - _best_before(results, values, before)
        if gain > luck:
            level = wording.spoken(level_values(results.definition, trials[0].parameters))
            of_level = f"for {level}, " if level else ""
            yield HealthWarning(
                kind="budget",
                message=wording.sentence(
                    f"{of_level}the best of n trials is still rising: more trials may find better"
                ),
                evidence=wording.sentence(
                    f"the last {len(values) - before} of {len(values)} trials brought "
                    f"{wording.difference(results.definition.objective, gain)}, where runs differ by "
                    f"{wording.difference(results.definition.objective, luck)} by luck"
                ),
            )


def _best_before(results: Results, values: Sequence[float], count: int) -> float:
    """The best of the first `count` trials; where they came in no order of hope, that of any `count` of them."""
    if results.definition.sampler in ("tpe", "gp"):
        return max(values[:count])
    return float(best_of(values)[count - 1])


def best_of(values: Sequence[float]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """The expected best of n of N values drawn without replacement, for n from 1 to N: (N,). More is better.

    Exact, from order statistics: the i-th smallest is the best of C(i - 1, n - 1) of all C(N, n) draws.
    """
    ordered, total = np.sort(values), len(values)
    rank, drawn = np.arange(1, total + 1)[None, :], np.arange(1, total + 1)[:, None]
    fits = rank >= drawn
    left = np.where(fits, rank - drawn, 0)
    log_share = _log_choose(rank - 1, drawn - 1, left) - _log_choose(total, drawn, total - drawn)
    return np.asarray(np.where(fits, np.exp(log_share), 0.0) @ ordered)


def _log_choose(whole: np.ndarray | int, part: np.ndarray, rest: np.ndarray) -> np.ndarray:
    return np.asarray(gammaln(np.asarray(whole) + 1.0) - gammaln(part + 1.0) - gammaln(rest + 1.0))


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
    if results.definition.objective not in _SHARES or not items:
        return None
    return math.sqrt(max(best * (1 - best), 0.0) / items)
