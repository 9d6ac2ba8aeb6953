"""RAF-DB, basic expressions (Li, Deng and Du, CVPR 2017): 12,271 training and 3,068 test faces, by request only.

Either the official layout (basic/EmoLabel/list_patition_label.txt, spelled so, and basic/Image/aligned) or the
copies re-cut as DATASET/train/1..7 and DATASET/test/1..7, with or without train_labels.csv and test_labels.csv.
There is no official validation split and no subject id.
"""

import csv
import re
from pathlib import Path
from typing import Literal

import numpy as np

from search.data import About, Split, Splits, Target
from search.errors import DatasetError
from search.images import FileImages
from search.tasks import EKMAN_NEUTRAL, Task

ABOUT = About(
    summary="RAF-DB, basic: 15,339 faces from the web, seven expressions (Li, Deng and Du, CVPR 2017)",
    terms="for non-commercial research only; no redistribution",
    access="fill in the form at http://www.whdeng.cn/raf/model1.html; the folder must hold basic/EmoLabel and "
    "basic/Image, or a re-cut copy's DATASET/train and DATASET/test",
)

NATIVE = ("surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral")  # labels 1 to 7
LIST = Path("EmoLabel", "list_patition_label.txt")

_LINE = re.compile(r"((train|test)_\d+)\.jpg ([1-7])")

Listing = dict[str, int]  # path relative to the folder of the images -> label 1 to 7


def load(root: Path, *, images: Literal["aligned", "original"] = "aligned") -> Splits:
    """RAF-DB under `root`, in the canonical class order.

    root: the folder that holds `basic` or `DATASET`, or that folder itself.
    images: the 100 x 100 crops, or the photographs they were cut from (official layout only).

    Raises DatasetError where neither layout is found, or a label line is malformed. An image that is listed
    but not there is left to be named unreadable.
    """
    for folder in (root / "basic", root):
        if (folder / LIST).is_file():
            return _splits(folder, _official(folder, images))
    for folder in (root / "DATASET", root):
        if (folder / "train" / "1").is_dir():
            if images == "original":
                raise DatasetError(f"{folder} is a re-cut copy of RAF-DB, which holds aligned images only.")
            return _splits(folder, {split: _recut(root, folder, split) for split in ("train", "test")})
    raise DatasetError(
        f"no RAF-DB under {root}: looked for basic/{LIST} (official layout) and DATASET/train/1 (re-cut copies)."
    )


def _official(folder: Path, images: str) -> dict[str, Listing]:
    directory = Path("Image", images)
    if not (folder / directory).is_dir():
        raise DatasetError(f"{folder / directory} is missing: unpack RAF-DB's {images} images there.")
    suffix = "_aligned" if images == "aligned" else ""
    listings: dict[str, Listing] = {"train": {}, "test": {}}
    for number, line in enumerate((folder / LIST).read_text().splitlines(), start=1):
        match = _LINE.fullmatch(line.strip())
        if match is None:
            raise DatasetError(
                f"{folder / LIST}:{number}: {line!r} is not an image name and a label from 1 to 7, "
                "such as 'train_00001.jpg 5'."
            )
        stem, split, label = match.groups()
        listings[split][str(directory / f"{stem}{suffix}.jpg")] = int(label)
    return listings


def _recut(root: Path, folder: Path, split: str) -> Listing:
    for place in (root, folder):
        if (place / f"{split}_labels.csv").is_file():
            return _read_csv(place / f"{split}_labels.csv", split)
    labels = range(1, len(NATIVE) + 1)
    paths = [path for label in labels for path in sorted((folder / split / str(label)).glob("[!.]*.jpg"))]
    return {str(path.relative_to(folder)): int(path.parent.name) for path in paths}


def _read_csv(file: Path, split: str) -> Listing:
    listing: Listing = {}
    with file.open(newline="", encoding="utf-8-sig") as stream:
        rows = csv.reader(stream)
        if next(rows, None) != ["image", "label"]:
            raise DatasetError(f"{file}:1: the first line is not 'image,label'.")
        for row in rows:
            if len(row) != 2 or row[1] not in set("1234567"):
                raise DatasetError(
                    f"{file}:{rows.line_num}: {','.join(row)!r} is not an image name and a label from 1 to 7, "
                    "such as 'train_00001_aligned.jpg,5'."
                )
            listing[f"{split}/{row[1]}/{row[0]}"] = int(row[1])
    return listing


def _splits(folder: Path, listings: dict[str, Listing]) -> Splits:
    if not listings["train"]:
        raise DatasetError(f"RAF-DB in {folder} lists no training image.")
    test = _split(folder, listings["test"]) if listings["test"] else None
    return Splits(EKMAN_NEUTRAL, _split(folder, listings["train"]), test=test)


def _split(folder: Path, listing: Listing) -> Split:
    paths = tuple(listing)
    labels = np.array([EKMAN_NEUTRAL.index(NATIVE[label - 1]) for label in listing.values()], np.int64)
    return Split(
        images=FileImages(paths, folder),
        targets={Task.EXPRESSION: Target(labels, np.ones(len(labels), np.bool_))},
        items=paths,
    )
