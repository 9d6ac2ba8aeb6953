"""The figures of what a study concludes, and of how its budget was spent."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from search.analysis import look
from search.analysis.best_of_n import best_of, best_of_n
from search.analysis.confusion import confusion_counts, confusion_matrix
from search.analysis.coverage import coverage
from search.analysis.importances import FEWEST, importance_bars, importances
from search.analysis.isolation import isolation
from search.analysis.recalls import class_accuracy
from search.analysis.slices import slices
from search.analysis.timeline import timeline
from search.predictions import Predictions
from search.store.attempts import Attempt
from search.tasks import Task
from tests.make_figure_results import BEGAN, DEPTH, LR, conclusion, many, predictions, study, trial

# Isolation


def test_each_value_has_its_best_trial_and_its_fresh_runs_in_the_order_of_values() -> None:
    trials = [
        trial(0, curve=(0.5,), depth=8, lr=1e-4),
        trial(1, curve=(0.6,), depth=8, lr=1e-3),
        trial(2, curve=(0.4,), depth=2, lr=1e-3),
    ]
    found, _ = conclusion(study(), trials, seeds=3)
    figure = isolation(study(), trials, found.levels)
    assert figure is not None
    assert figure.layout.xaxis.ticktext == ("2", "8")
    traces = {trace.name: trace for trace in figure.data}
    assert np.allclose(traces["best trial"].y, [60, 40])
    assert np.allclose(traces["best trial"].x.round(), [1, 0])
    means = traces["seeds, validation"]
    levels = sorted(found.levels, key=lambda level: level.values["depth"])  # type: ignore[arg-type, return-value]
    spreads = [level.confirmed.validation for level in levels if level.confirmed]
    assert np.allclose(means.y, [100 * spread.mean for spread in spreads if spread])
    assert np.allclose(means.y + means.error_y.array, [100 * (spread.high or 0) for spread in spreads if spread])
    points = next(trace for trace in figure.data if trace.name == "seeds, test")
    assert len(points.y) == 6


def test_a_single_value_without_fresh_runs_has_nothing_to_isolate() -> None:
    definition = study({"lr": LR})
    trials = many(definition, 5, epochs=3)
    assert isolation(definition, trials, conclusion(definition, trials, 0)[0].levels) is None
    assert isolation(definition, trials, conclusion(definition, trials, 2)[0].levels) is not None


# Slices


def test_what_cannot_be_trained_is_a_cross_at_the_foot() -> None:
    diverged = replace(trial(1, "pruned", (0.2,)), reason="the loss is not finite")
    figure = slices(study(), [trial(0), diverged, trial(2, "failed", ()), trial(3, "pruned", (0.4,))])
    assert figure is not None
    crosses = [trace for trace in figure.data if trace.name == "diverged or failed"]
    assert len(crosses) == 2
    assert crosses[0].customdata.tolist() == [1, 2]
    assert np.allclose(crosses[0].y[0], 20)
    assert figure.layout.yaxis.ticktext[0] == "none"
    assert np.isclose(crosses[0].y[1], figure.layout.yaxis.tickvals[0])
    assert crosses[0].marker.symbol == "x-thin"


def test_before_the_first_trial_there_are_no_slices() -> None:
    assert slices(study(), [replace(trial(0, "waiting", ()), attempt=0)]) is None


# Importances


@pytest.mark.parametrize(("objective", "sign"), [("accuracy", 1), ("mse", -1)])
def test_what_makes_trials_good_weighs_more_than_what_makes_them_bad(objective: str, sign: int) -> None:
    generator = np.random.default_rng(0)
    definition = study({"lr": LR, "eps": LR, "depth": {"role": "scientific", "choices": [4]}}, objective=objective)
    trials = []
    for i, (x, y) in enumerate(generator.random((200, 2))):
        goodness = 0.2 * (x > 0.9) - 0.2 * (y < 0.1) + 0.01 * generator.random()
        places = {"lr": float(10 ** (4 * x - 6)), "eps": float(10 ** (4 * y - 6))}
        trials.append(trial(i, curve=(float(0.5 + sign * goodness),), depth=4, **places))
    weights = importances(definition, trials)
    assert next(iter(weights)) == "lr"
    assert weights["lr"] > 0.8
    assert weights["depth"] == 0
    assert sum(weights.values()) == pytest.approx(1)
    figure = importance_bars(definition, weights, len(trials))
    assert figure is not None
    assert "the best 10 %" in figure.layout.meta["caption"]


def test_of_few_trials_nothing_is_said_of_importance() -> None:
    assert importances(study(), many(study(), FEWEST - 1, 3, states=["complete"])) == {}
    assert importances(study(), [trial(i, "failed", ()) for i in range(50)]) == {}
    assert importance_bars(study(), {}, 0) is None


# Best of n


def test_the_best_of_n_is_what_drawing_n_again_and_again_gives() -> None:
    values = np.random.default_rng(0).normal(size=30)
    drawn = np.random.default_rng(1).choice(values, size=(100_000, 7)).max(axis=1)
    expected, low, high = best_of(values, 7)
    assert expected == pytest.approx(drawn.mean(), abs=0.01)
    assert (low, high) == tuple(np.quantile(drawn, [0.05, 0.95], method="inverted_cdf"))
    assert best_of(values, 1)[0] == pytest.approx(values.mean())


def test_the_best_of_a_loss_falls() -> None:
    definition = study(objective="mse")
    figure = best_of_n(definition, [trial(i, curve=(i / 10,)) for i in range(1, 21)])
    assert figure is not None
    assert figure.data[-1].y[0] == pytest.approx(1.05)
    assert np.all(np.diff(figure.data[-1].y) < 0)


def test_trials_that_learn_from_each_other_are_not_drawn_at_random() -> None:
    trials = many(study(), 40, 3)
    assert best_of_n(study(), trials) is not None
    assert best_of_n(study(sampler="tpe"), trials) is None
    assert best_of_n(study(), trials[:5]) is None


# Timeline


def test_every_attempt_is_a_bar_in_its_workers_row() -> None:
    def attempt(ticket: int, worker: str, begin: int, end: int | None, outcome: str | None) -> Attempt:
        ended = None if end is None else BEGAN + timedelta(hours=end)
        return Attempt(ticket, "search", 1, worker, BEGAN + timedelta(hours=begin), ended, outcome, None)

    attempts = [
        attempt(0, "host-2", 0, 1, "lost"),
        attempt(0, "host-10", 1, 3, "complete"),
        attempt(1, "host-2", 2, None, None),
    ]
    figure = timeline(study(), attempts, BEGAN + timedelta(hours=4))
    assert figure is not None
    bars = {trace.name: trace for trace in figure.data}
    assert set(bars) == {"complete", "running", "interrupted"}
    assert figure.layout.yaxis.ticktext == ("host-2", "host-10")
    assert figure.layout.xaxis.title.text == "hours since the first trial began"
    assert (bars["complete"].base[0], bars["complete"].x[0], bars["complete"].y[0]) == (1, 2, 1)
    assert (bars["running"].base[0], bars["running"].x[0], bars["running"].y[0]) == (2, 2, 0)
    assert "began 2026-01-02 03:04 UTC" in figure.layout.title.text
    assert timeline(study(), [], None) is None


# Classes


def test_rows_of_the_confusion_matrix_are_shares_of_the_true_class() -> None:
    truth = np.array([0, 0, 0, 0, 1])
    predicted = np.eye(3, dtype=np.float32)[[0, 0, 0, 1, 1]]
    run = Predictions("test", Task.EXPRESSION, ("a", "b", "c"), tuple("vwxyz"), None, truth, predicted)
    assert confusion_counts(run).tolist() == [[3, 1, 0], [0, 1, 0], [0, 0, 0]]
    figure = confusion_matrix(study(), "depth (blocks) 8", [run, run])
    assert figure is not None
    assert np.allclose(figure.data[0].z[:2], [[75, 25, 0], [0, 100, 0]])
    assert np.isnan(figure.data[0].z[2]).all()
    assert figure.data[0].text[0] == ["3.0", "1.0", "0.0"]
    assert "mean of 2 runs" in figure.layout.meta["caption"]


def test_accuracy_within_a_class_has_its_interval_over_seeds() -> None:
    runs = [predictions(0.8, seed) for seed in range(5)]
    figure = class_accuracy(study(), {"8": runs, "2": runs[:1]})
    assert figure is not None
    recalls = [np.mean(run.predicted[run.truth == 0].argmax(axis=1) == 0) for run in runs]
    half = 2.776 * np.std(recalls, ddof=1) / np.sqrt(5)  # Student's t, 4 degrees of freedom
    assert figure.data[0].y[0] == pytest.approx(100 * np.mean(recalls))
    assert figure.data[0].error_y.array[0] == pytest.approx(100 * half, rel=1e-3)
    assert figure.data[1].error_y.array[0] == 0
    assert [trace.marker.color for trace in figure.data] == [*look.SERIES[:2]]


def test_only_classifiers_have_classes() -> None:
    values = np.zeros((3, 2), dtype=np.float32)
    run = Predictions("test", Task.VALENCE_AROUSAL, (), ("x", "y", "z"), None, values, values)
    assert confusion_matrix(study(), "a", [run]) is None
    assert class_accuracy(study(), {"a": [run]}) is None
    assert confusion_matrix(study(), "a", []) is None


# Coverage


def test_what_was_never_tried_is_empty_and_counted() -> None:
    grid = {"role": "nuisance", "grid": "4 points from 1e-5 to 1e-2, log"}
    definition = study({"depth": DEPTH, "lr": grid}, sampler="grid")
    figure = coverage(
        definition, [trial(0, depth=2, lr=1e-5), trial(1, depth=2, lr=1e-5), trial(2, depth=8, lr=1e-2)]
    )
    assert figure is not None
    assert figure.data[0].z.shape == (3, 4)
    assert (figure.data[0].z[0, 0], figure.data[0].z[2, 3]) == (2, 1)
    assert "10 of 12 combinations were never tried" in figure.layout.title.text


def test_of_more_parameters_every_pair_has_a_map() -> None:
    definition = study({"depth": DEPTH, "lr": LR, "eps": LR, "dropout": LR})
    figure = coverage(definition, many(definition, 30, 3))
    assert figure is not None
    assert len(figure.data) == 6
    assert all(np.nansum(trace.z) == 30 for trace in figure.data)
    assert coverage(study({"lr": LR}), many(study({"lr": LR}), 3, 3)) is None
