"""The pruning audit: what pruners would have saved of a study, and which winners they would have killed."""

from collections.abc import Iterator, Sequence

from search.analysis.findings import HealthWarning
from search.analysis.pruning import Audit, Correlation, Killed, Replay, pruner_words
from search.analysis.replay import Pruner, stops
from search.analysis.results import Results
from search.analysis.search_health import run_noise
from search.analysis.wording import sentence
from search.store.records import TrialRecord
from search.study.definition import Hyperband, Median, NoPruner
from search.tasks import turned

FEW = 10  # full curves, below which nothing is recommended
AGREES = 0.9  # rank correlation from which the order of trials counts as that of the end
_MOST_REPLAYED = 300  # tickets of which pruning is replayed within a second; `audit` takes any number
_WORTH = 0.05  # share of epochs that a pruner must save to be worth it


def audit(results: Results) -> Audit:
    """Replays the study's pruner, the median and Hyperband over the learning curves of all that has ended."""
    full, cut = _full(results), _cut(results)
    winners = _winners(results, full)
    epochs = max((max(record.curve) for record in full), default=0)
    pruners = list(_pruners(results.definition.pruner, epochs)) if full else []
    replays = tuple(_replay(results, [*full, *cut], winners, pruner) for pruner in pruners)
    correlations = tuple(_correlations(full))
    return Audit(
        full=len(full),
        cut=len(cut),
        winners=tuple(record.ticket for record in winners if record.stage == "search"),
        noise=run_noise(results),
        replays=replays,
        correlations=correlations,
        recommendation=_recommendation(full, replays, correlations, epochs),
        caveats=tuple(_caveats(results, cut)),
    )


def own_replay(results: Results) -> Replay | None:
    """What the study's own pruner does to its winners; None where it has none, or no full curve is known."""
    full, pruner = _full(results), results.definition.pruner
    if isinstance(pruner, NoPruner) or not full:
        return None
    return _replay(results, [*full, *_cut(results)], _winners(results, full), pruner)


def killed_winners(results: Results) -> Iterator[HealthWarning]:
    """The study's own pruner would have stopped its winners, had they come once more."""
    if len(results.records) > _MOST_REPLAYED:
        return
    replay = own_replay(results)
    if replay is None or replay.is_safe:
        return
    first = replay.killed[0]
    run = f"a fresh run, trial {first.ticket}," if first.stage == "confirm" else f"trial {first.ticket}"
    yield HealthWarning(
        kind="pruner",
        message=sentence(f"{pruner_words(replay.pruner)}: this pruner stops runs that would have won"),
        evidence=sentence(
            f"replayed over the learning curves, it stops {len(replay.killed)} of {replay.winners} runs of the "
            f"search's winners, such as {run} after epoch {first.epoch}; see `search audit {results.row.name}`"
        ),
    )


def _full(results: Results) -> list[TrialRecord]:
    """What was trained to its end, epoch by epoch."""
    trained = (*results.searched, *results.confirmed)
    return [record for record in trained if record.state == "complete" and len(record.curve) > 1]


def _cut(results: Results) -> list[TrialRecord]:
    return [record for record in results.searched if record.state in ("pruned", "failed") and record.curve]


def _winners(results: Results, full: Sequence[TrialRecord]) -> list[TrialRecord]:
    """The search's best trials, and the fresh runs of their configurations."""
    searched = [record for record in full if record.stage == "search"]
    if not searched:
        return []
    worth = {record.ticket: turned(results.definition.objective, _value(record)) for record in searched}
    least = max(worth.values()) - (run_noise(results) or 0.0)
    winners = [record for record in searched if worth[record.ticket] >= least]
    winners.sort(key=lambda record: worth[record.ticket], reverse=True)
    tickets = {record.ticket for record in winners}
    return winners + [record for record in full if record.source in tickets]


def _value(record: TrialRecord) -> float:
    assert record.value is not None  # complete trials have one
    return record.value


def _pruners(own: Pruner, epochs: int) -> Iterator[Pruner]:
    """The study's own first, then the two there are with a third, a ninth... of the epochs untouched."""
    if not isinstance(own, NoPruner):
        yield own
    for power in range(1, 4):
        least = epochs // 3**power
        if least >= 1:
            for pruner in (
                Median(name="median", startup_trials=5, warmup_epochs=least, interval=1),
                Hyperband(name="hyperband", min_resource=least, max_resource=epochs, reduction_factor=3),
            ):
                if pruner != own:
                    yield pruner


def _replay(
    results: Results, records: Sequence[TrialRecord], winners: Sequence[TrialRecord], pruner: Pruner
) -> Replay:
    stopped = stops(results.definition, records, pruner)
    full = [record for record in records if record.state == "complete"]
    ends = [(record.curve, stopped.get(record.ticket)) for record in full]
    spared = sum(epoch > end for curve, end in ends if end is not None for epoch in curve)
    return Replay(
        pruner=pruner.model_dump(),
        own=pruner == results.definition.pruner,
        stopped=sum(record.ticket in stopped for record in full),
        saved=spared / sum(len(record.curve) for record in full),
        killed=tuple(
            Killed(record.ticket, record.stage, stopped[record.ticket], _value(record))
            for record in winners
            if record.ticket in stopped
        ),
        winners=len(winners),
    )


def _correlations(full: Sequence[TrialRecord]) -> Iterator[Correlation]:
    from scipy.stats import spearmanr

    for epoch in sorted({epoch for record in full for epoch in record.curve}):
        pairs = [(record.curve[epoch], _value(record)) for record in full if epoch in record.curve]
        if len(pairs) >= 3 and all(len(set(values)) > 1 for values in zip(*pairs, strict=True)):
            rank = spearmanr(*zip(*pairs, strict=True)).statistic
            yield Correlation(epoch, float(rank), len(pairs))


def _recommendation(
    full: Sequence[TrialRecord], replays: Sequence[Replay], correlations: Sequence[Correlation], epochs: int
) -> str:
    if not full:
        return "No complete trial has a learning curve of more than one epoch: there is nothing to replay."
    if len(full) < FEW:
        return (
            f"Of {len(full)} full learning curves nothing can be said about the next study: {FEW} are the least. "
            "Train some without a pruner."
        )
    safe = [replay for replay in replays if replay.is_safe and replay.saved >= _WORTH]
    agreed = _agreed(correlations)
    ranks = (
        f"From epoch {agreed} on the order of trials is about the final one (rank correlation {AGREES} or above). "
        if agreed is not None and agreed < epochs
        else f"At no epoch before the last is the order of trials about the final (rank correlation {AGREES}). "
    )
    if not safe:
        return (
            f"{ranks}Take pruner none: no other would have saved {_WORTH:.0%} of the epochs and left nearly all "
            "winners of this study."
        )
    best = max(safe, key=lambda replay: replay.saved)
    left = f"{best.winners - len(best.killed)} of {best.winners} winners" if best.winners > 1 else "the winner"
    return (
        f"{ranks}For a study like this one, take {pruner_words(best.pruner)}: it would have left {left} "
        f"and saved {best.saved:.0%} of the epochs."
    )


def _agreed(correlations: Sequence[Correlation]) -> int | None:
    """The first epoch from which all correlations are high."""
    agreed = None
    for correlation in reversed(correlations):
        if correlation.rank < AGREES:
            break
        agreed = correlation.epoch
    return agreed


def _caveats(results: Results, cut: Sequence[TrialRecord]) -> Iterator[str]:
    yield "Trials are replayed one after another, though workers trained them side by side."
    own = results.definition.pruner
    if cut and not isinstance(own, NoPruner):
        yield (
            f"{len(cut)} curves end early, for the search was pruned: what they would have come to is not known, "
            f"so every number here favours the pruner that chose the survivors, {own.name}."
        )
