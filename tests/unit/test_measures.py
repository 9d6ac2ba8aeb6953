"""Metrics from predictions, against golden values, scikit-learn, torchmetrics and scipy."""

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.spatial import distance
from scipy.special import rel_entr
from sklearn import metrics as sklearn_metrics
from torchmetrics.functional import concordance_corrcoef
from torchmetrics.functional.classification import multilabel_f1_score

from search.analysis.comparisons import compare
from search.analysis.entrants import Entrant, Judged
from search.analysis.measures import (
    classified,
    digest,
    is_measurable,
    item_sums,
    labelled,
    measured,
    metrics,
    of_sums,
    rightly,
)
from search.analysis.resampling import resample
from search.predictions import Predictions
from search.tasks import ACTION_UNITS, EKMAN_NEUTRAL, MIKELS, OBJECTIVES, VALENCE_AROUSAL, Task
from search.training.heads import Head
from search.training.losses import validation_loss
from search.training.metrics import validation_metrics
from search.training.recipe import Knobs
from tests.make_predictions import make_predictions, one_hot

GENERATED = 5  # splits made up at random


def said(truth: Any, predicted: Any, task: Task = Task.EXPRESSION, **fields: Any) -> Predictions:
    return make_predictions(np.asarray(truth), np.asarray(predicted), task, **fields)


def with_gaps(task: Task, seed: int, items: int = 300, groups: bool = False) -> Predictions:
    """Predictions of a middling network, of items of which a third has no label."""
    generator = np.random.default_rng(seed)
    missing = generator.random(items) < 1 / 3
    about: dict[str, Any] = {"groups": generator.integers(0, 20, items)} if groups else {}
    match task:
        case Task.EXPRESSION:
            truth = np.where(missing, -1, generator.integers(0, 7, items))
            likeliest = np.where(generator.random(items) < 0.5, truth.clip(0), generator.integers(0, 7, items))
            return said(truth, one_hot(likeliest, 7) * 0.6 + 0.4 / 7, classes=EKMAN_NEUTRAL, **about)
        case Task.DISTRIBUTION:
            truth = generator.dirichlet(np.full(7, 0.5), items)
            truth[truth < 0.05] = 0
            truth /= truth.sum(axis=1, keepdims=True)
            predicted = 0.7 * truth + 0.3 * generator.dirichlet(np.ones(7), items)
            return said(np.where(missing[:, None], np.nan, truth), predicted, task, classes=EKMAN_NEUTRAL, **about)
        case Task.VALENCE_AROUSAL:
            truth = generator.uniform(-1, 1, (items, 2))
            predicted = 0.5 * truth + generator.normal(0.1, 0.3, (items, 2))
            return said(np.where(missing[:, None], np.nan, truth), predicted, task, **about)
        case _:
            present = generator.random((items, 12)) < 0.3
            truth = np.where(generator.random((items, 12)) < 0.2, 255, present).astype(np.uint8)
            return said(truth, np.clip(0.5 * present + 0.6 * generator.random((items, 12)), 0, 1), task, **about)


# Golden values


def test_the_golden_values_of_expressions() -> None:
    truth, likeliest = [0, 0, 1, 1, 2, 2], [0, 1, 1, 1, 2, 0]
    of_3 = said(truth, one_hot(likeliest, 3), classes=("anger", "disgust", "fear"))
    assert measured(of_3, "macro_f1") == pytest.approx(0.6555556, abs=1e-7)
    assert measured(of_3, "accuracy") == pytest.approx(0.6666667, abs=1e-7)
    assert measured(of_3, "expr_total") == pytest.approx(0.6592222, abs=1e-7)
    assert measured(of_3, "recall_disgust") == 1
    of_7 = said(truth, one_hot(likeliest, 7), classes=EKMAN_NEUTRAL)
    assert measured(of_7, "macro_f1") == pytest.approx(0.2809524, abs=1e-7)
    assert measured(of_7, "expr_total") == pytest.approx(0.4082381, abs=1e-7)
    assert measured(of_7, "recall_anger") == 0.5
    assert not is_measurable(of_7, "recall_sadness")  # which occurs nowhere


def test_the_golden_values_of_valence_and_arousal() -> None:
    truth = np.array([-0.5, -0.1, 0.2, 0.4, 0.9]), np.array([3, -0.5, 2, 7, np.nan])
    told = np.array([-0.2, 0, 0.1, 0.5, 0.6]), np.array([2.5, 0, 2, 8, 0])
    both = said(np.stack(truth, axis=1), np.stack(told, axis=1), Task.VALENCE_AROUSAL)
    assert measured(both, "ccc_valence") == pytest.approx(0.866242, abs=1e-6)
    assert measured(both, "ccc_arousal") == pytest.approx(0.976789, abs=1e-6)
    assert measured(both, "ccc_mean") == pytest.approx((0.866242 + 0.976789) / 2, abs=1e-6)
    squares = np.mean((truth[0] - told[0]) ** 2), np.mean((truth[1] - told[1])[:4] ** 2)
    assert measured(both, "mse") == pytest.approx(np.mean(squares), abs=1e-6)


def test_the_golden_values_of_label_distributions() -> None:
    found = said([[0.1, 0.6, 0, 0.3]], [[0.2, 0.4, 0.1, 0.3]], Task.DISTRIBUTION, classes=EKMAN_NEUTRAL[:4])
    golden = {"chebyshev": 0.2, "clark": 1.0728985, "canberra": 1.5333333}
    golden |= {"kl": 0.1739643, "cosine": 0.9421683, "intersection": 0.8}
    assert {name: measured(found, name) for name in golden} == pytest.approx(golden, abs=1e-6)


def test_the_golden_values_of_action_units() -> None:
    truth = np.array([[1, 0, 1], [0, 0, 1], [1, 1, 0], [0, 0, 0]], dtype=np.uint8)
    units = said(truth, [[1, 0, 0], [0, 1, 1], [1, 1, 0], [1, 0, 0]], Task.ACTION_UNITS)
    assert measured(units, "au_f1") == pytest.approx(0.7111111, abs=1e-7)
    assert measured(units, "au_total") == pytest.approx(0.7305556, abs=1e-7)
    assert measured(units, "f1_au1") == pytest.approx(0.8)
    assert measured(units, "f1_au2") == pytest.approx(2 / 3)


# Libraries


@pytest.mark.parametrize("seed", range(GENERATED))
def test_scikit_learn_agrees_on_expressions(seed: int) -> None:
    found = with_gaps(Task.EXPRESSION, seed)
    there = found.truth >= 0
    truth, likeliest = found.truth[there], found.predicted[there].argmax(axis=1)
    assert measured(found, "accuracy") == pytest.approx(sklearn_metrics.accuracy_score(truth, likeliest))
    assert measured(found, "balanced_accuracy") == pytest.approx(
        sklearn_metrics.balanced_accuracy_score(truth, likeliest)
    )
    assert measured(found, "macro_f1") == pytest.approx(
        sklearn_metrics.f1_score(truth, likeliest, labels=range(7), average="macro", zero_division=0)
    )
    recalls = sklearn_metrics.recall_score(truth, likeliest, average=None)
    assert [measured(found, f"recall_{name}") for name in EKMAN_NEUTRAL] == pytest.approx(recalls)


@pytest.mark.parametrize("seed", range(GENERATED))
def test_torchmetrics_agrees_on_action_units(seed: int) -> None:
    found = with_gaps(Task.ACTION_UNITS, seed)
    truth = torch.tensor(np.where(found.truth == 255, -1, found.truth.astype(int)))
    scores = multilabel_f1_score(
        torch.tensor(found.predicted), truth, num_labels=12, average="none", ignore_index=-1
    )
    assert measured(found, "au_f1") == pytest.approx(scores.mean().item(), abs=1e-6)
    assert measured(found, "f1_au26") == pytest.approx(scores[11].item(), abs=1e-6)
    there = found.truth != 255
    right = ((found.predicted > 0.5) == (found.truth == 1))[there].mean()
    assert measured(found, "au_total") == pytest.approx(0.5 * scores.mean().item() + 0.5 * right, abs=1e-6)


@pytest.mark.parametrize("seed", range(GENERATED))
def test_torchmetrics_agrees_on_concordance_but_for_its_degrees_of_freedom(seed: int) -> None:
    found = with_gaps(Task.VALENCE_AROUSAL, seed)
    there = ~np.isnan(found.truth[:, 0])
    truth, told = (torch.tensor(values[there], dtype=torch.float64) for values in (found.truth, found.predicted))
    theirs = concordance_corrcoef(told, truth)
    assert measured(found, "ccc_valence") == pytest.approx(theirs[0].item(), abs=2e-3)
    assert measured(found, "ccc_mean") == pytest.approx(theirs.mean().item(), abs=2e-3)
    squared = sklearn_metrics.mean_squared_error(found.truth[there], found.predicted[there])
    assert measured(found, "mse") == pytest.approx(squared, abs=1e-6)


@pytest.mark.parametrize("seed", range(GENERATED))
def test_scipy_agrees_on_label_distributions(seed: int) -> None:
    found = with_gaps(Task.DISTRIBUTION, seed)
    there = ~np.isnan(found.truth[:, 0])
    pairs = [*zip(found.truth[there], found.predicted[there].astype(float), strict=True)]
    theirs = {
        "chebyshev": np.mean([distance.chebyshev(d, p) for d, p in pairs]),
        "canberra": np.mean([distance.canberra(d, p) for d, p in pairs]),
        "cosine": np.mean([1 - distance.cosine(d, p) for d, p in pairs]),
        "kl": np.mean([rel_entr(d, p).sum() for d, p in pairs]),
    }
    assert {name: measured(found, name) for name in theirs} == pytest.approx(theirs)
    likeliest = found.truth[there].argmax(axis=1), found.predicted[there].argmax(axis=1)
    assert measured(found, "accuracy") == pytest.approx(sklearn_metrics.accuracy_score(*likeliest))


# What is missing


@pytest.mark.parametrize("task", [task for task in Task if task is not Task.LANDMARKS])
def test_what_has_no_label_changes_nothing(task: Task) -> None:
    whole = with_gaps(task, 0)
    for metric in metrics(whole):
        kept = labelled(whole, metric)
        assert task is Task.ACTION_UNITS or 0 < kept.sum() < len(kept)
        part = said(whole.truth[kept], whole.predicted[kept], task, classes=whole.classes)
        assert measured(part, metric) == pytest.approx(measured(whole, metric))


def test_every_metric_that_a_study_may_name_is_measured() -> None:
    parts = [with_gaps(task, 0) for task in Task if task is not Task.LANDMARKS]
    mikels = said(range(8), one_hot(range(8), 8), classes=MIKELS)
    polar = said(range(3), one_hot(range(3), 3), classes=("negative", "positive", "contempt"))
    assert {*metrics(with_beside(*parts, mikels, polar))} == {*OBJECTIVES}


def with_beside(first: Predictions, *others: Predictions) -> Predictions:
    return Predictions(**vars(first) | {"beside": others})


def test_what_the_network_says_nothing_about_is_not_measured() -> None:
    whole = with_gaps(Task.VALENCE_AROUSAL, 0)
    predicted = whole.predicted.copy()
    predicted[:, 1] = np.nan
    valence = said(whole.truth, predicted, Task.VALENCE_AROUSAL)
    assert metrics(valence) == ("ccc_valence", "mse")
    assert measured(valence, "ccc_valence") == measured(whole, "ccc_valence")
    assert measured(valence, "abaw_mean") == measured(whole, "ccc_valence")
    there = ~np.isnan(whole.truth[:, 0])
    squares = (whole.truth[there, 0] - predicted[there, 0]) ** 2
    assert measured(valence, "mse") == pytest.approx(squares.mean())
    silent = said(whole.truth, np.full_like(predicted, np.nan), Task.VALENCE_AROUSAL)
    assert metrics(silent) == ()


def test_what_has_no_label_at_all_is_not_measured() -> None:
    units = with_gaps(Task.ACTION_UNITS, 0)
    truth = units.truth.copy()
    truth[:, 3] = 255
    without = said(truth, units.predicted, Task.ACTION_UNITS)
    assert not is_measurable(without, "f1_au6")
    others = [measured(units, f"f1_au{number}") for number in (1, 2, 4, 7, 10, 12, 15, 23, 24, 25, 26)]
    assert measured(without, "au_f1") == pytest.approx(np.mean(others))
    assert metrics(said([-1, -1], one_hot([0, 0], 7), classes=EKMAN_NEUTRAL)) == ()
    assert not is_measurable(units, "accuracy")
    assert not is_measurable(said(np.zeros((3, 5, 2)), np.zeros((3, 5, 2)), Task.LANDMARKS), "mse")


def test_a_constant_prediction_has_a_ccc_of_0() -> None:
    truth = np.random.default_rng(0).normal(size=(50, 2))
    assert measured(said(truth, np.zeros((50, 2)), Task.VALENCE_AROUSAL), "ccc_mean") == pytest.approx(0)
    same = said(np.zeros((50, 2)), np.zeros((50, 2)), Task.VALENCE_AROUSAL)
    assert measured(same, "ccc_mean") == 0


def test_a_unit_is_there_above_a_half_and_not_at_it() -> None:
    truth = np.ones((2, 1), dtype=np.uint8)
    assert measured(said(truth, [[0.5], [0.50001]], Task.ACTION_UNITS), "f1_au1") == pytest.approx(2 / 3)


def test_zeros_in_both_distributions_add_nothing_and_in_the_prediction_are_finite() -> None:
    found = said([[1.0, 0, 0]], [[0.0, 1, 0]], Task.DISTRIBUTION, classes=EKMAN_NEUTRAL[:3])
    assert measured(found, "canberra") == 2
    assert measured(found, "kl") == pytest.approx(-np.log(1e-12))


# Several tasks


def test_a_metric_is_found_beside() -> None:
    units, expressions = with_gaps(Task.ACTION_UNITS, 0), with_gaps(Task.EXPRESSION, 0)
    both = with_beside(units, expressions)
    assert measured(both, "accuracy") == measured(expressions, "accuracy")
    assert rightly(both).tolist() == rightly(expressions).tolist()
    assert labelled(both, "accuracy").tolist() == (expressions.truth >= 0).tolist()


def test_abaws_mean_is_of_what_the_network_says() -> None:
    expressions, va = with_gaps(Task.EXPRESSION, 0), with_gaps(Task.VALENCE_AROUSAL, 1)
    units = with_gaps(Task.ACTION_UNITS, 2)
    parts = [measured(expressions, "expr_total"), measured(va, "ccc_mean"), measured(units, "au_total")]
    assert measured(with_beside(va, expressions, units), "abaw_mean") == pytest.approx(np.mean(parts))
    assert measured(with_beside(expressions, va), "abaw_mean") == pytest.approx(np.mean(parts[:2]))
    assert measured(units, "abaw_mean") == pytest.approx(parts[2])


def test_networks_that_say_different_things_are_judged_on_the_same_items() -> None:
    expressions, va = with_gaps(Task.EXPRESSION, 0), with_gaps(Task.VALENCE_AROUSAL, 1)
    silent = said(va.truth, np.full_like(va.predicted, np.nan), Task.VALENCE_AROUSAL)
    says_one, says_both = with_beside(expressions, silent), with_beside(expressions, va)
    assert measured(says_one, "abaw_mean") == measured(expressions, "expr_total")
    there = (expressions.truth >= 0) | ~np.isnan(va.truth[:, 0])
    for found in (says_one, says_both):
        assert labelled(found, "abaw_mean").tolist() == there.tolist()
    covariance = resample([says_one, says_both], "abaw_mean").covariance
    assert covariance.shape == (2, 2) and np.isfinite(covariance).all()
    wordless = said(expressions.truth, np.full((300, 7), np.nan), classes=EKMAN_NEUTRAL)
    assert metrics(wordless) == () and classified(wordless) is None
    assert measured(with_beside(va, wordless), "abaw_mean") == measured(va, "ccc_mean")


def test_what_stands_beside_makes_no_other_items_unless_it_is_judged() -> None:
    """A study may ask whether a second task helps the first: its networks are compared on the first alone."""
    va, expressions = with_gaps(Task.VALENCE_AROUSAL, 0), with_gaps(Task.EXPRESSION, 0)
    assert digest(va, "ccc_valence") == digest(with_beside(va, expressions), "ccc_valence")
    assert digest(va, "abaw_mean") != digest(with_beside(va, expressions), "abaw_mean")
    assert digest(va, "ccc_valence") != digest(with_gaps(Task.VALENCE_AROUSAL, 1), "ccc_valence")
    entrants = [
        Entrant(name, name, tuple(measured(run, "ccc_valence") for run in runs), runs)
        for name, runs in {"alone": (va, va), "with": (with_beside(va, expressions),) * 2}.items()
    ]
    assert not compare(entrants, Judged("ccc_valence", "test", 200))[0].distinguishable


def test_a_recall_is_judged_on_the_items_of_its_class() -> None:
    found = with_gaps(Task.EXPRESSION, 0)
    assert labelled(found, "recall_disgust").tolist() == (found.truth == 1).tolist()
    units = with_gaps(Task.ACTION_UNITS, 0)
    assert labelled(units, "f1_au12").tolist() == (units.truth[:, 6] != 255).tolist()
    assert not labelled(units, "accuracy").any()


@pytest.mark.parametrize("metric", ["abaw_mean", "kl", "recall_disgust", "f1_au12", "mse"])
def test_resampled_items_have_the_metric_of_the_items_drawn(metric: str) -> None:
    tasks = (Task.EXPRESSION, Task.VALENCE_AROUSAL, Task.ACTION_UNITS, Task.DISTRIBUTION)
    whole = with_beside(*(with_gaps(task, 3, items=60) for task in tasks))
    drawn = np.random.default_rng(0).integers(0, 60, (4, 60))
    sums = item_sums(whole, metric)
    together = of_sums(sums[drawn].sum(axis=1), whole, metric)
    apart = [measured(_taken(whole, rows), metric) for rows in drawn]
    assert together == pytest.approx(apart)


def _taken(found: Predictions, rows: NDArray[Any]) -> Predictions:
    beside = tuple(_taken(part, rows) for part in found.beside)
    return said(found.truth[rows], found.predicted[rows], found.task, classes=found.classes, beside=beside)


def test_only_what_has_a_label_is_drawn() -> None:
    found = with_gaps(Task.EXPRESSION, 0)
    assert resample([found], "accuracy").units == (found.truth >= 0).sum()
    videos = with_gaps(Task.VALENCE_AROUSAL, 0, groups=True)
    assert resample([videos], "ccc_mean").units == 20


def test_classes_of_distributions_are_their_likeliest_ones() -> None:
    found = with_gaps(Task.DISTRIBUTION, 0)
    classes = classified(found)
    assert classes is not None
    there = ~np.isnan(found.truth[:, 0])
    assert classes.truth.tolist() == found.truth[there].argmax(axis=1).tolist()
    assert measured(classes, "accuracy") == measured(found, "accuracy")
    assert classified(with_gaps(Task.ACTION_UNITS, 0)) is None


@pytest.mark.parametrize("seed", range(GENERATED))
def test_training_measures_the_same(seed: int) -> None:
    """From outputs of a network with heads, and from the predictions that are kept of them."""
    generator = np.random.default_rng(seed)
    heads, start = [], 0
    names = {
        Task.EXPRESSION: EKMAN_NEUTRAL,
        Task.VALENCE_AROUSAL: VALENCE_AROUSAL[: 1 + seed % 2],
        Task.ACTION_UNITS: tuple(f"AU{number}" for number in ACTION_UNITS),
    }
    for task, labels in names.items():
        heads.append(Head(task, task, labels, start))
        start += len(labels)
    items, soft = 200, seed >= 3
    outputs = generator.normal(0, 1, (items, start)).astype(np.float32)
    values = np.zeros((items, start), dtype=np.float32)
    mask = np.zeros((items, start), dtype=bool)
    expressions, affect, units = (head.columns for head in heads)
    values[:, expressions] = (
        generator.dirichlet(np.full(7, 0.3), items) if soft else one_hot(generator.integers(0, 6, items), 7)
    )
    values[:, affect] = 0.5 * outputs[:, affect] + generator.normal(0, 0.2, values[:, affect].shape)
    values[:, units] = generator.random((items, 12)) < 0.3
    mask[:, expressions] = (generator.random(items) < 0.7)[:, None]
    mask[:, affect] = (generator.random(items) < 0.5)[:, None]
    mask[:, units] = generator.random((items, 12)) < 0.8
    mask[:, units.start + 4] = False  # a unit that the data set does not have
    tensors = (torch.from_numpy(each) for each in (outputs, values, mask))
    trained = validation_metrics(heads, validation_loss(Knobs(), heads), *tensors)

    likelihoods = torch.from_numpy(outputs[:, expressions]).softmax(dim=1).numpy()
    there = mask[:, 0]
    truth = values[:, expressions]
    first = (
        said(np.where(there[:, None], truth, np.nan), likelihoods, Task.DISTRIBUTION, classes=EKMAN_NEUTRAL)
        if soft
        else said(np.where(there, truth.argmax(axis=1), -1), likelihoods, classes=EKMAN_NEUTRAL)
    )
    told, labels = np.full((items, 2), np.nan), np.full((items, 2), np.nan)
    width = affect.stop - affect.start
    told[:, :width] = outputs[:, affect]
    labels[:, :width] = np.where(mask[:, affect], values[:, affect], np.nan)
    probabilities = torch.from_numpy(outputs[:, units]).sigmoid().numpy()
    of_units = said(np.where(mask[:, units], values[:, units], 255), probabilities, Task.ACTION_UNITS)
    kept = with_beside(first, said(labels, told, Task.VALENCE_AROUSAL), of_units)
    assert {name: measured(kept, name) for name in metrics(kept)} == pytest.approx(
        {name: value for name, value in trained.items() if name in OBJECTIVES}, abs=2e-6
    )
