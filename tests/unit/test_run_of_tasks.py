"""Runs that train several tasks, sequences or several data sets, and what is said of them afterwards."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from search.analysis.measures import measured
from search.data import Target
from search.errors import DatasetError
from search.tasks import METRIC_DIRECTIONS, MIKELS, Task, turned
from search.training.cache import CachedSplit, Prepared
from search.training.recipe import Knobs, Recipe

from .test_judge import judged, run

CLASSES = ("calm", "glad", "sad")


pytestmark = pytest.mark.usefixtures("one_thread")


def split(count: int, seed: int, *, name: str = "own", groups: int = 1, vectors: bool = False) -> CachedSplit:
    """Images whose colours tell valence (red) and arousal (green), their class and units; some labels are missing.

    With `vectors` the same six numbers, of groups of frames in which the colours wander.
    """
    rng = np.random.default_rng(seed)
    levels = rng.uniform(-1, 1, (count, 2))
    if groups > 1:
        levels = np.sin(np.cumsum(rng.normal(0, 0.3, (count, 2)), axis=0))
    classes = np.where(levels[:, 0] > 0.2, 1, np.where(levels[:, 0] < -0.2, 2, 0))
    units = (levels[:, :1] > np.linspace(-0.8, 0.8, 12)).astype(np.uint8)
    pixels = np.clip(128 + 100 * np.concatenate([levels, -levels[:, :1]], axis=1), 0, 255)
    images = np.broadcast_to(pixels[:, None, None], (count, 8, 8, 3)).astype(np.uint8)
    return CachedSplit(
        images=np.ascontiguousarray(images),
        targets={
            Task.EXPRESSION: Target(classes, rng.random(count) > 0.2),
            Task.VALENCE_AROUSAL: Target(levels.astype(np.float32), rng.random((count, 2)) > 0.2),
            Task.ACTION_UNITS: Target(units, rng.random((count, 12)) > 0.2),
        },
        items=tuple(f"{name}/{index}" for index in range(count)),
        groups=np.arange(count) * groups // count if groups > 1 else None,
        vectors=np.concatenate([levels, levels**2, -levels], axis=1).astype(np.float16) if vectors else None,
    )


def prepared(**kind: Any) -> Prepared:
    train, validation, test = (split(count, seed, **kind) for count, seed in ((240, 1), (120, 2), (90, 3)))
    widths = {"images": 6} if kind.get("vectors") else {}
    return Prepared(Path(), "colours", 8, CLASSES, train, validation, test, name="own", widths=widths)


def recipe(objective: str, *, sequences: bool = False, **knobs: Any) -> Recipe:
    model = (
        ("tcn", {"channels": 16, "blocks": 2, "attention": True}) if sequences else ("small_cnn", {"widths": [8]})
    )
    given = {"epochs": 5, "batch_size": 16, "lr": 0.01, "augmentation": "none"}
    given |= ({"window": 20, "hop": 10, "batch_size": 2, "epochs": 12} if sequences else {}) | knobs
    return Recipe(model=model[0], model_arguments=model[1], knobs=Knobs(**given), objective=objective, seed=0)


KINDS = {"images": {}, "sequences": {"groups": 6, "vectors": True}}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("objective", "least"),
    [("ccc_mean", 0.5), ("au_f1", 0.5), ("accuracy", 0.6), ("abaw_mean", 0.5), ("mse", None)],
)
def test_every_task_is_learnt_and_the_predictions_of_the_best_epoch_give_its_metrics(
    kind: str, objective: str, least: float | None, tmp_path: Path
) -> None:
    data = replace(prepared(**KINDS[kind]), test=None)
    tasks = None if objective == "abaw_mean" else "expression+valence+arousal+action_units"
    given = recipe(objective, sequences=kind == "sequences", tasks=tasks)
    curve = run(given, data, tmp_path / "run")
    best = max(curve, key=lambda epoch: turned(objective, epoch.metrics[objective]))
    assert least is None or best.metrics[objective] > least
    predictions = judged(given, data, tmp_path / "run")
    for part in (replace(predictions, beside=()), *predictions.beside):
        known = {
            Task.EXPRESSION: ("accuracy", "balanced_accuracy", "macro_f1", "expr_total", "recall_glad"),
            Task.VALENCE_AROUSAL: ("ccc_valence", "ccc_arousal", "ccc_mean", "mse"),
            Task.ACTION_UNITS: ("au_f1", "au_total", "f1_au1", "f1_au26"),
        }[part.task]
        if objective in known or objective == "abaw_mean":
            for metric in known:
                if metric in METRIC_DIRECTIONS:
                    assert measured(part, metric) == pytest.approx(best.metrics[metric], abs=1e-5), metric
    assert measured(predictions, objective) == pytest.approx(best.metrics[objective], abs=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_a_resumed_run_equals_an_uninterrupted_one(kind: str, tmp_path: Path) -> None:
    data, given = prepared(**KINDS[kind]), recipe("abaw_mean", sequences=kind == "sequences", accumulate=2)
    whole = run(given, data, tmp_path / "whole")
    run(given, data, tmp_path / "cut", epochs=2)
    resumed = run(given, data, tmp_path / "cut", attempt=2)
    assert [epoch.metrics for epoch in resumed] == [epoch.metrics for epoch in whole]


def test_accumulated_batches_are_one_step(tmp_path: Path) -> None:
    """Without batch norm and dropout two batches of 2 windows and one of 4 have the same gradient, to rounding."""
    data = prepared(**KINDS["sequences"])
    labelled = Target(data.train.targets[Task.EXPRESSION].values, np.ones(240, np.bool_))
    data = replace(data, train=replace(data.train, targets={Task.EXPRESSION: labelled}))
    losses = []
    for size, times in ((2, 2), (4, 1)):
        knobs = {"batch_size": size, "accumulate": times, "epochs": 3, "optimizer": "sgd", "lr": 0.1}
        given = recipe("accuracy", sequences=True, **knobs)
        given = given.model_copy(update={"model_arguments": {"channels": 8, "blocks": 2, "dropout": 0.0}})
        losses.append([epoch.metrics["validation_loss"] for epoch in run(given, data, tmp_path / str(size))])
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)
    assert losses[0][-1] < losses[0][0]


def test_other_data_sets_are_trained_on_tested_and_reported(tmp_path: Path) -> None:
    other = prepared(name="other")
    strange = replace(other, classes=("glad", "calm", "bored"), name="strange")
    data = replace(prepared(), companions=(("other", "both", other), ("strange", "test", strange)))
    given = recipe("accuracy", epochs=3)
    curve = run(given, data, tmp_path / "run")
    assert {"accuracy", "other.accuracy"} <= curve[-1].metrics.keys()
    assert "strange.accuracy" not in curve[-1].metrics
    predictions = judged(given, data, tmp_path / "run")
    assert predictions.split == "test"
    assert [part.split for part in predictions.elsewhere] == ["other test", "strange test"]
    mapped = predictions.elsewhere[1]
    assert mapped.classes == CLASSES
    truth = strange.test.targets[Task.EXPRESSION] if strange.test else None
    assert truth is not None
    assert mapped.dropped == {"bored": int(((truth.values == 2) & truth.mask).sum())}
    assert len(mapped.items) == int((truth.mask & (truth.values < 2)).sum())
    assert sorted(set(mapped.truth.tolist())) == [0, 1]  # by name: their first class is our second


def test_a_data_set_without_labels_of_what_is_trained_is_not_tested(tmp_path: Path) -> None:
    other = prepared(name="other")
    assert other.test is not None
    units = {Task.ACTION_UNITS: other.test.targets[Task.ACTION_UNITS]}
    other = replace(other, test=replace(other.test, targets=units))
    data = replace(prepared(), companions=(("other", "test", other),))
    given = recipe("accuracy", epochs=1)
    run(given, data, tmp_path / "run")
    assert judged(given, data, tmp_path / "run").elsewhere == ()


def test_spaces_with_heads_of_their_own_alternate(tmp_path: Path) -> None:
    moods = replace(prepared(name="moods"), classes=MIKELS, name="moods")
    data = replace(prepared(), companions=(("moods", "train", moods),))
    given = recipe("accuracy", output_heads="per_space", batches="alternating", epochs=4)
    curve = run(given, data, tmp_path / "run")
    assert curve[-1].metrics["accuracy"] > 0.6
    assert curve[-1].metrics["moods.accuracy"] > 0.6
    kept = judged(given, data, tmp_path / "run")
    assert kept.elsewhere == ()
    weights = torch.load(tmp_path / "run" / "weights.pt", weights_only=True)
    assert weights["heads"] == {"own": list(CLASSES), "mikels": list(MIKELS)}


def test_an_objective_without_labels_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="kl can't be measured on the validation split"):
        run(recipe("kl"), prepared(), tmp_path / "run")


def test_a_model_of_sequences_is_not_given_images(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"tcn reads sequences of features, and the data set gives images"):
        run(recipe("accuracy", sequences=True), prepared(), tmp_path / "run")
    with pytest.raises(DatasetError, match=r"small_cnn reads images, and the data set gives features"):
        run(recipe("accuracy", batch_size=2), prepared(**KINDS["sequences"]), tmp_path / "run")
