"""The models of confirmed runs, kept where people find them."""

import logging
import shutil
from pathlib import Path

from search.places import open_place

log = logging.getLogger(__name__)


def keep_weights(results: str, study: str, ticket: int | None, file: Path) -> bool:
    """Brings a model to `results`/STUDY/weights/trial-TICKET.pt; whether it is there.

    A failure is logged and ends nothing: the predictions matter more.

    results: a folder or a URL. ticket: number of the confirming ticket.
    """
    folder, name = open_place(results) / study / "weights", f"trial-{ticket}.pt"
    try:
        if isinstance(folder, Path):
            folder.mkdir(parents=True, exist_ok=True)
            aside = folder / f".{name}"
            shutil.copyfile(file, aside)
            aside.replace(folder / name)
        else:
            folder.put(file, name)
        return True
    except Exception:  # a full disk, or what a dozen libraries raise about a remote place
        log.exception("the weights of trial %s could not be kept in %s; they stay in %s", ticket, folder, file)
        return False
