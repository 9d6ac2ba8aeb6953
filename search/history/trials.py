"""Rows of a table as trials of a study, with all that is wrong with them told at once."""

from collections import Counter
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial

from search.errors import HistoryError
from search.history.cells import is_missing, means, number, text_of
from search.history.mapping import ChoicesColumn, Mapping, MetricColumn, ParameterColumn
from search.history.table import Row, Table, pivoted
from search.store.imports import ImportedTrial
from search.study.yaml_source import Scalar
from search.tasks import METRIC_DIRECTIONS, turned


@dataclass(frozen=True)
class History:
    """All that a table says.

    items: how many items the values were measured on; None where unknown.
    notes: what was left out, as sentences.
    """

    trials: list[ImportedTrial]
    items: int | None
    notes: list[str]


def read_trials(table: Table, mapping: Mapping) -> History:
    """The trials of a table. Raises HistoryError with a line for everything that is wrong."""
    return _Reading(table, mapping).history()


class _Reading:
    """One pass over a table.

    faults: what was found wrong so far. left_out: how many rows or epochs, by why.
    """

    def __init__(self, table: Table, mapping: Mapping) -> None:
        self.mapping = mapping
        self.objective = mapping.objective.metric
        self.faults: list[str] = []
        self.left_out: Counter[str] = Counter()
        uses = mapping.columns()
        if mapping.pivot is not None:
            uses = dict.fromkeys((*mapping.pivot.names, mapping.pivot.value), "pivot")
        table.require(dict.fromkeys(mapping.rows, "rows") | (uses if mapping.pivot else {}))
        wanted = {column: text_of(cell) for column, cell in mapping.rows.items()}
        table = table.kept(wanted)
        if not table.rows:
            cells = ", ".join(f"{column}={cell}" for column, cell in wanted.items())
            raise HistoryError(f"no row has the cells that were asked for: {cells}")
        if mapping.pivot is not None:
            others = [column for column in table.columns if column not in uses and not self._is_ignored(column)]
            table = pivoted(table, mapping.pivot, apart=others)
        self.table = table

    def history(self) -> History:
        self._check_columns()
        trials = [] if self.faults else self._trials()
        items = self.mapping.items if self.mapping.items_column is None else self._items(self.mapping.items_column)
        if not trials and not self.faults:
            self.faults.append("no row is left: look at rows, and at the column of the objective")
        if self.faults:
            raise HistoryError("\n".join(self.faults))
        return History(trials, items, [f"{what}: {count}." for what, count in self.left_out.items()])

    def _is_ignored(self, column: str) -> bool:
        return any(fnmatchcase(column, pattern) for pattern in self.mapping.ignore)

    def _check_columns(self) -> None:
        uses = self.mapping.columns()
        self.table.require(uses)
        for column in self.table.columns:
            if column not in uses and column not in self.mapping.rows and not self._is_ignored(column):
                self.faults.append(
                    f"column {column!r} is neither mapped nor ignored: name it in the mapping, under ignore if it "
                    f"tells nothing, or take one of its values with --rows '{column}=VALUE'"
                )

    def _trials(self) -> list[ImportedTrial]:
        trials: list[ImportedTrial] = []
        lines: dict[object, Row] = {}
        seeds: dict[str, list[int]] = {}
        for row in self.table.rows:
            everything = (tuple(row.cells.items()), row.line is None and row.file)
            if everything in lines:
                self.faults.append(f"{row.place}: is the same as {lines[everything].place}: take one of them out")
                continue
            lines[everything] = row
            trial = self._trial(row, seeds)
            if trial is not None:
                trials.append(trial)
        return trials

    def _trial(self, row: Row, seeds: dict[str, list[int]]) -> ImportedTrial | None:
        epochs = self._curve(row) if self.mapping.objective.column in row.curves else self._epoch(row)
        if not epochs:
            return None
        parameters = {name: self._parameter(row, name, each) for name, each in self.mapping.parameters.items()}
        used = seeds.setdefault(repr(parameters), [])
        seed = len(used) if self.mapping.seed is None else self._whole(row, self.mapping.seed)
        if seed in used:
            self.faults.append(f"{row.place}: these parameters with seed {seed} are there already")
        used.append(seed)
        values = [metrics[self.objective] for metrics in epochs.values()]
        best = max(values, key=partial(turned, self.objective))
        return ImportedTrial(parameters, seed, best, epochs, row.file, row.line)

    def _parameter(self, row: Row, name: str, parameter: ParameterColumn) -> Scalar:
        column = parameter.column or name
        cell = row.cells.get(column, "")
        if cell in parameter.cells:
            return parameter.cells[cell]
        if isinstance(parameter, ChoicesColumn):
            choice = [each for each in parameter.choices if means(cell, each)]
            if not choice:
                known = ", ".join(repr(text_of(each)) for each in parameter.choices)
                self.faults.append(f"{row.place}: {column}: {cell!r} is none of the choices of {name}: {known}")
            return choice[0] if choice else None
        value = self._number(row, column)
        if not parameter.low * (1 - 1e-9) <= value <= parameter.high * (1 + 1e-9):
            self.faults.append(f"{row.place}: {column}: {cell} is not in {parameter.low:g} to {parameter.high:g}")
        return self._whole(row, column) if parameter.integer else value

    def _epoch(self, row: Row) -> dict[int, dict[str, float]]:
        """The one epoch that a table knows of a run; none where it lacks the objective."""
        columns: dict[str, MetricColumn] = {self.objective: self.mapping.objective, **self.mapping.metrics}
        if is_missing(row.cells.get(self.mapping.objective.column, "")):
            self.left_out[f"Rows left out because they have no finite {self.mapping.objective.column}"] += 1
            return {}
        metrics = {
            name: self._measured(row, name, self._number(row, each.column), each)
            for name, each in columns.items()
            if not is_missing(row.cells.get(each.column, ""))
        }
        column = self.mapping.epoch.column
        if column is None or not row.cells.get(column):
            return {1: metrics}
        return {self._epoch_number(row, self._whole(row, column)): metrics}

    def _curve(self, row: Row) -> dict[int, dict[str, float]]:
        """The epochs of a run whose metrics are curves."""
        columns: dict[str, MetricColumn] = {self.objective: self.mapping.objective, **self.mapping.metrics}
        named = self.mapping.epoch.column
        epochs: dict[int, dict[str, float]] = {}
        for name, each in columns.items():
            for step, value in row.curves.get(each.column, {}).items():
                epoch = float(step) if named is None else row.curves.get(named, {}).get(step)
                if epoch is None:
                    self.faults.append(f"{row.place}: {named} has no value at step {step}, where {name} has one")
                    return {}
                at = self._epoch_number(row, int(epoch))
                if number(str(value)) is None:
                    self.left_out[f"Values of {each.column} left out because they are no finite numbers"] += 1
                elif name == self.objective:
                    epochs[at] = {name: self._measured(row, name, value, each)}
                elif at in epochs:
                    epochs[at][name] = self._measured(row, name, value, each)
        if not epochs:
            self.left_out[f"Rows left out because they have no finite {self.mapping.objective.column}"] += 1
        return epochs

    def _measured(self, row: Row, name: str, value: float, column: MetricColumn) -> float:
        value = round(value / 100, 12) if column.percent else value
        if name in METRIC_DIRECTIONS and name != "mse" and abs(value) > 1:
            advice = "the column is not in per cent" if column.percent else "is the column in per cent?"
            self.faults.append(f"{row.place}: {column.column}: {name} would be {value:g}, beyond 1: {advice}")
        return value

    def _epoch_number(self, row: Row, epoch: int) -> int:
        first = self.mapping.epoch.first
        if epoch < first:
            self.faults.append(f"{row.place}: epoch {epoch} is before epoch.first, which is {first}")
        return epoch - first + 1

    def _items(self, column: str) -> int | None:
        found = {self._whole(row, column) for row in self.table.rows if row.cells.get(column)}
        if len(found) > 1:
            numbers = ", ".join(map(str, sorted(found)))
            self.faults.append(f"{column}: one study is measured on one set of items, and these differ: {numbers}")
        return min(found, default=None)

    def _whole(self, row: Row, column: str) -> int:
        value = self._number(row, column)
        if not value.is_integer():
            self.faults.append(f"{row.place}: {column}: {row.cells[column]} is no whole number")
        return int(value)

    def _number(self, row: Row, column: str) -> float:
        value = number(row.cells.get(column, ""))
        if value is None:
            self.faults.append(f"{row.place}: {column}: {row.cells.get(column, '')!r} is no finite number")
        return value or 0.0
