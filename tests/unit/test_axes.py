"""Axes and words: where values lie, and how they are written."""

import math
import re
from typing import Any

import numpy as np
import pytest

from search.analysis import look, wording
from search.analysis.axes import is_numeric, metric_label, objective_axis, parameter_axis, shown
from search.analysis.trials import best_so_far, counted
from search.tasks import METRIC_DIRECTIONS
from tests.make_figure_results import BLOCK, DEPTH, LR, study, trial


def test_a_log_axis_counts_orders_of_magnitude_and_names_round_values() -> None:
    axis = parameter_axis("lr", study().space["lr"])
    assert (axis.low, axis.high) == (-6, -2)
    assert axis.position(1e-4) == -4
    assert axis.ticks[-5] == "1e-5"
    assert axis.ticks[math.log10(3e-5)] == "3e-5"
    assert axis.label == "learning rate"


def test_a_log_axis_without_round_values_names_its_ends() -> None:
    axis = parameter_axis("lr", study({"lr": LR | {"low": 3.2e-4, "high": 4.1e-4}}).space["lr"])
    assert [*axis.ticks.values()] == ["3.2e-4", "4.1e-4"]


def test_choices_that_are_numbers_are_in_order_and_evenly_spaced() -> None:
    axis = parameter_axis("depth", study().space["depth"])
    assert axis.ticks == {0: "2", 1: "4", 2: "8"}
    assert [axis.position(choice) for choice in (2, 4, 8)] == [0, 1, 2]
    assert axis.label == "depth (blocks)"


def test_a_grid_names_each_of_its_points() -> None:
    grid = {"role": "nuisance", "grid": "5 points from 1e-5 to 1e-3, log"}
    axis = parameter_axis("lr", study({"lr": grid}, sampler="grid").space["lr"])
    assert [*axis.ticks.values()] == ["1e-5", "3.16e-5", "1e-4", "3.16e-4", "1e-3"]
    assert np.allclose(axis.cells, [-5, -4.5, -4, -3.5, -3])


def test_texts_that_are_cut_to_the_same_stay_apart() -> None:
    long = {"role": "scientific", "choices": ["a" * 40, "a" * 41]}
    ticks = parameter_axis("x", study({"x": long}).space["x"]).ticks
    assert len(set(ticks.values())) == 2
    assert max(map(len, ticks.values())) < 30


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1e-5, "1e-5"),
        (0.00032, "3.2e-4"),
        (-0.001, "-1e-3"),
        (0.123456, "0.1235"),
        (0, "0"),
        (512, "512"),
        (2.5e7, "2.5e7"),
        (True, "true"),
        (None, "none"),
        ("cls", "cls"),
    ],
)
def test_values_are_written_as_people_write_them(value: Any, text: str) -> None:
    assert shown(value) == text


def test_switches_and_texts_are_no_numbers() -> None:
    space = study({"a": BLOCK, "b": DEPTH, "c": LR, "d": {"role": "nuisance", "choices": [True, False]}}).space
    assert [is_numeric(parameter) for parameter in space.values()] == [False, True, True, False]


# What is said of trials


def test_a_trial_is_worth_its_best_epoch_in_per_cent() -> None:
    assert best_so_far(study(), trial(0, curve=(0.3, 0.6, 0.5))) == pytest.approx(60)
    assert best_so_far(study(), trial(0, "running", curve=())) is None


def test_trials_are_counted_by_state() -> None:
    assert counted([]) == "no trials yet"
    assert counted([trial(0, "pruned")]) == "1 trial: 1 pruned"
    assert counted([trial(0, "pruned"), trial(1), trial(2)]) == "3 trials: 2 complete, 1 pruned"


def test_trials_without_a_value_lie_beyond_the_worst() -> None:
    axis = objective_axis("accuracy (%)", [60.0, None, 80.0], 100, "maximize")
    assert axis.ticks[axis.position(None)] == "none"
    assert axis.low == axis.position(None) < axis.position(60.0) < 80 < axis.high
    loss = objective_axis("mean squared error", [0.6, None, 0.8], 1, "minimize")
    assert loss.low < 0.6 < 0.8 < loss.position(None) == loss.high
    assert objective_axis("accuracy (%)", [60.0, 80.0], 100, "maximize").ticks == {}
    assert objective_axis("accuracy (%)", [None], 100, "maximize").high > 99


def test_metrics_have_units() -> None:
    assert metric_label("macro_f1") == "macro F1 on validation (%)"
    assert metric_label("some_error") == "some error on validation"
    assert metric_label("accuracy", on="test") == "accuracy on test (%)"
    assert metric_label("ccc_mean", on=None) == "mean CCC"
    assert metric_label("recall_disgust", on="test") == "recall of disgust on test (%)"
    assert metric_label("kl") == "KL divergence on validation (lower is better)"
    assert metric_label("f1_au12", on=None) == "F1 of action unit 12"


def test_a_unit_stays_together() -> None:
    label = metric_label("kl")
    assert look.wrapped(label, 44) == "KL divergence on validation<br>(lower is better)"
    assert look.wrapped("a b (c d)", 20) == "a b (c d)"
    assert max(map(len, look.wrapped("x (" + "long words " * 9 + ")", 20).split("<br>"))) <= 20


def test_every_metric_is_said_in_words() -> None:
    """As people say it: no name of a program's variable."""
    spoken = {name: wording.named(name) for name in METRIC_DIRECTIONS}
    assert len({*spoken.values()}) == len(spoken)
    assert not [text for text in spoken.values() if re.search(r"_|\b(ccc|au|kl|mse|expr|abaw)\b", text)]
