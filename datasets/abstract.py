"""Abstract (Machajdik and Hanbury, ACM Multimedia 2010): 280 abstract paintings and the votes on eight emotions.

testImages_abstract/abstract_NNNN.jpg and, beside them, ABSTRACT_groundTruth.csv, in which all text stands in
single quotes. Its first line names the emotions (the first name is empty), each other one a painting and its
votes, about 14. Papers often leave out the 52 paintings on which the first place is tied, which leaves 228.

The makers give no split: one of five folds, dealt by the emotion with most votes, is for testing. Some emotions
have few paintings (anger 3): fold 0 tests on every emotion, others may miss one.
"""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from search.data import About, Split, Splits, Target, find_folder
from search.errors import DatasetError
from search.folds import Fold, deal
from search.images import FileImages
from search.tasks import MIKELS, Task

ABOUT = About(
    summary="280 abstract paintings with votes on Mikels' eight emotions (Machajdik and Hanbury, 2010)",
    terms="research; not stated by its makers in a text that was verified",
    access="imageemotion.org, the archive of abstract paintings; unpack it as testImages_abstract",
)

TABLE = "ABSTRACT_groundTruth.csv"
RENAMED = {"content": "contentment", "sad": "sadness"}


def load(root: Path, *, ties: Literal["keep", "drop"] = "keep", fold: Fold = 0) -> Splits:
    """Abstract under `root`: the votes on each painting as a distribution over `search.tasks.MIKELS`.

    root: the folder that holds `testImages_abstract`, or that folder itself.
    ties: whether paintings on which several emotions share the first place are kept.
    fold: which fifth of the paintings is for testing.

    Raises DatasetError where the table is missing or a line is malformed. A painting that is listed but not there
    is left to be named unreadable.
    """
    folder = find_folder("Abstract", root, "testImages_abstract", TABLE)
    paths, votes = _read(folder / TABLE)
    tied = (votes == votes.max(axis=1, keepdims=True)).sum(axis=1) > 1
    notes = []
    if tied.any():
        notes.append(f"paintings with a tie for the first place: {int(tied.sum())} (ties: {ties}).")
    if ties == "drop":
        paths, votes = [path for path, out in zip(paths, tied, strict=True) if not out], votes[~tied]
    shares = (votes / votes.sum(axis=1, keepdims=True)).astype(np.float32)
    testing = deal(paths, votes.argmax(axis=1).tolist()) == fold

    def part(chosen: NDArray[np.bool_]) -> Split:
        items = tuple(path for path, taken in zip(paths, chosen, strict=True) if taken)
        target = Target(shares[chosen], np.ones(len(items), np.bool_))
        return Split(FileImages(items, folder), {Task.DISTRIBUTION: target}, items)

    return Splits(MIKELS, part(~testing), test=part(testing), notes=tuple(notes))


def _read(file: Path) -> tuple[list[str], NDArray[np.int64]]:
    """Image names, and int64 (N, 8) votes in the order of MIKELS."""
    votes: dict[str, list[int]] = {}
    with file.open(newline="", encoding="utf-8-sig", errors="replace") as stream:
        rows = csv.reader(stream, quotechar="'")
        order = _order(next(rows, []), f"{file}:1")
        for row in rows:
            if row:
                counts = _votes(row, f"{file}:{rows.line_num}")
                path = row[0].strip()
                if path in votes:
                    raise DatasetError(f"{file}:{rows.line_num}: {path!r} comes more than once. Remove one line.")
                votes[path] = [counts[column] for column in order]
    if not votes:
        raise DatasetError(f"{file} lists no painting: it is not whole. Download it again.")
    return list(votes), np.array(list(votes.values()))


def _order(header: Sequence[str], where: str) -> list[int]:
    """Which column of the votes each emotion of MIKELS is."""
    words = [cell.strip().lower() for cell in header[1:]]
    names = [RENAMED.get(word, word) for word in words]
    if sorted(names) != sorted(MIKELS):
        raise DatasetError(
            f"{where}: the first line should be an empty name and 'Amusement','Anger','Awe','Content','Disgust',"
            f"'Excitement','Fear','Sad'; it is {','.join(header)[:80]!r}."
        )
    return [names.index(name) for name in MIKELS]


def _votes(row: Sequence[str], where: str) -> list[int]:
    counts = [int(cell) if cell.strip().isdecimal() else -1 for cell in row[1:]]
    if len(counts) != len(MIKELS) or min(counts) < 0 or not any(counts):
        raise DatasetError(
            f"{where}: {','.join(row)[:80]!r} is not a painting and eight counts of votes, one of them above 0. "
            "Correct or remove the line."
        )
    return counts
