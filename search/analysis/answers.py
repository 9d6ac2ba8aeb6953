"""The first sentence of a conclusion, and what must stand beside it."""

from collections.abc import Sequence

from search.analysis import wording
from search.analysis.entrants import Judged
from search.analysis.findings import Comparison, Configuration, Level, Spread
from search.analysis.results import Results
from search.analysis.standing import is_settled, turned
from search.analysis.trials import counted

_MOST_NAMED = 3  # of the levels that the best one beats


def answer(results: Results, levels: Sequence[Level], comparisons: Sequence[Comparison], judged: Judged) -> str:
    """What is established; where nothing is, why not."""
    if all(level.best is None for level in levels):
        return wording.sentence(f"nothing has finished yet: {counted(results.searched)}")
    best = levels[0]
    if not is_settled(results) or not best.confirmed or not best.confirmed.judged:
        return _of_the_search(results, levels)
    against = [found for found in comparisons if best.name in (found.better, found.worse)]
    claims = _compared(best, levels, against, judged) if against else _alone(levels, best.confirmed, judged)
    if results.row.context.origin:
        claims += _imported(results, levels, judged)
    return " ".join(claims)


def _compared(best: Level, levels: Sequence[Level], against: Sequence[Comparison], judged: Judged) -> list[str]:
    lost = [found for found in against if found.distinguishable and found.worse == best.name]
    beaten = [found for found in against if found.distinguishable and found.better == best.name]
    tied = [found for found in against if not found.distinguishable]
    spoken = {level.name: _spoken(level) for level in levels}
    claims = [found.sentence for found in lost]
    if lost:
        claims.append(wording.sentence(f"yet it is {spoken[best.name]} that was best on validation"))
    if len(beaten) == 1:
        claims.append(beaten[0].sentence)
    elif beaten:
        claims.append(_beats(best, spoken, beaten, levels, judged))
    if tied:
        nearest = min(tied, key=lambda found: found.difference)
        claims.append(nearest.sentence)
        others = [_other(found, best, spoken) for found in tied if found is not nearest]
        if others and nearest.p is None:
            claims.append(wording.sentence(f"nor is anything established of {_some(others)}"))
        elif others:
            claims.append(wording.sentence(f"nor can {_some(others)} be told from {spoken[best.name]}"))
    return claims


def _beats(
    best: Level,
    spoken: dict[str, str],
    beaten: Sequence[Comparison],
    levels: Sequence[Level],
    judged: Judged,
) -> str:
    nearest = sorted(beaten, key=lambda found: found.difference)
    named = [
        f"{spoken[found.worse]} by {wording.difference(judged.metric, found.difference, found.margin)} "
        f"({wording.p_value(found.p or 0.0)})"
        for found in nearest[:_MOST_NAMED]
    ]
    more = len(nearest) - len(named)
    others = [*named, f"{more} others by more"] if more > 1 else [*named, *(["another by more"] if more else [])]
    involved = [level for level in levels if level.name in {best.name, *(found.worse for found in beaten)}]
    runs = [len(level.confirmed.judged.values) for level in involved if level.confirmed and level.confirmed.judged]
    fewest = [min(runs)] if len(set(runs)) > 1 else runs
    at_least = "at least " if len(set(runs)) > 1 else ""
    return wording.sentence(
        f"{spoken[best.name]} beats {wording.listed(others)}; {at_least}{wording.seeds(fewest[0], fewest[0])}, "
        f"{wording.items(judged)}"
    )


def _alone(levels: Sequence[Level], chosen: Configuration, judged: Judged) -> list[str]:
    """One level was run again, or the study asks about none."""
    assert chosen.judged is not None
    result = wording.result(judged, chosen.judged)
    if len(levels) == 1:
        return [wording.sentence(f"{result}, with {wording.spoken(chosen.parameters)}")]
    name = _spoken(levels[0])
    return [wording.sentence(f"{name} alone was run again, and nothing is established against others: {result}")]


def _of_the_search(results: Results, levels: Sequence[Level]) -> str:
    """What one run of each configuration, the best of many, can tell."""
    metric = results.definition.objective
    searched = sorted(
        (level for level in levels if level.best is not None),
        key=lambda level: turned(results, level.best or 0.0),
        reverse=True,
    )
    best = searched[0]
    assert best.best is not None
    value = wording.level(metric, Spread((best.best,), best.best, None, None, None))
    trials = "a single run" if best.trials == 1 else f"the best of {best.trials:,} trials, each run once"
    if len(searched) > 1 and searched[1].best is not None:
        ahead = wording.difference(metric, abs(best.best - searched[1].best))
        lead = f"{_spoken(best)} leads {_spoken(searched[1])} by {ahead} on validation"
    else:
        lead = f"{wording.named(metric)} {value} on validation"
    verdict = f"the search alone can't tell: {lead}, but that is {trials}"
    return wording.sentence(f"{verdict}{_under_way(results)}")


def _under_way(results: Results) -> str:
    if is_settled(results) or not results.confirmed:
        return ""
    ended = sum(record.state not in ("waiting", "running") for record in results.confirmed)
    return f"; fresh runs of the best are under way, {ended} of {len(results.confirmed)} done"


def _imported(results: Results, levels: Sequence[Level], judged: Judged) -> list[str]:
    """How the values of a table came to be compared."""
    origin = results.row.context.origin
    assert origin is not None
    claims = []
    counts = [len(level.configurations) for level in levels if level.configurations]
    if max(counts) > 1:
        best_of = f"{min(counts)}" if len(set(counts)) == 1 else f"{min(counts)} to {max(counts)}"
        where = "images" if judged.split == "unknown" else f"{judged.split} images"
        claims.append(f"Each is the best of {best_of} configurations, chosen on the same {where} that judge it.")
    if len(levels) == 2 and (cells := _cells(levels)):
        ahead = sum(turned(results, first) > turned(results, second) for first, second in cells)
        lead = f"{_spoken(levels[0])} leads in {ahead} of {len(cells)} pairs that are otherwise alike"
        claims.append(wording.sentence(f"{lead}, but all of them share these images"))
    return [*claims, *origin.notes[:1]]


def _cells(levels: Sequence[Level]) -> list[tuple[float, float]]:
    """Means of the two levels' configurations that differ in nothing else."""
    first, second = (
        {
            tuple((name, value) for name, value in sorted(run.parameters.items()) if name not in level.values): run
            for run in level.configurations
        }
        for level in levels
    )
    return [
        (first[rest].judged.mean, second[rest].judged.mean)  # type: ignore[union-attr]
        for rest in first
        if rest and rest in second
    ]


def _other(found: Comparison, best: Level, spoken: dict[str, str]) -> str:
    return spoken[found.worse if found.better == best.name else found.better]


def _some(names: Sequence[str]) -> str:
    return wording.listed([*names]) if len(names) <= _MOST_NAMED else f"{len(names)} others"


def _spoken(level: Level) -> str:
    return wording.spoken(level.values) or level.name
