"""Results of studies of label distributions, valence and arousal, action units, and all at once, made up."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from search.analysis.measures import measured, metrics
from search.analysis.results import Results
from search.predictions import Predictions
from search.store.readings import Reading
from search.store.records import TrialRecord
from search.study import StudyDefinition
from search.tasks import EKMAN_NEUTRAL, Task
from tests.make_predictions import make_predictions, one_hot
from tests.make_records import make_record
from tests.make_results import NOW, definition, row

ITEMS, VIDEOS, EPOCHS = 900, 30, 6
DEPTH = {"role": "scientific", "choices": [2, 4, 8]}
LR = {"role": "nuisance", "low": 1e-5, "high": 1e-2, "log": True}
TASKS = {
    "accuracy": (Task.EXPRESSION,),
    "recall_disgust": (Task.EXPRESSION,),
    "kl": (Task.DISTRIBUTION,),
    "chebyshev": (Task.DISTRIBUTION,),
    "ccc_mean": (Task.VALENCE_AROUSAL,),
    "ccc_valence": (Task.VALENCE_AROUSAL,),
    "mse": (Task.VALENCE_AROUSAL,),
    "au_f1": (Task.ACTION_UNITS,),
    "f1_au12": (Task.ACTION_UNITS,),
    "abaw_mean": (Task.EXPRESSION, Task.VALENCE_AROUSAL, Task.ACTION_UNITS),
}


def says(
    task: Task,
    skill: float,
    seed: int = 0,
    *,
    items: int = ITEMS,
    classes: Sequence[str] = EKMAN_NEUTRAL,
    **fields: Any,
) -> Predictions:
    """What a network of such a skill, in [0, 1], says of items that are the same for all, a tenth unlabelled."""
    world, generator = np.random.default_rng(7), np.random.default_rng([seed, 1])
    missing, hardness = world.random(items) < 0.1, world.random(items)
    knows = hardness + generator.normal(0, 0.05, items) < skill
    about = {"classes": tuple(classes), "groups": np.arange(items) * VIDEOS // items} | fields
    if task is Task.EXPRESSION:
        share = np.geomspace(4, 1, len(classes))
        truth = world.choice(len(classes), items, p=share / share.sum())
        likeliest = np.where(knows, truth, generator.integers(0, len(classes), items))
        predicted = 0.7 * one_hot(likeliest, len(classes)) + 0.3 / len(classes)
        return make_predictions(np.where(missing, -1, truth), predicted, task, **about)
    if task is Task.DISTRIBUTION:
        truth = world.dirichlet(np.full(len(classes), 0.4), items)
        guess = generator.dirichlet(np.ones(len(classes)), items)
        predicted = skill * truth + (1 - skill) * guess
        return make_predictions(np.where(missing[:, None], np.nan, truth), predicted, task, **about)
    about["classes"] = ()
    if task is Task.VALENCE_AROUSAL:
        truth = world.uniform(-1, 1, (items, 2))
        predicted = skill * truth + generator.normal(0, 0.4 * (1 - skill), (items, 2))
        return make_predictions(np.where(missing[:, None], np.nan, truth), predicted, task, **about)
    present = world.random((items, 12)) < np.linspace(0.05, 0.6, 12)
    truth = np.where(missing[:, None], 255, present).astype(np.uint8)
    right = np.where(present, 0.9, 0.1)
    predicted = np.where(knows[:, None], right, generator.random((items, 12)))
    return make_predictions(truth, predicted, task, **about)


def says_all(tasks: Sequence[Task], skill: float, seed: int = 0, **fields: Any) -> Predictions:
    """The first task's predictions, with those of the others beside them."""
    first, *others = (says(task, skill, seed, **fields) for task in tasks)
    return replace(first, beside=tuple(others))


def affect(
    objective: str, *, seeds: int = 3, elsewhere: bool = False, references: Sequence[dict[str, Any]] = ()
) -> Results:
    """A study of depths that is done: a search of 12 trials, and fresh runs of each depth."""
    study = definition(
        {"depth": DEPTH, "lr": LR},
        objective=objective,
        question="Does depth help?",
        budget={"trials": 12},
        confirm={"seeds": seeds},
        references=references,
    )
    tasks = TASKS[objective]
    generator = np.random.default_rng(3)
    records: list[TrialRecord] = []
    for i in range(12):
        depth, lr = (2, 4, 8)[i % 3], float(10 ** generator.uniform(-5, -2))
        skill = 0.55 + 0.03 * depth - 0.08 * abs(np.log10(lr) + 3.5)
        records.append(_trial(study, tasks, i, skill, parameters={"depth": depth, "lr": lr}))
    predictions = {}
    best = {depth: i for i, depth in ((9, 2), (10, 4), (11, 8))}
    for depth, source in best.items():
        for seed in range(seeds):
            skill = 0.55 + 0.03 * depth + float(generator.normal(0, 0.006))
            ticket = len(records)
            parameters = records[source].parameters
            fresh = _trial(study, tasks, ticket, skill, parameters=parameters, stage="confirm", source=source)
            records.append(replace(fresh, seed=seed))
            predictions[ticket] = says_all(tasks, skill, ticket)
            if elsewhere:
                predictions[ticket] = replace(predictions[ticket], elsewhere=_others(skill, ticket))
    readings = [Reading(ticket, 1, "w", NOW, "complete") for ticket in predictions]
    return Results(row(study), records, predictions, readings)


def _trial(study: StudyDefinition, tasks: Sequence[Task], ticket: int, skill: float, **fields: Any) -> TrialRecord:
    """Every metric over the epochs, as of a network that gets better and then a little worse."""
    best = 2 + ticket % (EPOCHS - 2)
    epochs = {}
    for epoch in range(1, EPOCHS + 1):
        reached = skill * (1 - 0.5 * 0.4 ** min(epoch, best)) - 0.01 * max(epoch - best, 0)
        said = says_all(tasks, reached, 1000 + 10 * ticket + epoch, items=300)
        epochs[epoch] = {name: measured(said, name) for name in metrics(said)} | {"validation_loss": 1 - reached}
    curve = {epoch: values[study.objective] for epoch, values in epochs.items()}
    value = min(curve.values()) if study.direction == "minimize" else max(curve.values())
    seconds = {epoch: 20.0 + epoch for epoch in curve}
    facts = {"epochs": epochs, "value": value, "epoch_seconds": seconds, "seconds": sum(seconds.values())}
    return make_record(ticket, curve, seed=ticket, started_at=NOW, **facts | fields)


def _others(skill: float, seed: int) -> tuple[Predictions, ...]:
    """Two further test sets, the second without disgust, and with classes that have no counterpart."""
    kdef = says(Task.EXPRESSION, skill - 0.2, seed, split="kdef", items=210, groups=None)
    art = replace(says(Task.EXPRESSION, skill - 0.3, seed, items=160, groups=None), split="artphoto")
    without = np.where(art.truth == art.classes.index("disgust"), -1, art.truth)
    return kdef, replace(art, truth=without, dropped={"awe": 102, "contentment": 70})
