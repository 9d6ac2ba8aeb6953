"""Checkpoints of one trial that survive a kill at any moment, a full disk and damaged files."""

import logging
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from search.errors import CheckpointError
from search.training.aside import sync

KEPT = 2
FAILURES = 3  # in a row, after which training on would be training for nothing

_log = logging.getLogger(__name__)


class Checkpoints:
    """The checkpoints of a trial, as one attempt at it sees them: `folder`/attempt-N/epoch-NNNNNN.pt.

    An attempt saves into its own folder only, so that one believed dead that still runs can't damage another's,
    and reads and clears away those of attempts up to its own.
    """

    def __init__(self, folder: Path, attempt: int) -> None:
        self.folder = folder
        self._attempt = attempt
        self._failures = 0

    def try_to_save(self, epoch: int, state: Mapping[str, Any]) -> None:
        """As `save`, but a failure is only a warning, until it is the third in a row. Raises CheckpointError."""
        try:
            self.save(epoch, state)
        except OSError as error:
            self._failures += 1
            what = f"the checkpoint of epoch {epoch} can't be saved in {self.folder} ({error.strerror or error})"
            if self._failures == FAILURES:
                raise CheckpointError(f"{what}, the third in a row: free some space there.") from error
            _log.warning("%s; training goes on", what)
        else:
            self._failures = 0

    def save(self, epoch: int, state: Mapping[str, Any]) -> None:
        """Keep the state after `epoch`, and of the older ones only the newest.

        state: tensors, numbers, texts, and lists and dicts of them; what `torch.load(weights_only=True)` reads.
        On any failure, such as OSError for a full disk, no trace of it is left and the older ones stand.
        """
        own = self.folder / f"attempt-{self._attempt}"
        own.mkdir(parents=True, exist_ok=True)
        path = own / f"epoch-{epoch:06}.pt"
        aside = path.with_suffix(".tmp")
        try:
            with aside.open("wb") as file:
                torch.save(dict(state), file)
                file.flush()
                os.fsync(file.fileno())
            aside.replace(path)
        except RuntimeError as error:
            if isinstance(error.__context__, OSError):  # the failed write, which torch wraps into a riddle
                raise error.__context__ from None
            raise
        finally:
            aside.unlink(missing_ok=True)
        sync(own)
        for left in (*self._files(".pt")[KEPT:], *self._files(".tmp")):
            left.unlink(missing_ok=True)

    def newest(self) -> dict[str, Any] | None:
        """The newest state that is whole, its tensors on the CPU, or None; damaged files are passed over."""
        return next((state for path in self._files(".pt") if (state := _load(path)) is not None), None)

    def _files(self, suffix: str) -> list[Path]:
        """Newest epoch first; of one epoch, the newest attempt first."""
        found = []
        for path in self.folder.glob(f"attempt-*/epoch-*{suffix}"):
            attempt = int(path.parent.name.removeprefix("attempt-"))
            if attempt <= self._attempt:
                found.append((path.name, attempt, path))
        return [path for _, _, path in sorted(found, reverse=True)]


def _load(path: Path) -> dict[str, Any] | None:
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()  # torch.load does not look at the checksums
        if damaged is None:
            state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
            return state
        reason = f"the checksum of {damaged} differs"
    except Exception as error:  # torch.load fails on foreign bytes in a dozen ways
        reason = str(error)
    _log.warning("passing over the damaged checkpoint %s: %s", path, reason)
    return None
