"""Results as a table, whatever they were kept in, and CSV files read as one."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from search.errors import HistoryError
from search.history.mapping import Pivot

_MOST_BYTES = 64 * 2**20  # of one file: more than any table that hands have filled


@dataclass(frozen=True)
class Row:
    """What is known of one run.

    file, line: where it stands; the line is None for a run that has a folder of its own.
    cells: text by column, as in a CSV file.
    curves: for each column, values by step.
    """

    file: str
    line: int | None
    cells: Mapping[str, str]
    curves: Mapping[str, Mapping[int, float]] = field(default_factory=dict)

    @property
    def place(self) -> str:
        """Where it stands, such as `runs.csv:3`."""
        return self.file if self.line is None else f"{self.file}:{self.line}"


@dataclass(frozen=True)
class Table:
    """Rows, the columns that any of them has, and the SHA-256, in hex, of the file they are from."""

    rows: Sequence[Row]
    columns: Sequence[str]
    sha256: str

    def require(self, uses: Mapping[str, str]) -> None:
        """Raises HistoryError where a column is missing. uses: what each is used for."""
        there = ", ".join(self.columns) or "none"
        missing = [(column, use) for column, use in uses.items() if column not in self.columns]
        if missing:
            lines = [f"{use}: there is no column {column!r}; there are: {there}" for column, use in missing]
            raise HistoryError("\n".join(lines))

    def kept(self, wanted: Mapping[str, str]) -> "Table":
        """The rows that have these cells."""
        rows = [row for row in self.rows if all(row.cells.get(key) == cell for key, cell in wanted.items())]
        return Table(rows, self.columns, self.sha256)


def read_csv(path: Path) -> Table:
    """A table of comma-separated values in UTF-8, whose first line names the columns.

    Raises HistoryError, naming every line that is amiss.
    """
    data = read_bytes(path)
    try:
        stream = io.StringIO(data.decode("utf-8-sig"), newline="")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise HistoryError(f"{path}:{line}: is not UTF-8 text: save it as UTF-8.") from error
    reader = csv.reader(stream, strict=True)
    header: list[str] = []
    rows, faults, line = [], [], 1
    try:
        for cells in reader:
            if header and cells and len(cells) != len(header):
                faults.append(f"{path}:{line}: has {len(cells)} cells; the header names {len(header)} columns")
            elif header and cells:
                stripped = [cell.strip() for cell in cells]
                rows.append(Row(path.name, line, dict(zip(header, stripped, strict=True))))
            elif not header:
                header = [cell.strip() for cell in cells]
            line = reader.line_num + 1
    except csv.Error as error:
        raise HistoryError(f"{path}:{reader.line_num}: is not CSV: {error}.") from error
    faults += [f"{path}:1: two columns are named {name!r}" for name in _twice(header)]
    if not rows and not faults:
        faults.append(f"{path}: holds no row below its header")
    if faults:
        raise HistoryError("\n".join(faults))
    return Table(rows, header, sha256(data).hexdigest())


def read_bytes(path: Path) -> bytes:
    """The bytes of a file. Raises HistoryError where it can't be read or is far too large."""
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise HistoryError(f"{path} has more than {_MOST_BYTES // 2**20} MiB, which no table of results has.")
        return path.read_bytes()
    except OSError as error:
        raise HistoryError(f"{path} can't be read: {error.strerror}.") from error


def joined(tables: Sequence[Table]) -> Table:
    """The rows of all tables."""
    columns = dict.fromkeys(column for table in tables for column in table.columns)
    digests = [table.sha256 for table in tables]
    digest = digests[0] if len(digests) == 1 else sha256("".join(digests).encode()).hexdigest()
    return Table([row for table in tables for row in table.rows], list(columns), digest)


def pivoted(table: Table, pivot: Pivot, *, apart: Iterable[str]) -> Table:
    """A row for each run from one for each of its metrics.

    apart: columns that tell runs apart; all others but those of the pivot are those of a run's first row.

    Raises HistoryError where a run has one metric twice.
    """
    apart = list(apart)
    runs: dict[tuple[str, ...], Row] = {}
    metrics: dict[str, None] = {}
    faults = []
    for row in table.rows:
        key = tuple(row.cells.get(column, "") for column in apart)
        name = " ".join(row.cells.get(column, "") for column in pivot.names)
        metrics[name] = None
        run = runs.setdefault(key, Row(row.file, row.line, _without(row.cells, (*pivot.names, pivot.value))))
        if name in run.cells:
            faults.append(f"{row.place}: {name} of the run of {run.place} again")
        runs[key] = Row(run.file, run.line, {**run.cells, name: row.cells.get(pivot.value, "")})
    if faults:
        raise HistoryError("\n".join(faults))
    kept = [column for column in table.columns if column not in (*pivot.names, pivot.value)]
    return Table(list(runs.values()), [*kept, *metrics], table.sha256)


def _without(cells: Mapping[str, str], columns: Sequence[str]) -> dict[str, str]:
    return {column: cell for column, cell in cells.items() if column not in columns}


def _twice(names: Sequence[str]) -> list[str]:
    return sorted({name for name in names if names.count(name) > 1})
