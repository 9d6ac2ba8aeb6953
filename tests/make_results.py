"""Results of studies as the store hands them over, made up for the tests of what is concluded from them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from search.analysis.results import Results
from search.predictions import Predictions
from search.store.readings import Reading
from search.store.records import Context, Origin, SplitFacts, StudyRow, TrialRecord
from search.study import StudyDefinition
from search.tasks import Task
from tests.make_records import NOW, make_definition, make_record, make_row

ITEMS = 3068
DEPTH = {"role": "scientific", "choices": [2, 4, 8]}
LR = {"role": "nuisance", "low": 1e-6, "high": 1e-2, "log": True}

NOTEBOOK = {  # learning rate: accuracy in per cent of Baseline and CLSFER, one run each
    3.2e-5: (82.986, 83.638),
    1.8e-5: (84.452, 84.778),
    1e-5: (83.670, 84.387),
    5.6e-6: (84.713, 85.039),
    3.2e-6: (83.605, 85.398),
}


def definition(space: dict[str, Any] | None = None, **changes: Any) -> StudyDefinition:
    dataset = {"name": "raf_db", "image_size": 48}
    return make_definition(**{"dataset": dataset, "space": space or {"depth": DEPTH, "lr": LR}} | changes)


def trial(ticket: int, value: float | None, state: str = "complete", **fields: Any) -> TrialRecord:
    """A trial of the search that is at its best in its second epoch; None for one that never had an epoch."""
    curve = {} if value is None else {1: value - 0.1, 2: value}
    parameters = {"depth": 4, "lr": 1e-4}
    made = make_record(ticket, curve, state=state, parameters=parameters, seed=ticket, value=value, started_at=NOW)
    return replace(made, **fields)


def row(study: StudyDefinition, stage: str = "done", **fields: Any) -> StudyRow:
    context = Context(splits={"test": SplitFacts(items=ITEMS, hash="")})
    facts = {
        "stage": stage,
        "validation_items": 1000,
        "code_version": "1",
        "context": context,
        "data_fingerprint": "",
    }
    return make_row(study, **facts | fields)


def said(right: NDArray[np.bool_], groups: NDArray[np.int64] | None = None, split: str = "test") -> Predictions:
    """Predictions of two classes that are right on the given items."""
    truth = np.arange(len(right)) % 2
    likeliest = np.where(right, truth, 1 - truth)
    return Predictions(
        split=split,
        task=Task.EXPRESSION,
        classes=("anger", "disgust"),
        items=tuple(map(str, range(len(right)))),
        groups=groups,
        truth=truth,
        predicted=np.eye(2, dtype=np.float32)[likeliest],
    )


def confirmed(
    accuracies: Mapping[int, float], *, seeds: int = 5, groups: NDArray[np.int64] | None = None, **of_row: Any
) -> Results:
    """A study of depths, each run again, whose models are right on about a share of `ITEMS` items.

    Some items are harder than others for all of them; runs differ by 0.3 points, and on single items.
    """
    generator = np.random.default_rng(1)
    hardness = generator.random(ITEMS)
    study = definition(confirm={"seeds": seeds})
    records = [
        trial(i, accuracy + 0.01, parameters={"depth": depth, "lr": 1e-4})
        for i, (depth, accuracy) in enumerate(accuracies.items())
    ]
    predictions = {}
    for source, (depth, accuracy) in enumerate(accuracies.items()):
        for seed in range(seeds):
            share = accuracy + generator.normal(0, 0.003)
            right = hardness + generator.normal(0, 0.05, ITEMS) < share
            fresh = trial(len(records), float(right.mean()), stage="confirm", source=source, seed=seed)
            predictions[fresh.ticket] = said(right, groups)
            records.append(TrialRecord(**vars(fresh) | {"parameters": {"depth": depth, "lr": 1e-4}}))
    readings = [Reading(ticket, 1, "w", NOW + timedelta(hours=1), "complete") for ticket in predictions]
    return Results(row(study, **of_row), records, predictions, readings)


def imported(
    cells: Sequence[tuple[dict[str, Any], float]],
    space: dict[str, Any],
    *,
    objective: str = "accuracy",
    **origin: Any,
) -> Results:
    """The results of a table, a trial for each cell."""
    study = definition(space, sampler="imported", objective=objective)
    facts = {"source": "table.csv", "sha256": "", "judged_on": "test", "items": ITEMS, "notes": ()} | origin
    records = [
        trial(i, value, parameters=parameters, curve={1: value}) for i, (parameters, value) in enumerate(cells)
    ]
    return Results(row(study, context=Context(origin=Origin(**facts))), records, {}, [])


def notebook(**origin: Any) -> Results:
    """The notebook's table of two models by five learning rates, on RAF-DB's test split."""
    cells = [
        ({"model": model, "lr": lr}, per_cent / 100)
        for lr, both in NOTEBOOK.items()
        for model, per_cent in zip(("Baseline", "CLSFER"), both, strict=True)
    ]
    space = {
        "model": {"role": "scientific", "choices": ["Baseline", "CLSFER"]},
        "lr": {"role": "nuisance", "choices": [*NOTEBOOK]},
    }
    return imported(cells, space, **origin)
