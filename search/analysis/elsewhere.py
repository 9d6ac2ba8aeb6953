"""What confirmed models say beyond what judges them, in other metrics, tasks and data sets. It decides nothing."""

from collections.abc import Iterable, Sequence

import numpy as np

from search.analysis import quantities
from search.analysis.axes import words
from search.analysis.evidence import Table
from search.analysis.findings import Conclusion, Level
from search.analysis.measures import classified, is_measurable, measured, metrics
from search.analysis.quantities import ABSENT
from search.analysis.results import Results
from search.analysis.statistics import spread
from search.predictions import Predictions
from search.tasks import OBJECTIVES, Task

_MOST_LEVELS = 4  # side by side
_OF_ONE_CLASS = ("recall_", "f1_au")
_HEADLINES = ("accuracy", "ccc_mean", "ccc_valence", "ccc_arousal", "au_total")  # the first that can be had


def other_metrics(results: Results, conclusion: Conclusion) -> Table:
    """A row for each other metric of what was judged, of all tasks, over the runs of the best values."""
    runs = _runs(results, conclusion)
    objective = results.definition.objective
    first = next(iter(runs.values()), [])
    known = {name for each in runs.values() for name in metrics(each[0])}
    names = [
        name for name in OBJECTIVES if name in known and name != objective and not name.startswith(_OF_ONE_CLASS)
    ]
    rows = [(_named(name), *(_spread(name, each) for each in runs.values())) for name in names]
    return Table(("metric", *runs), tuple(rows), _notes(first))


def data_sets(results: Results, conclusion: Conclusion) -> Table:
    """A row for each of the best values, with a column for each test set; empty where there is one alone."""
    runs = _runs(results, conclusion)
    first = next(iter(runs.values()), [])
    if not first or not first[0].elsewhere:
        return Table((), ())
    sets = {name: _metric(results, first[0], parts[0]) for name, parts in _sets(results, first).items()}
    rows = [
        (level, *(_spread(metric, _sets(results, each).get(name, [])) for name, metric in sets.items()))
        for level, each in runs.items()
    ]
    columns = [f"{name}: {_named(metric)}" if metric else name for name, metric in sets.items()]
    return Table(("value", *columns), tuple(rows), _notes(first))


def classes(results: Results, conclusion: Conclusion) -> Table:
    """The accuracy of the best value's models within each class, and over all, on each test set of several."""
    first = next(iter(_runs(results, conclusion).values()), [])
    if not first or not first[0].elsewhere:
        return Table((), ())
    sets = {
        name: [found for part in parts if (found := classified(part)) is not None]
        for name, parts in _sets(results, first).items()
    }
    sets = {name: parts for name, parts in sets.items() if parts}
    names = dict.fromkeys(name for parts in sets.values() for name in parts[0].classes)
    rows = [(name.replace("_", " "), *_cells(f"recall_{name}", name, sets.values())) for name in names]
    rows.append(("all classes", *_cells("accuracy", None, sets.values())))
    columns = [column for name in sets for column in (f"{name} (%)", "images")]
    return Table(("class", *columns), tuple(rows), _notes(first)) if sets else Table((), ())


def dropped(results: Results, conclusion: Conclusion) -> Table:
    """How many items of which classes were left out of a test set, for the study's data set has no such class."""
    first = next(iter(_runs(results, conclusion).values()), [])
    rows = [
        (part.split, name.replace("_", " "), f"{count:,}")
        for part in (first[0].elsewhere if first else ())
        for name, count in part.dropped.items()
        if count
    ]
    return Table(("test set", "class without a counterpart", "images left out"), tuple(rows))


def _runs(results: Results, conclusion: Conclusion) -> dict[str, list[Predictions]]:
    """The predictions of the best confirmed levels, by their names, the best one first."""

    def of(level: Level) -> list[Predictions]:
        tickets = level.confirmed.tickets if level.confirmed else ()
        return [results.predictions[ticket] for ticket in tickets if ticket in results.predictions]

    return {level.name: found for level in conclusion.levels[:_MOST_LEVELS] if (found := of(level))}


def _sets(results: Results, runs: Sequence[Predictions]) -> dict[str, list[Predictions]]:
    """What the runs say of each test set, by its name, the study's own first."""
    own = {f"{results.definition.dataset.name}, {runs[0].split}": [*runs]}
    return own | {part.split: [run.elsewhere[i] for run in runs] for i, part in enumerate(runs[0].elsewhere)}


def _metric(results: Results, own: Predictions, part: Predictions) -> str | None:
    """The objective where it can be had and means the same there, else what says most."""
    objective = results.definition.objective
    same = objective != "abaw_mean" or _tasks(own) == _tasks(part)  # else it is the mean of fewer
    wanted = (objective, *_HEADLINES) if same else _HEADLINES
    return next((metric for metric in wanted if is_measurable(part, metric)), None)


def _tasks(part: Predictions) -> set[Task]:
    return {part.task, *(other.task for other in part.beside)}


def _cells(metric: str, name: str | None, sets: Iterable[Sequence[Predictions]]) -> list[str]:
    """The metric over the runs on each test set, and how many images it is of."""
    cells = []
    for parts in sets:
        of_class = name in parts[0].classes and parts[0].truth == parts[0].classes.index(name)
        count = len(parts[0].truth) if name is None else int(np.sum(of_class))
        cells += [_spread(metric, parts), f"{count:,}"] if count else [ABSENT, ABSENT]
    return cells


def _spread(metric: str | None, runs: Sequence[Predictions]) -> str:
    """Nothing where the metric can't be had, for the networks of a level may say less than others do."""
    values = [measured(run, metric) for run in runs if metric and is_measurable(run, metric)]
    return quantities.spread(metric, spread(values)) if metric and values else ABSENT


def _named(metric: str) -> str:
    return f"{words(metric)}{quantities.unit(metric)}"


def _notes(runs: Sequence[Predictions]) -> tuple[str, ...]:
    return ("Means over seeds ± standard deviation [95 % interval of the mean].",) if len(runs) > 1 else ()
