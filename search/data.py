"""What a data set hands over: `Splits` of images and targets, with group and item ids.

A data set describes its images; it does not decode them. The cache (`search.training.cache`) decodes every image
once, through the `Images` protocol; `search.images` implements it for image files.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from search.errors import DatasetError
from search.tasks import Task

CHUNK = 256  # images decoded at once

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


class Sounds(Protocol):
    """What is heard at each item of a split, such as the log-mel spectrum of a video's sound at each frame."""

    def __len__(self) -> int: ...

    def fingerprint(self) -> str:
        """A short text that changes whenever any value would change."""
        ...

    def decode(self, indices: Indices) -> NDArray[np.float32]:
        """float32 (n, F): what is heard at the items at `indices`, F numbers each; zeros where nothing is."""
        ...


def find_folder(name: str, root: Path, inner: str, mark: str) -> Path:
    """`root`/`inner`, or `root` itself, whichever holds the file or folder `mark`.

    Raises DatasetError, which tells that the data set `name` is not there.
    """
    for folder in (root / inner, root):
        if (folder / mark).exists():
            return folder
    raise DatasetError(f"no {name} under {root}: looked for {inner}/{mark} and {mark}.")


def decode_all(images: Images, size: int) -> Iterator[tuple[Indices, Pixels, dict[int, str]]]:
    """Every image in order, chunk by chunk: readable indices, their pixels, and the reasons of unreadable ones.

    Reasons are keyed by the index within `images`.
    """
    for start in range(0, len(images), CHUNK):
        indices = np.arange(start, min(start + CHUNK, len(images)))
        pixels, reasons = images.decode(indices, size)
        readable = ~np.isin(np.arange(len(indices)), list(reasons))
        yield indices[readable], pixels[readable], {start + position: reasons[position] for position in reasons}


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

    items: N different ids that stay the same when the files move, such as paths relative to the data set's root.
    groups: int64 (N,), the subject or sequence of each item, or None where unknown. Items of one group never
        fall on both sides of a carved validation split. Where groups are videos, the items of one are its
        frames in order.
    sounds: what is heard at each item, where the data set has sound.

    Raises DatasetError where the counts differ or an id comes twice.
    """

    images: Images
    targets: Mapping[Task, Target]
    items: tuple[str, ...]
    groups: Indices | None = None
    sounds: Sounds | None = None

    def __post_init__(self) -> None:
        counts = {"images": len(self.images), "items": len(self.items)}
        counts |= {f"{task} targets": len(target.values) for task, target in self.targets.items()}
        counts |= {f"{task} masks": len(target.mask) for task, target in self.targets.items()}
        if self.groups is not None:
            counts["groups"] = len(self.groups)
        if self.sounds is not None:
            counts["sounds"] = len(self.sounds)
        if len(set(counts.values())) > 1:
            raise DatasetError(f"the parts of a split differ in length: {counts}.")
        if len(set(self.items)) < len(self.items):
            raise DatasetError(
                f"item {Counter(self.items).most_common(1)[0][0]!r} comes more than once in a split."
            )

    def labels(self) -> Indices:
        """int64 (N,): the class of each item (the likeliest one of a distribution), -1 where there is none."""
        if expression := self.targets.get(Task.EXPRESSION):
            return np.where(expression.mask, expression.values, -1)
        if distribution := self.targets.get(Task.DISTRIBUTION):
            labelled = distribution.mask.reshape(len(self.items), -1).all(axis=1)
            return np.where(labelled, distribution.values.argmax(axis=1), -1)
        return np.full(len(self.items), -1)


@dataclass(frozen=True)
class About:
    """What a person must know to use a data set; every data set's module defines one as `ABOUT`.

    summary: what it holds and who made it, in one line.
    terms: what one may do with it.
    access: how one gets it, and what must lie in its folder.
    """

    summary: str
    terms: str
    access: str


@dataclass(frozen=True)
class Splits:
    """A whole data set. Without `validation` one is carved from `train`; without `test` nothing can be confirmed.

    classes: the class names of the expression (or distribution) targets, in index order.
    notes: what was left out or is not as it should be, a sentence each, for people; no part of the fingerprint.

    Raises DatasetError where a label has no class.
    """

    classes: tuple[str, ...]
    train: Split
    validation: Split | None = None
    test: Split | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, split in self.named().items():
            labels = split.labels()
            if ((labels < -1) | (labels >= len(self.classes))).any():
                raise DatasetError(
                    f"a label of the {name} split is not below the number of classes, {len(self.classes)}."
                )

    def named(self) -> dict[str, Split]:
        """The splits there are, by name: train, then validation and test if given."""
        splits = {"train": self.train, "validation": self.validation, "test": self.test}
        return {name: split for name, split in splits.items() if split is not None}

    def fingerprint(self) -> str:
        """A hash of all that is trained on: classes, images, ids, groups and targets."""
        digest = blake2b(json.dumps(self.classes).encode(), digest_size=16)
        for name, split in self.named().items():
            digest.update(json.dumps([name, split.images.fingerprint(), split.items]).encode())
            if split.sounds is not None:
                digest.update(json.dumps(["sounds", split.sounds.fingerprint()]).encode())
            arrays: dict[str, NDArray[Any]] = {} if split.groups is None else {"groups": split.groups}
            for task, target in sorted(split.targets.items()):
                arrays |= {f"{task} values": target.values, f"{task} mask": target.mask}
            for key, array in arrays.items():
                digest.update(json.dumps([key, array.dtype.str, array.shape]).encode() + array.tobytes())
        return digest.hexdigest()
