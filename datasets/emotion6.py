"""Emotion6 (Peng, Chen, Sadovnik and Gallagher, CVPR 2015): 1,980 photographs, and how strongly people feel what.

Emotion6/images/KEYWORD/N.jpg and Emotion6/ground_truth.txt. The folders are the keywords that the photographs were
searched with, and no labels. The file is separated by tabs: a line of names, then image, valence and arousal, and
the shares of anger, disgust, fear, joy, sadness, surprise and neutral among the answers.

The makers give no split: one of five folds, dealt by the likeliest of the seven emotions, is for testing. It is
the same in every view, so that views trained together never test on each other's training images. That valence
and arousal run from 1 to 9 was not verified against the makers' text; a value outside is refused.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from search.data import About, Split, Splits, Target, find_folder
from search.errors import DatasetError
from search.folds import Fold, deal
from search.images import FileImages
from search.tasks import EKMAN, EKMAN_NEUTRAL, Task

ABOUT = About(
    summary="1,980 photographs with the distribution of felt emotions, valence and arousal (Peng et al., 2015)",
    terms="academic research only",
    access="the makers' page at Cornell (chenlab.ece.cornell.edu/downloads.html); unpack it as Emotion6, with "
    "images and ground_truth.txt in it",
)

NATIVE = ("anger", "disgust", "fear", "joy", "sadness", "surprise", "neutral")  # EKMAN_NEUTRAL, with joy
LOWEST, HIGHEST = 1.0, 9.0  # of valence and arousal
ROUNDING = 0.02  # by which the shares of a line may miss 1

View = Literal["dim6", "dim7", "va"]


@dataclass(frozen=True)
class Rows:
    """The N images of ground_truth.txt: paths, float64 (N, 2) of valence and arousal, (N, 7) shares of NATIVE."""

    paths: tuple[str, ...]
    affect: NDArray[np.float64]
    shares: NDArray[np.float64]


def load(
    root: Path, *, view: View = "dim7", scale: Literal["unit", "as_published"] = "unit", fold: Fold = 0
) -> Splits:
    """Emotion6 under `root`.

    root: the folder that holds `Emotion6`, or that folder itself.
    view: dim7 is the distribution over Ekman's six emotions and neutral; dim6 leaves neutral out and makes the
        rest add up to 1 (an image that is only neutral then has no label); va is valence and arousal.
    scale: of the view va. unit takes 1 to 9 to -1 to 1. as_published gives z-scores over all images, those for
        testing too, as in the notebook whose mean squared errors are errors of z-scores (1 is as good as always
        saying the mean).
    fold: which fifth of the images is for testing.

    Raises DatasetError where the file is missing or a line is malformed. An image that is listed but not there is
    left to be named unreadable.
    """
    if scale == "as_published" and view != "va":
        raise DatasetError(
            f"emotion6: scale: as_published is of valence and arousal; leave it out with view: {view}."
        )
    folder = find_folder("Emotion6", root, "Emotion6", "ground_truth.txt")
    rows = _read(folder / "ground_truth.txt")
    classes, task, target = _target(rows, view, scale)
    testing = deal(rows.paths, rows.shares.argmax(axis=1).tolist()) == fold

    def part(chosen: NDArray[np.bool_]) -> Split:
        paths = tuple(path for path, taken in zip(rows.paths, chosen, strict=True) if taken)
        return Split(
            images=FileImages(paths, folder / "images"),
            targets={task: Target(target.values[chosen], target.mask[chosen])},
            items=paths,
        )

    unlabelled = int((~target.mask).sum())
    return Splits(
        classes,
        part(~testing),
        test=part(testing),
        notes=(f"images that are only neutral, without a label in dim6: {unlabelled}.",) if unlabelled else (),
    )


def _target(rows: Rows, view: View, scale: str) -> tuple[tuple[str, ...], Task, Target]:
    labelled = np.ones(len(rows.paths), np.bool_)
    if view == "va":
        affect = (rows.affect - (LOWEST + HIGHEST) / 2) / ((HIGHEST - LOWEST) / 2)
        if scale == "as_published":
            affect = (affect - affect.mean(axis=0)) / affect.std(axis=0)
        return (), Task.VALENCE_AROUSAL, Target(affect.astype(np.float32), labelled)
    classes = EKMAN if view == "dim6" else EKMAN_NEUTRAL
    shares = rows.shares[:, : len(classes)]
    labelled = shares.sum(axis=1) > 0
    shares = np.where(labelled[:, None], shares, 1.0)
    shares /= shares.sum(axis=1, keepdims=True)
    return classes, Task.DISTRIBUTION, Target(shares.astype(np.float32), labelled)


def _read(file: Path) -> Rows:
    lines = file.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    _check_header(file, lines[0] if lines else "")
    rows: dict[str, list[float]] = {}
    for number, line in enumerate(lines[1:], start=2):
        if line.strip():
            path, numbers = _row(line.rstrip("\t ").split("\t"), f"{file}:{number}")
            if path in rows:
                raise DatasetError(f"{file}:{number}: {path!r} comes more than once. Remove one of the lines.")
            rows[path] = numbers
    if not rows:
        raise DatasetError(f"{file} lists no image: it is not whole. Download it again.")
    values = np.array(list(rows.values()))
    return Rows(tuple(rows), values[:, :2], values[:, 2:])


def _check_header(file: Path, line: str) -> None:
    names = line.lower().split("\t")
    expected = ("valence", "arousal", *NATIVE)
    if len(names) != 10 or not all(word in name for word, name in zip(expected, names[1:], strict=True)):
        raise DatasetError(
            f"{file}:1: the first line should name ten columns, separated by tabs: the image, then "
            f"{', '.join(expected)}; it is {line[:80]!r}."
        )


def _row(cells: Sequence[str], where: str) -> tuple[str, list[float]]:
    try:
        numbers = [float(cell) for cell in cells[1:]]
    except ValueError:
        numbers = []
    if len(numbers) != 9:
        raise DatasetError(
            f"{where}: {' '.join(cells)[:80]!r} is not an image and nine numbers, separated by tabs. Correct or "
            "remove the line."
        )
    if not all(LOWEST <= number <= HIGHEST for number in numbers[:2]):
        raise DatasetError(f"{where}: valence {cells[1]} and arousal {cells[2]} should be from 1 to 9.")
    if min(numbers[2:]) < 0 or not abs(sum(numbers[2:]) - 1) <= ROUNDING:
        raise DatasetError(
            f"{where}: the seven shares should be 0 or more and add up to 1, not {sum(numbers[2:]):g}."
        )
    return cells[0].strip().replace("\\", "/"), numbers
