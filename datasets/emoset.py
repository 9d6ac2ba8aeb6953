"""EmoSet-118K (Yang et al., ICCV 2023): 118,102 images, each by one of eight emotions.

EmoSet-118K/train.json, val.json and test.json are the makers' splits: lists of [EMOTION, ID, IMAGE, ANNOTATION]
(in some copies without the ID), with paths such as image/amusement/amusement_12865.jpg. The annotations'
attributes (brightness, scene, objects and so on) are not read.
"""

import json
from pathlib import Path
from typing import Any, Literal

import numpy as np

from search.data import About, Split, Splits, Target, find_folder
from search.errors import DatasetError
from search.images import FileImages
from search.tasks import MIKELS, POLAR, Task

ABOUT = About(
    summary="118,102 images, each by one of Mikels' eight emotions (Yang et al., 2023)",
    terms="the code is under the MIT licence; terms of the images were not found: ask the makers",
    access="the makers' page (vcc.tech/EmoSet), by a form; unpack it as EmoSet-118K, with train.json, val.json, "
    "test.json and image in it",
)

# The makers' two classes put positive first; here they come in the order of search.tasks.POLAR.
POLARITY = dict.fromkeys(("anger", "disgust", "fear", "sadness"), "negative")
POLARITY |= dict.fromkeys(("amusement", "awe", "contentment", "excitement"), "positive")

Entry = tuple[str, str]  # emotion, path of the image


def load(root: Path, *, view: Literal["mikels", "polar"] = "mikels") -> Splits:
    """EmoSet-118K under `root`, in the order of `search.tasks.MIKELS`.

    root: the folder that holds `EmoSet-118K`, or that folder itself.
    view: mikels is one of eight emotions; polar is negative for anger, disgust, fear and sadness, and positive for
        amusement, awe, contentment and excitement.

    Raises DatasetError where a list is missing or an entry is malformed. An image that is listed but not there is
    left to be named unreadable.
    """
    folder = find_folder("EmoSet", root, "EmoSet-118K", "train.json")
    classes = MIKELS if view == "mikels" else POLAR
    train, validation, test = (_split(folder, name, view) for name in ("train", "val", "test"))
    return Splits(classes, train, validation, test)


def _split(folder: Path, name: str, view: str) -> Split:
    entries = _read(folder / f"{name}.json")
    emotions = [emotion for emotion, _ in entries]
    names = emotions if view == "mikels" else [POLARITY[emotion] for emotion in emotions]
    order = MIKELS if view == "mikels" else POLAR
    labels = np.array([order.index(name) for name in names], np.int64)
    paths = tuple(path for _, path in entries)
    return Split(
        FileImages(paths, folder), {Task.EXPRESSION: Target(labels, np.ones(len(paths), np.bool_))}, paths
    )


def _read(file: Path) -> list[Entry]:
    try:
        entries = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DatasetError(f"{file} is missing: EmoSet's three lists belong together.") from None
    except ValueError as error:
        where = f":{error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise DatasetError(
            f"{file}{where}: this is no JSON ({error}): it is not whole. Download it again."
        ) from None
    if not isinstance(entries, list) or not entries:
        raise DatasetError(f"{file} should be a list of [emotion, id, image, annotation].")
    return [_entry(entry, f"{file}, entry {number}") for number, entry in enumerate(entries, start=1)]


def _entry(entry: Any, where: str) -> Entry:
    if not isinstance(entry, list) or len(entry) not in (3, 4) or not isinstance(entry[-2], str):
        raise DatasetError(f"{where}: {str(entry)[:80]} is not [emotion, id, image, annotation].")
    if entry[0] not in MIKELS:
        raise DatasetError(f"{where}: the emotion {entry[0]!r} is none of {', '.join(MIKELS)}.")
    return entry[0], entry[-2]
