"""FER2013 (Goodfellow et al., "Challenges in representation learning", ICONIP 2013): 35,887 grey faces of 48 px.

Either one of the two CSV files, fer2013.csv (columns emotion,pixels,Usage) and icml_face_data.csv (emotion, Usage,
pixels, with blanks in the names), or folders train/CLASS/IMAGE and test/CLASS/IMAGE from angry to surprise. In the
CSV files Usage splits: Training (28,709), PublicTest (3,589, for validation) and PrivateTest (3,589, for testing).
The folders' test is both tests merged, 7,178 images: its figures do not compare with those of PrivateTest.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from search.data import Images, Indices, Pixels, Split, Splits, Target
from search.errors import DatasetError
from search.images import FileImages
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
SIDE = 48


@dataclass(frozen=True)
class RowImages:
    """One row of a CSV file an item: 48 x 48 grey values from 0 to 255 in row-major order, split by blanks.

    offsets: the byte at which each row starts. column: which cell of a row holds the pixels.
    Rows are resized bilinearly (with antialiasing); grey becomes three equal channels.
    """

    file: Path
    offsets: tuple[int, ...]
    column: int

    def __len__(self) -> int:
        return len(self.offsets)

    def fingerprint(self) -> str:
        """A hash of the pixels' text of every row."""
        digest = blake2b(digest_size=16)
        for text in self._texts(self.offsets):
            digest.update(text.encode() + b"\n")
        return digest.hexdigest()

    def decode(self, indices: Indices, size: int) -> tuple[Pixels, dict[int, str]]:
        """See `search.data.Images`."""
        pixels = np.zeros((len(indices), size, size, 3), np.uint8)
        reasons = {}
        for position, text in enumerate(self._texts([self.offsets[index] for index in indices])):
            grey = _grey(text)
            if isinstance(grey, str):
                reasons[position] = grey
            else:
                resized = Image.fromarray(grey).resize((size, size), Image.Resampling.BILINEAR)
                pixels[position] = np.asarray(resized)[..., None]
        return pixels, reasons

    def _texts(self, offsets: Sequence[int]) -> Iterator[str]:
        with self.file.open("rb") as stream:
            for offset in offsets:
                stream.seek(offset)
                cells = _cells(stream.readline())
                yield cells[self.column] if self.column < len(cells) else ""


def load(root: Path) -> Splits:
    """FER2013 under `root`, in the canonical class order.

    root: the folder that holds the CSV file (or the folder fer2013 with it), or the folders train and test.
        Where there is a CSV file it is read, fer2013.csv first.

    Items of a CSV file are called fer0000000, fer0000001, ... by row, as in FER+.

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
    found: dict[str, list[tuple[int, int, str]]] = {usage: [] for usage in USAGES}  # offset, label, item
    with file.open("rb") as stream:
        header = _cells(stream.readline())
        if not set(COLUMNS) <= set(header):
            raise DatasetError(
                f"{file}:1: the first line is {_shown(','.join(header))}, not the columns {', '.join(COLUMNS)} "
                "in any order."
            )
        offset, item = stream.tell(), 0
        for number, line in enumerate(stream, start=2):
            if line.strip():
                usage, label = _read_row(dict(zip(header, _cells(line), strict=False)), f"{file}:{number}")
                found[usage].append((offset, label, f"fer{item:07d}"))
                item += 1
            offset += len(line)
    if not found["Training"]:
        raise DatasetError(f"{file} has no row of Usage Training: it is not whole. Download it again.")
    splits = {}
    for usage, rows in found.items():
        if rows:
            offsets, labels, items = zip(*rows, strict=True)
            splits[USAGES[usage]] = _split(RowImages(file, offsets, header.index("pixels")), labels, items)
    return Splits(EKMAN_NEUTRAL, **splits)


def _read_row(row: dict[str, str], where: str) -> tuple[str, int]:
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


def _cells(line: bytes) -> list[str]:
    """The cells of a line: no cell of these files holds a comma, and some copies quote or pad them."""
    return [cell.strip(' "\r\n') for cell in line.decode("utf-8-sig", errors="replace").split(",")]


def _grey(text: str) -> NDArray[np.uint8] | str:
    """uint8 (48, 48), or the reason why not."""
    values = text.split()
    if len(values) != SIDE**2:
        return f"holds {len(values)} pixel values, not {SIDE**2}"
    try:
        return np.array(values, np.uint8).reshape(SIDE, SIDE)
    except (ValueError, OverflowError):
        return "holds a pixel value that is not a whole number from 0 to 255"


def _shown(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:60] + "...")
