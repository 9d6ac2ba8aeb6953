"""Which configurations of a search are run again with fresh seeds."""

from collections.abc import Sequence
from statistics import median

import numpy as np
from numpy.typing import NDArray

from search.analysis.axes import is_numeric, parameter_axis
from search.analysis.levels import by_level, level_of
from search.store.records import TrialRecord
from search.study import StudyDefinition


def selected(study: StudyDefinition, records: Sequence[TrialRecord]) -> list[TrialRecord]:
    """The best trials of each scientific value, of the best values, as `study.confirm` says how many of each.

    A trial is judged by the median of its own value and those of its nearest neighbours with the same scientific
    value, two for each nuisance parameter: the one that stands out by luck has worse ones around it. A neighbour
    that was stopped early counts with its best epoch, one that never got to an epoch as the worst. Of equals the
    one with the better value of its own goes first.

    Only complete trials can be chosen, or, where a value has none, those that a pruner stopped.
    """
    searched = [record for record in records if record.stage == "search"]
    chosen = [
        _best(study, trials)[: study.confirm.configurations] for trials in by_level(study, searched).values()
    ]
    ranked = sorted((trials for trials in chosen if trials), key=lambda trials: trials[0][0], reverse=True)
    kept = [record for trials in ranked[: study.confirm.values] for _, record in trials]
    return sorted(kept, key=lambda record: level_of(study, record.parameters))


def _best(study: StudyDefinition, trials: Sequence[TrialRecord]) -> list[tuple[tuple[float, float], TrialRecord]]:
    """The candidates of one scientific value from the best to the worst, each with what it is judged by."""
    values = [_value(study, record) for record in trials]
    worst = min((value for value in values if value is not None), default=0.0)
    known = [worst if value is None else value for value in values]
    distances = _distances(study, trials)
    nuisances = sum(parameter.role == "nuisance" for parameter in study.space.values())
    eligible = {record.ticket for record in _eligible(trials)}
    judged = []
    for i, record in enumerate(trials):
        if record.ticket in eligible:
            near = np.argsort(distances[i], kind="stable")[: 2 * nuisances + 1]
            judged.append(((median(known[j] for j in near), known[i]), record))
    return sorted(judged, key=lambda pair: pair[0], reverse=True)


def _eligible(trials: Sequence[TrialRecord]) -> list[TrialRecord]:
    complete = [record for record in trials if record.state == "complete"]
    return complete or [record for record in trials if record.curve and not record.is_infeasible]


def _value(study: StudyDefinition, record: TrialRecord) -> float | None:
    """The objective at the best epoch, turned so that more is better."""
    sign = 1 if study.direction == "maximize" else -1
    return max((sign * value for value in record.curve.values()), default=None)


def _distances(study: StudyDefinition, trials: Sequence[TrialRecord]) -> NDArray[np.float64]:
    """How far trials are apart in the nuisance parameters (N, N), each parameter's axis being 1 long.

    Every trial is nearest to itself.
    """
    distances = np.zeros((len(trials), len(trials)))
    for name, parameter in study.space.items():
        if parameter.role == "nuisance":
            axis = parameter_axis(name, parameter)
            places = np.array([axis.position(record.parameters[name]) for record in trials]) / (
                axis.high - axis.low
            )
            apart = np.abs(places[:, None] - places[None, :])
            distances += apart if is_numeric(parameter) else (apart > 0)
    np.fill_diagonal(distances, -1.0)
    return distances
