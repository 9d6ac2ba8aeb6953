"""What a data set hands over: `Splits` of images and targets, with group and item ids.

A data set describes its images; it does not decode them. The cache (`search.training.cache`) decodes every image
once, through the `Images` protocol.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from search.tasks import Task

Pixels = NDArray[np.uint8]  # (N, size, size, 3), RGB
Indices = NDArray[np.int64]


class Images(Protocol):
    """The images of one split, read in chunks while the cache is filled."""

    def __len__(self) -> int: ...

    def fingerprint(self) -> str:
        """A short text that changes whenever any pixel, or the order of the images, would change."""
        ...

    def decode(self, indices: Indices, size: int) -> tuple[Pixels, dict[int, str]]:
        """The images at `indices`, resized to `size` x `size` RGB, and the reason for each one unreadable.

        Reasons are keyed by the position within `indices`; the pixels of an unreadable image are zeros.
        """
        ...


@dataclass(frozen=True)
class Target:
    """The labels of one task over a split's N items.

    values: (N, ...) as `search.tasks.Task` says for the task.
    mask: bool, True where the label is there; (N,), or (N, K) where single labels of an item can be missing.
    """

    values: NDArray[Any]
    mask: NDArray[np.bool_]


@dataclass(frozen=True)
class Split:
    """One part of a data set.

    items: N ids that stay the same when the files move, such as paths relative to the data set's root.
    groups: int64 (N,), the subject or sequence of each item, or None where unknown. Items of one group never
        fall on both sides of a carved validation split.
    """

    images: Images
    targets: Mapping[Task, Target]
    items: tuple[str, ...]
    groups: Indices | None = None


@dataclass(frozen=True)
class Splits:
    """A whole data set. Without `validation` one is carved from `train`; without `test` nothing can be confirmed.

    classes: the class names of the expression (or distribution) targets, in index order.
    """

    classes: tuple[str, ...]
    train: Split
    validation: Split | None = None
    test: Split | None = None
