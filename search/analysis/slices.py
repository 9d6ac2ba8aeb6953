"""Slices: the objective over each parameter by itself."""

import math
from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from search.analysis import look
from search.analysis.axes import Axis, is_numeric, metric_label, metric_scale, objective_axis, parameter_axis
from search.analysis.trials import STATES, best_so_far, counted, started
from search.store.records import TrialRecord
from search.study import StudyDefinition
from search.tasks import turned

_SIDE_BY_SIDE = 4
_PANEL, _BETWEEN = 250, 90  # pixels of a row's height, and of what lies below a plot before the next
_MOST_TICKS = 18  # of numbers, side by side

_Floats = NDArray[np.float32]


def slices(
    study: StudyDefinition, records: Sequence[TrialRecord], *, on: str | None = "validation"
) -> go.Figure | None:
    """A plot for each parameter, in which every trial that was started is a point; None before the first.

    Infeasible ones, which diverged or failed, are crosses, beyond the worst where they never ended an epoch: the
    basic axis plot of https://github.com/google-research/tuning_playbook. on: as for `contour`.
    """
    tried = started(records)
    if not tried:
        return None
    best = [best_so_far(study, record) for record in tried]
    full = metric_scale(study.objective)
    up = objective_axis(metric_label(study.objective, on), best, full, study.direction)
    ys = np.array([up.position(value) for value in best], dtype=np.float32)
    axes = {name: parameter_axis(name, parameter) for name, parameter in study.space.items()}
    columns = min(len(axes), _SIDE_BY_SIDE)
    rows = math.ceil(len(axes) / columns)
    spacing = {"horizontal_spacing": 0.09 / columns, "vertical_spacing": _BETWEEN / (_PANEL * rows)}
    figure = make_subplots(rows, columns, shared_yaxes=True, **spacing)
    groups = _groups(tried, study)
    for i, (name, axis) in enumerate(axes.items()):
        xs = np.array([axis.position(record.parameters[name]) for record in tried], dtype=np.float32)
        where = {"row": i // columns + 1, "col": i % columns + 1}
        for points in _points(groups, tried, xs, ys, first=i == 0):
            figure.add_trace(points, **where)
        figure.update_xaxes(_across(axis, columns, numeric=is_numeric(study.space[name])), **where)
    ticks = {"tickvals": [*up.ticks], "ticktext": [*up.ticks.values()]} if up.ticks else {}
    reach = up.high - up.low
    figure.update_yaxes(range=[up.low - 0.06 * reach, up.high + 0.06 * reach], **ticks)
    figure.update_yaxes(title={"text": look.wrapped(up.label, 30 if rows == 1 else 18)}, col=1)
    if rows > 1:
        figure.update_layout(height=_PANEL * rows + 120)
    caption = f"{study.name} · {counted(records)}; each trial at its best epoch"
    look.dress(figure, study.question, caption, above=48)
    return figure


def _groups(tried: Sequence[TrialRecord], study: StudyDefinition) -> dict[str, list[int]]:
    """The trials by their marks, complete ones above others; the best of them again."""
    groups = {
        state: [i for i, record in enumerate(tried) if record.state == state and not record.is_infeasible]
        for state in STATES[::-1]
    }
    groups["infeasible"] = [i for i, record in enumerate(tried) if record.is_infeasible]
    complete = [(turned(study.objective, best_so_far(study, tried[i]) or 0.0), -i) for i in groups["complete"]]
    groups["best"] = [-max(complete)[1]] if complete else []
    return {name: group for name, group in groups.items() if group}


def _points(
    groups: dict[str, list[int]], tried: Sequence[TrialRecord], xs: _Floats, ys: _Floats, *, first: bool
) -> list[go.Scatter]:
    return [
        go.Scatter(
            x=xs[group],
            y=ys[group],
            mode="markers",
            marker=look.mark(name, crowded=len(tried) > look.CROWD),
            name="diverged or failed" if name == "infeasible" else name,
            legendgroup=name,
            showlegend=first,
            customdata=np.array([tried[i].ticket for i in group], dtype=np.int32),
            hovertemplate="trial %{customdata}: %{y:.4g}<extra></extra>",
        )
        for name, group in groups.items()
    ]


def _across(axis: Axis, columns: int, *, numeric: bool) -> dict[str, object]:
    margin = 0.05 * (axis.high - axis.low)
    settings: dict[str, object] = {
        "title": {"text": look.wrapped(axis.label, 80 // columns)},
        "range": [axis.low - margin, axis.high + margin],
    }
    if axis.ticks:
        step = math.ceil(len(axis.ticks) / (_MOST_TICKS // columns)) if numeric else 1
        places = [*axis.ticks][::step]
        settings |= {"tickvals": places, "ticktext": [look.escaped(axis.ticks[place]) for place in places]}
    return settings
