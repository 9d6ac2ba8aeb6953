"""A data set decoded once into uint8 memory maps, each folder with a manifest that is verified on open.

A folder holds, for each split, `NAME.images` (the raw pixels, N x size x size x 3, RGB) and `NAME.npz` (item
ids, groups, targets), and `manifest.json`. It is filled aside and renamed, so it is whole or not there.
"""

import json
import shutil
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from search.data import Indices, Splits, Target
from search.errors import CacheError
from search.tasks import Task
from search.training.aside import alone, filled_aside

FORMAT: Literal[1] = 1  # raised whenever a folder would be filled or read differently
MANIFEST = "manifest.json"


@dataclass(frozen=True)
class CachedSplit:
    """One split, its images mapped from disk.

    images: uint8 (N, S, S, 3), RGB, a read-only memory map.
    items, groups, targets: as in `search.data.Split`, without the items whose image can't be read.
    vectors: float16 (N, D), what a frozen network makes of the images, a read-only memory map; None where images
        are trained on.
    """

    images: NDArray[np.uint8]
    targets: Mapping[Task, Target]
    items: tuple[str, ...]
    groups: Indices | None
    vectors: NDArray[np.float16] | None = None


@dataclass(frozen=True)
class Prepared:
    """A data set ready for training; `validation` is the data set's own or carved from its train split.

    widths: of vectors, how many columns each kind takes, such as {"images": 512, "sounds": 64}; empty for images.
    companions: name, use (`train`, `test` or `both`) and data of the data sets beside the study's own.
    """

    folder: Path
    fingerprint: str
    image_size: int
    classes: tuple[str, ...]
    train: CachedSplit
    validation: CachedSplit
    test: CachedSplit | None
    name: str = ""
    widths: Mapping[str, int] = field(default_factory=dict)
    companions: tuple[tuple[str, str, "Prepared"], ...] = ()


class File(BaseModel):
    """What a file of the folder must be."""

    bytes: int
    crc32: int


class Manifest(BaseModel):
    """What stands in `manifest.json`.

    carved: share and seed of the carved validation split, or None where the data set brings its own.
    counts: items of each split.
    unreadable: for each of the data set's own splits, the items left out and why.
    """

    model_config = ConfigDict(frozen=True)

    format: Literal[1] = FORMAT
    name: str
    fingerprint: str
    image_size: int
    classes: tuple[str, ...]
    carved: tuple[float, int] | None
    counts: dict[str, int]
    unreadable: dict[str, dict[str, str]]
    files: dict[str, File]


def prepare(
    splits: Splits,
    *,
    name: str,
    image_size: int,
    validation_share: float,
    split_seed: int,
    bad_share: float,
    cache: Path,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Path:
    """The cache folder of a data set at one image size, filled unless it stands already.

    Several processes may prepare the same data at once: one fills, the others wait for it. What a killed one
    left half done is thrown away by the next.

    name: leads the folder's name.
    validation_share, split_seed: as in `search.training.split.carve`; not used where `splits` has a validation
        split of its own.
    bad_share: the largest share of all images that may be unreadable; they are left out and named in the manifest.
    progress: called with the number of images decoded so far and their total.

    Raises DatasetError where more images are unreadable, a split has none left, or no validation split with
    every class in it can be carved. Raises CacheError where the cache can't be written.
    """
    carved = None if splits.validation else (validation_share, split_seed)
    cause = json.dumps([FORMAT, splits.fingerprint(), image_size, carved, bad_share])
    fingerprint = blake2b(cause.encode(), digest_size=16).hexdigest()
    folder = folder_of(cache, name, image_size, fingerprint)
    if folder.exists():
        return folder
    # It takes scikit-learn a second to load, and who only opens what is filled needs none of it.
    from search.training.fill import fill

    try:
        cache.mkdir(parents=True, exist_ok=True)
        with alone(_lock(folder)):
            if not folder.exists():
                with filled_aside(folder) as aside:
                    counts, unreadable = fill(aside, splits, image_size, carved, bad_share, progress)
                    manifest = Manifest(
                        name=name,
                        fingerprint=fingerprint,
                        image_size=image_size,
                        classes=splits.classes,
                        carved=carved,
                        counts=counts,
                        unreadable=unreadable,
                        files={file.name: _measured(file) for file in sorted(aside.iterdir())},
                    )
                    (aside / MANIFEST).write_text(manifest.model_dump_json(indent=2))
    except OSError as error:
        raise CacheError(f"{folder} can't be written: {error}. Free some space or set SEARCH_HOME.") from error
    return folder


def folder_of(cache: Path, name: str, image_size: int, fingerprint: str) -> Path:
    """Where `prepare` puts the data of that fingerprint."""
    return cache / f"{name}-{image_size}-{fingerprint[:16]}"


def read_manifest(folder: Path) -> Manifest:
    """What `prepare` noted about a cache folder. Raises CacheError where there is none of this version."""
    try:
        return Manifest.model_validate_json((folder / MANIFEST).read_bytes())
    except (OSError, ValidationError) as error:
        raise _damaged(folder, f"{MANIFEST} is missing, damaged or of another version") from error


def split_hashes(folder: Path) -> dict[str, str]:
    """For each split of a folder, a hash of its items and labels, which tells whether two studies share it."""
    hashes = {}
    for name in read_manifest(folder).counts:
        digest = blake2b(digest_size=8)
        with np.load(folder / f"{name}.npz", allow_pickle=False) as arrays:
            for key in sorted(arrays):
                digest.update(json.dumps([key, arrays[key].dtype.str, arrays[key].shape]).encode())
                digest.update(arrays[key].tobytes())
        hashes[name] = digest.hexdigest()
    return hashes


def open_prepared(folder: Path) -> Prepared:
    """The data of a folder that `prepare` returned, verified against its manifest, images mapped read-only.

    Raises CacheError naming the first file whose size or checksum differs.
    """
    manifest = read_manifest(folder)
    for name, expected in manifest.files.items():
        file = folder / name
        if not file.is_file():
            raise _damaged(folder, f"{name} is missing")
        if _measured(file) != expected:
            raise _damaged(folder, f"{name} was changed: its size or checksum differs")
    splits = {name: _open_split(folder, name, manifest) for name in manifest.counts}
    return Prepared(
        folder=folder,
        name=manifest.name,
        fingerprint=manifest.fingerprint,
        image_size=manifest.image_size,
        classes=manifest.classes,
        train=splits["train"],
        validation=splits["validation"],
        test=splits.get("test"),
    )


def discard_damaged(folder: Path) -> None:
    """Takes a damaged cache folder away, unless another process has filled it anew meanwhile."""
    with alone(_lock(folder)):
        try:
            open_prepared(folder)
        except CacheError:
            damaged = folder.rename(folder.parent / f".{folder.name}.damaged")
            shutil.rmtree(damaged)


def _lock(folder: Path) -> Path:
    """The file that whoever fills the folder or takes it away holds locked."""
    return folder.parent / f".{folder.name}.lock"


def _open_split(folder: Path, name: str, manifest: Manifest) -> CachedSplit:
    shape = (manifest.counts[name], manifest.image_size, manifest.image_size, 3)
    with np.load(folder / f"{name}.npz") as arrays:
        tasks = [Task(key.removesuffix(".values")) for key in arrays if key.endswith(".values")]
        return CachedSplit(
            images=np.memmap(folder / f"{name}.images", np.uint8, "r", shape=shape),
            targets={task: Target(arrays[f"{task}.values"], arrays[f"{task}.mask"]) for task in tasks},
            items=tuple(arrays["items"].tolist()),
            groups=arrays.get("groups"),
        )


def _damaged(folder: Path, what: str) -> CacheError:
    return CacheError(f"{folder}: {what}. Delete the folder and run `search data prepare` again.")


def _measured(file: Path) -> File:
    checksum = 0
    with file.open("rb") as stream:
        while block := stream.read(1 << 20):
            checksum = zlib.crc32(block, checksum)
    return File(bytes=file.stat().st_size, crc32=checksum)
