"""Which configurations of a search are run again with fresh seeds."""

from collections.abc import Sequence
from statistics import median

import numpy as np
from numpy.typing import NDArray

from search.analysis.axes import is_numeric, parameter_axis
from search.analysis.levels import by_level, level_of
from search.store.records import TrialRecord
from search.study import StudyDefinition
from search.tasks import turned


def selected(study: StudyDefinition, records: Sequence[TrialRecord]) -> list[TrialRecord]:
    """The best trials of each scientific value, of the best values, as `study.confirm` says how many of each.

    Among trials of one scientific value, each is judged by the median of its own value and those of its nearest
    neighbours, two for each nuisance parameter: one that stands out by luck has worse ones around it. Of equals,
    the one with the better value of its own goes first. A neighbour that was stopped early counts as far behind as
    it was then; one that diverged or failed counts as the worst. Values are ranked by their best trials.

    Only complete trials can be chosen, or, where a value has none, those that a pruner stopped.
    """
    searched = [record for record in records if record.stage == "search"]
    chosen = [
        _best_first(study, trials)[: study.confirm.configurations] for trials in by_level(study, searched).values()
    ]
    ranked = sorted(filter(None, chosen), key=lambda trials: _best(study, trials[0]), reverse=True)
    kept = [record for trials in ranked[: study.confirm.values] for record in trials]
    return sorted(kept, key=lambda record: level_of(study, record.parameters))


def _best_first(study: StudyDefinition, trials: Sequence[TrialRecord]) -> list[TrialRecord]:
    """The candidates of one scientific value."""
    worst = min((_best(study, record) for record in trials if record.curve), default=0.0)
    distances = _distances(study, trials)
    around = 2 * sum(parameter.role == "nuisance" for parameter in study.space.values())
    eligible = {record.ticket for record in _eligible(trials)}
    judged = []
    for i, record in enumerate(trials):
        if record.ticket in eligible:
            near = [trials[j] for j in np.argsort(distances[i], kind="stable")[1 : around + 1]]
            values = [_best(study, record), *(_beside(study, record, neighbour, worst) for neighbour in near)]
            judged.append(((median(values), values[0]), record))
    return [record for _, record in sorted(judged, key=lambda pair: pair[0], reverse=True)]


def _eligible(trials: Sequence[TrialRecord]) -> list[TrialRecord]:
    trained = [record for record in trials if record.curve and not record.is_infeasible]
    return [record for record in trained if record.state == "complete"] or trained


def _beside(study: StudyDefinition, record: TrialRecord, neighbour: TrialRecord, worst: float) -> float:
    """What a neighbour counts, beside the trial that is judged."""
    if neighbour.is_infeasible or not neighbour.curve:
        return worst
    if neighbour.state == "complete":
        return _best(study, neighbour)
    end = max(neighbour.curve)
    return _best(study, record) - (_best(study, record, end) - _best(study, neighbour))


def _best(study: StudyDefinition, record: TrialRecord, until: int | None = None) -> float:
    """The objective at the best epoch, of those until one if that is given, turned so that more is better."""
    return max(
        turned(study.objective, value) for epoch, value in record.curve.items() if until is None or epoch <= until
    )


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
