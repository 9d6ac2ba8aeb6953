"""What a network says of each task, beside the truth, in the form in which predictions are kept."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from search.tasks import ACTION_UNITS, OBJECTIVES, VALENCE_AROUSAL, Task
from search.training.cache import CachedSplit
from search.training.heads import Head, Member, cells, distributions
from search.training.recipe import Recipe

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Answer:
    """One task of a split with N items.

    truth: as in `search.predictions.Predictions`, of all items.
    there: bool (N,), whether an item has any label of the task.
    predicted: from the output of the network (n, W) what it predicts, float32.
    """

    task: Task
    classes: tuple[str, ...]
    truth: NDArray[Any]
    there: NDArray[np.bool_]
    predicted: Callable[[Floats], Floats]


def answers(recipe: Recipe, split: CachedSplit, member: Member) -> list[Answer]:
    """The task that the objective judges, and then the others that the network says anything about.

    Of an objective that judges whatever is said, every task that the split has labels of, in one order whatever is
    said, so that runs which say different things are judged on the same items.
    """
    heads = {head.task: head for head in reversed(member.heads)}
    judged = OBJECTIVES[recipe.objective]
    tasks = [Task.EXPRESSION, Task.VALENCE_AROUSAL, Task.ACTION_UNITS]
    if judged:
        tasks = sorted((task for task in tasks if task in heads), key=lambda task: not _JUDGES[task] & {*judged})
    return [
        _FOUND[task](split, member.data.classes, heads.get(task))
        for task in tasks
        if task in split.targets or (task is Task.EXPRESSION and Task.DISTRIBUTION in split.targets)
    ]


_JUDGES = {
    Task.EXPRESSION: {"expression"},
    Task.VALENCE_AROUSAL: {*VALENCE_AROUSAL},
    Task.ACTION_UNITS: {"action_units"},
}


def _expression(split: CachedSplit, classes: tuple[str, ...], head: Head | None) -> Answer:
    shown = head.labels if head else classes
    values, there, _ = distributions(split, classes, shown)

    def predicted(outputs: Floats) -> Floats:
        if head is None:
            return np.full((len(outputs), len(shown)), np.nan, np.float32)
        probabilities: Floats = torch.from_numpy(outputs[:, head.columns]).softmax(dim=1).numpy()
        return probabilities

    if Task.EXPRESSION in split.targets:
        return Answer(Task.EXPRESSION, shown, np.where(there, values.argmax(axis=1), -1), there, predicted)
    truth = np.where(there[:, None], values, np.float32(np.nan))
    return Answer(Task.DISTRIBUTION, shown, truth, there, predicted)


def _valence_arousal(split: CachedSplit, classes: tuple[str, ...], head: Head | None) -> Answer:
    target = split.targets[Task.VALENCE_AROUSAL]
    mask = cells(target.mask, len(VALENCE_AROUSAL))

    def predicted(outputs: Floats) -> Floats:
        said = np.full((len(outputs), len(VALENCE_AROUSAL)), np.nan, np.float32)
        if head is not None:
            said[:, [VALENCE_AROUSAL.index(label) for label in head.labels]] = outputs[:, head.columns]
        return said

    truth = np.where(mask, target.values, np.nan).astype(np.float32)
    return Answer(Task.VALENCE_AROUSAL, (), truth, np.asarray(mask.any(axis=1)), predicted)


def _action_units(split: CachedSplit, classes: tuple[str, ...], head: Head | None) -> Answer:
    target = split.targets[Task.ACTION_UNITS]
    mask = cells(target.mask, len(ACTION_UNITS))

    def predicted(outputs: Floats) -> Floats:
        if head is None:
            return np.full((len(outputs), len(ACTION_UNITS)), np.nan, np.float32)
        probabilities: Floats = torch.from_numpy(outputs[:, head.columns]).sigmoid().numpy()
        return probabilities

    truth = np.where(mask, target.values, 255).astype(np.uint8)
    return Answer(Task.ACTION_UNITS, (), truth, np.asarray(mask.any(axis=1)), predicted)


_FOUND = {
    Task.EXPRESSION: _expression,
    Task.VALENCE_AROUSAL: _valence_arousal,
    Task.ACTION_UNITS: _action_units,
}
