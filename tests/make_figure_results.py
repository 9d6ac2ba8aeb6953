"""Results of studies that nobody trained, as the store hands them over."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from statistics import fmean
from typing import Any

import numpy as np

from search.analysis.findings import Conclusion, Configuration, Level
from search.analysis.levels import by_level, level_name, level_values
from search.analysis.results import Results
from search.analysis.statistics import spread
from search.analysis.trials import ranked
from search.predictions import Predictions
from search.store import tickets
from search.store.attempts import Attempt
from search.store.records import Context, TrialRecord
from search.study import StudyDefinition
from search.tasks import EKMAN_NEUTRAL, Task
from tests.make_records import make_definition, make_record, make_row

HOSTILE = "<img src=x onerror=alert(1)> $x$ %{y} **bold** [a](javascript:alert(1))"
BEGAN = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
LR = {"role": "nuisance", "low": 1e-6, "high": 1e-2, "log": True}
DEPTH = {"role": "scientific", "choices": [8, 2, 4]}
BLOCK = {"role": "scientific", "choices": ["vit", "cls"]}


def study(space: dict[str, Any] | None = None, **changes: Any) -> StudyDefinition:
    """A definition, by default of depth and learning rate."""
    return make_definition(**{"space": space or {"depth": DEPTH, "lr": LR}, "budget": {"trials": 16}} | changes)


def trial(
    ticket: int, state: str = "complete", curve: tuple[float, ...] = (0.3, 0.6, 0.5), **parameters: Any
) -> TrialRecord:
    """A trial of the search; pruned ones were pruned by the pruner."""
    return make_record(
        ticket,
        dict(enumerate(curve, start=1)),
        state=state,
        parameters=parameters or {"depth": 4, "lr": 1e-4},
        reason=f"{tickets.PRUNED} {len(curve)}" if state == "pruned" else None,
    )


def many(
    definition: StudyDefinition,
    count: int,
    epochs: int,
    states: Sequence[str] = ("complete", "pruned", "complete", "failed", "pruned", "running"),
) -> list[TrialRecord]:
    """Trials with rising curves, of which that with middling parameters is the best."""
    generator = np.random.default_rng(0)
    records = []
    for i in range(count):
        state = states[i % len(states)]
        places = generator.random(len(definition.space))
        best = 0.75 - 0.5 * float(np.mean((places - 0.6) ** 2) * 4) + generator.normal(0, 0.01)
        length = epochs if state == "complete" else 0 if state == "failed" else 1 + i % epochs
        rise = 1 - np.exp(-np.arange(1, epochs + 1) / (0.2 * epochs))
        curve = best * rise + generator.normal(0, 0.005, epochs)
        drawn = {
            name: parameter.domain().at(float(place))
            for place, (name, parameter) in zip(places, definition.space.items(), strict=True)
        }
        records.append(trial(i, state, tuple(curve[:length].clip(0, 1).tolist()), **_gridded(definition, drawn)))
    return records


def _gridded(definition: StudyDefinition, drawn: dict[str, Any]) -> dict[str, Any]:
    """The values, those of a grid being its nearest points."""
    snapped = dict(drawn)
    for name, parameter in definition.space.items():
        values = parameter.values()
        if values is not None and drawn[name] not in values:
            snapped[name] = min(values, key=lambda value: abs(value - drawn[name]))  # type: ignore[operator, arg-type]
    return snapped


def predictions(
    accuracy: float, seed: int, items: int = 400, classes: Sequence[str] = EKMAN_NEUTRAL
) -> Predictions:
    """Of a classifier that is right on such a share of the items."""
    generator = np.random.default_rng(seed)
    truth = np.random.default_rng(0).integers(0, len(classes), items)
    taken_for = np.where(generator.random(items) < accuracy, truth, generator.integers(0, len(classes), items))
    probabilities = np.full((items, len(classes)), 0.1 / len(classes), dtype=np.float32)
    probabilities[np.arange(items), taken_for] += 0.9
    ids = tuple(map(str, range(items)))
    return Predictions("test", Task.EXPRESSION, tuple(classes), ids, None, truth, probabilities)


def attempts(records: Sequence[TrialRecord], workers: int) -> list[Attempt]:
    """One at each ticket, and a lost one before every tenth, by workers that take turns."""
    free = [BEGAN] * workers
    made = []
    for record in sorted(records, key=lambda record: record.state == "running"):
        for number in (1, 2) if record.ticket % 10 == 5 else (1,):
            lost = number == 1 and record.ticket % 10 == 5
            i = free.index(min(free))
            ended = free[i] + timedelta(seconds=20 + 30 * len(record.curve))
            running = record.state == "running"
            outcome = "lost" if lost else None if running else record.state
            over = None if running and not lost else ended
            made.append(
                Attempt(record.ticket, record.stage, number, f"host-{i}", free[i], over, outcome, record.reason)
            )
            free[i] = ended + timedelta(days=record.state == "running", seconds=3)
    return made


def results(
    definition: StudyDefinition,
    records: Sequence[TrialRecord],
    *,
    made: dict[int, Predictions] | None = None,
    workers: int = 4,
    context: Context | None = None,
) -> Results:
    """The results of a study with these trials."""
    counts = {"search": Counter(record.state for record in records)}
    row = make_row(definition, stage_at=BEGAN, created_at=BEGAN, stage_counts=counts, context=context or Context())
    return Results(row, records, made or {}, [], attempts([r for r in records if r.attempt], workers))


def conclusion(
    definition: StudyDefinition,
    searched: Sequence[TrialRecord],
    seeds: int,
    classes: Sequence[str] = EKMAN_NEUTRAL,
) -> tuple[Conclusion, dict[int, Predictions]]:
    """What a study concludes whose best levels were run again with so many seeds, and the predictions of these."""
    generator = np.random.default_rng(1)
    levels: list[Level] = []
    made: dict[int, Predictions] = {}
    for trials in by_level(definition, searched).values():
        ranking = ranked(definition, trials)
        best = max(ranking[0][0].curve.values()) if ranking else None
        chosen = ()
        if best is not None and seeds:
            numbers = tuple(10_000 + 100 * len(levels) + seed for seed in range(seeds))
            again = [float(value) for value in best - 0.01 + generator.normal(0, 0.006, seeds)]
            made |= {n: predictions(value, n, classes=classes) for n, value in zip(numbers, again, strict=True)}
            judged = [float(np.mean(made[n].predicted.argmax(axis=1) == made[n].truth)) for n in numbers]
            chosen = (Configuration(ranking[0][0].parameters, best, numbers, 0, spread(again), spread(judged)),)
        parameters = trials[0].parameters
        name = level_name(definition, parameters)
        levels.append(Level(level_values(definition, parameters), name, len(trials), 0, best, chosen))
    levels.sort(key=lambda level: fmean(level.confirmed.validation.values) if level.confirmed else 0, reverse=True)  # type: ignore[union-attr]
    stage = "done" if seeds else "search"
    found = Conclusion(
        "Depth 8.",
        stage,
        "test",
        400,
        tuple(levels),
        (),
        False,
        (),
        None,
        None,
        0,
        (),  # type: ignore[arg-type]
    )
    return found, made
