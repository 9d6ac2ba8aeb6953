"""Cells: texts, and what they mean."""

import json
import math
from typing import Any

from search.study.yaml_source import Scalar


def text_of(value: Any) -> str:
    """A value as its cell: nothing for None, true and false for switches."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value.strip()
    return json.dumps(value)


def means(cell: str, value: Scalar) -> bool:
    """Whether a cell is the text of a value: 1e-4 is 0.0001, TRUE and 1 are true, nothing is null."""
    if value is None or isinstance(value, str):
        return cell == text_of(value)
    return number(cell) == value or (isinstance(value, bool) and cell.lower() == text_of(value))


def is_missing(cell: str) -> bool:
    """Whether nothing was measured: the cell is empty, or holds NaN or an infinity."""
    if not cell:
        return True
    try:
        return not math.isfinite(float(cell))
    except ValueError:
        return False


def number(cell: str) -> float | None:
    """The finite number that a cell holds; None where it holds none."""
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
