"""The learning curves: the objective of each trial over its epochs."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from search.analysis import look, references
from search.analysis.axes import metric_label, metric_scale
from search.analysis.trials import STATES, counted, described, named, ranked
from search.store.records import TrialRecord
from search.study import StudyDefinition

MOST_CURVES = 100  # more can't be told apart, and the dashboard's copy would be large


def learning_curves(
    study: StudyDefinition, records: Sequence[TrialRecord], *, on: str | None = "validation"
) -> go.Figure | None:
    """The best and the median complete trial, the others thin, with a mark where each of them ended.

    Of more than `MOST_CURVES` trials so many are drawn, evenly from the best to the worst. None where no trial has
    a second epoch and none will: in an imported study.
    """
    if study.sampler == "imported" and all(len(record.curve) < 2 for record in records):
        return None
    trials = [record for record, _ in ranked(study, records)]
    complete = [record for record in trials if record.state == "complete"]
    notable = {"best": complete[0]} if complete else {}
    if len(complete) > 2:
        notable["median"] = complete[len(complete) // 2]
    evenly = np.linspace(0, len(trials) - 1, min(len(trials), MOST_CURVES)).round().astype(int)
    others = [trials[i] for i in evenly[::-1] if trials[i] not in notable.values()]
    figure = go.Figure([_curve(study, record) for record in others])
    for state in STATES:
        if ended := [record for record in others if record.state == state]:
            figure.add_trace(_ends(study, state, ended))
    for name in reversed(notable):
        figure.add_trace(_notable_curve(study, name, notable[name]))
    longest = max((max(record.curve) for record in trials), default=1)
    figure.update_xaxes(title_text="epoch", rangemode="tozero", dtick=1 if longest <= 15 else None)
    figure.update_yaxes(title_text=look.wrapped(metric_label(study.objective, on), 44))
    some = f"; {MOST_CURVES} curves drawn" if len(trials) > MOST_CURVES else ""
    some += references.beside(figure, study)
    look.dress(figure, study.question, f"{study.name} · {counted(records)}{some}", above=48)
    return figure


def _curve(study: StudyDefinition, record: TrialRecord) -> go.Scatter:
    epochs = sorted(record.curve)
    return go.Scatter(
        x=np.array(epochs, dtype=np.int16),
        y=_scaled(study, [record.curve[epoch] for epoch in epochs]),
        mode="lines",
        line={"width": 1, "color": look.OTHERS if record.state == "complete" else look.GREY},
        legendgroup=record.state,
        showlegend=False,
        hovertemplate=f"epoch %{{x}}: %{{y:.4g}}<br>{look.escaped(described(study, record))}"
        f"<extra>{named(record)}<br>{record.state}</extra>",
    )


def _notable_curve(study: StudyDefinition, name: str, record: TrialRecord) -> go.Scatter:
    line = {"width": 3, "color": {"best": look.BEST, "median": look.MEDIAN}[name]}
    curve = _curve(study, record).update(line=line, mode="lines+markers", marker={"size": 5})
    return curve.update(name=f"{name}: {named(record)}", legendgroup=name, showlegend=True)


def _ends(study: StudyDefinition, state: str, records: Sequence[TrialRecord]) -> go.Scatter:
    """A mark at the last epoch of each curve."""
    ends = [max(record.curve) for record in records]
    return go.Scatter(
        x=np.array(ends, dtype=np.int16),
        y=_scaled(study, [record.curve[end] for record, end in zip(records, ends, strict=True)]),
        mode="markers",
        marker=look.mark(state),
        name=state,
        legendgroup=state,
        hoverinfo="skip",
    )


def _scaled(study: StudyDefinition, values: Sequence[float]) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    return np.array(values, dtype=np.float32) * np.float32(metric_scale(study.objective))
