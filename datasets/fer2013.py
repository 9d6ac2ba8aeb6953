"""FER2013 (Goodfellow et al., "Challenges in representation learning", ICONIP 2013): 35,887 grey faces of 48 px.

Either one of the two CSV files, fer2013.csv (columns emotion,pixels,Usage) and icml_face_data.csv (emotion, Usage,
pixels, with blanks in the names), or folders train/CLASS/IMAGE and test/CLASS/IMAGE from angry to surprise. In the
CSV files Usage splits: Training (28,709), PublicTest (3,589, for validation) and PrivateTest (3,589, for testing).
The folders' test is both tests merged, 7,178 images: its figures do not compare with those of PrivateTest.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from search.data import About, Images, Split, Splits, Target
from search.errors import DatasetError
from search.images import FileImages, GreyRows, read_table
from search.tasks import EKMAN_NEUTRAL, Task

TABLES = ("fer2013.csv", "icml_face_data.csv")
COLUMNS = ("emotion", "pixels", "Usage")
USAGES = {"Training": "train", "PublicTest": "validation", "PrivateTest": "test"}
CODES = {str(code): code for code in range(len(EKMAN_NEUTRAL))}  # the codes are in the canonical order
# fmt: off
FOLDERS = {
    "angry": "anger", "disgust": "disgust", "fear": "fear", "happy": "happiness", "neutral": "neutral",
    "sad": "sadness", "surprise": "surprise",
}
# fmt: on
SUFFIXES = {".jpg", ".jpeg", ".png"}

ABOUT = About(
    summary="35,887 grey faces of 48 px found by web search, seven expressions (Goodfellow et al., ICONIP 2013)",
    terms="made for a Kaggle competition on representation learning, under its rules",
    access="fer2013.csv or icml_face_data.csv of Kaggle's challenges-in-representation-learning-facial-expression-"
    "recognition-challenge, or the folders train and test of Kaggle's msambare/fer2013",
)


def load(root: Path) -> Splits:
    """FER2013 under `root`, in the canonical class order.

    root: the folder that holds the CSV file (or the folder fer2013 with it), or the folders train and test.
        Where there is a CSV file it is read, fer2013.csv first.

    Items of a CSV file are called fer0000000, fer0000001, ... by row. (FER+ numbers the same rows otherwise.)

    Raises DatasetError where no form is found, or a row's emotion or Usage is malformed. A row whose pixels are
    malformed is left to be named unreadable.
    """
    folders = (root, root / "fer2013")
    for file in (folder / name for folder in folders for name in TABLES):
        if file.is_file():
            return _from_table(file)
    for folder in folders:
        if (folder / "train").is_dir():
            return _from_folders(folder)
    raise DatasetError(
        f"no FER2013 under {root}: looked for {' and '.join(TABLES)}, and for the folders train/"
        f"{next(iter(FOLDERS))} to train/{list(FOLDERS)[-1]}."
    )


def _from_table(file: Path) -> Splits:
    header, rows = read_table(file, COLUMNS)
    found: dict[str, list[tuple[int, int, str]]] = {usage: [] for usage in USAGES}  # offset, label, item
    for item, row in enumerate(rows):
        usage, label = _read_row(row.cells, f"{file}:{row.number}")
        found[usage].append((row.offset, label, f"fer{item:07d}"))
    if not found["Training"]:
        raise DatasetError(f"{file} has no row of Usage Training: it is not whole. Download it again.")
    splits = {}
    for usage, members in found.items():
        if members:
            offsets, labels, items = zip(*members, strict=True)
            splits[USAGES[usage]] = _split(GreyRows(file, offsets, header.index("pixels")), labels, items)
    return Splits(EKMAN_NEUTRAL, splits["train"], splits.get("validation"), splits.get("test"))


def _read_row(row: Mapping[str, str], where: str) -> tuple[str, int]:
    """The Usage and the label of a row."""
    if "Usage" not in row:
        raise DatasetError(f"{where}: the row ends before its Usage: the file is cut short. Download it again.")
    if row["Usage"] not in USAGES:
        raise DatasetError(
            f"{where}: the Usage {_shown(row['Usage'])} is none of {', '.join(USAGES)}. Correct or remove the row."
        )
    emotion = row.get("emotion", "")
    if emotion not in CODES:
        raise DatasetError(
            f"{where}: the emotion {_shown(emotion)} is not a code from 0 (anger) to 6 (neutral). "
            "Correct or remove the row."
        )
    return row["Usage"], CODES[emotion]


def _from_folders(folder: Path) -> Splits:
    test = _read_folders(folder, "test") if (folder / "test").is_dir() else None
    return Splits(EKMAN_NEUTRAL, _read_folders(folder, "train"), test=test)


def _read_folders(root: Path, name: str) -> Split:
    inner = {path.name for path in (root / name).iterdir() if path.is_dir() and not path.name.startswith(".")}
    if differing := inner ^ set(FOLDERS):
        raise DatasetError(
            f"{root / name} should hold the folders {', '.join(FOLDERS)}; too many or missing: "
            f"{', '.join(sorted(differing))}."
        )
    paths, labels = [], []
    for class_folder, expression in FOLDERS.items():
        images = sorted(
            str(path.relative_to(root))
            for path in (root / name / class_folder).iterdir()
            if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")
        )
        if not images:
            raise DatasetError(f"{root / name / class_folder} holds no image ({', '.join(sorted(SUFFIXES))}).")
        paths += images
        labels += [EKMAN_NEUTRAL.index(expression)] * len(images)
    return _split(FileImages(tuple(paths), root), labels, paths)


def _split(images: Images, labels: Sequence[int], items: Sequence[str]) -> Split:
    target = Target(np.array(labels, np.int64), np.ones(len(labels), np.bool_))
    return Split(images, {Task.EXPRESSION: target}, tuple(items))


def _shown(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:60] + "...")
