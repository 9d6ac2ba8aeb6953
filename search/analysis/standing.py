"""How a study stands: what judges it, its levels, and the runs of the configurations that stand for them."""

from collections.abc import Sequence

import numpy as np

from search import tasks
from search.analysis.entrants import Judged
from search.analysis.findings import Configuration, Level, Spread
from search.analysis.levels import by_level, level_name, level_values
from search.analysis.measures import is_measurable, labelled, measured
from search.analysis.results import Results
from search.analysis.statistics import spread
from search.store.records import TrialRecord


def is_settled(results: Results) -> bool:
    """Whether nothing more will be run. Before that no difference is claimed, for looking twice finds too many."""
    return results.row.is_done or results.row.state == "stopped"


def judged_by(results: Results) -> Judged:
    """The split that judges the study."""
    objective, context = results.definition.objective, results.row.context
    if results.predictions:
        first = next(iter(results.predictions.values()))
        there = labelled(first, objective)
        groups = None if first.groups is None else len(np.unique(first.groups[there]))
        return Judged(objective, first.split, int(there.sum()), groups)
    if context.origin:
        return Judged(objective, context.origin.judged_on, context.origin.items)
    split = "validation" if context.splits and "test" not in context.splits else "test"
    facts = context.splits.get(split)
    return Judged(objective, split, facts.items if facts else None)


def turned(results: Results, value: float) -> float:
    """A value of the objective of which more is better."""
    return tasks.turned(results.definition.objective, value)


def peak(results: Results, record: TrialRecord) -> float | None:
    """The objective at a trial's best epoch; None before its first."""
    return max(record.curve.values(), key=lambda value: turned(results, value), default=None)


def levels(results: Results) -> tuple[Level, ...]:
    """Those that have a trial, the best first."""
    study = results.definition
    fresh = {} if results.row.context.origin else by_level(study, results.confirmed)
    found = []
    for key, trials in by_level(study, results.searched).items():
        best = _best(results, trials)
        configurations = (
            _imported(results, trials)
            if results.row.context.origin
            else _confirmed(results, trials, fresh.get(key, []))
        )
        stands_for = configurations[0] if configurations else best or trials[0]
        found.append(
            Level(
                values=level_values(study, stands_for.parameters),
                name=level_name(study, stands_for.parameters),
                trials=len(trials),
                infeasible=sum(trial.is_infeasible for trial in trials),
                best=None if best is None else peak(results, best),
                configurations=configurations,
            )
        )
    return tuple(sorted(found, key=lambda level: _standing(results, level), reverse=True))


def _standing(results: Results, level: Level) -> tuple[float, float]:
    chosen = selecting(level.confirmed) if level.confirmed else None
    return (
        turned(results, chosen.mean) if chosen else -np.inf,
        -np.inf if level.best is None else turned(results, level.best),
    )


def selecting(configuration: Configuration) -> Spread | None:
    """What configurations are chosen by: validation, or all that a table tells."""
    return configuration.validation or configuration.judged


def _best(results: Results, trials: Sequence[TrialRecord]) -> TrialRecord | None:
    valued = [trial for trial in trials if trial.curve]
    return max(valued, key=lambda trial: turned(results, peak(results, trial) or 0.0), default=None)


def _confirmed(
    results: Results, trials: Sequence[TrialRecord], fresh: Sequence[TrialRecord]
) -> tuple[Configuration, ...]:
    searched = {trial.ticket: trial for trial in trials}
    sources = dict.fromkeys(record.source for record in fresh)
    configurations = []
    for source in sources:
        runs = sorted((run for run in fresh if run.source == source), key=lambda run: run.seed)
        complete = [run for run in runs if run.state == "complete" and run.value is not None]
        configurations.append(
            Configuration(
                parameters=runs[0].parameters,
                searched=_searched(results, searched, source),
                tickets=tuple(run.ticket for run in complete),
                failed=sum(run.state in ("failed", "pruned") for run in runs),
                validation=_spread([run.value for run in complete if run.value is not None]),
                judged=_judged(results, complete),
            )
        )
    return _best_first(results, configurations)


def _searched(results: Results, searched: dict[int, TrialRecord], source: int | None) -> float:
    value = peak(results, searched[source]) if source in searched else None
    return float("nan") if value is None else value


def _judged(results: Results, runs: Sequence[TrialRecord]) -> Spread | None:
    objective = results.definition.objective
    seen = [results.predictions[run.ticket] for run in runs if run.ticket in results.predictions]
    return _spread([measured(said, objective) for said in seen if is_measurable(said, objective)])


def _imported(results: Results, trials: Sequence[TrialRecord]) -> tuple[Configuration, ...]:
    """Runs with the same parameters are runs of one configuration."""
    origin = results.row.context.origin
    assert origin is not None
    grouped: dict[tuple[tuple[str, object], ...], list[TrialRecord]] = {}
    for trial in trials:
        if trial.value is not None:
            grouped.setdefault(tuple(trial.parameters.items()), []).append(trial)
    configurations = []
    for runs in grouped.values():
        values = spread([run.value for run in runs if run.value is not None])
        configurations.append(
            Configuration(
                parameters=runs[0].parameters,
                searched=max(values.values, key=lambda value: turned(results, value)),
                tickets=tuple(run.ticket for run in runs),
                failed=0,
                validation=values if origin.judged_on == "validation" else None,
                judged=values,
            )
        )
    return _best_first(results, configurations)


def _best_first(results: Results, configurations: Sequence[Configuration]) -> tuple[Configuration, ...]:
    def standing(configuration: Configuration) -> tuple[bool, float]:
        chosen = selecting(configuration)
        value = configuration.searched if chosen is None else chosen.mean
        return chosen is not None, turned(results, value)

    return tuple(sorted(configurations, key=standing, reverse=True))


def _spread(values: Sequence[float]) -> Spread | None:
    return spread(values) if values else None
