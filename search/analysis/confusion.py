"""The confusion matrix: what a configuration's models take for what."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from search.analysis import look
from search.analysis.cells import Floats
from search.analysis.measures import classified
from search.predictions import Predictions
from search.study import StudyDefinition

_MOST_WRITTEN = 10  # classes whose cells have their numbers written in them


def confusion_counts(predictions: Predictions) -> NDArray[np.int64]:
    """(K, K): how many items of the class of a row are taken for that of a column. Each has a class."""
    count = len(predictions.classes)
    taken_for = predictions.predicted.argmax(axis=1)
    return np.bincount(predictions.truth * count + taken_for, minlength=count**2).reshape(count, count)


def confusion_matrix(study: StudyDefinition, name: str, runs: Sequence[Predictions]) -> go.Figure | None:
    """Shares of each row with mean counts, over the runs of one configuration; None unless they classify.

    name: of the configuration's level, in words.
    """
    runs = [*filter(None, map(classified, runs))]
    if not runs:
        return None
    counts: Floats = np.mean([confusion_counts(run) for run in runs], axis=0)
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.full_like(counts, np.nan), where=totals > 0)
    classes = [look.wrapped(label.replace("_", " "), 18) for label in runs[0].classes]
    places = np.arange(len(classes), dtype=np.int16)
    whole = len(runs) == 1 or counts.max() >= 1000
    figure = go.Figure(
        go.Heatmap(
            x=places,
            y=places,
            z=(100 * shares).astype(np.float32),
            zmin=0,
            zmax=100,
            text=[[f"{count:,.{0 if whole else 1}f}" for count in row] for row in counts],
            colorscale=look.NONE_TO_ALL,
            colorbar=look.colour_bar("share of the true class (%)"),
            xgap=1,
            ygap=1,
            texttemplate="%{z:.1f}<br>(%{text})" if len(classes) <= _MOST_WRITTEN else None,
            hovertemplate="%{z:.1f} &#37; (%{text} images) of %{y} taken for %{x}<extra></extra>",
        )
    )
    settings = {"tickvals": places, "ticktext": classes}
    figure.update_xaxes(title_text="predicted", constrain="domain", **settings)
    figure.update_yaxes(title_text="true", autorange="reversed", **settings)
    figure.update_layout(plot_bgcolor=look.EMPTY)
    seeds = f"mean of {len(runs)} runs" if len(runs) > 1 else "one run"
    caption = (
        f"{study.name} · {name}, on {runs[0].split}: share of the true class in per cent, "
        f"and how many images ({seeds})"
    )
    look.dress(figure, study.question, caption, above=24)
    return figure
