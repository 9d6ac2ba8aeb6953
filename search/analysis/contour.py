"""The contour: where in the plane of two parameters the objective is best."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from search.analysis import look
from search.analysis.axes import Axis, is_numeric, metric_label, parameter_axis
from search.analysis.trials import STATES, counted, described, named, ranked
from search.store.studies import TrialRecord
from search.study import StudyDefinition

_MOST_WRITTEN = 80  # cells whose values are written in them
_BELOW = 0.3  # of a cell: how far below its written value the trials are marked

Floats = NDArray[np.float64]


def contour(study: StudyDefinition, records: Sequence[TrialRecord]) -> go.Figure | None:
    """The best value in each cell of the plane, with the trials; None unless exactly two parameters are numeric.

    A range is cut into cells of equal width; choices and grids have a cell for each value. Cells without a trial
    stay empty. The scientific parameter, where there is one, points up.
    """
    numeric = [name for name, parameter in study.space.items() if is_numeric(parameter)]
    if len(numeric) != 2:
        return None
    across, up = sorted(numeric, key=lambda name: study.space[name].role == "scientific")
    x, y = parameter_axis(across, study.space[across]), parameter_axis(up, study.space[up])
    trials = ranked(study, records)
    xs = np.array([x.position(record.parameters[across]) for record, _ in trials])
    ys = np.array([y.position(record.parameters[up]) for record, _ in trials])
    columns, rows = _cells(x, len(trials)), _cells(y, len(trials))
    best = _best(xs, ys, [value for _, value in trials], columns, rows)
    written = bool(x.cells and y.cells) and best.size <= _MOST_WRITTEN
    figure = go.Figure(_heatmap(study, columns, rows, best, written=written))
    figure.add_traces(_marks(study, trials, xs, ys - _BELOW * _step(rows) * written))
    _lay_out(figure, "x", x, columns)
    _lay_out(figure, "y", y, rows)
    empty = "; empty cells have no trial with an epoch" if trials and np.isnan(best).any() else ""
    figure.update_layout(plot_bgcolor=look.EMPTY)
    look.dress(figure, study.question, f"{study.name} · {counted(records)}{empty}", above=48)
    return figure


def _cells(axis: Axis, trials: int) -> Floats:
    """The centres of the cells along an axis, evenly spaced."""
    if axis.cells:
        return np.array(sorted(axis.cells), dtype=np.float64)
    edges = np.linspace(axis.low, axis.high, int(np.clip(np.sqrt(trials), 4, 12)) + 1)
    return (edges[:-1] + edges[1:]) / 2


def _step(cells: Floats) -> float:
    return float(cells[1] - cells[0]) if len(cells) > 1 else 1.0


def _best(xs: Floats, ys: Floats, values: Sequence[float], columns: Floats, rows: Floats) -> Floats:
    """The first value, as they come ranked, of each cell (rows, columns); NaN where there is none."""
    best = np.full((len(rows), len(columns)), np.nan)
    for x, y, value in zip(xs[::-1], ys[::-1], values[::-1], strict=True):
        best[np.abs(rows - y).argmin(), np.abs(columns - x).argmin()] = value
    return best


def _heatmap(study: StudyDefinition, columns: Floats, rows: Floats, best: Floats, *, written: bool) -> go.Heatmap:
    return go.Heatmap(
        x=columns,
        y=rows,
        z=best.astype(np.float32),
        colorscale=look.WORST_TO_BEST,
        reversescale=study.direction == "minimize",
        colorbar=look.colour_bar(metric_label(study.objective)),
        showscale=not np.isnan(best).all(),
        xgap=2,
        ygap=2,
        texttemplate="%{z:.3g}" if written else None,
        textfont={"size": 14},
        hoverinfo="skip",
    )


def _marks(
    study: StudyDefinition, trials: Sequence[tuple[TrialRecord, float]], xs: Floats, ys: Floats
) -> list[go.Scatter]:
    """The trials of each state; the best complete one again, larger."""
    texts = [f"{named(t)}: {value:.4g}<br>{look.escaped(described(study, t))}" for t, value in trials]
    groups = {state: [i for i, (trial, _) in enumerate(trials) if trial.state == state] for state in STATES}
    groups["best"] = groups["complete"][:1]
    return [
        go.Scatter(
            x=xs[group].astype(np.float32),
            y=ys[group].astype(np.float32),
            mode="markers",
            marker=look.mark(name, on_colour=True),
            name=name,
            text=[texts[i] for i in group],
            hovertemplate="%{text}<extra></extra>",
        )
        for name, group in groups.items()
        if group
    ]


def _lay_out(figure: go.Figure, letter: str, axis: Axis, cells: Floats) -> None:
    half = _step(cells) / 2
    span = [cells[0] - half, cells[-1] + half]
    settings = {"title": {"text": look.escaped(axis.label)}, "range": span}
    if axis.ticks:
        settings |= {"tickvals": [*axis.ticks], "ticktext": [*map(look.escaped, axis.ticks.values())]}
    figure.update_layout({f"{letter}axis": settings})
