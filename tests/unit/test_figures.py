"""The figures of the search, drawn from definitions and trial records as the store hands them over."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest

from search.analysis import look
from search.analysis.contour import contour, plane
from search.analysis.figures import DASHBOARD, draw
from search.analysis.learning_curves import MOST_CURVES, learning_curves
from search.analysis.parallel_coordinates import parallel_coordinates, thickened
from search.store.records import Context, Origin, TrialRecord
from search.study import StudyDefinition
from search.tasks import EKMAN_NEUTRAL, METRIC_DIRECTIONS
from tests.make_figure_results import BLOCK, DEPTH, HOSTILE, LR, conclusion, many, results, study, trial


def drawn(
    definition: StudyDefinition,
    records: list[TrialRecord],
    seeds: int = 0,
    classes: Sequence[str] = EKMAN_NEUTRAL,
) -> dict[str, go.Figure]:
    """All figures of a study of which the best were run again with so many seeds."""
    found, made = conclusion(definition, records, seeds, classes)
    return draw(results(definition, records, made=made), found)


def named(figure: go.Figure | None) -> dict[str, Any]:
    """The traces by their names."""
    assert figure is not None
    return {trace.name: trace for trace in figure.data if trace.name}


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
    figures = drawn(definition, many(definition, 1000, epochs=60), seeds=5)
    for name in DASHBOARD:
        assert len(figures[name].to_json()) < 150_000
    assert sum(len(figure.to_json()) for figure in figures.values()) < 1_000_000


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
    figure = contour(study(), trials, "lr", "depth")
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
    definition = study({"depth": DEPTH, "lr": grid}, sampler="grid")
    figure = contour(definition, [trial(0, depth=2, lr=1e-5)], "lr", "depth")
    assert figure.data[0].z.shape == (3, 5)
    assert figure.data[0].texttemplate


@pytest.mark.parametrize(
    ("space", "weights", "seen"),
    [
        ({"depth": DEPTH, "lr": LR}, {}, ("lr", "depth")),
        ({"lr": LR, "eps": LR, "depth": DEPTH}, {}, ("lr", "depth")),
        ({"lr": LR, "eps": LR, "depth": DEPTH}, {"lr": 0.1, "eps": 0.7}, ("eps", "depth")),
        ({"lr": LR, "eps": LR, "block": BLOCK}, {"lr": 0.1, "eps": 0.7}, ("eps", "lr")),
        ({"lr": LR}, {}, None),
        ({"lr": LR, "block": BLOCK}, {}, None),
    ],
)
def test_the_contour_shows_what_is_asked_over_what_matters_most(
    space: dict[str, Any], weights: dict[str, float], seen: tuple[str, str] | None
) -> None:
    assert plane(study(space), weights) == seen
    assert ("contour" in drawn(study(space), [])) == (seen is not None)


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
    drawn_once = {name: parameter.domain().at(0.5) for name, parameter in definition.space.items()}
    for records in (
        many(definition, count, epochs=5),
        many(definition, count, epochs=5, states=["running"]),
        [trial(i, "failed", (), **drawn_once) for i in range(count)],
    ):
        for figure in drawn(definition, records, seeds=2).values():
            assert "NaN" not in figure.to_json()
            assert "How deep?" in figure.layout.title.text
            assert figure.layout.title.text.endswith("</span>")


def test_text_of_people_is_shown_letter_by_letter() -> None:
    space = {
        "lr": LR,
        HOSTILE[:28]: {"role": "scientific", "choices": [HOSTILE[:20], "%{y} $x$"]},
        "eps": LR | {"role": "scientific"},
    }
    definition = study(space, question=HOSTILE)
    figures = drawn(definition, many(definition, 60, epochs=3), seeds=2, classes=("<b>a</b>", "%{y}", "$x$"))
    assert len(figures) == 11
    for name, figure in figures.items():
        plain = figure.to_plotly_json()
        del plain["layout"]["meta"]  # plotly shows none of it
        ticks = "parallel-coordinates"  # draws these letter by letter
        texts = [text for text in _texts(plain) if not (name == ticks and text in (HOSTILE[:20], "%{y} $x$"))]
        assert not [
            text for text in texts if "<img" in text or "<b>a" in text or "%{y} $" in text or "$x$" in text
        ]


def _texts(value: Any) -> list[str]:
    """Every text within plain data."""
    if isinstance(value, str):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    return [text for each in inner for text in _texts(each)]


def test_an_imported_study_names_the_split_it_was_measured_on() -> None:
    origin = Origin(source="table.csv", sha256="0", judged_on="test", items=3068)
    definition = study(sampler="imported")
    trials = [replace(trial(i, curve=(0.5 + i / 10,), depth=2 + 2 * (i % 2)), attempt=0) for i in range(4)]
    trials = [replace(each, parameters=each.parameters | {"lr": 1e-4}) for each in trials]
    found = results(definition, trials, context=Context(origin=origin))
    figures = draw(found, conclusion(definition, trials, 0)[0])
    assert [*figures] == ["isolation", "parallel-coordinates", "slices", "contour", "coverage"]
    assert figures["isolation"].layout.yaxis.title.text == "accuracy on test (&#37;)"
    assert figures["parallel-coordinates"].data[0].dimensions[-1].label == "accuracy on test (&#37;)"


def test_a_long_question_is_wrapped_and_cut() -> None:
    title = parallel_coordinates(study(question="why " * 200), []).layout.title.text
    assert title.count("<br>") == 3
    assert "…" in title
