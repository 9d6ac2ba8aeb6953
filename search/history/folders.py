"""Folders with a run in each of their folders, as TensorBoard and wandb leave them."""

import re
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from search.errors import HistoryError

EVENTS = "*tfevents*"  # how TensorBoard calls its files


def run_folders(folder: Path) -> list[Path]:
    """The folders of the runs, by name.

    Raises HistoryError where there is none: neither `run-*/files` of wandb nor a folder with TensorBoard's events.
    """
    home = folder / "wandb" if (folder / "wandb").is_dir() else folder
    try:
        there = sorted(path for path in home.iterdir() if path.is_dir() and not path.is_symlink())
    except OSError as error:
        raise HistoryError(f"{home} can't be read: {error.strerror}.") from error
    runs = [path for path in there if re.match(r"(offline-)?run-", path.name) and (path / "files").is_dir()]
    runs = runs or [path for path in there if event_files(path)]
    if not runs:
        raise HistoryError(
            f"{folder} holds no runs: a run is a folder in it with TensorBoard's event files, "
            "or one of wandb, such as run-20240324_101500-abc/files."
        )
    return runs


def is_wandb(folders: Sequence[Path]) -> bool:
    """Whether the runs are wandb's."""
    return (folders[0] / "files").is_dir()


def event_files(folder: Path) -> list[Path]:
    """TensorBoard's files in a folder and in those below it, sorted."""
    return sorted(path for path in folder.rglob(EVENTS) if path.is_file())


def digest(folder: Path, files: Sequence[Path]) -> str:
    """SHA-256, in hex, over the files' names and contents."""
    total = sha256()
    for file in files:
        with file.open("rb") as stream:
            content = sha256()
            while block := stream.read(2**20):
                content.update(block)
        total.update(f"{file.relative_to(folder)}\0{content.hexdigest()}\n".encode())
    return total.hexdigest()
