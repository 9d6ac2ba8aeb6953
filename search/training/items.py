"""The ids of millions of items as one text, mapped from disk and decoded one by one."""

from collections.abc import Sequence
from typing import SupportsIndex, overload

import numpy as np
from numpy.typing import NDArray

_ERRORS = "surrogatepass"  # names from another system may hold what is no character


class Items(Sequence[str]):
    """Strings that are decoded when they are asked for.

    text: uint8, all of them in UTF-8, one after the other.
    ends: int64 (N,), where each one ends.
    """

    def __init__(self, text: NDArray[np.uint8], ends: NDArray[np.int64]) -> None:
        self._text, self._ends = text, ends

    def __len__(self) -> int:
        return len(self._ends)

    @overload
    def __getitem__(self, index: SupportsIndex) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[str, ...]: ...
    def __getitem__(self, index: SupportsIndex | slice) -> str | tuple[str, ...]:
        if isinstance(index, slice):
            return tuple(self[row] for row in range(*index.indices(len(self))))
        row = range(len(self))[index]  # negative ones count from the end; IndexError beyond it
        start = self._ends[row - 1] if row else 0
        return self._text[start : self._ends[row]].tobytes().decode(errors=_ERRORS)


def packed(items: Sequence[str]) -> tuple[bytes, NDArray[np.int64]]:
    """The text and the ends of `Items` that hold these."""
    encoded = [item.encode(errors=_ERRORS) for item in items]
    return b"".join(encoded), np.cumsum([len(item) for item in encoded], dtype=np.int64)
