"""What a conclusion rests on, as tables of texts: reports and papers show the same ones."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

from search.analysis import quantities
from search.analysis.axes import shown, words
from search.analysis.findings import Comparison, Conclusion, Configuration, Level, Spread
from search.analysis.quantities import ABSENT
from search.analysis.results import Results
from search.analysis.trials import ranked
from search.analysis.wording import listed
from search.store.records import TrialRecord
from search.store.trials import Parameters
from search.tasks import turned

MOST_TRIALS = 10  # of the search, listed one by one
_BEST_EPOCH = ("best epoch", "time until then")

_NUMBER = re.compile(rf"{ABSENT}|(< ?)?-?\d[\d,.]*(e-?\d+)?( (±|\(|h|min|s).*)?( \[.*)?")


@dataclass(frozen=True)
class Table:
    """A table of plain texts, which whoever shows it escapes.

    columns: the heading, each empty where there is none. notes: sentences below it.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()

    @property
    def has_heading(self) -> bool:
        return any(self.columns)

    @property
    def numeric(self) -> tuple[bool, ...]:
        """Which columns hold numbers, to be aligned on their right."""
        return tuple(
            any(cell != ABSENT for cell in column) and all(_NUMBER.fullmatch(cell) for cell in column)
            for column in zip(*self.rows, strict=True)
        )


def levels(results: Results, conclusion: Conclusion) -> Table:
    """A row for each scientific value: its trials, the best of them, and its confirmed configuration."""
    metric = results.definition.objective
    amount, spread = partial(quantities.amount, metric), partial(quantities.spread, metric)
    unit = quantities.unit(metric)
    columns: dict[str, Callable[[Level], str]] = {
        "value": lambda level: level.name,
        "trials": _trials,
        f"best trial{_on(results.searched_on)}{unit}": lambda level: amount(level.best),
        "run with": lambda level: _of(level, lambda chosen: _others(chosen.parameters, level.values)),
        "runs": lambda level: _of(level, _runs),
        f"runs on validation{unit}": lambda level: _of(level, lambda chosen: spread(chosen.validation)),
    }
    if conclusion.judged_on != "validation":
        column = f"runs{_on(conclusion.judged_on)}{unit}"
        columns[column] = lambda level: _of(level, lambda chosen: spread(chosen.judged))
    rows = [tuple(write(level) for write in columns.values()) for level in conclusion.levels]
    return without_empty_columns(Table(tuple(columns), tuple(rows), tuple(_notes(metric, conclusion.levels))))


def comparisons(results: Results, conclusion: Conclusion) -> Table:
    """A row for each comparison of two scientific values, with the tests it rests on."""
    metric = results.definition.objective
    unit = quantities.difference_unit(metric)
    rows = [_comparison(metric, each) for each in conclusion.comparisons]
    tests = sorted({each.items_test for each in conclusion.comparisons if each.items_test})
    over = "" if conclusion.judged_on == "unknown" else f"{conclusion.judged_on} "
    notes = {
        "difference": "Difference of the means ± half its 95 % interval.",
        "p over seeds": "p over seeds: Welch's t test.",
        "p over items": f"p over {over}items: {listed(tests)}." if tests else "",
        "p, corrected": f"p, corrected: {_corrected(len(rows))}; below 0.05 the two can be told apart.",
        "Hedges' g": "Hedges' g: the difference in units of the spread over seeds.",
    }
    difference = f"difference ({unit})" if unit else "difference"
    tested = ("p over seeds", "p over items", "p, corrected", "Hedges' g", "told apart", "seeds needed")
    table = without_empty_columns(Table(("better", "worse", difference, *tested), tuple(rows)))
    kept = [note for column, note in notes.items() if column in table.columns or column == "difference"]
    return replace(table, notes=tuple(kept if any("±" in row[2] for row in rows) else kept[1:]))


def runs(results: Results, conclusion: Conclusion) -> Table:
    """A row for each complete run that the conclusion rests on, with its seed."""
    metric = results.definition.objective
    records = {record.ticket: record for record in results.records}
    known = results.row.context.origin is None
    same = conclusion.judged_on == "validation"
    rows = [
        (
            level.name,
            _others(chosen.parameters, level.values),
            str(ticket),
            str(records[ticket].seed) if known else ABSENT,
            *(_best_epoch_and_time(results, records[ticket]) if known else (ABSENT, ABSENT)),
            quantities.amount(metric, _nth(chosen.validation, i)),
            *([] if same else [quantities.amount(metric, _nth(chosen.judged, i))]),
        )
        for level in conclusion.levels
        for chosen in level.configurations
        for i, ticket in enumerate(chosen.tickets)
    ]
    splits = ["validation"] if same else ["validation", conclusion.judged_on]
    measured = [quantities.measured(metric, split) for split in splits]
    return without_empty_columns(Table(("value", "with", "trial", "seed", *_BEST_EPOCH, *measured), tuple(rows)))


def best_trials(results: Results) -> Table:
    """The best trials of the search, whatever became of them."""
    study = results.definition
    rows = [
        (
            str(record.ticket),
            record.state,
            *(shown(record.parameters[name]) for name in study.space),
            *_best_epoch_and_time(results, record),
            quantities.amount(study.objective, record.curve[best_epoch(results, record)]),
        )
        for record, _ in ranked(study, results.searched)[:MOST_TRIALS]
    ]
    label = quantities.measured(study.objective, results.searched_on)
    return Table(("trial", "state", *map(words, study.space), *_BEST_EPOCH, label), tuple(rows))


def best_epoch(results: Results, record: TrialRecord) -> int:
    """The epoch at which a trial that has one was at its best."""
    return max(record.curve, key=lambda epoch: turned(results.definition.objective, record.curve[epoch]))


def seconds_to_best(results: Results, record: TrialRecord) -> float:
    """What a trial's epochs took up to its best one, and with it."""
    best = best_epoch(results, record)
    return sum(seconds for epoch, seconds in record.epoch_seconds.items() if epoch <= best)


def without_empty_columns(table: Table) -> Table:
    """The table without the columns in which nothing is known of any row."""
    kept = [i for i in range(len(table.columns)) if any(row[i] not in ("", ABSENT) for row in table.rows)]
    rows = tuple(tuple(row[i] for i in kept) for row in table.rows)
    return Table(tuple(table.columns[i] for i in kept), rows, table.notes)


def _corrected(comparisons: int) -> str:
    holm = f", after Holm's correction for {comparisons:,} comparisons" if comparisons > 1 else ""
    return f"the largest of those over seeds, over items, and over both together{holm}"


def _notes(metric: str, levels: Sequence[Level]) -> Iterator[str]:
    several = any(level.confirmed and len(level.confirmed.tickets) > 1 for level in levels)
    means = ": means over seeds ± standard deviation [95 % interval of the mean]" if several else ""
    yield f"Runs are of {words(metric)}{means}." if means else f"Values are of {words(metric)}."
    if any(level.confirmed for level in levels):
        yield "In the order of the runs on the split that chooses, best first."
    if any(level.infeasible for level in levels):
        yield "Infeasible trials diverged or failed."


def _on(split: str | None) -> str:
    return "" if split in (None, "unknown") else f" on {split}"


def _comparison(metric: str, each: Comparison) -> tuple[str, ...]:
    difference = quantities.amount(metric, each.difference)
    return (
        each.better,
        each.worse,
        difference if each.margin is None else f"{difference} ± {quantities.amount(metric, each.margin)}",
        *map(quantities.probability, (each.p_seeds, each.p_items, each.p)),
        ABSENT if each.effect is None else f"{each.effect:.2f}",
        "yes" if each.distinguishable else "no",
        ABSENT if each.seeds_needed is None else f"{each.seeds_needed:,}",
    )


def _trials(level: Level) -> str:
    return f"{level.trials:,}" + (f" ({level.infeasible:,} infeasible)" if level.infeasible else "")


def _runs(chosen: Configuration) -> str:
    return str(len(chosen.tickets)) + (f" ({chosen.failed} failed)" if chosen.failed else "")


def _of(level: Level, write: Callable[[Configuration], str]) -> str:
    return ABSENT if level.confirmed is None else write(level.confirmed)


def _others(parameters: Parameters, values: Iterable[str]) -> str:
    """The parameters that the level does not name, its nuisances."""
    scientific = set(values)
    texts = [f"{words(name)} {shown(value)}" for name, value in parameters.items() if name not in scientific]
    return ", ".join(texts)


def _nth(spread: Spread | None, i: int) -> float | None:
    return spread.values[i] if spread is not None and i < len(spread.values) else None


def _best_epoch_and_time(results: Results, record: TrialRecord) -> tuple[str, str]:
    return str(best_epoch(results, record)), quantities.hours(seconds_to_best(results, record))
