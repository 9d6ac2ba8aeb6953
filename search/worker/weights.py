"""The models of confirmed runs, kept where people find them."""

import logging
import shutil
from pathlib import Path

from search.places import open_place

log = logging.getLogger(__name__)


def keep_weights(results: str, study: str, ticket: int | None, file: Path) -> None:
    """Brings a model to `results`/STUDY/weights/trial-TICKET.pt. A failure is logged: the predictions matter more.

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
    except Exception:  # a full disk, or what a dozen libraries raise about a remote place
        log.exception("the weights of trial %s could not be kept in %s", ticket, folder)
