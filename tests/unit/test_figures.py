"""The figures, drawn from definitions and trial records as the store hands them over."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest

from search.analysis import look
from search.analysis.axes import is_numeric, metric_label, parameter_axis, shown
from search.analysis.figures import contour, draw, learning_curves, parallel_coordinates
from search.analysis.learning_curves import MOST_CURVES
from search.analysis.parallel_coordinates import thickened
from search.analysis.trials import best_so_far, counted
from search.store.studies import TrialRecord
from search.study import StudyDefinition
from search.tasks import METRIC_DIRECTIONS

HOSTILE = "<img src=x onerror=alert(1)> $x$ %{y} **bold** [a](javascript:alert(1))"
LR = {"role": "nuisance", "low": 1e-6, "high": 1e-2, "log": True}
DEPTH = {"role": "scientific", "choices": [8, 2, 4]}
BLOCK = {"role": "scientific", "choices": ["vit", "cls"]}


def study(space: dict[str, Any] | None = None, **changes: Any) -> StudyDefinition:
    return StudyDefinition.model_validate(
        {
            "name": "depth_lr",
            "question": "How deep?",
            "dataset": {"name": "synthetic_faces", "image_size": 48},
            "model": {"name": "clsfer"},
            "objective": "accuracy",
            "space": space or {"depth": DEPTH, "lr": LR},
            "sampler": "random",
            "budget": {"trials": 16},
        }
        | changes
    )


def trial(
    ticket: int, state: str = "complete", curve: tuple[float, ...] = (0.3, 0.6, 0.5), **parameters: Any
) -> TrialRecord:
    values = dict(enumerate(curve, start=1))
    return TrialRecord(
        ticket=ticket,
        stage="search",
        source=None,
        state=state,
        attempt=1,
        epoch=len(curve) or None,
        trial=ticket,
        parameters=parameters or {"depth": 4, "lr": 1e-4},
        seed=0,
        value=max(curve, default=None),
        epochs={epoch: {"accuracy": value} for epoch, value in values.items()},
        curve=values,
        seconds=1.0,
        worker="w",
        reason=None,
        started_at=None,
        progress_at=None,
        finished_at=None,
        retries=[],
    )


def many(definition: StudyDefinition, count: int, epochs: int) -> list[TrialRecord]:
    generator = np.random.default_rng(0)
    states = ("complete", "pruned", "failed", "running")
    return [
        trial(
            i,
            states[i % 4],
            tuple(generator.random(epochs if i % 4 == 0 else i % epochs)),
            **{name: parameter.domain().at(generator.random()) for name, parameter in definition.space.items()},
        )
        for i in range(count)
    ]


def named(figure: go.Figure) -> dict[str, Any]:
    return {trace.name: trace for trace in figure.data if trace.name}


# Axes


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


# Parallel coordinates


def test_every_trial_is_a_line_whatever_its_state() -> None:
    trials = [trial(0), trial(1, "pruned", (0.2, 0.4)), trial(2, "running", (0.1,)), trial(3, "failed", ())]
    figure = parallel_coordinates(study(), trials)
    columns = [dimension.label for dimension in figure.data[0].dimensions]
    assert columns == ["state", "depth (blocks)", "learning rate", "accuracy on validation (&#37;)"]
    state, depth, lr, objective = figure.data[0].dimensions
    assert [state.ticktext[int(i)] for i in state["values"]] == ["complete", "pruned", "running", "failed"]
    assert [depth.ticktext[int(i)] for i in depth["values"]] == ["4"] * 4
    assert np.allclose(lr["values"], -4)
    assert np.allclose(objective["values"][:3], [60, 40, 10])
    assert np.isclose(objective["values"][3], objective.tickvals[0])
    assert objective["values"][3] < 10
    assert objective.ticktext[0] == "none"


def test_only_complete_trials_are_coloured_and_only_they_make_the_colour_bar() -> None:
    trials = [trial(0, curve=(0.5,)), trial(1, curve=(0.9,)), trial(2, "pruned", (0.95,)), trial(3, "failed", ())]
    line = parallel_coordinates(study(), trials).data[0].line
    entries = np.floor((line.color - line.cmin) / (line.cmax - line.cmin) * 255 + 0.5)  # as plotly looks them up
    assert entries.tolist() == [1, 255, 0, 0]
    shares = [share for share, colour in line.colorscale if colour != look.GREY]
    assert line.colorscale[0] == (0, look.GREY)
    assert min(shares) < 1 / 255
    assert (line.cmin, line.cmax) == (pytest.approx(50, abs=0.2), 90)


def test_without_a_complete_trial_all_lines_are_grey() -> None:
    line = parallel_coordinates(study(), [trial(0, "running"), trial(1, "pruned")]).data[0].line
    assert line.color == look.GREY


def test_where_less_is_better_the_least_has_the_colour_of_the_best(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(METRIC_DIRECTIONS, "validation_loss", "minimize")
    loss = study(objective="validation_loss")
    figure = parallel_coordinates(loss, [trial(0, curve=(3.0, 0.5, 0.7)), trial(1, curve=(3.0, 2.0))])
    assert np.allclose(figure.data[0].line.color, [0.5, 2.0])
    assert figure.data[0].line.colorscale[2][1] == look.WORST_TO_BEST[-1]
    assert "best: trial 0" in named(learning_curves(loss, [trial(0, curve=(0.5,)), trial(1, curve=(2.0,))]))


def test_trials_that_never_started_are_no_lines() -> None:
    waiting = replace(trial(1, "waiting", ()), attempt=0)
    figure = parallel_coordinates(study(), [trial(0), waiting])
    assert len(figure.data[0].dimensions[0]["values"]) == 1
    assert "2 trials: 1 complete, 1 waiting" in figure.layout.title.text


def test_a_thousand_trials_fit_the_dashboard() -> None:
    space = {f"parameter_{i}": LR for i in range(12)} | {"depth": DEPTH, "block": BLOCK}
    definition = study(space)
    for figure in draw(definition, many(definition, 1000, epochs=60)).values():
        assert len(figure.to_json()) < 150_000


def test_a_picture_draws_each_line_several_times_around_its_place() -> None:
    figure = parallel_coordinates(study(), [trial(0), trial(1, "pruned")])
    thick = thickened(figure)
    before, after = figure.data[0].dimensions[2]["values"], thick.data[0].dimensions[2]["values"]
    assert len(after) == 6 * len(before) == len(thick.data[0].line.color)
    assert np.mean(after) == pytest.approx(np.mean(before))
    assert np.ptp(after) < 0.02
    assert thickened(parallel_coordinates(study(), [])).data == ()


# Learning curves


def test_the_best_and_the_median_stand_out_of_thin_curves() -> None:
    trials = [trial(i, curve=(0.1, value)) for i, value in enumerate((0.5, 0.9, 0.6, 0.7))]
    figure = learning_curves(study(), [*trials, trial(4, "pruned", (0.2, 0.3)), trial(5, "failed", ())])
    lines = named(figure)
    assert np.allclose(lines["best: trial 1"].y, [10, 90])
    assert lines["median: trial 2"].line.width > 1
    assert np.allclose((lines["pruned"].x[0], lines["pruned"].y[0]), (2, 30))
    thin = [trace for trace in figure.data if trace.line.width == 1]
    assert sorted(trace.line.color for trace in thin) == sorted([look.OTHERS, look.OTHERS, look.GREY])
    assert "learning rate 1e-4" in thin[0].hovertemplate


def test_of_many_curves_some_from_best_to_worst_are_drawn() -> None:
    trials = [trial(i, curve=(i / 500,)) for i in range(500)]
    figure = learning_curves(study(), trials)
    drawn = [float(trace.y[0]) for trace in figure.data if trace.mode != "markers"]
    assert MOST_CURVES <= len(drawn) <= MOST_CURVES + 2
    assert np.allclose((min(drawn), max(drawn)), (0, 99.8))
    assert f"{MOST_CURVES} curves drawn" in figure.layout.title.text


# Contour


def test_a_cell_shows_the_best_of_its_trials_and_is_empty_without_one() -> None:
    trials = [
        trial(0, curve=(0.5,), depth=2, lr=1e-6),
        trial(1, "pruned", (0.8,), depth=2, lr=2e-6),
        trial(2, curve=(0.6,), depth=8, lr=1e-2),
        trial(3, "failed", (), depth=4, lr=1e-3),
    ]
    figure = contour(study(), trials)
    assert figure is not None
    heatmap = figure.data[0]
    assert heatmap.z.shape == (3, 4)
    assert heatmap.z[0, 0] == pytest.approx(80)
    assert heatmap.z[2, 3] == pytest.approx(60)
    assert np.isnan(heatmap.z).sum() == 10
    assert (figure.layout.xaxis.title.text, figure.layout.yaxis.title.text) == ("learning rate", "depth (blocks)")
    marks = named(figure)
    assert np.allclose((marks["best"].x[0], marks["best"].y[0]), (-2, 2))
    assert "trial 1: 80" in marks["pruned"].text[0]


def test_a_grid_has_a_cell_for_each_point_with_its_value_written_in() -> None:
    grid = {"role": "nuisance", "grid": "5 points from 1e-5 to 1e-3, log"}
    figure = contour(study({"depth": DEPTH, "lr": grid}, sampler="grid"), [trial(0, depth=2, lr=1e-5)])
    assert figure is not None
    assert figure.data[0].z.shape == (3, 5)
    assert figure.data[0].texttemplate


@pytest.mark.parametrize("space", [{"lr": LR}, {"lr": LR, "block": BLOCK}, {"lr": LR, "eps": LR, "depth": DEPTH}])
def test_there_is_no_contour_unless_two_parameters_are_numeric(space: dict[str, Any]) -> None:
    assert contour(study(space), []) is None
    assert [*draw(study(space), [])] == ["parallel-coordinates", "learning-curves"]


# All of them


@pytest.mark.parametrize("count", [0, 1, 3, 60])
@pytest.mark.parametrize(
    "space",
    [
        {"depth": DEPTH, "lr": LR},
        {"depth": {"role": "scientific", "choices": [4]}, "lr": LR},
        {"lr": LR},
        {"batch_size": {"role": "nuisance", "low": 16, "high": 512, "log": True, "integer": True}, "block": BLOCK},
        {f"a_parameter_with_a_very_long_name_{i}": DEPTH for i in range(12)},
    ],
)
def test_figures_of_any_study_at_any_time(space: dict[str, Any], count: int) -> None:
    definition = study(space)
    for records in (many(definition, count, epochs=5), [trial(0, "failed", (), **_drawn(definition))] * count):
        for figure in draw(definition, records).values():
            assert "NaN" not in figure.to_json()
            assert "How deep?" in figure.layout.title.text


def _drawn(definition: StudyDefinition) -> dict[str, Any]:
    return {name: parameter.domain().at(0.5) for name, parameter in definition.space.items()}


def test_text_of_people_is_shown_letter_by_letter() -> None:
    space = {"lr": LR, "block": {"role": "scientific", "choices": [HOSTILE[:20], "cls"]}}
    definition = study(space, question=HOSTILE)
    figures = draw(definition, [trial(0, lr=1e-4, block=HOSTILE[:20])])
    for figure in figures.values():
        assert "<img" not in figure.layout.title.text
        assert "%{y}" not in figure.layout.title.text
    assert "<img" not in figures["learning-curves"].data[-1].hovertemplate


def test_a_long_question_is_wrapped_and_cut() -> None:
    title = parallel_coordinates(study(question="why " * 200), []).layout.title.text
    assert title.count("<br>") == 3
    assert "…" in title


def test_metrics_have_units() -> None:
    assert metric_label("macro_f1") == "macro F1 on validation (%)"
    assert metric_label("some_error") == "some error on validation"
