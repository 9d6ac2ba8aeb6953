"""Best of n: how good the best trial of a search of any smaller budget would have been."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from search.analysis import look, references
from search.analysis.axes import metric_label
from search.analysis.cells import Floats
from search.analysis.trials import ENDED, ranked
from search.store.records import TrialRecord
from search.study import StudyDefinition

FEWEST = 10  # trials
_BAND = (0.05, 0.95)

_Floats = NDArray[np.float32]


def best_of(values: Floats, n: int) -> tuple[float, float, float]:
    """The largest of n draws, with replacement, from N values: its expectation, 5 % and 95 % quantile.

    Exact, by the distribution of an order statistic, where others draw bootstrap samples: Dodge et al. 2019,
    https://arxiv.org/abs/1909.03004, equation 4.
    """
    ordered = np.sort(values)
    below = (np.arange(len(ordered) + 1) / len(ordered)) ** n  # chance that all n are among the first i
    low, high = (float(ordered[np.searchsorted(below[1:], share)]) for share in _BAND)
    return float(ordered @ np.diff(below)), low, high


def best_of_n(
    study: StudyDefinition, records: Sequence[TrialRecord], *, on: str | None = "validation"
) -> go.Figure | None:
    """The expected best of n trials with the range of 90 % of such searches, for n up to the number of trials.

    As figure 3 of https://github.com/google-research/tuning_playbook. None below `FEWEST` trials, and where trials
    were not drawn independently of each other: by samplers that learn, or by hand. Trials without an epoch count
    as the worst. on: as for `contour`.
    """
    ended = [record for record in records if record.state in ENDED]
    valued = [value for _, value in ranked(study, ended)]
    if study.sampler in ("tpe", "gp", "imported") or len(ended) < FEWEST or not valued:
        return None
    sign = 1.0 if study.direction == "maximize" else -1.0
    values = sign * np.array(valued + [valued[-1]] * (len(ended) - len(valued)))
    counts = np.unique(np.geomspace(1, len(values), 60).round().astype(np.int32))
    expected, low, high = (sign * np.array([best_of(values, n) for n in counts])).T.astype(np.float32)
    figure = go.Figure(_curves(counts, expected, low, high))
    ticks = [multiple * 10**power for power in range(6) for multiple in (1, 2, 5)]
    figure.update_xaxes(title_text="trials", type="log", tickvals=[tick for tick in ticks if tick <= len(values)])
    label = metric_label(study.objective, on)
    figure.update_yaxes(title_text=look.wrapped(f"best {label}", 44))
    caption = f"{study.name} · the best of n of the {len(values):,} trials that ended, drawn at random"
    caption += references.beside(figure, study)
    look.dress(figure, study.question, caption, above=48)
    return figure


def _curves(counts: NDArray[np.int32], expected: _Floats, low: _Floats, high: _Floats) -> list[go.Scatter]:
    return [
        go.Scatter(x=counts, y=low, mode="lines", line={"width": 0}, showlegend=False, hoverinfo="skip"),
        go.Scatter(
            x=counts,
            y=high,
            mode="lines",
            line={"width": 0},
            fill="tonexty",
            fillcolor=look.NONE_TO_ALL[1],
            name="90 &#37; of such searches",
            hoverinfo="skip",
        ),
        go.Scatter(
            x=counts,
            y=expected,
            mode="lines",
            line={"width": 3, "color": look.MEDIAN},
            name="expected",
            hovertemplate="best of %{x}: %{y:.4g}<extra></extra>",
        ),
    ]
