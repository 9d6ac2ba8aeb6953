"""Where in the search space something happens."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from search.analysis.axes import is_numeric, shown
from search.analysis.statistics import LEVEL
from search.analysis.wording import named
from search.store.records import TrialRecord
from search.study import StudyDefinition
from search.study.yaml_source import Scalar

_MOST_CUTS = 10  # places at which a parameter's values are divided

Flags = NDArray[np.bool_]  # (trials,)


@dataclass(frozen=True)
class Region:
    """Part of a parameter's values, such as `learning rate of 3.2e-3 or more`; inside: (trials,)."""

    words: str
    inside: Flags


def region(study: StudyDefinition, trials: Sequence[TrialRecord], happened: Flags) -> Region | None:
    """Where it happens more than elsewhere, as Fisher's exact test, corrected for the regions tried, tells.

    None where no part stands out.
    """
    candidates = [found for name in study.space for found in _parts(study, name, trials)]
    if not candidates or not happened.any():
        return None
    p_values = [_fisher(found.inside, happened) for found in candidates]
    least = int(np.argmin(p_values))
    return candidates[least] if p_values[least] * len(candidates) < LEVEL else None


def counted(happened: Flags, where: Region) -> str:
    """`12 of 14 trials with a learning rate of 3.2e-3 or more, 1 of 40 elsewhere`."""
    inside, outside = happened[where.inside], happened[~where.inside]
    return (
        f"{inside.sum()} of {len(inside)} trials with {where.words}, {outside.sum()} of {len(outside)} elsewhere"
    )


def _parts(study: StudyDefinition, name: str, trials: Sequence[TrialRecord]) -> Iterator[Region]:
    values = [trial.parameters[name] for trial in trials]
    if not is_numeric(study.space[name]):
        for choice in dict.fromkeys(values):
            yield Region(f"{named(name)} {shown(choice)}", np.array([value == choice for value in values]))
        return
    numbers = np.array(values, dtype=np.float64)
    distinct: list[Scalar] = sorted(set(values))
    for cut in distinct[1 :: math.ceil(len(distinct) / _MOST_CUTS)]:
        yield Region(f"{named(name)} of {shown(cut)} or more", numbers >= float(cut or 0))
        yield Region(f"{named(name)} below {shown(cut)}", numbers < float(cut or 0))


def _fisher(inside: Flags, happened: Flags) -> float:
    table = [
        [np.sum(inside & happened), np.sum(inside & ~happened)],
        [np.sum(~inside & happened), np.sum(~inside & ~happened)],
    ]
    return float(stats.fisher_exact(table, alternative="greater").pvalue)
