"""The account of a study, as tables of texts: on what it was done, what it took, and what became of it."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from statistics import fmean
from typing import Any

from search.analysis import quantities
from search.analysis.axes import shown, words
from search.analysis.evidence import Table, best_epoch, seconds_to_best, without_empty_columns
from search.analysis.findings import Conclusion
from search.analysis.quantities import ABSENT
from search.analysis.results import Results
from search.analysis.searched import written
from search.analysis.trials import STATES
from search.analysis.wording import listed, sentence, spoken
from search.store.records import TrialRecord
from search.study.definition import DatasetSection

STAGES = {"search": "search", "confirm": "fresh runs", "conclude": "reading the judging split"}

_MOST_EPOCHS = 8  # at which trials were pruned, named one by one
_MOST_NAMED = 8  # trials of one reason, named one by one
_LONGEST_REASON = 300  # characters


def spent(results: Results) -> Table:
    """What each stage took, and all of them together."""
    stages = [
        (name, records)
        for stage, name in STAGES.items()
        if (records := [record for record in results.records if record.stage == stage])
    ]
    rows = [_spent(name, records) for name, records in stages]
    if len(rows) > 1:
        rows.append(_spent("all", results.records))
    columns = ("stage", *STATES, "epochs", "device time", "from", "to")
    return without_empty_columns(Table(columns, tuple(rows)))


def seconds(records: Iterable[TrialRecord]) -> float:
    """Device time: of their epochs, or of the whole ticket where it has none because it only reads a split."""
    return sum(_seconds(record) for record in records)


def time_to_best(results: Results, conclusion: Conclusion) -> str:
    """When the runs of the best configuration were at their best, in words; empty before the first such run."""
    chosen = conclusion.levels[0].confirmed if conclusion.levels else None
    if chosen is None or not chosen.tickets or results.row.context.origin is not None:
        return ""
    runs = [record for record in results.confirmed if record.ticket in chosen.tickets and record.curve]
    epochs = sorted(best_epoch(results, record) for record in runs)
    times = sorted(seconds_to_best(results, record) for record in runs)
    whole = quantities.hours(fmean(record.seconds for record in runs))
    took = quantities.hours(fmean(times))
    if len(runs) == 1:
        when = f"after {quantities.counted(epochs[0], 'epoch')}, which took {took}"
    else:
        fastest, slowest = quantities.hours(times[0]), quantities.hours(times[-1])
        when = (
            f"after {fmean(epochs):.1f} epochs on average ({epochs[0]} to {epochs[-1]}), which took {took} "
            f"({fastest} to {slowest})"
        )
    name = spoken(conclusion.levels[0].values) or "the configuration"
    return sentence(f"fresh runs of {name} were at their best {when}; a whole run took {whole}")


def pruning(results: Results) -> str:
    """How many trials of the search the pruner stopped, and when, in words."""
    pruned = [record for record in results.searched if record.state == "pruned" and not record.is_infeasible]
    if not pruned:
        return "No trial was stopped early by the pruner."
    epochs = Counter(max(record.curve, default=0) for record in pruned)
    if len(epochs) <= _MOST_EPOCHS:
        when = listed([f"{count} after epoch {epoch}" for epoch, count in sorted(epochs.items())])
    else:
        order = sorted(epochs.elements())
        when = f"after epochs {order[0]} to {order[-1]}, half of them by epoch {order[len(order) // 2]}"
    return f"{quantities.counted(len(pruned), 'trial')} of {len(results.searched):,} stopped early: {when}."


def failures(results: Results) -> Table:
    """Why trials failed or diverged, a row for each reason, the most frequent first."""
    by_reason: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    for record in results.records:
        if record.is_infeasible:
            state = "failed" if record.state == "failed" else "diverged"
            by_reason[state, _last_line(record.reason)].append(record.ticket)
    rows = [
        (state, reason, f"{len(tickets):,}", _some(tickets))
        for (state, reason), tickets in sorted(by_reason.items(), key=lambda pair: -len(pair[1]))
    ]
    return Table(("", "reason", "how many", "trials"), tuple(rows))


def data(results: Results) -> Table:
    """Which data set, prepared how."""
    section, row = results.definition.dataset, results.row
    rows = [("data set", section.name), ("image size (pixels)", str(section.image_size))]
    if row.context.origin is None:
        rows += [
            ("validation items with a label", f"{row.validation_items:,}"),
            ("share of training carved off for validation", shown(section.validation_share)),
            ("seed of that carving", str(section.split_seed)),
            *((words(name), written(value)) for name, value in section.options.items()),
            *_beside(section),
            ("fingerprint", row.data_fingerprint),
        ]
    return Table(("", ""), tuple(rows))


def _beside(section: DatasetSection) -> Iterator[tuple[str, str]]:
    """The frozen network that gives the features, and the data sets beside the study's own."""
    if section.features is not None:
        yield "features", _with_arguments(section.features.name, section.features.arguments)
    for companion in section.also:
        use = {"both": "trained on and tested", "train": "trained on", "test": "tested"}[companion.use]
        named = companion.name if companion.called == companion.name else f"{companion.called} ({companion.name})"
        yield f"also {use}", _with_arguments(named, companion.options)


def _with_arguments(name: str, arguments: Mapping[str, Any]) -> str:
    return ", ".join([name, *(f"{words(key)} {written(value)}" for key, value in arguments.items())])


def splits(results: Results) -> Table:
    """The splits of the data, each with a hash of its items and labels."""
    there = results.row.context.splits.items()
    return Table(("split", "items", "hash"), tuple((name, f"{each.items:,}", each.hash) for name, each in there))


def readings(results: Results) -> Table:
    """Every time that a model was shown the split that judges."""
    rows = [
        (quantities.moment(each.at), f"{each.ticket}", f"{each.attempt}", each.worker, each.outcome or "under way")
        for each in results.readings
    ]
    return Table(("when", "model of trial", "attempt", "by worker", "outcome"), tuple(rows))


def versions(results: Results) -> Table:
    """What the study was registered with."""
    row = results.row
    rows = [
        ("search", row.code_version),
        *row.context.versions.items(),
        ("hash of the definition", row.definition.hash),
    ]
    return Table(("", ""), tuple(rows))


def seeds(results: Results) -> str:
    """The seeds of the data split and of the runs, in words."""
    if results.row.context.origin is not None:
        return "not known."
    study = results.definition
    parts = [f"the data split {study.dataset.split_seed}", f"the study {study.seed}"]
    for name, records in (("trials of the search", results.searched), ("fresh runs", results.confirmed)):
        drawn = sorted({record.seed for record in records})
        if drawn:
            parts.append(f"{name} {_some(drawn, of='seeds')}")
    return f"{listed(parts)}."


def _spent(name: str, records: Sequence[TrialRecord]) -> tuple[str, ...]:
    counts = Counter(record.state for record in records)
    begun = [record.started_at for record in records if record.started_at]
    ended = [record.finished_at for record in records if record.finished_at]
    return (
        name,
        *(f"{counts[state]:,}" if counts[state] else ABSENT for state in STATES),
        f"{sum(len(record.curve) for record in records):,}",
        quantities.hours(seconds(records)),
        quantities.moment(min(begun, default=None)),
        quantities.moment(max(ended, default=None)),
    )


def _seconds(record: TrialRecord) -> float:
    if record.epochs or record.started_at is None or record.finished_at is None:
        return record.seconds
    return (record.finished_at - record.started_at).total_seconds()


def _last_line(reason: str | None) -> str:
    line = "".join((reason or "").strip().splitlines()[-1:]) or "no reason given"
    return line if len(line) <= _LONGEST_REASON else f"{line[: _LONGEST_REASON - 1]}…"


def _some(numbers: Sequence[int], of: str = "") -> str:
    """The numbers, the first of them where there are many."""
    text = ", ".join(map(str, numbers[:_MOST_NAMED]))
    return text if len(numbers) <= _MOST_NAMED else f"{text} and {len(numbers) - _MOST_NAMED:,} more {of}".strip()
