"""Runs that TensorBoard's event files keep: scalars as curves, hyperparameters as cells."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from search.errors import HistoryError
from search.history.cells import text_of
from search.history.folders import digest, event_files
from search.history.table import Row, Table

_ALL = {"scalars": 0, "tensors": 0}  # keep every point, however many there are


def read_tensorboard(folder: Path, runs: Sequence[Path], pattern: str | None) -> Table:
    """A row for each run: its scalars by tag and step, its hyperparameters, and what its folder's name says.

    pattern: how the folders are named, such as `lr{lr}_depth{depth}`; each word in braces becomes a cell.

    Raises HistoryError where TensorBoard is not installed or a folder is named otherwise.
    """
    rows, faults = [], []
    for run in runs:
        named = {} if pattern is None else _named(run.name, pattern)
        if named is None:
            faults.append(f"{run}: is not named like {pattern!r}")
            continue
        curves, cells = _read_run(run)
        rows.append(Row(run.name, None, cells | named, curves))
    if faults:
        raise HistoryError("\n".join(faults))
    columns = dict.fromkeys(column for row in rows for column in (*row.cells, *row.curves))
    return Table(rows, list(columns), digest(folder, [file for run in runs for file in event_files(run)]))


def _named(name: str, pattern: str) -> dict[str, str] | None:
    parts = re.split(r"\{(\w+)\}", pattern)
    text = "".join(f"(?P<{part}>.+?)" if i % 2 else re.escape(part) for i, part in enumerate(parts))
    match = re.fullmatch(text, name)
    return match and match.groupdict()


def _read_run(run: Path) -> tuple[dict[str, dict[int, float]], dict[str, str]]:
    """Curves and hyperparameters of a run; hyperparameters often have a folder of their own below it."""
    curves: dict[str, dict[int, float]] = {}
    cells: dict[str, str] = {}
    for folder in sorted({file.parent for file in event_files(run)}):
        events = _accumulated(folder)
        for tag in events.Tags()["scalars"]:
            if tag in curves:
                raise HistoryError(f"{folder}: has values of {tag!r}, as another folder of this run has.")
            curves[tag] = {event.step: event.value for event in events.Scalars(tag)}
        for tag in events.Tags()["tensors"]:  # scalars of TensorFlow 2
            values = {event.step: _number(event.tensor_proto) for event in events.Tensors(tag)}
            curves[tag] = {step: value for step, value in values.items() if value is not None}
        cells |= _hyperparameters(events)
    return {tag: curve for tag, curve in curves.items() if curve}, cells


def _accumulated(folder: Path) -> Any:
    try:
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    except ImportError as error:
        raise HistoryError(
            "reading event files needs TensorBoard, which is not installed: install affect-search[tensorboard]."
        ) from error
    return EventAccumulator(str(folder), size_guidance=_ALL).Reload()


def _number(tensor: Any) -> float | None:
    from tensorboard.util.tensor_util import make_ndarray

    values = make_ndarray(tensor)
    return float(values) if values.ndim == 0 and values.dtype.kind in "fiu" else None


def _hyperparameters(events: Any) -> dict[str, str]:
    from tensorboard.plugins.hparams import metadata, plugin_data_pb2

    tags = events.summary_metadata
    if metadata.SESSION_START_INFO_TAG not in tags:
        return {}
    content = tags[metadata.SESSION_START_INFO_TAG].plugin_data.content
    values = plugin_data_pb2.HParamsPluginData.FromString(content).session_start_info.hparams
    kinds = {"number_value", "string_value", "bool_value"}
    return {
        name: text_of(getattr(value, value.WhichOneof("kind")) if value.WhichOneof("kind") in kinds else None)
        for name, value in values.items()
    }
