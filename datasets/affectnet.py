"""AffectNet (Mollahosseini, Hasani and Mahoor, IEEE Trans. Affective Computing 2017): faces found by web search.

Either the lists of 2017 (Manually_Annotated_file_lists/training.csv and validation.csv, with the photographs in
Manually_Annotated_Images, of which the face's box is taken), or the crops of 2021 (train_set and val_set, each
with images/ID.jpg and annotations/ID_exp.npy, ID_val.npy and ID_aro.npy, numbers or texts).

No test set is public: the official validation set, on which papers report, is for testing here, and the
validation split is carved from train.
"""

import csv
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from search.data import About, Split, Splits, Target
from search.errors import DatasetError
from search.images import FileImages
from search.tasks import EKMAN_NEUTRAL, EKMAN_NEUTRAL_CONTEMPT, Task

ABOUT = About(
    summary="about 290,000 faces from the web: eight expressions, valence and arousal (Univ. of Denver, 2017)",
    terms="for research only, under an agreement that a laboratory's head signs; no redistribution",
    access="ask at http://mohammadmahoor.com/affectnet; the folder must hold Manually_Annotated_file_lists and "
    "Manually_Annotated_Images, or train_set and val_set",
)

COLUMNS = (
    "subDirectory_filePath", "face_x", "face_y", "face_width", "face_height", "facial_landmarks", "expression",
    "valence", "arousal",
)  # fmt: skip
NATIVE = ("neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger", "contempt")
CODES = (*NATIVE, "none", "uncertain", "no face")

_NEEDED = ("subDirectory_filePath", "expression", "valence", "arousal")
_LISTS = {"train": Path("training.csv"), "test": Path("validation.csv")}
_SETS = {"train": "train_set", "test": "val_set"}
_SUFFIXES = {".jpg", ".jpeg", ".png"}


@dataclass(frozen=True)
class Face:
    """One listed image: its path, an index into CODES, valence and arousal, and the face's box, if any."""

    path: str
    code: int
    affect: tuple[float, float]
    box: tuple[int, int, int, int] | None = None


def load(root: Path, *, expressions: Literal[7, 8] = 8) -> Splits:
    """AffectNet under `root`: expression, valence and arousal, in the canonical class order.

    root: the folder that holds the lists (or a folder Manually_Annotated with them), or train_set and val_set.
    expressions: 7 leaves contempt out.

    Images without an expression (none, uncertain, no face) are left out and counted. Valence and arousal are
    masked where one of them is not in [-1, 1], such as the -2 of what was not annotated.

    Raises DatasetError where neither form is found, or a row or an annotation is malformed.
    """
    for folder in (root, root / "Manually_Annotated"):
        lists = {name: folder / "Manually_Annotated_file_lists" / file for name, file in _LISTS.items()}
        if lists["train"].is_file():
            listed = {name: list(_read_list(file)) for name, file in lists.items() if file.is_file()}
            return _splits(listed, dict.fromkeys(listed, folder / "Manually_Annotated_Images"), expressions)
    sets = {name: root / folder for name, folder in _SETS.items() if (root / folder / "annotations").is_dir()}
    if "train" in sets:
        listed = {name: _read_annotations(folder) for name, folder in sets.items()}
        return _splits(listed, {name: folder / "images" for name, folder in sets.items()}, expressions)
    raise DatasetError(
        f"no AffectNet under {root}: looked for Manually_Annotated_file_lists/training.csv, and for "
        "train_set/annotations."
    )


def _read_list(file: Path) -> Iterator[Face]:
    with file.open(newline="", encoding="utf-8-sig", errors="surrogateescape") as stream:
        rows = csv.reader(stream)
        header = [name.strip() for name in next(rows, [])]
        if not set(COLUMNS) <= set(header):
            raise DatasetError(f"{file}:1: the first line is not {','.join(COLUMNS)} in any order.")
        for row in rows:
            if not row:
                continue
            where = f"{file}:{rows.line_num}"
            cells = dict(zip(header, (cell.strip() for cell in row), strict=False))
            if missing := [name for name in _NEEDED if not cells.get(name)]:
                raise DatasetError(
                    f"{where}: the row has no {missing[0]}: it is damaged, or the file is cut short. Get it again."
                )
            yield Face(
                path=cells["subDirectory_filePath"],
                code=_code(cells["expression"], where),
                affect=(_number(cells["valence"], where), _number(cells["arousal"], where)),
                box=_box([cells[name] for name in COLUMNS[1:5]], where),
            )


def _box(cells: Sequence[str], where: str) -> tuple[int, int, int, int] | None:
    """Left, upper, right and lower edge; None where the row has none."""
    if not all(cells):
        return None
    edges = [_number(cell, where) for cell in cells]
    if not all(abs(edge) < 2**31 for edge in edges):
        raise DatasetError(f"{where}: {', '.join(cells)} is not a face's x, y, width and height in pixels.")
    x, y, width, height = map(round, edges)
    return (x, y, x + width, y + height) if width > 0 and height > 0 else None


def _read_annotations(folder: Path) -> list[Face]:
    listed = _files(folder / "images")
    images = {path.stem: path.name for path in listed if path.suffix.lower() in _SUFFIXES}
    annotations = _files(folder / "annotations")
    names = [path.name.removesuffix("_exp.npy") for path in annotations if path.name.endswith("_exp.npy")]
    names.sort(key=lambda name: (len(name), name))  # numbers in their order

    def read(name: str) -> Face:
        files = (folder / "annotations" / f"{name}_{what}.npy" for what in ("exp", "val", "aro"))
        expression, valence, arousal = files
        return Face(
            path=images.get(name, f"{name}.jpg"),
            code=_code(_scalar(expression), str(expression)),
            affect=(_number(_scalar(valence), str(valence)), _number(_scalar(arousal), str(arousal))),
        )

    with ThreadPoolExecutor() as threads:
        return list(threads.map(read, names))


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise DatasetError(f"{folder} is missing: unpack AffectNet whole.")
    return [path for path in folder.iterdir() if not path.name.startswith(".")]


def _scalar(file: Path) -> str:
    """The one value of a NumPy file, be it a number, a text or bytes."""
    try:
        value = np.load(file, allow_pickle=False).item()
    except FileNotFoundError:
        raise DatasetError(f"{file} is missing: unpack AffectNet whole.") from None
    except (ValueError, EOFError, OSError) as error:
        raise DatasetError(f"{file} is no NumPy file of one value: {error}. Get it again.") from error
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _code(text: str, where: str) -> int:
    code = _number(text, where)
    if code not in range(len(CODES)):
        raise DatasetError(
            f"{where}: the expression {text!r} is not a code from 0 ({CODES[0]}) to {len(CODES) - 1} "
            f"({CODES[-1]}). Correct or remove it."
        )
    return int(code)


def _number(text: str, where: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise DatasetError(f"{where}: {text!r} is not a number. Correct or remove it.") from None


def _splits(listed: dict[str, list[Face]], folders: dict[str, Path], expressions: Literal[7, 8]) -> Splits:
    classes = EKMAN_NEUTRAL if expressions == 7 else EKMAN_NEUTRAL_CONTEMPT
    splits: dict[str, Split] = {}
    notes: list[str] = []
    for name, faces in listed.items():
        kept: dict[str, Face] = {}
        for face in faces:
            if CODES[face.code] in classes:
                kept.setdefault(face.path, face)
        chosen = list(kept.values())
        if chosen:
            splits[name] = _split(folders[name], chosen, classes)
        notes += _notes(name, faces, chosen, classes)
    if "train" not in splits:
        raise DatasetError(f"AffectNet in {folders['train'].parent} lists no training image with an expression.")
    return Splits(classes, splits["train"], test=splits.get("test"), notes=tuple(notes))


def _notes(name: str, faces: Sequence[Face], chosen: Sequence[Face], classes: Sequence[str]) -> Iterator[str]:
    codes = [CODES[face.code] for face in faces]
    left_out = [f"{codes.count(code)} {code}" for code in CODES if code not in classes and code in codes]
    if left_out:
        yield f"{name}: left out by their expression: {', '.join(left_out)}."
    if again := sum(code in classes for code in codes) - len(chosen):
        yield f"{name}: {again} rows are left out, as their image is listed before."
    if unknown := sum(not _in_range(face) for face in chosen):
        yield f"{name}: {unknown} images have no valence and arousal in [-1, 1]."


def _split(folder: Path, faces: Sequence[Face], classes: Sequence[str]) -> Split:
    paths = tuple(face.path for face in faces)
    labels = np.array([classes.index(CODES[face.code]) for face in faces], np.int64)
    known = np.array([_in_range(face) for face in faces], np.bool_)
    affect = np.array([face.affect if _in_range(face) else (0.0, 0.0) for face in faces], np.float32)
    return Split(
        images=FileImages(paths, folder, _boxes(faces)),
        targets={
            Task.EXPRESSION: Target(labels, np.ones(len(labels), np.bool_)),
            Task.VALENCE_AROUSAL: Target(affect, known),
        },
        items=tuple(os.fsencode(path).decode(errors="backslashreplace") for path in paths),
    )


def _in_range(face: Face) -> bool:
    return all(-1 <= value <= 1 for value in face.affect)


def _boxes(faces: Sequence[Face]) -> NDArray[np.int64] | None:
    if all(face.box is None for face in faces):
        return None
    return np.array([face.box or (0, 0, 0, 0) for face in faces], np.int64)
