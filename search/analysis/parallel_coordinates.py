"""The parallel-coordinate plot: every trial a line across all parameters to the objective."""

import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from search.analysis import look
from search.analysis.axes import Axis, metric_label, metric_scale, objective_axis, parameter_axis
from search.analysis.trials import STATES, best_so_far, counted, started
from search.store.records import TrialRecord
from search.study import StudyDefinition

_CHARACTERS = 110  # of labels side by side
_MANY, _ASKEW = 8, 22  # columns, of which the labels are set askew, with so many characters in a line
_AXIS_PIXELS = 430  # length of an axis, about

Column = tuple[Axis, Sequence[float]]  # an axis, and every trial's position on it


def parallel_coordinates(
    study: StudyDefinition, records: Sequence[TrialRecord], *, on: str | None = "validation"
) -> go.Figure:
    """All trials that were started, whatever their state, with axes that can be brushed.

    on: the split that the objective was measured on.

    Complete trials are coloured by the objective; the others are grey, and beneath them.
    """
    tried = started(records)
    best = [best_so_far(study, record) for record in tried]
    complete = [value if record.state == "complete" else None for record, value in zip(tried, best, strict=True)]
    columns = [*_state(tried), *_parameters(study, tried), _objective(study, best, on)]
    many = len(columns) > _MANY
    width = _ASKEW if many else _CHARACTERS // len(columns)
    figure = go.Figure()
    if tried:
        figure.add_trace(
            go.Parcoords(
                dimensions=[_dimension(*column, width) for column in columns],
                line=_line(study, complete, metric_label(study.objective, on)),
                unselected={"line": {"color": look.GREY, "opacity": 0.15}},
                labelfont={"size": 11 if many else 13},
                tickfont={"size": 12},
                rangefont={"size": 1, "color": "rgba(0,0,0,0)"},  # the ends would be written over the labels
                labelangle=-35 if many else 0,
            )
        )
    longest = max(map(len, columns[0][0].ticks.values()), default=0)
    figure.update_layout(margin={"l": max(80, 20 + 7 * longest), "r": 115 if many else 90, "b": 30})
    grey = "; grey lines are not complete" if None in complete else ""
    look.dress(figure, study.question, f"{study.name} · {counted(records)}{grey}", above=124 if many else 68)
    return figure


def thickened(figure: go.Figure) -> go.Figure:
    """The plot for a picture file, where plotly draws lines a quarter of a pixel thin: each one several times."""
    thick = go.Figure(figure)
    for plot in thick.data:
        count = len(plot.dimensions[0].values)
        pixels = np.arange(0, 1.5 if count <= 200 else 0.75, 0.25, dtype=np.float32)
        for dimension in plot.dimensions:
            low, high = dimension.range
            shift = (pixels - pixels.mean()) * np.float32((high - low) / _AXIS_PIXELS)
            dimension.values = np.add.outer(shift, np.asarray(dimension.values)).ravel()
        if not isinstance(plot.line.color, str):
            plot.line.color = np.tile(np.asarray(plot.line.color), len(pixels))
    return thick


def _state(tried: Sequence[TrialRecord]) -> list[Column]:
    """An axis to pick states by, where there is more than one; complete ones on top."""
    states = [state for state in STATES[::-1] if any(record.state == state for record in tried)]
    if len(states) < 2:
        return []
    axis = Axis("state", 0, len(states) - 1, dict(enumerate(states)))
    return [(axis, [states.index(record.state) for record in tried])]


def _parameters(study: StudyDefinition, tried: Sequence[TrialRecord]) -> list[Column]:
    axes = {name: parameter_axis(name, parameter) for name, parameter in study.space.items()}
    return [(axis, [axis.position(record.parameters[name]) for record in tried]) for name, axis in axes.items()]


def _objective(study: StudyDefinition, best: Sequence[float | None], on: str | None) -> Column:
    """The last axis. Trials without a value end beyond the worst, on a mark of their own."""
    full = metric_scale(study.objective)
    axis = objective_axis(metric_label(study.objective, on), best, full, study.direction)
    return axis, [axis.position(value) for value in best]


def _dimension(axis: Axis, positions: Sequence[float], width: int) -> dict[str, Any]:
    """plotly's form of a column, with at most `width` characters in a line of its label."""
    label = textwrap.wrap(axis.label, max(width, 16), max_lines=2, placeholder="…")
    ticks = {"tickvals": [*axis.ticks], "ticktext": [*axis.ticks.values()]} if axis.ticks else {}
    return {
        "label": "<br>".join(map(look.escaped, label)),
        "range": [axis.low, axis.high],
        # as JSON a third of a list's bytes: the dashboard's copy travels through the database
        "values": np.array(positions, dtype=np.float32),
        **ticks,
    }


def _line(study: StudyDefinition, values: Sequence[float | None], label: str) -> dict[str, Any]:
    """The lines' colours; None is grey.

    plotly looks colours up in a table of 256 and draws later ones above earlier ones. Grey has the first entry to
    itself, which on the colour bar is too thin to be seen.
    """
    known = [value for value in values if value is not None]
    if not known:
        return {"color": look.GREY}
    high = max(known)
    step = ((high - min(known)) or 1.0) / 254
    grey = high - 255 * step
    scale = look.WORST_TO_BEST if study.direction == "maximize" else look.WORST_TO_BEST[::-1]
    shares = np.linspace(0.5 / 255, 1, len(scale)).tolist()
    return {
        "color": np.array([grey if value is None else value for value in values], dtype=np.float32),
        "cmin": grey,
        "cmax": high,
        "colorscale": [[0, look.GREY], [shares[0], look.GREY], *zip(shares, scale, strict=True)],
        "colorbar": look.colour_bar(label),
    }
