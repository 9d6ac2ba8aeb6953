"""Images that are drawn when asked for, in place of files."""

from collections.abc import Callable

import numpy as np

from search.data import Indices, Pixels
from search.errors import DatasetError

SMALLEST, LARGEST = 16, 256  # sides in pixels


def drawn(
    draw: Callable[[Indices, Pixels], None],
    indices: Indices,
    size: int,
    *,
    dataset: str,
    things: str,
    at_once: int,
) -> Pixels:
    """The images at `indices`, uint8 (N, size, size, 3), drawn a few at a time.

    draw: draws the images at some indices into an array of theirs.
    dataset, things: what draws, and what is drawn, for the message.
    at_once: pixels drawn together, so that their planes fit the processor's cache.

    Raises DatasetError where the size is none that things are drawn at.
    """
    if not SMALLEST <= size <= LARGEST:
        raise DatasetError(
            f"{dataset}: image size is {size}; {things} are drawn at {SMALLEST} to {LARGEST} pixels."
        )
    pixels = np.empty((len(indices), size, size, 3), np.uint8)
    step = max(1, at_once // size**2)
    for start in range(0, len(indices), step):
        draw(indices[start : start + step], pixels[start : start + step])
    return pixels
