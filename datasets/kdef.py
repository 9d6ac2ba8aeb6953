"""KDEF (Lundqvist, Flykt and Öhman, Karolinska Institutet 1998): 70 people, seven expressions, five angles, twice.

Folders of a session and a person (AF01 to BM35) with files such as AF01AFFL.JPG: session A or B, F or M, the
person's number, the expression (AF afraid, AN, DI, HA, NE, SA, SU), the angle (FL and HL left, S straight, HR and
FR right). The averaged faces beside them (AKDEF) are not read. There is no official split: the people whose
number can be divided by five, seven women and seven men, are for testing.
"""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from search.data import About, Split, Splits, Target
from search.errors import DatasetError
from search.images import FileImages
from search.tasks import EKMAN_NEUTRAL, Task

ABOUT = About(
    summary="4,900 photographs of 70 people acting seven expressions, from five angles (Karolinska Institutet)",
    terms="for researchers and non-commercial use only; never to be redistributed in any form",
    access="download from https://kdef.se; the folder must hold KDEF_and_AKDEF/KDEF/AF01 to BM35",
)

Angle = Literal["FL", "HL", "S", "HR", "FR"]
ANGLES: tuple[Angle, ...] = ("FL", "HL", "S", "HR", "FR")
# fmt: off
CODES = {
    "AF": "fear", "AN": "anger", "DI": "disgust", "HA": "happiness", "NE": "neutral", "SA": "sadness",
    "SU": "surprise",
}
# fmt: on
PEOPLE = 35  # of each sex
TEST_EVERY = 5

_FOLDER = re.compile(r"[AB][FM]\d\d", re.IGNORECASE)
_NAME = re.compile(r"[AB]([FM])(0[1-9]|[12]\d|3[0-5])(AF|AN|DI|HA|NE|SA|SU)(FL|HL|S|HR|FR)", re.IGNORECASE)
_SUFFIXES = {".jpg", ".jpeg"}
_MOST_NAMED = 10


def load(
    root: Path, *, angles: tuple[Angle, ...] = ANGLES, test: Literal["subjects", "none"] = "subjects"
) -> Splits:
    """KDEF under `root`, in the canonical class order; groups are the 70 people.

    root: the folder that holds KDEF_and_AKDEF, that folder, or its folder KDEF.
    angles: from which angles; S alone is the frontal faces.
    test: subjects sets 14 of the people aside; none leaves all in train, to train on all or to test others on all.

    Raises DatasetError where there are no such folders, or no image of these angles. Images whose name is not of
    the form above, or not that of their folder, are left out and counted.
    """
    folder = _find(root)
    paths, misnamed = [], []
    for path in sorted(inner for person in folder.iterdir() if _is_person(person) for inner in person.iterdir()):
        if path.suffix.lower() not in _SUFFIXES or path.name.startswith("."):
            continue
        if _NAME.fullmatch(path.stem) and path.stem[:4].upper() == path.parent.name.upper():
            paths.append(path)
        else:
            misnamed.append(_printable(path.relative_to(folder)))
    people = np.array([_person(path) for path in paths], np.int64)
    wanted = np.array([_angle(path) in angles for path in paths], np.bool_)
    testing = wanted & ((people % PEOPLE) % TEST_EVERY == 0) & (test == "subjects")
    if not (wanted & ~testing).any():
        raise DatasetError(f"{folder} holds no training image of the angles {', '.join(angles) or '(none)'}.")
    train, held = ([paths[index] for index in np.flatnonzero(members)] for members in (wanted & ~testing, testing))
    return Splits(
        EKMAN_NEUTRAL,
        _split(folder, train),
        test=_split(folder, held) if held else None,
        notes=_notes(misnamed),
    )


def _find(root: Path) -> Path:
    for folder in (root / "KDEF_and_AKDEF" / "KDEF", root / "KDEF", root):
        if folder.is_dir() and any(_is_person(inner) for inner in folder.iterdir()):
            return folder
    raise DatasetError(
        f"no KDEF under {root}: looked for folders from AF01 to BM35 in it, in KDEF and in KDEF_and_AKDEF/KDEF."
    )


def _split(folder: Path, paths: Sequence[Path]) -> Split:
    names = tuple(str(path.relative_to(folder)) for path in paths)
    labels = np.array([EKMAN_NEUTRAL.index(CODES[path.stem[4:6].upper()]) for path in paths], np.int64)
    return Split(
        images=FileImages(names, folder),
        targets={Task.EXPRESSION: Target(labels, np.ones(len(labels), np.bool_))},
        items=names,
        groups=np.array([_person(path) for path in paths], np.int64),
    )


def _is_person(path: Path) -> bool:
    return path.is_dir() and _FOLDER.fullmatch(path.name) is not None


def _person(path: Path) -> int:
    """1 to 35 for the women, 36 to 70 for the men."""
    return int(path.stem[2:4]) + (PEOPLE if path.stem[1].upper() == "M" else 0)


def _angle(path: Path) -> str:
    return path.stem[6:].upper()


def _notes(misnamed: Sequence[str]) -> tuple[str, ...]:
    if not misnamed:
        return ()
    more = f" and {len(misnamed) - _MOST_NAMED} more" if len(misnamed) > _MOST_NAMED else ""
    return (
        f"{len(misnamed)} images are left out, as their name is not that of a KDEF image of their folder: "
        f"{', '.join(misnamed[:_MOST_NAMED])}{more}.",
    )


def _printable(path: Path) -> str:
    return os.fsencode(path).decode(errors="backslashreplace")
