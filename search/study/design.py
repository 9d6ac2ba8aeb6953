"""Which points of a search space a study visits, where that is known before it starts."""

import itertools
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from search.study.space import Choices, Grid, Range
from search.study.yaml_source import Scalar

Point = dict[str, Scalar]


def grid(space: Mapping[str, Choices | Range | Grid], seed: int) -> list[Point]:
    """Every cell, shuffled, so that a study cut short, and its pruner, have seen all corners of the space."""
    names = sorted(space)
    cells = list(itertools.product(*(space[name].values() or () for name in names)))
    order = np.random.default_rng(seed).permutation(len(cells))
    return [dict(zip(names, cells[i], strict=True)) for i in order]


def sobol(space: Mapping[str, Choices | Range | Grid], count: int, seed: int) -> list[Point]:
    """`count` points of a scrambled Sobol sequence: https://doi.org/10.1016/0041-5553(67)90144-9."""
    from scipy.stats import qmc  # takes a second to import

    # Sobol points are balanced in powers of two only, and scipy warns of any other number.
    sequence = qmc.Sobol(len(space), rng=seed).random_base2((count - 1).bit_length())
    return _points(space, sequence[:count])


def random(space: Mapping[str, Choices | Range | Grid], count: int, seed: int) -> list[Point]:
    """`count` points drawn independently."""
    return _points(space, np.random.default_rng(seed).random((count, len(space))))


def _points(space: Mapping[str, Choices | Range | Grid], positions: NDArray[np.float64]) -> list[Point]:
    """Positions (N, D) in [0, 1) as N points; D runs over the parameters in alphabetical order."""
    domains = {name: space[name].domain() for name in sorted(space)}
    return [
        {name: domain.at(position) for (name, domain), position in zip(domains.items(), row, strict=True)}
        for row in positions.tolist()
    ]
