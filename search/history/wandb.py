"""Runs of Weights & Biases, as they lie on disk; its library is not needed."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from search.errors import HistoryError, StudyFileError
from search.history.cells import text_of
from search.history.folders import digest
from search.history.table import Row, Table, read_bytes
from search.study.files import read_text
from search.study.yaml_source import Located, read

_DEEPEST = 10


def read_wandb(folder: Path, runs: Sequence[Path]) -> Table:
    """A row for each run: its configuration and its summary, keys within keys joined by dots.

    Raises HistoryError where a run lacks its configuration or its summary, or they can't be read.
    """
    rows, faults, files = [], [], []
    for run in runs:
        config, summary = run / "files" / "config.yaml", run / "files" / "wandb-summary.json"
        missing = [file.name for file in (config, summary) if not file.is_file()]
        if missing:
            faults.append(
                f"{run}: has no files/{' and no '.join(missing)}: `wandb sync` writes what an offline run lacks; "
                "take the folder out where the run never began"
            )
            continue
        try:
            cells = _flat(_config(config)) | _flat(_summary(summary))
        except StudyFileError as error:
            faults.append(str(error))
            continue
        rows.append(Row(run.name, None, {key: text_of(value) for key, value in cells.items()}))
        files += [config, summary]
    if faults:
        raise HistoryError("\n".join(faults))
    columns = dict.fromkeys(column for row in rows for column in row.cells)
    return Table(rows, list(columns), digest(folder, files))


def _config(file: Path) -> dict[str, Any]:
    """The configuration, which wandb keeps as `lr: {desc: null, value: 0.001}`, without what is its own."""
    entries, problems = read(read_text(file), str(file))
    ours = [problem for problem in problems if not problem.key.startswith(("_wandb", "wandb_version"))]
    if ours:
        raise StudyFileError(str(file), ours)
    own = ("_wandb", "wandb_version")
    return {key: _value(entry) for key, entry in entries.items() if key not in own}


def _value(entry: Located) -> Any:
    plain = entry.plain()
    return plain.get("value") if isinstance(plain, dict) and "value" in plain else plain


def _summary(file: Path) -> dict[str, Any]:
    """The last value of each metric, without those that wandb counts by itself."""
    try:
        summary = json.loads(read_bytes(file))
    except ValueError as error:
        raise HistoryError(f"{file}: is not JSON: {error}.") from error
    if not isinstance(summary, dict):
        raise HistoryError(f"{file}: holds no metrics by name.")
    return {key: value for key, value in summary.items() if not key.startswith("_")}


def _flat(values: dict[str, Any], depth: int = 0) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, dict) and value and depth < _DEEPEST:
            flat |= {f"{key}.{inner}": each for inner, each in _flat(value, depth + 1).items()}
        else:
            flat[key] = value
    return flat
