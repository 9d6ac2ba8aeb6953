"""The checkpoint files of a ticket, listed without reading them, in its folder and at a remote place."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from search.places import Remote

_FILE = re.compile(r"(?:^|/)(attempt-(\d+)/epoch-(\d+)\.pt)$")


@dataclass(frozen=True, order=True)
class CheckpointFile:
    """A checkpoint. They sort by epoch, then by attempt; `name` is its path within the ticket's folder."""

    epoch: int
    attempt: int
    name: str
    size: int


def local_files(folder: Path, attempt: int) -> list[CheckpointFile]:
    """Those of attempts up to this one, newest first."""
    found = []
    for path in folder.glob("attempt-*/epoch-*.pt"):
        try:
            found.append((path.as_posix(), path.stat().st_size))
        except FileNotFoundError:  # superseded meanwhile
            continue
    return _newest_first(found, attempt)


def remote_files(remote: Remote, attempt: int) -> list[CheckpointFile]:
    """As `local_files`. Raises what the remote's library raises where it can't be listed."""
    found = remote.filesystem.find(remote.path, detail=True)
    return _newest_first(((name, entry["size"]) for name, entry in found.items()), attempt)


def _newest_first(found: Iterable[tuple[str, int]], attempt: int) -> list[CheckpointFile]:
    matches = [(match, size) for name, size in found if (match := _FILE.search(name))]
    files = [CheckpointFile(int(match[3]), int(match[2]), match[1], size) for match, size in matches]
    return sorted((file for file in files if file.attempt <= attempt), reverse=True)
