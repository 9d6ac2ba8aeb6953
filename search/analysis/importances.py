"""Importances: which parameters decide whether a trial is among the best."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import optuna
import plotly.graph_objects as go
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.storages import InMemoryStorage
from optuna.study import StudyDirection

from search.analysis import look
from search.analysis.axes import words
from search.analysis.trials import ENDED, ranked, started
from search.store.records import TrialRecord
from search.store.studies import distributions
from search.study import StudyDefinition

FEWEST = 20  # trials; of fewer, one that was lucky decides
_MANY, _ROW = 8, 36  # parameters, from which on each has a row of so many pixels
_TOP = 5  # trials at least that are among the best, as the method asks for


def importances(study: StudyDefinition, records: Sequence[TrialRecord]) -> dict[str, float]:
    """The weight of each parameter, from the largest, summing to 1; empty where too few trials have ended.

    A weight says how much a parameter's values differ between the trials among the best and all trials: PED-ANOVA,
    Watanabe et al. 2023, https://arxiv.org/abs/2304.10255. Trials that were pruned count with their best epoch,
    infeasible ones without an epoch as the worst.
    """
    ended = [record for record in started(records) if record.state in ENDED]
    valued = ranked(study, ended)
    if len(ended) < FEWEST or not valued:
        return {}
    values = {record.ticket: value for record, value in valued}
    worst = valued[-1][1]
    space = distributions(study)
    # In memory, without a target: Optuna then knows which way is better.
    memory = InMemoryStorage()
    memory.create_new_study([StudyDirection[study.direction.upper()]], "copy")
    copy = optuna.load_study(study_name="copy", storage=memory)
    copy.add_trials(
        [
            optuna.create_trial(
                value=values.get(record.ticket, worst), params=record.parameters, distributions=space
            )
            for record in ended
        ]
    )
    evaluator = PedAnovaImportanceEvaluator(target_quantile=_share(len(ended)))
    return get_param_importances(copy, evaluator=evaluator)


def importance_bars(study: StudyDefinition, weights: Mapping[str, float], trials: int) -> go.Figure | None:
    """The weights as bars, coloured by role; None without any. trials: how many there are of the search."""
    if not weights:
        return None
    names = [*weights][::-1]
    figure = go.Figure()
    for role, colour in (("scientific", look.BEST), ("nuisance", look.MEDIAN)):
        chosen = [i for i, name in enumerate(names) if study.space[name].role == role]
        if chosen:
            figure.add_bar(
                x=np.array([weights[names[i]] for i in chosen], dtype=np.float32),
                y=chosen,
                orientation="h",
                width=0.7,
                marker={"color": colour},
                name=role,
                texttemplate="%{x:.2f}",
                textposition="outside",
                cliponaxis=False,
                hoverinfo="skip",
            )
    figure.update_xaxes(title_text="importance (share of all)", range=[0, max(weights.values()) * 1.08])
    figure.update_yaxes(
        tickvals=[*range(len(names))],
        ticktext=[look.wrapped(words(name), 24) for name in names],
        range=[-0.6, len(names) - 0.4],
    )
    if len(names) > _MANY:
        figure.update_layout(height=_ROW * len(names) + 150)
    best = f"the best {100 * _share(trials):.0f} %"
    caption = f"{study.name} · what decides whether a trial is among {best} (PED-ANOVA)"
    look.dress(figure, study.question, caption, above=48)
    return figure


def _share(trials: int) -> float:
    """The share of the trials that are among the best."""
    return max(0.1, math.ceil(100 * _TOP / max(trials, FEWEST)) / 100)
