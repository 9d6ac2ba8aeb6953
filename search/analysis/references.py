"""Results from elsewhere, drawn as lines beside a study's own and told of in its report."""

from collections.abc import Iterator, Sequence

import numpy as np
import plotly.graph_objects as go

from search.analysis import look, quantities, wording
from search.analysis.axes import metric_scale, words
from search.analysis.evidence import Table
from search.analysis.findings import Conclusion, Spread
from search.analysis.results import Results
from search.study import StudyDefinition
from search.study.definition import Reference
from search.tasks import turned

_AFAR = 0.4  # of the height of what is shown: how far beyond it a line may lie
_LINE = 0.055  # of the height of the plot: a line of a label; lines nearer than this share a place for theirs
_LONGEST = 24  # characters of a label in a plot


def comparable(study: StudyDefinition) -> list[Reference]:
    """Those of the study's own data set and objective, from the lowest to the highest value."""
    found = [each for each in study.references if (each.dataset, each.metric) == _own(study)]
    return sorted(found, key=lambda each: each.value)


def beside(figure: go.Figure, study: StudyDefinition) -> str:
    """Draws them as dashed lines with labels, and returns what is to be added to the figure's caption.

    Those that lie so far outside of what is shown that it would be squashed are told of there, and not drawn.
    """
    held = comparable(study)
    if not held or not figure.data:
        return ""
    low, high = _shown(figure)
    afar = _AFAR * ((high - low) or 0.02 * metric_scale(study.objective))
    near = [each for each in held if low - afar <= _scaled(each) <= high + afar]
    told = ""
    if near:
        _draw(figure, near, low, high)
        told = "; dashed: results from elsewhere"
    if far := [label(each) for each in held if each not in near]:
        told += f"; far outside, and not drawn: {wording.listed(far)}"
    return told


def _draw(figure: go.Figure, near: Sequence[Reference], low: float, high: float) -> None:
    values = [_scaled(each) for each in near]
    bottom, top = min(low, *values), max(high, *values)
    reach = (top - bottom) or 1.0
    for value in values:
        figure.add_hline(value, line={"width": 1, "dash": "dash", "color": look.MUTED})
    for group in _groups(near, _LINE * reach):
        highest = _scaled(group[-1])
        figure.add_annotation(
            text="<br>".join(look.escaped(label(each, _LONGEST)) for each in reversed(group)),
            x=1,
            xref="x domain",
            xanchor="right",
            y=highest,
            yanchor="bottom",
            align="right",
            showarrow=False,
            font={"size": 11, "color": look.MUTED},
        )
        top = max(top, highest + (len(group) + 0.5) * _LINE * reach)
    figure.update_yaxes(range=[bottom - (0.04 * reach if bottom < low else 0), top])


def _shown(figure: go.Figure) -> tuple[float, float]:
    """The ends of the axis, or of the values on it."""
    if figure.layout.yaxis.range:
        low, high = figure.layout.yaxis.range
        return low, high
    values = np.concatenate([trace.y for trace in figure.data])
    margin = 0.05 * float(np.ptp(values))
    return float(values.min()) - margin, float(values.max()) + margin


def label(reference: Reference, longest: int | None = None) -> str:
    """Whose result it is, with its value, such as `SCN 87.03 % (test, not verified)`.

    longest: characters of the name, before it is cut.
    """
    name = reference.label
    if longest is not None and len(name) > longest:
        name = f"{name[: longest - 1]}…"
    value = f"{_scaled(reference):.4g}{' %' if metric_scale(reference.metric) > 1 else ''}"
    split = "unknown split" if reference.split == "unknown" else reference.split
    return f"{name} {value} ({split}{'' if reference.verified else ', not verified'})"


def table(study: StudyDefinition) -> Table:
    """A row for each, the study's own data set and objective first, from the best to the worst."""
    ordered = [
        *sorted(comparable(study), key=lambda each: turned(each.metric, each.value), reverse=True),
        *(each for each in study.references if (each.dataset, each.metric) != _own(study)),
    ]
    rows = [
        (
            each.label,
            each.dataset,
            f"{words(each.metric)}{quantities.unit(each.metric)}",
            quantities.amount(each.metric, each.value),
            each.split,
            "yes" if each.verified else "no",
            each.source,
        )
        for each in ordered
    ]
    columns = ("whose", "data set", "metric", "value", "measured on", "verified", "source")
    notes = ["Verified: whether whoever wrote the study file has read the value in its source."]
    if len(comparable(study)) < len(ordered):
        dataset, metric = _own(study)
        notes.append(
            f"Held against the study, and drawn in figures, are those of {words(metric)} on {dataset} alone."
        )
    return Table(columns, tuple(rows), tuple(notes))


def sentences(results: Results, conclusion: Conclusion) -> list[str]:
    """Whether what the study concludes reaches them, and how far that can be compared."""
    study = results.definition
    held = comparable(study)
    if not held:
        return []
    chosen = conclusion.levels[0].confirmed if conclusion.levels else None
    if chosen is None or chosen.judged is None:
        first = "Nothing of this study has been judged yet, so nothing is said of whether it reaches them."
    else:
        first = _reached(study, conclusion, chosen.judged, held)
    published = (
        "Published numbers are mostly of an epoch, a seed or a configuration chosen on the very split they are of"
    )
    if conclusion.judged_on != "test" or results.row.context.origin:
        return [first, f"{published}; how those of this study were chosen stands above. No difference is claimed."]
    return [
        first,
        f"{published}. Here the validation split chose and the test split only judged, which is stricter: the two "
        "can't be compared like for like, and no difference is claimed.",
    ]


def _reached(study: StudyDefinition, conclusion: Conclusion, judged: Spread, held: Sequence[Reference]) -> str:
    mean = turned(study.objective, judged.mean)
    margin = 0.0 if judged.high is None else judged.high - judged.mean
    lead = {each: mean - turned(study.objective, each.value) for each in held}
    parts = {
        "that reaches": [label(each) for each in held if lead[each] >= margin],
        "within its interval lies": [label(each) for each in held if abs(lead[each]) < margin],
        "it does not reach": [label(each) for each in held if lead[each] <= -margin and lead[each] < 0],
    }
    told = [f"{verb} {wording.listed(labels)}" for verb, labels in parts.items() if labels]
    name = wording.spoken(conclusion.levels[0].values) or "its configuration"
    on = "" if conclusion.judged_on == "unknown" else f" on {conclusion.judged_on}"
    result = f"{wording.named(study.objective)} {wording.level(study.objective, judged)}{on}"
    return wording.sentence(f"the best here, {name}, has {result}: {'; '.join(told)}")


def _own(study: StudyDefinition) -> tuple[str, str]:
    return study.dataset.name, study.objective


def _scaled(reference: Reference) -> float:
    return reference.value * metric_scale(reference.metric)


def _groups(near: Sequence[Reference], apart: float) -> Iterator[list[Reference]]:
    """In rising order, in runs of which each lies too close above the one before for its own label."""
    group = [near[0]]
    for each in near[1:]:
        if _scaled(each) - _scaled(group[-1]) >= apart * len(group):
            yield group
            group = []
        group.append(each)
    yield group
