"""A folder with a manifest of its files: sealed once it is whole, verified whenever it is opened."""

import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from search.errors import CacheError
from search.training.aside import alone, filled_aside, lock_of, sync

MANIFEST = "manifest.json"
SMALL = 64 << 20  # bytes; a file up to this size is read whole at every opening


class File(BaseModel):
    """What a file of the folder must be. modified: nanoseconds since 1970."""

    bytes: int
    crc32: int
    modified: int


class Manifest(BaseModel):
    """What stands in `manifest.json`; each kind of folder adds to it."""

    model_config = ConfigDict(frozen=True)

    files: dict[str, File]


M = TypeVar("M", bound=Manifest)


def ensure(
    folder: Path, kind: type[M], fill: Callable[[Path], tuple[Iterable[str], Callable[[dict[str, File]], M]]]
) -> Path:
    """`folder`, filled and sealed unless it stands already; one process fills it while the others wait.

    fill: writes files into a folder that may hold what a killed process has left there, and returns their names
        and what makes the manifest of them. What it writes takes the name `folder` once it is sealed.

    Raises CacheError where the folder can't be written.
    """
    if folder.exists():
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with alone(lock_of(folder)):
            if not folder.exists():
                with filled_aside(folder) as aside:
                    if not is_sealed(aside, kind):
                        seal(aside, *fill(aside))
    except OSError as error:
        raise CacheError(f"{folder} can't be written: {error}. Free some space or set SEARCH_HOME.") from error
    return folder


def seal(folder: Path, names: Iterable[str], manifest: Callable[[dict[str, File]], Manifest]) -> None:
    """Write the manifest of the files `names`, once they are safely on disk, and take all others away."""
    files = {}
    for name in sorted(names):
        sync(folder / name)
        files[name] = _measured(folder / name)
    draft = folder / f"{MANIFEST}.draft"
    draft.write_text(manifest(files).model_dump_json(indent=2))
    sync(draft)
    draft.replace(folder / MANIFEST)
    sync(folder)
    _tidy(folder, files)


def is_sealed(folder: Path, kind: type[Manifest]) -> bool:
    """Whether the folder was sealed; every file is read whole. What is damaged is taken away, manifest first."""
    if not (folder / MANIFEST).exists():
        return False
    try:
        manifest = read(folder, kind)
        verify(folder, manifest, trusting=False)
    except CacheError:
        (folder / MANIFEST).unlink()
        _tidy(folder, ())
        return False
    _tidy(folder, manifest.files)
    return True


def read(folder: Path, kind: type[M]) -> M:
    """The folder's manifest. Raises CacheError where there is none of this kind and version."""
    try:
        return kind.model_validate_json((folder / MANIFEST).read_bytes())
    except (OSError, ValidationError) as error:
        raise damaged(folder, f"{MANIFEST} is missing, damaged or of another version") from error


def verify(folder: Path, manifest: Manifest, *, trusting: bool = True) -> None:
    """Compare every file with the manifest.

    trusting: take the content of a file above SMALL for what it was while its size and the time of its last
        change are those of the manifest, which spares reading gigabytes; otherwise compare checksums.

    Raises CacheError naming the first file that is missing or differs.
    """
    for name, expected in manifest.files.items():
        file = folder / name
        if not file.is_file():
            raise damaged(folder, f"{name} is missing")
        found = file.stat()
        untouched = (found.st_size, found.st_mtime_ns) == (expected.bytes, expected.modified)
        if trusting and untouched and expected.bytes > SMALL:
            continue
        if found.st_size != expected.bytes or _checksum(file) != expected.crc32:
            raise damaged(folder, f"{name} was changed: its size or checksum differs")


def damaged(folder: Path, what: str) -> CacheError:
    """The error of a folder that can't be used."""
    return CacheError(f"{folder}: {what}. Delete the folder and run `search data prepare` again.")


def _tidy(folder: Path, names: Iterable[str]) -> None:
    for file in folder.iterdir():
        if file.name != MANIFEST and file.name not in names:
            file.unlink()


def _measured(file: Path) -> File:
    status = file.stat()
    return File(bytes=status.st_size, crc32=_checksum(file), modified=status.st_mtime_ns)


def _checksum(file: Path) -> int:
    checksum = 0
    with file.open("rb") as stream:
        while block := stream.read(1 << 20):
            checksum = zlib.crc32(block, checksum)
    return checksum
