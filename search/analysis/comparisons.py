"""Every configuration against every other, on the same items."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np

from search.analysis import statistics, wording
from search.analysis.entrants import Entrant, Judged
from search.analysis.findings import Comparison
from search.analysis.luck import Luck, luck
from search.analysis.measures import digest
from search.analysis.resampling import resample
from search.errors import DifferentItems


def compare(entrants: Sequence[Entrant], judged: Judged) -> tuple[Comparison, ...]:
    """All pairs, those of the first entrant first, with p-values corrected for the number of pairs.

    Either all entrants come with predictions or none does. Raises DifferentItems where these are of different
    items or labels, for then nothing is paired.
    """
    runs = [run for entrant in entrants for run in entrant.predictions]
    digests = {entrant.spoken: digest(run, judged.metric) for entrant in entrants for run in entrant.predictions}
    if len({digest(run, judged.metric) for run in runs}) > 1:
        raise DifferentItems(digests)
    resampled = resample(runs, judged.metric) if runs else None
    ends = np.cumsum([len(entrant.predictions) for entrant in entrants]).tolist()
    places = [[*range(end - len(entrant.predictions), end)] for entrant, end in zip(entrants, ends, strict=True)]
    pairs = [_better_first(entrants, i, j, judged) for i, j in combinations(range(len(entrants)), 2)]
    lucks = [luck(entrants[i], entrants[j], judged, resampled, [places[i], places[j]]) for i, j in pairs]
    corrected = iter(statistics.holm([found.p for found in lucks if found.p is not None]))
    return tuple(
        _comparison(
            entrants[i], entrants[j], found, None if found.p is None else next(corrected), judged, len(pairs)
        )
        for (i, j), found in zip(pairs, lucks, strict=True)
    )


def _better_first(entrants: Sequence[Entrant], i: int, j: int, judged: Judged) -> tuple[int, int]:
    means = [np.mean(entrants[k].turned(judged.metric)) for k in (i, j)]
    return (i, j) if means[0] >= means[1] else (j, i)


def _comparison(
    better: Entrant, worse: Entrant, found: Luck, p: float | None, judged: Judged, pairs: int
) -> Comparison:
    shown = p is not None and p < statistics.LEVEL
    seeds = None if shown or p is None else found.seeds_needed(pairs)
    comparison = Comparison(
        better=better.name,
        worse=worse.name,
        difference=found.difference,
        margin=found.margin,
        p_seeds=found.p_seeds,
        p_items=found.p_items,
        items_test=found.items_test,
        p=p,
        effect=statistics.hedges_g(better.turned(judged.metric), worse.turned(judged.metric)),
        distinguishable=shown,
        seeds_needed=None if seeds is None else max(seeds, min(better.runs, worse.runs) + 1),
        sentence="",
    )
    words = wording.compared(
        comparison, better, worse, judged, variance=found.items, factor=found.items_factor(pairs)
    )
    return replace(comparison, sentence=words)
