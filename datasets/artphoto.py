"""ArtPhoto (Machajdik and Hanbury, ACM Multimedia 2010): 806 artistic photographs, each by one of eight emotions.

testImages_artphoto/EMOTION_NNNN.jpg: what stands before the first `_` is the emotion that the artist meant, with
sad for sadness. Other files lie beside them (ReadMe.rtf, .DS_Store) and are passed over.

The makers give no split and papers use five folds: one of five, dealt by emotion, is for testing.
"""

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from search.data import About, Split, Splits, Target
from search.errors import DatasetError
from search.folds import Fold, deal
from search.images import FileImages
from search.tasks import MIKELS, Task

ABOUT = About(
    summary="806 artistic photographs, each by one of Mikels' eight emotions (Machajdik and Hanbury, 2010)",
    terms="research; not stated by its makers in a text that was verified",
    access="imageemotion.org, the archive of artistic photographs; unpack it as testImages_artphoto",
)

SUFFIXES = {".jpg", ".jpeg"}
RENAMED = {"content": "contentment", "sad": "sadness"}


def load(root: Path, *, fold: Fold = 0) -> Splits:
    """ArtPhoto under `root`, with one of `search.tasks.MIKELS` for each photograph.

    root: the folder that holds `testImages_artphoto`, or that folder itself.
    fold: which fifth of the photographs is for testing.

    Raises DatasetError where there is no photograph with an emotion in its name. A photograph without one is left
    out and counted in the notes.
    """
    folder = next((found for found in (root / "testImages_artphoto", root) if found.is_dir()), root)
    if not folder.is_dir():
        raise DatasetError(f"no ArtPhoto under {root}: looked for testImages_artphoto.")
    photographs = sorted(path.name for path in folder.iterdir() if _is_photograph(path))
    emotions = {name: _emotion(name) for name in photographs}
    paths = [name for name, emotion in emotions.items() if emotion in MIKELS]
    if not paths:
        raise DatasetError(f"{folder} holds no photograph named EMOTION_NUMBER.jpg, such as amusement_0001.jpg.")
    misnamed = [_printable(name) for name in photographs if emotions[name] not in MIKELS]
    labels = np.array([MIKELS.index(emotions[path]) for path in paths], np.int64)
    items = [_printable(path) for path in paths]
    testing = deal(items, labels.tolist()) == fold

    def part(chosen: NDArray[np.bool_]) -> Split:
        where = np.flatnonzero(chosen)
        return Split(
            images=FileImages(tuple(paths[index] for index in where), folder),
            targets={Task.EXPRESSION: Target(labels[chosen], np.ones(len(where), np.bool_))},
            items=tuple(items[index] for index in where),
        )

    note = f"photographs left out, without an emotion in their names: {len(misnamed)} ({', '.join(misnamed[:5])})."
    return Splits(MIKELS, part(~testing), test=part(testing), notes=(note,) if misnamed else ())


def _is_photograph(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and not path.is_dir()


def _printable(name: str) -> str:
    return os.fsencode(name).decode(errors="replace")


def _emotion(name: str) -> str:
    word = name.split("_")[0].lower()
    return RENAMED.get(word, word)
