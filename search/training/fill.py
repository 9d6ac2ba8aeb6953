"""Filling a cache folder: decode every image once, carve the validation split, write pixels and targets."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from search.data import CHUNK, Indices, Pixels, Split, Splits, decode_all
from search.errors import DatasetError
from search.training.split import belonging_together, carve, thumbnails

Unreadable = dict[str, dict[str, str]]  # split -> item -> reason


@dataclass(frozen=True)
class _Decoded:
    """The readable images of one split: `pixels[k]` is item `kept[k]`."""

    split: Split
    pixels: Pixels
    kept: Indices
    unreadable: dict[str, str]


def fill(
    folder: Path,
    splits: Splits,
    image_size: int,
    carved: tuple[float, int] | None,
    bad_share: float,
    progress: Callable[[int, int], None],
) -> tuple[dict[str, int], Unreadable]:
    """Write `NAME.images` and `NAME.npz` of every split into `folder`; the item counts, and what was left out.

    carved: share and seed of the validation split to carve from train, or None where `splits` has one.

    Raises DatasetError as `search.training.cache.prepare` says.
    """
    done, total = 0, sum(len(split.items) for split in splits.named().values())

    def advance(count: int) -> None:
        nonlocal done
        done += count
        progress(done, total)

    decoded = {
        name: _decode(split, image_size, folder / f"{name}.decoded", advance)
        for name, split in splits.named().items()
    }
    unreadable = {name: part.unreadable for name, part in decoded.items()}
    _refuse(unreadable, total, bad_share)
    if empty := [name for name, part in decoded.items() if not len(part.kept)]:
        raise DatasetError(f"no image of the {' and the '.join(empty)} split can be read.")
    rows = {name: np.arange(len(part.kept)) for name, part in decoded.items()}
    if carved is not None:
        decoded["validation"] = decoded["train"]
        rows["train"], rows["validation"] = _carve(decoded["train"], splits.classes, *carved)
    for name, part in decoded.items():
        _write(folder, name, part, rows[name])
    for name in splits.named():
        (folder / f"{name}.decoded").unlink()
    return {name: len(rows[name]) for name in rows}, unreadable


def _decode(split: Split, size: int, file: Path, advance: Callable[[int], None]) -> _Decoded:
    kept = [np.empty(0, np.int64)]
    unreadable: dict[str, str] = {}
    with file.open("wb") as pool:
        for indices, pixels, reasons in decode_all(split.images, size):
            pool.write(pixels.tobytes())
            kept.append(indices)
            unreadable |= {split.items[index]: reason for index, reason in reasons.items()}
            advance(len(indices) + len(reasons))
    rows = np.concatenate(kept)
    shape = (len(rows), size, size, 3)
    pixels = np.memmap(file, np.uint8, "r", shape=shape) if len(rows) else np.empty(shape, np.uint8)
    return _Decoded(split, pixels, rows, unreadable)


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
    together = belonging_together(thumbnails(train.pixels), groups)
    return carve(train.split.labels()[train.kept], together, classes=classes, share=share, seed=seed)


def _write(folder: Path, name: str, decoded: _Decoded, rows: Indices) -> None:
    with (folder / f"{name}.images").open("wb") as file:
        for start in range(0, len(rows), CHUNK):
            file.write(decoded.pixels[rows[start : start + CHUNK]].tobytes())
    split, kept = decoded.split, decoded.kept[rows]
    arrays = {"items": np.array(split.items)[kept]}
    if split.groups is not None:
        arrays["groups"] = split.groups[kept]
    for task, target in split.targets.items():
        arrays |= {f"{task}.values": target.values[kept], f"{task}.mask": target.mask[kept]}
    np.savez(folder / f"{name}.npz", allow_pickle=False, **arrays)
