"""The answer to a study's question, as far as its results establish one."""

from search.analysis import wording
from search.analysis.answers import answer
from search.analysis.caveats import caveats
from search.analysis.comparisons import compare
from search.analysis.entrants import Entrant
from search.analysis.findings import Comparison, Conclusion, Configuration, Level
from search.analysis.results import Results
from search.analysis.standing import is_settled, judged_by, levels, selecting, turned
from search.analysis.statistics import pooled_deviation


def conclude(results: Results) -> Conclusion:
    """What the study has found so far; docs/conclusions.md says how.

    Raises DifferentItems where its models were judged on different items or labels.
    """
    standing = levels(results)
    judged = judged_by(results)
    entrants = _entrants(results, standing) if is_settled(results) else []
    comparisons = compare(entrants, judged)
    confirmed = [level.configurations for level in standing]
    runs = [configuration for configurations in confirmed for configuration in configurations]
    return Conclusion(
        answer=answer(results, standing, comparisons, judged),
        stage=results.row.stage,
        judged_on=judged.split,
        items=judged.items,
        levels=standing,
        comparisons=comparisons,
        established=_beats_all(standing, comparisons),
        ties=_ties(standing, comparisons),
        noise=pooled_deviation([chosen.values for run in runs if (chosen := selecting(run)) is not None]),
        optimism=_optimism(results, runs),
        readings=len(results.readings),
        caveats=caveats(results, standing, judged),
    )


def _entrants(results: Results, standing: tuple[Level, ...]) -> list[Entrant]:
    entrants = []
    for level in standing:
        configuration = level.confirmed
        if configuration is not None and configuration.judged is not None:
            seen = [
                results.predictions[ticket] for ticket in configuration.tickets if ticket in results.predictions
            ]
            spoken = wording.spoken(level.values) or level.name
            entrants.append(Entrant(level.name, spoken, configuration.judged.values, tuple(seen)))
    return entrants


def _beats_all(standing: tuple[Level, ...], comparisons: tuple[Comparison, ...]) -> bool:
    with_best = _with_best(standing, comparisons)
    return bool(with_best) and all(
        found.distinguishable and found.better == standing[0].name for found in with_best
    )


def _ties(standing: tuple[Level, ...], comparisons: tuple[Comparison, ...]) -> tuple[str, ...]:
    return tuple(
        found.worse if found.better == standing[0].name else found.better
        for found in _with_best(standing, comparisons)
        if not found.distinguishable
    )


def _with_best(standing: tuple[Level, ...], comparisons: tuple[Comparison, ...]) -> list[Comparison]:
    return [found for found in comparisons if standing[0].name in (found.better, found.worse)]


def _optimism(results: Results, configurations: list[Configuration]) -> float | None:
    """Of the configuration that did best in the search, whose value was the luckiest."""
    if results.row.context.origin:
        return None
    fresh = [configuration for configuration in configurations if configuration.validation is not None]
    if not fresh:
        return None
    luckiest = max(fresh, key=lambda configuration: turned(results, configuration.searched))
    assert luckiest.validation is not None
    return turned(results, luckiest.searched) - turned(results, luckiest.validation.mean)
