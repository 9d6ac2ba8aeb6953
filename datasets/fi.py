"""FI (You, Luo, Jin and Yang, AAAI 2016): about 23,000 images from Flickr and Instagram by one of eight emotions.

emotion_dataset/EMOTION/IMAGE.jpg, from amusement to sadness. The paper counts 23,308 images; a copy that others
describe holds 23,185: amusement 4,923, anger 1,255, awe 3,133, contentment 5,356, disgust 1,657, excitement 2,914,
fear 1,046, sadness 2,901.

The makers' lists of training, validation and test (80, 5 and 15 in 100) are not at hand. Where train, val and test
as .txt or .csv lie beside the folders they split: a line an image, whose first cell is its path or name; the
folder is the label, whatever else stands in the line. (That form follows loaders of others and was not verified.)
Without lists, one of five folds, dealt by emotion, is for testing.
"""

import os
from pathlib import Path

import numpy as np

from search.data import About, Split, Splits, Target, find_folder
from search.errors import DatasetError
from search.folds import Fold, deal
from search.images import FileImages
from search.tasks import MIKELS, Task

ABOUT = About(
    summary="about 23,000 images from Flickr and Instagram by one of Mikels' eight emotions (You et al., 2016)",
    terms="research; ask the makers",
    access="the makers' page (qzyou.github.io), on request; unpack it as emotion_dataset/EMOTION/IMAGE.jpg",
)

SUFFIXES = {".bmp", ".jpeg", ".jpg", ".png"}
LISTS = (".txt", ".csv")


def load(root: Path, *, fold: Fold = 0) -> Splits:
    """FI under `root`, in the order of `search.tasks.MIKELS`.

    root: the folder that holds `emotion_dataset`, or that folder itself.
    fold: which fifth of the images is for testing, where no lists say it.

    Raises DatasetError where a folder of an emotion is missing or empty, or a list is malformed. An image in no
    list is left out and counted in the notes.
    """
    folder = find_folder("FI", root, "emotion_dataset", MIKELS[0])
    images = [path for emotion in MIKELS for path in _images(folder, emotion)]
    if (listed := _list_file(folder, "train")) is not None:
        return _listed(folder, images, listed)
    folds = deal([_printable(path) for path in images], [_label(path) for path in images])
    chosen = {
        name: [path for path, dealt in zip(images, folds, strict=True) if (dealt == fold) == (name == "test")]
        for name in ("train", "test")
    }
    return Splits(MIKELS, _split(folder, chosen["train"]), test=_split(folder, chosen["test"]))


def _images(folder: Path, emotion: str) -> list[str]:
    if not (folder / emotion).is_dir():
        raise DatasetError(f"{folder / emotion} is missing: FI has a folder for each of {', '.join(MIKELS)}.")
    names = sorted(
        path.name
        for path in (folder / emotion).iterdir()
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")
    )
    if not names:
        raise DatasetError(f"{folder / emotion} holds no image ({', '.join(sorted(SUFFIXES))}).")
    return [f"{emotion}/{name}" for name in names]


def _label(path: str) -> int:
    return MIKELS.index(path.split("/")[0])


def _printable(path: str) -> str:
    return os.fsencode(path).decode(errors="replace")


def _split(folder: Path, paths: list[str]) -> Split:
    labels = np.array([_label(path) for path in paths], np.int64)
    return Split(
        images=FileImages(tuple(paths), folder),
        targets={Task.EXPRESSION: Target(labels, np.ones(len(paths), np.bool_))},
        items=tuple(_printable(path) for path in paths),
    )


def _list_file(folder: Path, name: str) -> Path | None:
    return next((folder / f"{name}{suffix}" for suffix in LISTS if (folder / f"{name}{suffix}").is_file()), None)


def _listed(folder: Path, images: list[str], train: Path) -> Splits:
    by_name = {path.split("/")[1]: path for path in images}
    chosen = {"train": _read_list(train, set(images), by_name)}
    for name in ("val", "test"):
        if (file := _list_file(folder, name)) is not None:
            chosen[name] = _read_list(file, set(images), by_name)
    seen = [path for paths in chosen.values() for path in paths]
    if len(set(seen)) < len(seen):
        twice = next(path for path in seen if seen.count(path) > 1)
        raise DatasetError(f"{twice} is in the lists of {folder} more than once: an image belongs to one split.")
    unlisted = len(images) - len(seen)
    return Splits(
        MIKELS,
        _split(folder, chosen["train"]),
        _split(folder, chosen["val"]) if "val" in chosen else None,
        _split(folder, chosen["test"]) if "test" in chosen else None,
        notes=(f"images left out, as no list has them: {unlisted}.",) if unlisted else (),
    )


def _read_list(file: Path, images: set[str], by_name: dict[str, str]) -> list[str]:
    """The images of a list, which must be there: FI's label is the folder that an image lies in."""
    paths = []
    for number, line in enumerate(file.read_text(encoding="utf-8-sig", errors="replace").splitlines(), start=1):
        cell = line.replace("\t", " ").split("," if file.suffix == ".csv" else " ")[0].strip(" \"'")
        if not cell or (number == 1 and Path(cell).suffix.lower() not in SUFFIXES):
            continue  # an empty line, or the names of the columns
        parts = cell.replace("\\", "/").split("/")
        path = "/".join(parts[-2:]) if len(parts) > 1 else by_name.get(cell, "")
        if path not in images:
            raise DatasetError(f"{file}:{number}: {cell!r} is no image in the folder of an emotion.")
        paths.append(path)
    if not paths:
        raise DatasetError(f"{file} lists no image.")
    return paths
