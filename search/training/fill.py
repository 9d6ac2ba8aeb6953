"""Filling a cache folder: decode every image once, carve the validation split, write pixels and targets."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from search.data import CHUNK, Indices, Pixels, Split
from search.errors import DatasetError
from search.training.items import packed
from search.training.journal import Journal
from search.training.split import belonging_together, carve, thumbnails

Unreadable = dict[str, dict[str, str]]  # split -> item -> reason
Part = tuple["_Decoded", Indices]  # what a written split takes of a decoded one


@dataclass(frozen=True)
class Filled:
    """What `fill` has written.

    counts: items of each written split. unreadable: by the data set's own splits.
    sounds: columns of the sounds, 0 where there are none.
    """

    counts: dict[str, int]
    unreadable: Unreadable
    sounds: int
    files: tuple[str, ...]


@dataclass(frozen=True)
class _Decoded:
    """The readable images of one split: row k of the file `pixels` is item `kept[k]`, and so with `sounds`.

    size: of an image, in pixels. heard: columns of the sounds, 0 where there are none.
    """

    split: Split
    size: int
    heard: int
    pixels: Path
    sounds: Path
    kept: Indices
    unreadable: dict[str, str]

    def images(self, rows: Indices) -> Pixels:
        """Mapped anew each time, so that what was read does not count as memory of this process for good."""
        file = np.memmap(self.pixels, np.uint8, "r", shape=(len(self.kept), self.size, self.size, 3))
        return np.asarray(file[rows])

    def heard_at(self, rows: Indices) -> NDArray[np.float16]:
        return np.asarray(np.memmap(self.sounds, np.float16, "r", shape=(len(self.kept), self.heard))[rows])


def fill(
    folder: Path,
    splits: Mapping[str, Split],
    classes: tuple[str, ...],
    image_size: int,
    carved: tuple[float, int] | None,
    bad_share: float,
    pooled: bool,
    progress: Callable[[int, int], None],
) -> Filled:
    """Write `NAME.images`, `NAME.items`, `NAME.npz`, and `NAME.sounds` if there are sounds, of every split.

    What an earlier process has decoded into `folder` is kept, where it is sound.

    carved: share and seed of the validation split to carve from train, or None for none.
    pooled: whether all splits together are written as one, test.

    Raises DatasetError as `search.training.cache.prepare` says.
    """
    done, total = 0, sum(len(split.items) for split in splits.values())

    def advance(count: int) -> None:
        nonlocal done
        done += count
        progress(done, total)

    decoded = {name: _decode(split, image_size, folder, name, advance) for name, split in splits.items()}
    unreadable = {name: part.unreadable for name, part in decoded.items()}
    _refuse(unreadable, total, bad_share)
    if empty := [name for name, part in decoded.items() if not len(part.kept)]:
        raise DatasetError(f"no image of the {' and the '.join(empty)} split can be read.")
    sounds = min(part.heard for part in decoded.values())
    whole: dict[str, Part] = {name: (part, np.arange(len(part.kept))) for name, part in decoded.items()}
    if carved is not None:
        train, validation = _carve(decoded["train"], classes, *carved)
        whole |= {"train": (decoded["train"], train), "validation": (decoded["train"], validation)}
    written = {"test": list(whole.values())} if pooled else {name: [part] for name, part in whole.items()}
    files = [file for name, parts in written.items() for file in _write(folder, name, parts, sounds)]
    counts = {name: sum(len(rows) for _, rows in parts) for name, parts in written.items()}
    return Filled(counts, unreadable, sounds, tuple(files))


def _decode(split: Split, size: int, folder: Path, name: str, advance: Callable[[int], None]) -> _Decoded:
    files = [folder / f"{name}.decoded", folder / f"{name}.heard"]
    with Journal(folder / f"{name}.journal", files) as journal:
        done = journal.notes[-1]["end"] if journal.notes else 0
        if done:
            advance(done)
        for start in range(done, len(split.items), CHUNK):
            indices = np.arange(start, min(start + CHUNK, len(split.items)))
            pixels, reasons = split.images.decode(indices, size)
            readable = ~np.isin(np.arange(len(indices)), list(reasons))
            sounds = _sounds(split, indices[readable])
            note = {
                "end": start + len(indices),
                "unreadable": {str(start + position): reason for position, reason in reasons.items()},
                "heard": sounds.shape[1],
            }
            journal.append(note, pixels[readable].tobytes(), sounds.tobytes())
            advance(len(indices))
    reasons = {int(index): reason for note in journal.notes for index, reason in note["unreadable"].items()}
    return _Decoded(
        split=split,
        size=size,
        heard=max((note["heard"] for note in journal.notes), default=0),
        pixels=files[0],
        sounds=files[1],
        kept=np.setdiff1d(np.arange(len(split.items)), np.array(list(reasons), np.int64), assume_unique=True),
        unreadable={split.items[index]: reason for index, reason in reasons.items()},
    )


def _sounds(split: Split, indices: Indices) -> NDArray[np.float16]:
    if split.sounds is None or not len(indices):
        return np.empty((len(indices), 0), np.float16)
    return split.sounds.decode(indices).astype(np.float16)


def _refuse(unreadable: Unreadable, total: int, bad_share: float) -> None:
    bad = [f"{item} ({reason})" for items in unreadable.values() for item, reason in items.items()]
    if len(bad) > bad_share * total:
        more = f" and {len(bad) - 5} more" if len(bad) > 5 else ""
        raise DatasetError(
            f"{len(bad)} of {total} images can't be read, above the allowed share of {bad_share:g}: "
            f"{', '.join(bad[:5])}{more}. Restore or remove them, or allow a larger bad_share."
        )


def _carve(train: _Decoded, classes: tuple[str, ...], share: float, seed: int) -> tuple[Indices, Indices]:
    groups = None if train.split.groups is None else train.split.groups[train.kept]
    small = np.empty((len(train.kept), 8, 8, 3), np.uint8)
    for rows in _chunks(np.arange(len(train.kept))):
        small[rows] = thumbnails(train.images(rows))
    together = belonging_together(small, groups)
    return carve(train.split.labels()[train.kept], together, classes=classes, share=share, seed=seed)


def _write(folder: Path, name: str, parts: Sequence[Part], sounds: int) -> list[str]:
    """Write one split, part after part; the names of its files."""
    _stream(folder / f"{name}.images", (part.images(rows) for part, all_ in parts for rows in _chunks(all_)))
    files = [f"{name}.images", f"{name}.items", f"{name}.npz"]
    if sounds:
        _stream(folder / f"{name}.sounds", (part.heard_at(rows) for part, all_ in parts for rows in _chunks(all_)))
        files.append(f"{name}.sounds")
    splits = [(part.split, part.kept[rows]) for part, rows in parts]
    text, ends = packed([split.items[index] for split, kept in splits for index in kept])
    (folder / f"{name}.items").write_bytes(text)
    arrays: dict[str, NDArray[Any]] = {"item_ends": ends}
    groups = [split.groups[kept] for split, kept in splits if split.groups is not None]
    if len(groups) == len(splits):
        arrays["groups"] = np.concatenate(groups)
    for task in sorted(set.intersection(*(set(split.targets) for split, _ in splits))):
        arrays[f"{task}.values"] = np.concatenate([split.targets[task].values[kept] for split, kept in splits])
        arrays[f"{task}.mask"] = np.concatenate([split.targets[task].mask[kept] for split, kept in splits])
    np.savez(folder / f"{name}.npz", allow_pickle=False, **arrays)
    return files


def _chunks(rows: Indices) -> Iterator[Indices]:
    return (rows[start : start + CHUNK] for start in range(0, len(rows), CHUNK))


def _stream(file: Path, blocks: Iterator[NDArray[Any]]) -> None:
    with file.open("wb") as stream:
        for block in blocks:
            stream.write(block.tobytes())
