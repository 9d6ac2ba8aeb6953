"""The coverage map: which combinations of values were tried, and which never."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from search.analysis import look
from search.analysis.axes import Axis, parameter_axis
from search.analysis.cells import Floats, axis_layout, centres, nearest
from search.analysis.trials import started
from search.store.records import TrialRecord
from search.study import StudyDefinition

_MOST = 5  # parameters of which every pair is shown, the first ones of the study
_MOST_WRITTEN = 100  # cells whose counts are written in them
_PANEL = 170  # pixels of a row's height


def coverage(study: StudyDefinition, records: Sequence[TrialRecord]) -> go.Figure | None:
    """How many trials each combination of two parameters' values has; None with a single parameter.

    Every pair of the first five parameters has a map. Ranges are cut as for the contour. Trials count that were
    started, whatever became of them.
    """
    tried = started(records)
    names = [*study.space][:_MOST]
    if len(names) < 2 or not tried:
        return None
    axes = {name: parameter_axis(name, study.space[name]) for name in names}
    figure = _one(axes, tried) if len(names) == 2 else _pairs(axes, tried)
    never = sum(int(np.isnan(map_.z).sum()) for map_ in figure.data)
    cells = sum(map_.z.size for map_ in figure.data)
    what = f"{cells} combinations" if len(names) == 2 else f"{cells} combinations of two values"
    first = f" of the first {_MOST} parameters" if len(study.space) > _MOST else ""
    untried = f"{never} of {what}{first} {'was' if never == 1 else 'were'} never tried (empty)"
    tried_all = f"all {what}{first} were tried"
    caption = f"{study.name} · how many trials; {untried if never else tried_all}"
    figure.update_layout(plot_bgcolor=look.EMPTY)
    look.dress(figure, study.question, caption, above=24)
    return figure


def _one(axes: dict[str, Axis], tried: Sequence[TrialRecord]) -> go.Figure:
    across, up = sorted(axes, key=lambda name: -len(centres(axes[name], len(tried))))
    figure = go.Figure(_map(axes, across, up, tried, scale=True))
    figure.update_xaxes(axis_layout(axes[across], centres(axes[across], len(tried))))
    figure.update_yaxes(axis_layout(axes[up], centres(axes[up], len(tried))))
    return figure


def _pairs(axes: dict[str, Axis], tried: Sequence[TrialRecord]) -> go.Figure:
    """A map for each pair: the lower triangle, as of a scatter-plot matrix."""
    names = [*axes]
    size = len(names) - 1
    figure = make_subplots(
        size,
        size,
        shared_xaxes=True,
        shared_yaxes=True,
        horizontal_spacing=0.12 / size,
        vertical_spacing=0.12 / size,
    )
    for across, up in combinations(names, 2):
        where = {"row": names.index(up), "col": names.index(across) + 1}
        figure.add_trace(_map(axes, across, up, tried, scale=False), **where)
        for update, name, outer in (
            (figure.update_xaxes, across, where["row"] == size),
            (figure.update_yaxes, up, where["col"] == 1),
        ):
            settings = axis_layout(axes[name], centres(axes[name], len(tried)), width=80 // size)
            update(settings if outer else settings | {"title": None}, **where)
    for row in range(1, size + 1):
        for column in range(row + 1, size + 1):
            figure.update_xaxes(visible=False, row=row, col=column)
            figure.update_yaxes(visible=False, row=row, col=column)
    if size > 2:
        figure.update_layout(height=_PANEL * size + 200)
    return figure


def _map(axes: dict[str, Axis], across: str, up: str, tried: Sequence[TrialRecord], *, scale: bool) -> go.Heatmap:
    columns, rows = (centres(axes[name], len(tried)) for name in (across, up))
    counts: Floats = np.zeros((len(rows), len(columns)))
    places = [
        nearest(cells, [axes[name].position(record.parameters[name]) for record in tried])
        for name, cells in ((up, rows), (across, columns))
    ]
    np.add.at(counts, tuple(places), 1)
    counts[counts == 0] = np.nan
    return go.Heatmap(
        x=columns,
        y=rows,
        z=counts.astype(np.float32),
        zmin=1,
        colorscale=look.NONE_TO_ALL[1:],
        colorbar=look.colour_bar("trials") | {"tickformat": "d"},
        showscale=scale and bool(np.nanmax(counts, initial=0) > 1),
        xgap=1,
        ygap=1,
        texttemplate="%{z:d}" if counts.size <= _MOST_WRITTEN else None,
        hovertemplate="%{z:d} trials<extra></extra>",
    )
