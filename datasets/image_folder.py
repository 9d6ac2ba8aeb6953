"""Any faces sorted into folders: train/CLASS/IMAGE, val/CLASS/IMAGE (or validation) and test/CLASS/IMAGE.

Only train is needed. The class names are the folder names, in numeric order if all are numbers, alphabetical
otherwise, unless `names` says what they mean. Several collections may stand side by side as
train/COLLECTION/CLASS/IMAGE; their classes are pooled by name.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from search.data import About, Split, Splits, Target
from search.errors import DatasetError
from search.images import FileImages
from search.tasks import SPACES, Task

ABOUT = About(
    summary="any faces of your own, sorted into folders by class",
    terms="those of your images",
    access="the folder must hold train/CLASS/IMAGE and, where there are such splits, val/CLASS/IMAGE and "
    "test/CLASS/IMAGE",
)

SUFFIXES = {".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}  # in any case; backups (`~`) fall out

_LAYOUT = "expected train/CLASS/IMAGE and, where there are such splits, val/CLASS/IMAGE and test/CLASS/IMAGE"


def load(root: Path, *, names: dict[str, str] | None = None) -> Splits:
    """The images under `root`, with the class as expression.

    names: the class that each class folder stands for, such as {"1": surprise, "2": fear}: classes that are called
        as in other data sets count as the same. There must be exactly these folders. The classes come in the order
        of the label space that they make up, or of `names`.

    Raises DatasetError where the layout is another one, a class of train has no image, the splits have different
    classes, or the class folders are not those of `names`.
    """
    present = {name: root / name for name in ("train", "val", "validation", "test") if (root / name).is_dir()}
    if "train" not in present:
        raise DatasetError(f"{root} has no folder train: {_LAYOUT}.")
    if {"val", "validation"} <= set(present):
        raise DatasetError(f"{root} has both val and validation: keep one of them.")
    folders = {name: _class_folders(path) for name, path in present.items()}
    inner = _class_names(root, {name: {folder.name for folder in found} for name, found in folders.items()})
    meaning = dict(zip(inner, inner, strict=True)) if names is None else _checked(root, names, inner)
    classes = inner if names is None else _ordered(meaning)
    splits = {
        name.replace("validation", "val"): _split(root, found, classes, meaning) for name, found in folders.items()
    }
    _check_counts(root / "train", splits["train"], classes)
    others = sum(not _is_image(path) for found in folders.values() for inner in found for path in _files(inner))
    notes = (f"{others} files in class folders are no images ({', '.join(sorted(SUFFIXES))}).",) if others else ()
    return Splits(classes, splits["train"], splits.get("val"), splits.get("test"), notes)


def _check_counts(path: Path, train: Split, classes: tuple[str, ...]) -> None:
    empty = sorted(set(range(len(classes))) - set(train.labels().tolist()))
    if empty:
        raise DatasetError(f"no image of class {', '.join(classes[index] for index in empty)} in {path}.")


def _class_folders(split: Path) -> list[Path]:
    """The class folders of a split: those right in it, or one level deeper where these hold folders only."""
    folders = _folders(split)
    nested = [inner for folder in folders for inner in _folders(folder)]
    for found in (folders, nested):
        if any(_images(folder) for folder in found):
            return found
    raise DatasetError(f"{split} holds no images in class folders: {_LAYOUT}.")


def _checked(root: Path, names: Mapping[str, str], inner: Sequence[str]) -> Mapping[str, str]:
    if differing := sorted(set(names) ^ set(inner)):
        raise DatasetError(
            f"the class folders of {root} are {', '.join(inner)}, and `names` gives {', '.join(names)}: they "
            f"differ in {', '.join(differing)}."
        )
    return names


def _ordered(meaning: Mapping[str, str]) -> tuple[str, ...]:
    """The classes in the order of the label space that they make up, or in that of `meaning`."""
    classes = tuple(dict.fromkeys(meaning.values()))
    return next((space for space in SPACES.values() if set(space) == set(classes)), classes)


def _class_names(root: Path, found: dict[str, set[str]]) -> tuple[str, ...]:
    for name, classes in found.items():
        if differing := classes ^ found["train"]:
            raise DatasetError(
                f"train and {name} under {root} have different classes: {', '.join(sorted(differing))} only in "
                "one of them. Give every split the same class folders."
            )
    names = found["train"]
    return tuple(sorted(names, key=int) if all(name.isdecimal() for name in names) else sorted(names))


def _split(root: Path, folders: list[Path], classes: tuple[str, ...], meaning: Mapping[str, str]) -> Split:
    images = [(path, classes.index(meaning[folder.name])) for folder in folders for path in _images(folder)]
    paths = tuple(str(path.relative_to(root)) for path, _ in images)
    labels = np.array([label for _, label in images], np.int64)
    return Split(
        images=FileImages(paths, root),
        targets={Task.EXPRESSION: Target(labels, np.ones(len(labels), np.bool_))},
        # A name from another system may not be UTF-8; as an id it must be printable.
        items=tuple(os.fsencode(path).decode(errors="backslashreplace") for path in paths),
    )


def _folders(path: Path) -> list[Path]:
    return sorted(inner for inner in path.iterdir() if inner.is_dir() and not inner.name.startswith("."))


def _images(folder: Path) -> list[Path]:
    """Image files by name; a broken link stays, to be named unreadable later."""
    return sorted(path for path in _files(folder) if _is_image(path))


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if not path.name.startswith(".") and not path.is_dir()]


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES
