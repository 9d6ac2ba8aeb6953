"""wikimedia_commons_emotions: 84 cropped faces from Wikimedia Commons, twelve for each expression.

Folders 1 to 7 in the order of RAF-DB (surprise, fear, disgust, happiness, sadness, anger, neutral), images of any
size and mode. Far too few to train on: name it under a study's `dataset.also` with `use: test`, and confirmed
models are shown all of it.
"""

import os
from pathlib import Path

import numpy as np

from search.data import About, Split, Splits, Target
from search.errors import DatasetError
from search.images import FileImages
from search.tasks import EKMAN_NEUTRAL, Task

ABOUT = About(
    summary="84 faces from Wikimedia Commons, twelve for each of seven expressions, to test models of other sets",
    terms="mostly CC BY-SA: who shows one credits its author, whom the Commons page of the file's name gives",
    access="datasets/test of https://github.com/trougnouf/TRAIL2021-challenge5; the folder must hold 1 to 7",
)

NATIVE = ("surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral")  # folders 1 to 7
SUFFIXES = {".jpg", ".jpeg", ".png"}


def load(root: Path) -> Splits:
    """The images under `root`, in the canonical class order, all in train: there are no parts.

    root: the folder that holds the folders 1 to 7, or that which holds wikimedia_commons_emotions.

    Backup files, whose names end in ~, are left out and counted.

    Raises DatasetError where one of the folders is missing or holds no image.
    """
    folder = next((place for place in (root, root / "wikimedia_commons_emotions") if (place / "1").is_dir()), root)
    paths: list[str] = []
    labels: list[int] = []
    backups = 0
    for number, expression in enumerate(NATIVE, start=1):
        inner = folder / str(number)
        if not inner.is_dir():
            raise DatasetError(f"{inner} is missing: each expression should have its folder, 1 to {len(NATIVE)}.")
        names = sorted(path.name for path in inner.iterdir() if not path.name.startswith("."))
        images = [name for name in names if Path(name).suffix.lower() in SUFFIXES]
        if not images:
            raise DatasetError(f"{inner} holds no image ({', '.join(sorted(SUFFIXES))}) of {expression}.")
        paths += [f"{number}/{name}" for name in images]
        labels += [EKMAN_NEUTRAL.index(expression)] * len(images)
        backups += sum(name.endswith("~") for name in names)
    target = Target(np.array(labels, np.int64), np.ones(len(labels), np.bool_))
    # A name from another system may not be UTF-8; as an id it must be printable.
    items = tuple(os.fsencode(path).decode(errors="backslashreplace") for path in paths)
    notes = (f"{backups} backup files (~) are left out.",) if backups else ()
    split = Split(FileImages(tuple(paths), folder), {Task.EXPRESSION: target}, items)
    return Splits(EKMAN_NEUTRAL, split, notes=notes)
