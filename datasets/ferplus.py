"""FER+ (Barsoum et al., "Training deep networks for facial expression recognition", ICMI 2016): votes on FER2013.

Ten people voted on each face of FER2013, for eight expressions, unknown, or no face. Either fer2013new.csv beside
FER2013's own table, whose rows it follows, or the folders FER2013Train, FER2013Valid and FER2013Test, each with
its images and a label.csv. Usage splits: Training, PublicTest (for validation) and PrivateTest (for testing).
As they are published, the votes on 1,602 faces differ between the table and the lists.

A rule turns votes into a target; what it leaves out is counted. Figures on FER+ compare only under the same rule:
majority leaves 3,153 test faces of the table and 3,137 of the lists; some papers take the likeliest of the eight
expressions for all 3,573.
"""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from search.data import About, Images, Split, Splits, Target
from search.errors import DatasetError
from search.images import FileImages, GreyRows, read_table
from search.tasks import EKMAN_NEUTRAL_CONTEMPT, Task

ABOUT = About(
    summary="FER2013's 35,887 faces with ten votes each over eight expressions (Barsoum et al., ICMI 2016)",
    terms="the labels are under the MIT licence; the images are FER2013's, under its terms",
    access="fer2013new.csv from https://github.com/microsoft/FERPlus beside fer2013.csv of FER2013, or that "
    "repository's folder data with the images it makes",
)

Rule = Literal["majority", "probability", "crossentropy", "multi_target"]
Votes = NDArray[np.int64]  # (10,), in the order of NATIVE, unknown, no face

LABELS = "fer2013new.csv"
TABLES = ("fer2013.csv", "icml_face_data.csv")
NATIVE = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt")
VOTES = (*NATIVE, "unknown", "NF")
USAGES = {"Training": "train", "PublicTest": "validation", "PrivateTest": "test"}
FOLDERS = {"FER2013Train": "train", "FER2013Valid": "validation", "FER2013Test": "test"}

_ORDER = [NATIVE.index(name) for name in EKMAN_NEUTRAL_CONTEMPT]


@dataclass(frozen=True)
class Face:
    """One image that has a name: where it is (a byte in FER2013's table, or a box), and its votes."""

    name: str
    place: Any
    votes: Votes


def load(root: Path, *, rule: Rule = "majority") -> Splits:
    """FER+ under `root`, in the canonical class order.

    root: the folder with fer2013new.csv and FER2013's table (which may lie in a folder fer2013), or the folder
        with FER2013Train and its like, or that which holds their folder data.
    rule: the official ones, on the votes left once every expression with a single vote has lost it. What is
        unknown or no face by the rule is left out.
        majority: the expression that has more than half of the votes.
        probability, crossentropy: the distribution over the expressions with most votes, until they hold three
            quarters of them: at most three, with more than half. (The two differ only in how the original trains.)
        multi_target: all expressions that have at least 30 % of the votes, equally, if these are more than half.

    Items are called as in the labels: fer0000000.png, ...

    Raises DatasetError where neither form is found, a line is malformed, or the two tables differ in rows.
    """
    if (root / LABELS).is_file():
        return _from_table(root, rule)
    for folder in (root, root / "data"):
        if (folder / "FER2013Train").is_dir():
            return _from_folders(folder, rule)
    raise DatasetError(f"no FER+ under {root}: looked for {LABELS}, and for the folder FER2013Train.")


def target(votes: Votes, rule: Rule) -> NDArray[np.float64] | None:
    """The official target of votes (10,) over the eight expressions (8,), in the order of NATIVE, summing to 1.

    None where the image is unknown, or no face, by the rule.
    """
    counts = np.where(votes > 1, votes, 0)
    match rule:
        case "majority":
            kept = np.where(2 * counts > counts.sum(), counts, 0)
        case "probability" | "crossentropy":
            kept = _peaks(counts)
        case "multi_target":
            kept = np.where(10 * counts >= 3 * counts.sum(), counts, 0)
    if 2 * kept.sum() <= counts.sum() or kept.argmax() >= len(NATIVE):
        return None
    kept = kept[: len(NATIVE)]
    if rule == "multi_target":
        kept = kept > 0
    return np.asarray(kept / kept.sum(), np.float64)


def _peaks(counts: Votes) -> Votes:
    """The largest counts, equal ones together, until they hold three quarters or are three; none if more."""
    kept = np.zeros_like(counts)
    for level in sorted(set(counts[counts > 0].tolist()), reverse=True):
        kept[counts == level] = level
        ends = kept[len(NATIVE) :].any()  # unknown and no face end it, and are no expressions
        kept[len(NATIVE) :] = 0
        if ends or 4 * kept.sum() >= 3 * counts.sum() or np.count_nonzero(kept) >= 3:
            break
    return kept if np.count_nonzero(kept) <= 3 else np.zeros_like(counts)


def _from_table(root: Path, rule: Rule) -> Splits:
    places = [folder / name for folder in (root, root / "fer2013") for name in TABLES]
    table = next((file for file in places if file.is_file()), None)
    if table is None:
        raise DatasetError(f"{root} holds {LABELS} but no image: put FER2013's {' or '.join(TABLES)} beside it.")
    _, labels = read_table(root / LABELS, ("Usage", "Image name", *VOTES))
    header, rows = read_table(table, ("pixels", "Usage"))
    faces: dict[str, dict[str, Face]] = {split: {} for split in USAGES.values()}
    nameless = again = 0
    for label, row in zip_longest(labels, rows):
        if label is None or row is None:
            longer, shorter = (root / LABELS, table) if row is None else (table, root / LABELS)
            raise DatasetError(f"{longer} has more rows than {shorter}: one of them is cut short. Get it again.")
        where = f"{root / LABELS}:{label.number}"
        usage, name = label.cells.get("Usage", ""), label.cells.get("Image name", "")
        if usage not in USAGES:
            raise DatasetError(f"{where}: the Usage {usage!r} is none of {', '.join(USAGES)}.")
        if row.cells.get("Usage") != usage:
            raise DatasetError(
                f"{where}: the Usage is {usage}, and {row.cells.get('Usage', '')!r} in {table}:{row.number}: "
                "the two tables must hold the same images in the same order."
            )
        votes = _votes([label.cells.get(column, "") for column in VOTES], where)
        listed = faces[USAGES[usage]]
        nameless += not name
        again += name in listed
        if name and name not in listed:
            listed[name] = Face(name, row.offset, votes)
    column = header.index("pixels")

    def images(_: str, kept: Sequence[Face]) -> Images:
        return GreyRows(table, tuple(face.place for face in kept), column)

    notes = {"gives no name to what is no face": nameless, "has the same image before": again}
    told = [f"{count} rows are left out, as {LABELS} {reason}." for reason, count in notes.items() if count]
    return _splits(root, {split: list(listed.values()) for split, listed in faces.items()}, rule, images, told)


def _from_folders(folder: Path, rule: Rule) -> Splits:
    present = {name: split for name, split in FOLDERS.items() if (folder / name).is_dir()}
    faces = {split: list(_read_labels(folder / name / "label.csv")) for name, split in present.items()}
    named = {split: folder / name for name, split in present.items()}

    def images(split: str, kept: Sequence[Face]) -> Images:
        return FileImages(tuple(face.name for face in kept), named[split], np.array([face.place for face in kept]))

    return _splits(folder, faces, rule, images, [])


def _read_labels(file: Path) -> Iterator[Face]:
    if not file.is_file():
        raise DatasetError(f"{file} is missing: get it from https://github.com/microsoft/FERPlus.")
    with file.open(newline="", encoding="utf-8-sig", errors="replace") as stream:
        rows = csv.reader(stream)
        for row in rows:
            if not row:
                continue
            where = f"{file}:{rows.line_num}"
            cells = [cell.strip() for cell in row]
            if len(cells) != 2 + len(VOTES):
                raise DatasetError(
                    f"{where}: {len(cells)} cells, not {2 + len(VOTES)} (image, box and ten votes): the line is "
                    "damaged, or the file is cut short. Get it again."
                )
            yield Face(cells[0], _box(cells[1], where), _votes(cells[2:], where))


def _box(text: str, where: str) -> list[int]:
    edges = text.strip("()").split(",")
    try:
        left, upper, right, lower = map(int, edges)
    except ValueError:
        raise DatasetError(f"{where}: {text!r} is not a box such as (0, 0, 48, 48).") from None
    return [left, upper, right, lower]


def _votes(cells: Sequence[str], where: str) -> Votes:
    if not all(cell.isascii() and cell.isdecimal() for cell in cells):
        raise DatasetError(
            f"{where}: {','.join(cells)!r} are not ten numbers of votes, from {NATIVE[0]} to {VOTES[-1]}: "
            "the line is damaged, or cut short."
        )
    return np.array(cells, np.int64)


def _splits(root: Path, faces: dict[str, list[Face]], rule: Rule, images: Any, told: Sequence[str]) -> Splits:
    splits, counts = {}, []
    for name, listed in faces.items():
        targets = [target(face.votes, rule) for face in listed]
        kept = [face for face, found in zip(listed, targets, strict=True) if found is not None]
        if kept:
            rows = np.array([found for found in targets if found is not None], np.float32)[:, _ORDER]
            splits[name] = _split(images(name, kept), rows, [face.name for face in kept], rule)
        counts.append(f"{len(listed) - len(kept)} of {len(listed)} in {name}")
    if "train" not in splits:
        raise DatasetError(f"{root} has no training image with a label by the rule {rule}.")
    notes = (f"Left out as unknown or no face by the rule {rule}: {', '.join(counts)}.", *told)
    return Splits(EKMAN_NEUTRAL_CONTEMPT, splits["train"], splits.get("validation"), splits.get("test"), notes)


def _split(images: Images, rows: NDArray[np.float32], items: Sequence[str], rule: Rule) -> Split:
    """rows: (N, 8), in the canonical order."""
    known = np.ones(len(items), np.bool_)
    if rule == "majority":
        return Split(images, {Task.EXPRESSION: Target(rows.argmax(axis=1), known)}, tuple(items))
    return Split(images, {Task.DISTRIBUTION: Target(rows, known)}, tuple(items))
