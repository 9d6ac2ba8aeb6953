"""Per-class accuracy: which classes a level gains and which it loses."""

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from search.analysis import look
from search.analysis.axes import words
from search.analysis.confusion import confusion_counts
from search.analysis.findings import Spread
from search.analysis.levels import scientific
from search.analysis.measures import classified
from search.analysis.statistics import spread
from search.predictions import Predictions
from search.study import StudyDefinition

_MOST = len(look.SERIES)  # levels side by side
_WIDTH = 0.7  # of the distance between classes, which the levels share


def class_accuracy(study: StudyDefinition, levels: Mapping[str, Sequence[Predictions]]) -> go.Figure | None:
    """The recall of each class, with its mean and 95 % interval over runs; None unless they classify.

    levels: the runs of each confirmed level by its values in words, the best first; of many, six are drawn.
    """
    drawn = {name: [*filter(None, map(classified, runs))] for name, runs in [*levels.items()][:_MOST]}
    drawn = {name: runs for name, runs in drawn.items() if runs}
    if not drawn:
        return None
    first = next(iter(drawn.values()))[0]
    items = np.bincount(first.truth, minlength=len(first.classes))
    occurring = np.flatnonzero(items)
    figure = go.Figure()
    for i, (name, runs) in enumerate(drawn.items()):
        shift = _WIDTH * ((i + 0.5) / len(drawn) - 0.5)
        recalls = np.array([confusion_counts(run).diagonal()[occurring] / items[occurring] for run in runs])
        spreads = [spread([float(value) for value in column]) for column in recalls.T]
        figure.add_trace(_dots(name, spreads, np.arange(len(occurring)) + shift, i))
    texts = [f"{look.wrapped(first.classes[i].replace('_', ' '), 14)}<br>{items[i]:,}" for i in occurring]
    figure.update_xaxes(
        title_text="true class, and how many images it has",
        tickvals=[*range(len(occurring))],
        ticktext=texts,
        range=[-0.6, len(occurring) - 0.4],
    )
    figure.update_layout(legend_title_text=look.wrapped(" · ".join(map(words, scientific(study))), 60, 1))
    figure.update_yaxes(title_text=f"accuracy within the class on {look.escaped(first.split)} (&#37;)")
    more = f"; the best {_MOST} of {len(levels)} values" if len(levels) > _MOST else ""
    seeds = max(map(len, drawn.values()))
    intervals = "means with 95 % intervals over seeds" if seeds > 1 else "one run"
    look.dress(figure, study.question, f"{study.name} · {intervals}{more}", above=48)
    return figure


def _dots(name: str, spreads: Sequence[Spread], xs: np.ndarray, i: int) -> go.Scatter:
    colour = look.SERIES[i]
    half = [(each.high or each.mean) - each.mean for each in spreads]
    return go.Scatter(
        x=xs.astype(np.float32),
        y=100 * np.array([each.mean for each in spreads], dtype=np.float32),
        error_y={"array": 100 * np.array(half, dtype=np.float32), "width": 3, "thickness": 1.2, "color": colour},
        mode="markers",
        marker={"symbol": look.SERIES_SYMBOLS[i], "size": 8, "color": colour},
        name=look.wrapped(name, 36, 1),
        hovertemplate="%{y:.1f} &#37;<extra></extra>",
    )
