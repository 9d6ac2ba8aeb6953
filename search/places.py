"""Places for checkpoints, figures and reports: a folder of this machine, or a URL that fsspec reaches, such as s3://."""

import tempfile
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import fsspec
from fsspec.implementations.local import LocalFileSystem

from search.errors import PlaceError
from search.redaction import without_url_passwords

# Other workers change what stands there, so nothing is remembered; what hangs ends within a minute or two.
_S3: dict[str, Any] = {
    "use_listings_cache": False,
    "config_kwargs": {"connect_timeout": 5, "read_timeout": 30, "retries": {"max_attempts": 1}},
}
_OPTIONS = {"s3": _S3, "s3a": _S3}


@dataclass(frozen=True)
class Remote:
    """A folder behind a URL. `path` is what its filesystem calls it."""

    url: str
    filesystem: fsspec.AbstractFileSystem
    path: str

    def __truediv__(self, name: str) -> "Remote":
        return Remote(f"{self.url}/{name}", self.filesystem, f"{self.path}/{name}")

    def __str__(self) -> str:
        return self.url

    def put(self, file: Path, name: str) -> None:
        """Uploads a file under a name, which may hold slashes."""
        self.filesystem.put_file(str(file), f"{self.path}/{name}")

    def read(self, name: str) -> bytes:
        """What stands in a file.

        Raises FileNotFoundError, or what the filesystem raises where it can't be reached.
        """
        content: bytes = self.filesystem.cat_file(f"{self.path}/{name}")
        return content


@cache
def open_place(place: str) -> Path | Remote:
    """The folder or the URL; nothing is asked of the network yet. One URL has one pool of connections.

    Raises PlaceError where the URL is malformed, holds a password, or needs a library that is not installed.
    """
    protocol, separator, rest = place.partition("://")
    if not separator:
        return Path(place)
    url = without_url_passwords(place).rstrip("/")
    if url != place.rstrip("/"):
        raise PlaceError(
            f"{url} holds a password, which shows wherever the place is named: "
            "give it in a variable such as AWS_SECRET_ACCESS_KEY."
        )
    if not rest.strip("/"):
        raise PlaceError(f"{place} names no folder: give a URL such as s3://bucket/search.")
    try:
        filesystem, path = fsspec.core.url_to_fs(url, **_OPTIONS.get(protocol, {}))
    except ImportError as error:
        extra = "affect-search[s3]" if protocol in _OPTIONS else f"what fsspec needs for {protocol}://"
        raise PlaceError(f"{url} needs a library that is not installed: install {extra}.") from error
    except ValueError as error:
        raise PlaceError(
            f"{url} can't be used ({reason(error)}): give a folder or a URL such as s3://..."
        ) from error
    return Path(path) if isinstance(filesystem, LocalFileSystem) else Remote(url, filesystem, path)


def check_place(place: str, variable: str) -> None:
    """Writes an empty file there and removes it.

    variable: the one that named the place. Raises PlaceError where the place can't be reached or written to.
    """
    folder, name = open_place(place), f".search-{uuid.uuid4().hex}"
    try:
        if isinstance(folder, Path):
            folder.mkdir(parents=True, exist_ok=True)
            (folder / name).touch()
            (folder / name).unlink()
        else:
            folder.filesystem.pipe_file(f"{folder.path}/{name}", b"")
            folder.filesystem.rm_file(f"{folder.path}/{name}")
    except Exception as error:  # of a dozen kinds, each library's own
        advice = "permissions" if isinstance(folder, Path) else "address, the credentials and the network"
        raise PlaceError(
            f"{variable} names {folder}, which can't be written to ({reason(error)}): check its {advice}."
        ) from error


def written_into(folder: Path | Remote, write: Callable[[Path], None]) -> list[str]:
    """Has files written aside and moves or uploads them, so that nobody reads half of one; returns their names."""
    if isinstance(folder, Path):
        folder.mkdir(parents=True, exist_ok=True)
    beside = folder if isinstance(folder, Path) else None  # where a file can be moved from in one step
    with tempfile.TemporaryDirectory(dir=beside, prefix=".") as aside:
        write(Path(aside))
        files = sorted(Path(aside).iterdir())
        for file in files:
            if isinstance(folder, Path):
                file.replace(folder / file.name)
            else:
                folder.put(file, file.name)
    return [str(folder / file.name) for file in files]


def reason(error: Exception) -> str:
    """What went wrong, in one line and without the passwords of URLs."""
    said = without_url_passwords(" ".join(str(error).split())).rstrip(".")
    return f"{type(error).__name__}: {said}" if said else type(error).__name__
