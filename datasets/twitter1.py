"""Twitter I (You, Luo, Jin and Yang, AAAI 2015): 1,269 photographs from tweets, judged by five people each.

Twitter_PCNN/Agg_AMT_Candidates/IMAGE and one of two forms of the judgements, beside that folder:
- amt_result.csv: image, number of votes, and two counts of votes, of which the first is taken as negative and the
  second as positive unless the column names say otherwise. Names and order were not verified against the makers'
  file: look at an image you know before you trust a result.
- five_agree.txt, four_agree.txt, three_agree.txt (or twitter_five_agrees.txt and so on): lines IMAGE 0|1, where 1
  is taken as positive; the photographs on which at least as many of the five agree: 882, 1,116 (neither count was
  verified) and 1,269.

The makers use five folds whose lists are not at hand: one of five, dealt by sentiment, is for testing.
"""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from search.data import About, Split, Splits, Target, find_folder
from search.errors import DatasetError
from search.folds import Fold, deal
from search.images import FileImages
from search.tasks import POLAR, Task

ABOUT = About(
    summary="1,269 photographs from tweets, negative or positive by five people's votes (You et al., 2015)",
    terms="research; not stated by its makers in a text that was verified",
    access="the makers' page (qzyou.github.io); unpack it as Twitter_PCNN, with Agg_AMT_Candidates and either "
    "amt_result.csv or five_agree.txt, four_agree.txt and three_agree.txt in it",
)

IMAGES = "Agg_AMT_Candidates"
TABLE = "amt_result.csv"
SUFFIXES = {".jpeg", ".jpg", ".png"}
LISTS = {5: "five", 4: "four", 3: "three"}


@dataclass(frozen=True)
class Judged:
    """N photographs: names, and int64 (N, 2) votes in the order of POLAR."""

    names: tuple[str, ...]
    votes: NDArray[np.int64]
    notes: tuple[str, ...] = ()


def load(
    root: Path,
    *,
    labels: Literal["distribution", "hard"] = "distribution",
    agree: Literal[3, 4, 5] = 3,
    fold: Fold = 0,
) -> Splits:
    """Twitter I under `root`, as negative and positive (`search.tasks.POLAR`).

    root: the folder that holds `Twitter_PCNN`, or that folder itself.
    labels: distribution is the share of the votes for either, from amt_result.csv; hard is what most say, from the
        list of `agree` where there is one, else from amt_result.csv.
    agree: only photographs on which at least as many agree.
    fold: which fifth of the photographs is for testing.

    Raises DatasetError where no form fits, or a line is malformed. A photograph that is listed but not there is
    left to be named unreadable.
    """
    folder = find_folder("Twitter I", root, "Twitter_PCNN", IMAGES)
    judged = _judged(folder, labels, agree)
    positive = judged.votes.argmax(axis=1)
    if labels == "distribution":
        task, values = (
            Task.DISTRIBUTION,
            (judged.votes / judged.votes.sum(axis=1, keepdims=True)).astype(np.float32),
        )
    else:
        task, values = Task.EXPRESSION, positive
    testing = deal(judged.names, positive.tolist()) == fold

    def part(chosen: NDArray[np.bool_]) -> Split:
        items = tuple(name for name, taken in zip(judged.names, chosen, strict=True) if taken)
        target = Target(values[chosen], np.ones(len(items), np.bool_))
        return Split(FileImages(items, folder / IMAGES), {task: target}, items)

    return Splits(POLAR, part(~testing), test=part(testing), notes=judged.notes)


def _judged(folder: Path, labels: str, agree: int) -> Judged:
    names = [f"{LISTS[agree]}_agree.txt", f"twitter_{LISTS[agree]}_agrees.txt"]
    found = [folder / name for name in names if (folder / name).is_file()]
    if labels == "hard" and found:
        return _read_list(found[0])
    if (folder / TABLE).is_file():
        return _read_table(folder / TABLE, agree)
    if found:
        raise DatasetError(
            f"{folder} has no {TABLE}, so no distributions: give labels: hard to read {found[0].name}."
        )
    raise DatasetError(f"{folder} has neither {TABLE} nor {' nor '.join(names)}: put the judgements there.")


def _read_list(file: Path) -> Judged:
    votes: dict[str, list[int]] = {}
    for number, line in enumerate(file.read_text(encoding="utf-8-sig", errors="replace").splitlines(), start=1):
        if not line.strip():
            continue
        name, _, label = line.strip().rpartition(" ")
        if not name or label not in ("0", "1"):
            raise DatasetError(
                f"{file}:{number}: {line[:80]!r} is not an image name, a blank, and 0 (negative) or 1 (positive)."
            )
        _add(votes, name.strip(), [1 - int(label), int(label)], f"{file}:{number}")
    return _checked(file, votes, ())


def _read_table(file: Path, agree: int) -> Judged:
    votes: dict[str, list[int]] = {}
    with file.open(newline="", encoding="utf-8-sig", errors="replace") as stream:
        rows = csv.reader(stream)
        header = next(rows, [])
        if header and Path(header[0].strip()).suffix.lower() in SUFFIXES:
            raise DatasetError(
                f"{file}:1: the first line is an image: write one with the columns' names before it."
            )
        swapped, told = _order(header)
        for row in rows:
            if row:
                name, counts = _row(row, f"{file}:{rows.line_num}")
                _add(votes, name, counts[::-1] if swapped else counts, f"{file}:{rows.line_num}")
    notes = () if told else (f"the column names of {TABLE} don't say which is negative: taken the third one.",)
    return _checked(file, {name: counts for name, counts in votes.items() if max(counts) >= agree}, notes)


def _order(header: list[str]) -> tuple[bool, bool]:
    """Whether the positive votes come before the negative ones, and whether the names of the columns say so."""
    third, fourth = ([cell.lower() for cell in header[2:4]] + ["", ""])[:2]
    swapped = "pos" in third or "neg" in fourth
    return swapped, swapped or "neg" in third or "pos" in fourth


def _row(row: list[str], where: str) -> tuple[str, list[int]]:
    """The image, and the two counts of votes as they stand in the third and the fourth column."""
    counts = [int(cell) if cell.strip().isdecimal() else -1 for cell in row[1:4]]
    if len(counts) < 3 or min(counts) < 0 or counts[0] == 0 or counts[0] != counts[1] + counts[2]:
        raise DatasetError(
            f"{where}: {','.join(row)[:80]!r} is not an image, a number of votes and two counts that add up to "
            "it. Correct or remove the line."
        )
    return row[0].strip(), counts[1:]


def _add(votes: dict[str, list[int]], name: str, counts: list[int], where: str) -> None:
    if name in votes:
        raise DatasetError(f"{where}: {name!r} comes more than once. Remove one of the lines.")
    votes[name] = counts


def _checked(file: Path, votes: dict[str, list[int]], notes: tuple[str, ...]) -> Judged:
    if not votes:
        raise DatasetError(f"{file} lists no photograph on which enough people agree.")
    return Judged(tuple(votes), np.array(list(votes.values()), np.int64), notes)
