"""Filling a folder so that it is whole or not there, by one process at a time, and going on after a kill."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from search.errors import SearchError


@contextmanager
def alone(lock: Path) -> Iterator[None]:
    """Wait until no other process is in here; the kernel frees the lock of one that dies."""
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def filled_aside(folder: Path) -> Iterator[Path]:
    """A folder beside `folder` that takes its name, safely on disk, once the block has ended well.

    It still holds what a process that was killed or interrupted has left there. Where the block raises a
    SearchError or an OSError, such as of a full disk, it is taken away.
    """
    aside = folder.parent / f".{folder.name}.filling"
    aside.mkdir(exist_ok=True)
    try:
        yield aside
        for path in (*aside.iterdir(), aside):
            sync(path)
        aside.rename(folder)
        sync(folder.parent)
    except (SearchError, OSError):
        shutil.rmtree(aside, ignore_errors=True)
        raise


def lock_of(folder: Path) -> Path:
    """The file that whoever fills the folder or takes it away holds locked."""
    return folder.parent / f".{folder.name}.lock"


def sync(path: Path) -> None:
    """Bring a file, or the names in a folder, safely to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
