"""OASIS (Kurdi, Lozano and Banaji, Behavior Research Methods 2017): 900 photographs with mean valence and arousal.

OASIS.csv and images/THEME.jpg, in OASIS_database_2016 as downloaded. The lines of the file end in a bare carriage
return, and some themes in a blank that no file name has. Ratings run from 1 to 7; means over about 100 people.

The makers give no split. Themes come in series (Beach 1 to Beach 8) of much alike photographs: a series is a
group, and one of five folds of the series, dealt by category (person, animal, object, scenery), is for testing.
"""

import csv
import re
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from search.data import About, Split, Splits, Target, find_folder
from search.errors import DatasetError
from search.folds import Fold, deal
from search.images import FileImages
from search.tasks import Task

ABOUT = About(
    summary="900 photographs with mean valence and arousal (Kurdi, Lozano and Banaji, 2017)",
    terms="free for research",
    access="the makers' page (benedekkurdi.com); unpack it as OASIS_database_2016, with OASIS.csv and images",
)

TABLE = "OASIS.csv"
COLUMNS = ("Theme", "Category", "Valence_mean", "Arousal_mean")
LOWEST, HIGHEST = 1.0, 7.0

Rows = list[tuple[str, str, list[float]]]  # theme, category, mean valence and arousal


def load(root: Path, *, scale: Literal["unit", "as_published"] = "unit", fold: Fold = 0) -> Splits:
    """OASIS under `root`: valence and arousal of each photograph.

    root: the folder that holds `OASIS_database_2016`, or that folder itself.
    scale: unit takes 1 to 7 to -1 to 1. as_published gives z-scores over all photographs, those for testing too,
        as in the notebook whose mean squared errors are errors of z-scores (1 is as good as saying the mean).
    fold: which fifth of the series of photographs is for testing.

    Raises DatasetError where the file is missing or a line is malformed. A photograph that is listed but not there
    is left to be named unreadable.
    """
    folder = find_folder("OASIS", root, "OASIS_database_2016", TABLE)
    rows = _read(folder / TABLE)
    affect = (np.array([means for _, _, means in rows]) - (LOWEST + HIGHEST) / 2) / ((HIGHEST - LOWEST) / 2)
    if scale == "as_published":
        affect = (affect - affect.mean(axis=0)) / affect.std(axis=0)
    series, groups = np.unique([_series(theme) for theme, _, _ in rows], return_inverse=True)
    categories = sorted({category for _, category, _ in rows})
    category_of = {int(group): row[1] for group, row in reversed(list(zip(groups, rows, strict=True)))}
    folds = deal(series.tolist(), [categories.index(category_of[group]) for group in range(len(series))])
    testing = folds[groups] == fold
    images = next((name for name in ("images", "Images") if (folder / name).is_dir()), "images")

    def part(chosen: NDArray[np.bool_]) -> Split:
        paths = tuple(f"{images}/{row[0]}.jpg" for row, taken in zip(rows, chosen, strict=True) if taken)
        target = Target(affect[chosen].astype(np.float32), np.ones(len(paths), np.bool_))
        return Split(
            images=FileImages(paths, folder),
            targets={Task.VALENCE_AROUSAL: target},
            items=tuple(row[0] for row, taken in zip(rows, chosen, strict=True) if taken),
            groups=groups[chosen],
        )

    return Splits((), part(~testing), test=part(testing))


def _series(theme: str) -> str:
    """The theme without its number: "Beach 3" is of the series "beach"."""
    return re.sub(r"\s*\d+$", "", theme).lower()


def _read(file: Path) -> Rows:
    rows: Rows = []
    themes: set[str] = set()
    with file.open(encoding="utf-8-sig", errors="replace") as stream:  # a bare CR ends a line here, too
        table = csv.DictReader(stream)
        if missing := [name for name in COLUMNS if name not in (table.fieldnames or ())]:
            raise DatasetError(f"{file}:1: the first line names no column {', '.join(missing)}.")
        for cells in table:
            rows.append(_row(cells, f"{file}:{table.line_num}"))
            if rows[-1][0] in themes:
                raise DatasetError(
                    f"{file}:{table.line_num}: {rows[-1][0]!r} comes more than once. Remove one line."
                )
            themes.add(rows[-1][0])
    if not rows:
        raise DatasetError(f"{file} lists no photograph: it is not whole. Download it again.")
    return rows


def _row(cells: dict[str, str | None], where: str) -> tuple[str, str, list[float]]:
    theme, category, *means = [(cells[name] or "").strip() for name in COLUMNS]
    try:
        values = [float(mean) for mean in means]
    except ValueError:
        values = []
    if not theme or not values or not all(LOWEST <= value <= HIGHEST for value in values):
        raise DatasetError(
            f"{where}: theme {theme!r} has valence {means[0]!r} and arousal {means[1]!r}; expected two means from "
            "1 to 7. Correct or remove the line."
        )
    return theme, category, values
