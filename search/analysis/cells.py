"""The plane of two parameters, cut into cells."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from search.analysis import look
from search.analysis.axes import Axis

Floats = NDArray[np.float64]


def centres(axis: Axis, trials: int) -> Floats:
    """The centres of the cells along an axis, evenly spaced.

    Choices and grids have a cell for each value; a range is cut into the more of equal width, the more trials.
    """
    if axis.cells:
        return np.array(sorted(axis.cells), dtype=np.float64)
    edges = np.linspace(axis.low, axis.high, int(np.clip(np.sqrt(trials), 4, 12)) + 1)
    return (edges[:-1] + edges[1:]) / 2


def step(cells: Floats) -> float:
    """The width of the cells with these centres."""
    return float(cells[1] - cells[0]) if len(cells) > 1 else 1.0


def nearest(cells: Floats, positions: ArrayLike) -> NDArray[np.intp]:
    """Which cell each position lies in."""
    distances = np.abs(np.asarray(positions, dtype=np.float64)[:, None] - cells[None, :])
    return np.asarray(distances.argmin(axis=1))


def axis_layout(axis: Axis, cells: Floats, *, width: int = 44) -> dict[str, Any]:
    """plotly's settings for an axis along these cells, with labels of at most `width` characters a line."""
    half = step(cells) / 2
    settings = {
        "title": {"text": look.wrapped(axis.label, width)},
        "range": [cells[0] - half, cells[-1] + half],
    }
    if axis.ticks:
        settings |= {"tickvals": [*axis.ticks], "ticktext": [*map(look.escaped, axis.ticks.values())]}
    return settings
