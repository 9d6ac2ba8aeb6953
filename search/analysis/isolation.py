"""The isolation plot: what the study asks about, with everything else tuned."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from search.analysis import look, references
from search.analysis.axes import metric_label, metric_scale, parameter_axis, words
from search.analysis.findings import Level, Spread
from search.analysis.levels import LevelKey, by_level, level_of, scientific
from search.analysis.trials import best_so_far, described, named, ranked, valued
from search.store.records import TrialRecord
from search.study import StudyDefinition

_APART = 0.2  # of the distance between levels: how far the groups of one level stand apart
_TICKS = 60  # characters beside each other under the plot


def isolation(
    study: StudyDefinition,
    searched: Sequence[TrialRecord],
    levels: Sequence[Level],
    *,
    on: str | None = "validation",
    judged_on: str = "test",
) -> go.Figure | None:
    """For each level of the scientific parameters its best trial, and the fresh runs of what was chosen of it.

    searched: the trials of the search. levels: of the study's conclusion. on: the split that the objective was
    measured on; judged_on: the one that judges. Each fresh run is a point; their mean has its 95 % interval.

    None where there is neither a second level nor a fresh run.
    """
    axes = {name: parameter_axis(name, study.space[name]) for name in scientific(study)}
    ordered = sorted(levels, key=lambda level: [axis.position(level.values[name]) for name, axis in axes.items()])
    confirmed = any(level.confirmed and level.confirmed.validation for level in ordered)
    if not confirmed and (len(ordered) < 2 or not ranked(study, searched)):
        return None
    places = {level_of(study, level.values): float(i) for i, level in enumerate(ordered)}
    figure = go.Figure(_trials(study, searched, places, on))
    runs = [[level.confirmed.validation if level.confirmed else None for level in ordered]]
    if judged_on != on:
        runs.append([level.confirmed.judged if level.confirmed else None for level in ordered])
    for i, (spreads, split) in enumerate(zip(runs, (on, judged_on), strict=False)):
        if any(spreads):
            colour = (look.MEDIAN, look.SERIES[2])[i]
            shift = _APART * (i + 1 - len(runs) / 2)
            figure.add_traces(_runs(study, spreads, f"seeds, {split}", shift, colour))
    figure.update_xaxes(_across(study, ordered))
    figure.update_yaxes(
        title_text=look.wrapped(metric_label(study.objective, None if any(runs[-1]) else on), 44),
        range=_up(study, figure, ranked(study, searched)),
    )
    fresh = "; fresh runs differ in their seed: means with 95 % intervals" if confirmed else ""
    caption = f"{study.name} · the best of each value of {_asked(study)}{fresh}{references.beside(figure, study)}"
    look.dress(figure, study.question, caption, above=48)
    return figure


def _trials(
    study: StudyDefinition, searched: Sequence[TrialRecord], places: Mapping[LevelKey, float], on: str | None
) -> list[go.Scatter]:
    """All trials of the search, faint, and the best of each level."""
    groups: dict[str, list[TrialRecord]] = {"trials": [], "best trial": []}
    for trials in by_level(study, searched).values():
        valued = [record for record, _ in ranked(study, trials)]
        groups["trials"] += valued
        groups["best trial"] += valued[:1]
    marks: list[dict[str, Any]] = [
        {"symbol": "circle", "size": 4, "color": look.GREY},
        {"symbol": "star", "size": 12, "color": look.BEST},
    ]
    return [
        go.Scatter(
            x=np.array([places[level_of(study, record.parameters)] - _APART for record in group], np.float32),
            y=np.array([best_so_far(study, record) for record in group], dtype=np.float32),
            mode="markers",
            marker=mark,
            name=name,
            text=[f"{named(record)}<br>{look.escaped(described(study, record))}" for record in group]
            if name != "trials"
            else None,
            customdata=np.array([record.ticket for record in group], dtype=np.int32),
            hovertemplate="%{text}<br>%{y:.4g}<extra></extra>"
            if name != "trials"
            else "trial %{customdata}: %{y:.4g}<extra></extra>",
        )
        for (name, group), mark in zip(groups.items(), marks, strict=True)
        if group
    ]


def _runs(
    study: StudyDefinition, spreads: Sequence[Spread | None], name: str, shift: float, colour: str
) -> list[go.Scatter]:
    """The runs of each level as points, and their means with intervals."""
    scale = metric_scale(study.objective)
    known = [(i + shift, spread) for i, spread in enumerate(spreads) if spread]
    points = [(x, value) for x, spread in known for value in spread.values]
    means = [(x, spread.mean, (spread.high or spread.mean) - spread.mean) for x, spread in known]
    shared = {"legendgroup": name, "name": look.escaped(name), "mode": "markers"}
    return [
        go.Scatter(
            x=np.array([x for x, _ in points], dtype=np.float32),
            y=scale * np.array([value for _, value in points], dtype=np.float32),
            marker={"symbol": "circle-open", "size": 6, "color": colour},
            hovertemplate="%{y:.4g}<extra></extra>",
            **shared,
            showlegend=False,
        ),
        go.Scatter(
            x=np.array([x + 0.06 for x, _, _ in means], dtype=np.float32),
            y=scale * np.array([mean for _, mean, _ in means], dtype=np.float32),
            error_y={
                "array": scale * np.array([half for _, _, half in means], dtype=np.float32),
                "width": 5,
                "thickness": 1.5,
                "color": colour,
            },
            marker={"symbol": "line-ew", "size": 12, "line": {"width": 3, "color": colour}},
            hovertemplate="mean %{y:.4g}<extra></extra>",
            **shared,
        ),
    ]


def _across(study: StudyDefinition, levels: Sequence[Level]) -> dict[str, Any]:
    texts = [valued(level.values) or "the configuration" for level in levels]
    return {
        "title": {"text": look.wrapped(_asked(study), 44)},
        "tickvals": [*range(len(levels))],
        "ticktext": [look.escaped(text) for text in texts],
        "tickangle": -35 if sum(map(len, texts)) > _TICKS else 0,
        "range": [-0.6, len(levels) - 0.4],
    }


def _asked(study: StudyDefinition) -> str:
    return " · ".join(map(words, scientific(study))) or "nothing in particular"


def _up(study: StudyDefinition, figure: go.Figure, ranking: Sequence[tuple[TrialRecord, float]]) -> list[float]:
    """The axis's range: what is compared fills half of it; worse trials may lie outside."""
    shown_values = np.concatenate(
        [
            np.concatenate(
                [
                    trace.y - (trace.error_y.array if trace.error_y.array is not None else 0),
                    trace.y + (trace.error_y.array if trace.error_y.array is not None else 0),
                ]
            )
            for trace in figure.data
            if trace.name != "trials"
        ]
    )
    low, high = float(shown_values.min()), float(shown_values.max())
    reach = (high - low) or 0.02 * metric_scale(study.objective)
    worst = ranking[-1][1] if ranking else low
    if study.direction == "maximize":
        return [max(low - reach, min(worst, low)) - 0.06 * reach, high + 0.08 * reach]
    return [low - 0.08 * reach, min(high + reach, max(worst, high)) + 0.06 * reach]
