"""What a data set holds, before anything is trained on it: counts, sizes, unreadable files, duplicates."""

from collections import defaultdict
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np

from search.data import Split, Splits, decode_all
from search.images import FileImages


@dataclass(frozen=True)
class Sizes:
    """Image sizes as stored, in pixels: (smallest, median, largest), and how many images are not square."""

    width: tuple[int, int, int]
    height: tuple[int, int, int]
    not_square: int


@dataclass(frozen=True)
class SplitSurvey:
    """One split.

    items: all that are listed, readable or not.
    counts: items of each class, in class order; empty where the data set has no classes.
    unlabelled: items without a class.
    groups: number of subjects or sequences, or None where unknown.
    sizes: of the readable files, or None where the images are not files or none is readable.
    unreadable: item -> reason.
    """

    items: int
    counts: dict[str, int]
    unlabelled: int
    groups: int | None
    sizes: Sizes | None
    unreadable: dict[str, str]


@dataclass(frozen=True)
class Survey:
    """A whole data set, by split name in the order train, validation, test.

    duplicates: for each image that occurs in several splits (the same pixels at the surveyed size), its items
        by split.
    notes: what the data set itself says of what it left out.
    """

    classes: tuple[str, ...]
    splits: dict[str, SplitSurvey]
    duplicates: tuple[dict[str, tuple[str, ...]], ...]
    notes: tuple[str, ...]


def survey(splits: Splits, size: int) -> Survey:
    """Decode every image at `size` pixels and report; nothing is written, unreadable images raise nothing."""
    surveys = {}
    where: dict[bytes, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for name, split in splits.named().items():
        unreadable: dict[str, str] = {}
        for indices, pixels, reasons in decode_all(split.images, size):
            unreadable |= {split.items[index]: reason for index, reason in reasons.items()}
            for index, image in zip(indices, pixels, strict=True):
                where[blake2b(image.tobytes(), digest_size=16).digest()][name].append(split.items[index])
        surveys[name] = _survey_split(split, splits.classes, unreadable)
    duplicates = [found for found in where.values() if len(found) > 1]
    return Survey(
        classes=splits.classes,
        splits=surveys,
        duplicates=tuple({name: tuple(items) for name, items in found.items()} for found in duplicates),
        notes=splits.notes,
    )


def _survey_split(split: Split, classes: tuple[str, ...], unreadable: dict[str, str]) -> SplitSurvey:
    labels = split.labels()
    return SplitSurvey(
        items=len(split.items),
        counts={name: int((labels == index).sum()) for index, name in enumerate(classes)},
        unlabelled=int((labels == -1).sum()),
        groups=None if split.groups is None else len(np.unique(split.groups)),
        sizes=_sizes(split.images) if isinstance(split.images, FileImages) else None,
        unreadable=unreadable,
    )


def _sizes(images: FileImages) -> Sizes | None:
    dimensions = images.dimensions()
    dimensions = dimensions[dimensions[:, 0] > 0]
    if not len(dimensions):
        return None
    summary = np.quantile(dimensions, [0, 0.5, 1], axis=0, method="lower").astype(int).tolist()
    width, height = zip(*summary, strict=True)
    return Sizes(width=width, height=height, not_square=int((dimensions[:, 0] != dimensions[:, 1]).sum()))
