"""A data set decoded once into memory maps, each folder with a manifest that is verified on open.

A folder holds, for each split, `NAME.images` (the raw pixels, N x size x size x 3, RGB), `NAME.items` (item ids),
`NAME.npz` (where each id ends, groups, targets) and, where there is sound, `NAME.sounds` (float16, N x F), and
`manifest.json`. It is filled aside and renamed, so it is whole or not there; what a killed process has decoded is
kept for the next.
"""

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from search.data import Indices, Split, Splits, Target
from search.errors import CacheError
from search.tasks import Task
from search.training import sealed
from search.training.aside import alone, lock_of
from search.training.items import Items

CONTENT = 1  # raised whenever the same data would be decoded or carved otherwise
FORMAT: Literal[2] = 2  # raised whenever a folder is laid out otherwise


@dataclass(frozen=True)
class CachedSplit:
    """One split, its images mapped from disk.

    images: uint8 (N, S, S, 3), RGB, a read-only memory map.
    items, groups, targets: as in `search.data.Split`, without the items whose image can't be read. The items are
        decoded one by one as they are asked for.
    vectors: float16 (N, D), a read-only memory map of what the study's frozen network makes of each image, then
        the sounds if the study asks for them; None where it has no such network.
    sounds: float16 (N, F), a read-only memory map; None where the data set has no sound.
    """

    images: NDArray[np.uint8]
    targets: Mapping[Task, Target]
    items: tuple[str, ...] | Items
    groups: Indices | None
    vectors: NDArray[np.float16] | None = None
    sounds: NDArray[np.float16] | None = None


@dataclass(frozen=True)
class Prepared:
    """A data set ready for training; `validation` is the data set's own or carved from its train split.

    fingerprint: of everything here, companions and features included.
    widths: what the columns of `vectors` are, in order, such as {"images": 512, "sounds": 64}; empty for images.
    companions: label, use (`train`, `test` or `both`) and data of each data set beside this one. Of one for tests
        alone, `train` and `validation` are empty.
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

    def splits(self) -> dict[str, CachedSplit]:
        """The splits that hold any items, by name: train, validation, test."""
        named = {"train": self.train, "validation": self.validation, "test": self.test}
        return {name: split for name, split in named.items() if split is not None and len(split.items)}


class Manifest(sealed.Manifest):
    """What stands in the `manifest.json` of prepared images.

    carved: share and seed of the carved validation split, or None where there is none or the data set's own.
    counts: items of each split.
    unreadable: for each of the data set's own splits, the items left out and why.
    sounds: columns of the sounds; 0 where there are none.
    """

    format: Literal[2] = FORMAT
    name: str
    fingerprint: str
    image_size: int
    classes: tuple[str, ...]
    carved: tuple[float, int] | None
    counts: dict[str, int]
    unreadable: dict[str, dict[str, str]]
    sounds: int


def prepare(
    splits: Splits,
    *,
    name: str,
    image_size: int,
    validation_share: float,
    split_seed: int,
    bad_share: float,
    cache: Path,
    test_only: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Path:
    """The cache folder of a data set at one image size, filled unless it stands already.

    Several processes may prepare the same data at once: one fills, the others wait for it. What a killed one
    has decoded is verified and kept by the next, which ends with the same files as if nothing had happened.

    name: leads the folder's name.
    validation_share, split_seed: as in `search.training.split.carve`; not used where `splits` has a validation
        split of its own.
    bad_share: the largest share of all images that may be unreadable; they are left out and named in the manifest.
    test_only: prepare the test split alone, or all items as one, where there is no test split.
    progress: called with the number of images decoded so far, those of a killed process included, and their total.

    Raises DatasetError where more images are unreadable, a split has none left, or no validation split with
    every class in it can be carved. Raises CacheError where the cache can't be written.
    """
    carved = None if splits.validation or test_only else (validation_share, split_seed)
    given: list[Any] = [CONTENT, splits.fingerprint(), image_size, carved, bad_share]
    cause = json.dumps([*given, "test"] if test_only else given)
    fingerprint = blake2b(cause.encode(), digest_size=16).hexdigest()
    folder = folder_of(cache, name, image_size, fingerprint)

    def filled(aside: Path) -> tuple[tuple[str, ...], Callable[[dict[str, sealed.File]], Manifest]]:
        # It takes scikit-learn a second to load, and who only opens what is filled needs none of it.
        from search.training.fill import fill

        wanted = _wanted(splits, test_only)
        written = fill(aside, wanted, splits.classes, image_size, carved, bad_share, test_only, progress)
        return written.files, lambda files: Manifest(
            name=name,
            fingerprint=fingerprint,
            image_size=image_size,
            classes=splits.classes,
            carved=carved,
            counts=written.counts,
            unreadable=written.unreadable,
            sounds=written.sounds,
            files=files,
        )

    return sealed.ensure(folder, Manifest, filled)


def folder_of(cache: Path, name: str, image_size: int, fingerprint: str) -> Path:
    """Where `prepare` puts the data of that fingerprint; a version that lays folders out otherwise has its own."""
    return cache / f"{name}-{image_size}-{fingerprint[:16]}.{FORMAT}"


def read_manifest(folder: Path) -> Manifest:
    """What `prepare` noted about a cache folder. Raises CacheError where there is none of this version."""
    return sealed.read(folder, Manifest)


def split_hashes(folder: Path) -> dict[str, str]:
    """For each split of a folder, a hash of its items and labels, which tells whether two studies share it."""
    hashes = {}
    for name in read_manifest(folder).counts:
        digest = blake2b((folder / f"{name}.items").read_bytes(), digest_size=8)
        with np.load(folder / f"{name}.npz", allow_pickle=False) as arrays:
            for key in sorted(arrays):
                digest.update(json.dumps([key, arrays[key].dtype.str, arrays[key].shape]).encode())
                digest.update(arrays[key].tobytes())
        hashes[name] = digest.hexdigest()
    return hashes


def open_prepared(folder: Path) -> Prepared:
    """The data of a folder that `prepare` returned, verified against its manifest, images mapped read-only.

    Raises CacheError as `search.training.sealed.verify` does.
    """
    manifest = read_manifest(folder)
    sealed.verify(folder, manifest)
    splits = {name: _open_split(folder, name, manifest) for name in manifest.counts}
    nothing = CachedSplit(np.empty((0, manifest.image_size, manifest.image_size, 3), np.uint8), {}, (), None)
    return Prepared(
        folder=folder,
        name=manifest.name,
        fingerprint=manifest.fingerprint,
        image_size=manifest.image_size,
        classes=manifest.classes,
        train=splits.get("train", nothing),
        validation=splits.get("validation", nothing),
        test=splits.get("test"),
    )


def discard_damaged(folder: Path, verified: Callable[[Path], object] = open_prepared) -> None:
    """Takes a damaged cache folder away, unless another process has filled it anew meanwhile.

    verified: opens the folder, or raises CacheError.
    """
    with alone(lock_of(folder)):
        try:
            verified(folder)
        except CacheError:
            if folder.exists():
                damaged = folder.rename(folder.parent / f".{folder.name}.damaged")
                shutil.rmtree(damaged)


def _wanted(splits: Splits, test_only: bool) -> dict[str, Split]:
    return {"test": splits.test} if test_only and splits.test is not None else splits.named()


def _open_split(folder: Path, name: str, manifest: Manifest) -> CachedSplit:
    count, size, heard = manifest.counts[name], manifest.image_size, manifest.sounds
    with np.load(folder / f"{name}.npz") as arrays:
        tasks = [Task(key.removesuffix(".values")) for key in arrays if key.endswith(".values")]
        return CachedSplit(
            images=np.memmap(folder / f"{name}.images", np.uint8, "r", shape=(count, size, size, 3)),
            targets={task: Target(arrays[f"{task}.values"], arrays[f"{task}.mask"]) for task in tasks},
            items=Items(np.memmap(folder / f"{name}.items", np.uint8, "r"), arrays["item_ends"]),
            groups=arrays.get("groups"),
            sounds=np.memmap(folder / f"{name}.sounds", np.float16, "r", shape=(count, heard)) if heard else None,
        )
