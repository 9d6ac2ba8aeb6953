"""The contour: where in the plane of two parameters the objective is best."""

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from search.analysis import look
from search.analysis.axes import is_numeric, metric_label, parameter_axis
from search.analysis.cells import Floats, axis_layout, centres, nearest, step
from search.analysis.trials import STATES, counted, named, ranked
from search.store.records import TrialRecord
from search.study import StudyDefinition

_MOST_WRITTEN = 80  # cells whose values are written in them
_BELOW = 0.3  # of a cell: how far below its written value the trials are marked


def plane(study: StudyDefinition, weights: Mapping[str, float]) -> tuple[str, str] | None:
    """The two numeric parameters to look at, across and up; None where there are not two.

    Up goes the scientific one, and across the nuisance one of the largest weight; without weights, and of equals,
    the study's first.
    """
    numeric = [name for name, parameter in study.space.items() if is_numeric(parameter)]
    numeric.sort(key=lambda name: weights.get(name, 0.0), reverse=True)
    scientific = [name for name in numeric if study.space[name].role == "scientific"][:1]
    others = [name for name in numeric if name not in scientific]
    up = scientific or others[1:2]
    return (others[0], up[0]) if others and up else None


def contour(
    study: StudyDefinition,
    records: Sequence[TrialRecord],
    across: str,
    up: str,
    *,
    on: str | None = "validation",
) -> go.Figure:
    """The best value in each cell of the plane of two numeric parameters, with the trials.

    across, up: names of the parameters. on: the split that the objective was measured on.

    A range is cut into cells of equal width; choices and grids have a cell for each value. Cells without a trial
    stay empty.
    """
    x, y = parameter_axis(across, study.space[across]), parameter_axis(up, study.space[up])
    trials = ranked(study, records)
    told = f"{study.name} · {counted(records)}"
    if not trials:
        figure = go.Figure()
        look.dress(figure, study.question, told, above=48)
        return figure
    xs = np.array([x.position(record.parameters[across]) for record, _ in trials], dtype=np.float64)
    ys = np.array([y.position(record.parameters[up]) for record, _ in trials], dtype=np.float64)
    columns, rows = centres(x, len(trials)), centres(y, len(trials))
    best = np.full((len(rows), len(columns)), np.nan)
    values = np.array([value for _, value in trials])
    best[nearest(rows, ys[::-1]), nearest(columns, xs[::-1])] = values[::-1]  # the last one assigned stays
    written = bool(x.cells and y.cells) and best.size <= _MOST_WRITTEN
    label = metric_label(study.objective, on)
    figure = go.Figure(_heatmap(study, columns, rows, best, label, written=written))
    figure.add_traces(_marks(trials, xs, ys - _BELOW * step(rows) * written))
    figure.update_layout(xaxis=axis_layout(x, columns), yaxis=axis_layout(y, rows), plot_bgcolor=look.EMPTY)
    empty = "; empty cells have no trial with an epoch" if np.isnan(best).any() else ""
    more = "; the best over all other parameters" if len(study.space) > 2 else ""
    look.dress(figure, study.question, f"{told}{empty}{more}", above=48)
    return figure


def _heatmap(
    study: StudyDefinition, columns: Floats, rows: Floats, best: Floats, label: str, *, written: bool
) -> go.Heatmap:
    return go.Heatmap(
        x=columns,
        y=rows,
        z=best.astype(np.float32),
        colorscale=look.WORST_TO_BEST,
        reversescale=study.direction == "minimize",
        colorbar=look.colour_bar(label),
        xgap=2,
        ygap=2,
        texttemplate="%{z:.3g}" if written else None,
        textfont={"size": 14},
        hoverinfo="skip",
    )


def _marks(trials: Sequence[tuple[TrialRecord, float]], xs: Floats, ys: Floats) -> list[go.Scatter]:
    """The trials of each state; the best complete one again, larger."""
    texts = [f"{named(trial)}: {value:.4g}" for trial, value in trials]
    groups = {state: [i for i, (trial, _) in enumerate(trials) if trial.state == state] for state in STATES}
    groups["best"] = groups["complete"][:1]
    return [
        go.Scatter(
            x=xs[group].astype(np.float32),
            y=ys[group].astype(np.float32),
            mode="markers",
            marker=look.mark(name, on_colour=True, crowded=len(trials) > look.CROWD),
            name=name,
            text=[texts[i] for i in group],
            hovertemplate="%{text}<extra></extra>",
        )
        for name, group in groups.items()
        if group
    ]
