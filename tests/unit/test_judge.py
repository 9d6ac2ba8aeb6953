"""A finished run's best model, shown the split that judges."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from search.data import Target
from search.predictions import Predictions
from search.tasks import Task
from search.training.best import BestEpoch
from search.training.cache import Prepared
from search.training.checkpoint import Checkpoints
from search.training.epoch import Epoch
from search.training.judge import judge
from search.training.recipe import Recipe
from search.training.run import train

from .test_run import CPU, data, noisy_quadrants, recipe  # noqa: F401 - the first two are fixtures

pytestmark = pytest.mark.usefixtures("one_thread")


def run(given: Recipe, prepared: Prepared, folder: Path, attempt: int = 1, epochs: int = 99) -> list[Epoch]:
    trained = train(
        given,
        prepared,
        device=CPU,
        checkpoints=Checkpoints(folder, attempt),
        keep_best=True,
        on_begin=lambda done: None,
        on_step=lambda: None,
    )
    return [epoch for _, epoch in zip(range(epochs), trained, strict=False)]


def judged(given: Recipe, prepared: Prepared, folder: Path, attempt: int = 1) -> Predictions:
    checkpoints = Checkpoints(folder, attempt)
    return judge(
        given,
        prepared,
        device=CPU,
        checkpoints=checkpoints,
        weights=folder / "weights.pt",
        on_step=lambda: None,
    )


def accuracy(predictions: Predictions) -> float:
    return float((predictions.predicted.argmax(axis=1) == predictions.truth).mean())


# The learning rate is far too high: the last epoch is not the best one.
UNSTEADY = {"epochs": 5, "lr": 1.0, "schedule": "constant", "warmup_epochs": 0.0}


def test_it_is_the_model_of_the_best_epoch_and_not_of_the_last(
    data: Prepared,  # noqa: F811
    tmp_path: Path,
) -> None:
    given = recipe(**UNSTEADY)
    curve = [epoch.metrics["accuracy"] for epoch in run(given, data, tmp_path / "run")]
    assert curve[-1] < max(curve), "this run says nothing: its last epoch is its best"
    predictions = judged(given, data, tmp_path / "run")
    assert predictions.split == "validation"
    assert accuracy(predictions) == pytest.approx(max(curve), abs=1e-6)
    kept = torch.load(tmp_path / "run" / "weights.pt", weights_only=True)
    assert kept["epoch"] == 1 + curve.index(max(curve))
    assert kept["classes"] == list(data.classes) and kept["image_size"] == data.image_size
    assert Recipe.model_validate_json(kept["recipe"]) == given
    newest = Checkpoints(tmp_path / "run", 1).newest()
    assert newest is not None and not all(
        torch.equal(kept["model"][name], newest["model"][name]) for name in newest["model"]
    )


def test_a_test_split_judges_where_there_is_one(data: Prepared, tmp_path: Path) -> None:  # noqa: F811
    test = noisy_quadrants(30, 3, tmp_path / "test")
    mask = np.arange(30) % 10 != 0
    target = Target(test.targets[Task.EXPRESSION].values, mask)
    test = replace(test, targets={Task.EXPRESSION: target}, groups=np.arange(30) // 2)
    whole = replace(data, test=test)
    run(recipe(), whole, tmp_path / "run")
    predictions = judged(recipe(), whole, tmp_path / "run")
    assert predictions.split == "test" and predictions.classes == data.classes
    assert predictions.items == tuple(item for item, labelled in zip(test.items, mask, strict=True) if labelled)
    assert predictions.truth.tolist() == target.values[mask].tolist()
    assert predictions.groups is not None and predictions.groups.tolist() == (np.arange(30) // 2)[mask].tolist()
    assert predictions.predicted.dtype == np.float32
    np.testing.assert_allclose(predictions.predicted.sum(axis=1), 1, atol=1e-5)
    assert accuracy(predictions) > 0.7


def test_an_interrupted_run_keeps_the_best_epoch_of_all(data: Prepared, tmp_path: Path) -> None:  # noqa: F811
    given = recipe(**UNSTEADY)
    run(given, data, tmp_path / "whole")
    run(given, data, tmp_path / "broken", epochs=3)
    run(given, data, tmp_path / "broken", attempt=2)
    whole = judged(given, data, tmp_path / "whole")
    broken = judged(given, data, tmp_path / "broken", attempt=1_000_001)
    np.testing.assert_array_equal(whole.predicted, broken.predicted)


def test_the_best_epoch_follows_the_direction_of_its_objective() -> None:
    model = torch.nn.Linear(1, 1)
    best = BestEpoch("mse")
    for epoch, value in enumerate((0.5, 0.2, 0.2, 0.9), start=1):
        best.consider(epoch, {"mse": value}, model)
    assert best.state["epoch"] == 2
