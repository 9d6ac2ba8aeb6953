"""Which images test where a data set's makers don't say: one of five folds, the same on every machine."""

from collections.abc import Sequence
from hashlib import blake2b
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Fold = Literal[0, 1, 2, 3, 4]
FOLDS = 5


def deal(names: Sequence[str], strata: Sequence[int]) -> NDArray[np.int64]:
    """int64 (N,): the fold of each name, from 0 to 4; it depends on the names and strata only, not on their order.

    names: N different ones, of items, or of groups of items that belong together.
    strata: the class of each. The names of one, ordered by a hash, are dealt out in turn from fold 0 on: its
        shares of the folds differ by at most one, and a class too rare for all folds is in the first ones.
    """
    hashes = [blake2b(name.encode(), digest_size=8).digest() for name in names]
    folds = np.zeros(len(names), np.int64)
    dealt: dict[int, int] = {}
    for index in sorted(range(len(names)), key=hashes.__getitem__):
        stratum = int(strata[index])
        folds[index] = dealt.get(stratum, 0) % FOLDS
        dealt[stratum] = dealt.get(stratum, 0) + 1
    return folds
