"""Windows of sequences from vectors mapped from disk, at the size of Aff-Wild2: memory, and windows a second.

The vectors are as `search.training.features` writes them: 2.8 million frames of 512, 2.9 GB, in videos of 5,000
frames, filled with random values. Ours hands out shuffled batches of windows of them (`Windows`), each side in a
process of its own. Peers: the same windows of the whole array, read into memory before; and a DataLoader of two
workers over one .npy file a video, the layout that published code for this data keeps its features in. Each
process computes with one thread.

    .venv/bin/python -m benchmarks.features
    .venv/bin/python -m benchmarks.features --frames 300000       in a quarter of a minute

It takes about two minutes and 6 GB of disk. To reach: less than a tenth of the vectors' size in memory of our own,
open in a second, and as fast as the array in memory from the second pass on. In the first pass each page is mapped
as it is read for the first time; so is it where memory is short, and what is not in memory is read from the disk.
"""

import argparse
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

import numpy as np
import psutil
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from search.data import Target
from search.tasks import Task
from search.training import sealed
from search.training.batches import Windows
from search.training.cache import CachedSplit
from search.training.heads import Labels
from search.training.items import Items, packed

WIDTH, VIDEO, WINDOW, BATCH = 512, 5000, 300, 8
CPU = torch.device("cpu")

Windowed = Iterator[Tensor]  # batches, float32 (BATCH, WINDOW, WIDTH)


class Found(NamedTuple):
    """Of one turn: seconds until the first batch, windows a second in the first pass over the vectors and in the
    second, and the MB that it took at the end: its own, and with mapped files.
    """

    opened: float
    first: float
    second: float
    own: float
    all: float


class Videos(Dataset[Tensor]):
    """Windows of videos that are a .npy file each."""

    def __init__(self, files: list[Path], frames: int) -> None:
        self._windows = [
            (file, start) for file in files for start in range(0, min(frames, VIDEO) - WINDOW + 1, WINDOW)
        ]

    def __len__(self) -> int:
        return len(self._windows)

    def __getitem__(self, index: int) -> Tensor:
        file, start = self._windows[index]
        return torch.from_numpy(np.load(file)[start : start + WINDOW]).float()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=2_800_000, help="frames of all videos together")
    parser.add_argument("--turns", type=int, default=3, help="of each side")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder, options.frames)
        sides = {"mapped": mapped, "read whole": read_whole, "DataLoader of .npy": load}
        print(f"{options.frames:,} frames of {WIDTH}, {options.frames * WIDTH * 2 / 1e9:.2f} GB", flush=True)
        found: dict[str, list[Found]] = {side: [] for side in sides}
        for _ in range(options.turns):
            for side, batches in sides.items():
                turn = alone(batches, folder, options.frames)
                found[side].append(turn)
                print(
                    f"  {side}: opened in {turn.opened:.2f} s, {turn.first:,.0f} windows a second in the first "
                    f"pass and {turn.second:,.0f} in the second, {turn.own:,.0f} MB of its own, {turn.all:,.0f} "
                    "MB with what is mapped",
                    flush=True,
                )
        for side in list(sides)[1:]:
            first, second = (ratio(found, side, rate) for rate in ("first", "second"))
            print(f"mapped against {side}: first pass {first}, second pass {second}")


def ratio(found: dict[str, list[Found]], side: str, rate: str) -> str:
    """Of our rates to those of a peer: the median, and the range."""
    ratios = [
        getattr(ours, rate) / getattr(theirs, rate)
        for ours, theirs in zip(found["mapped"], found[side], strict=True)
    ]
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


def write(folder: Path, frames: int) -> None:
    """The vectors as one file with its manifest, and as a .npy file for each video."""
    (folder / "features").mkdir()
    (folder / "videos").mkdir()
    rng = np.random.default_rng(0)
    block = rng.standard_normal((VIDEO, WIDTH), np.float32).astype(np.float16)
    with (folder / "features" / "train.vectors").open("wb") as file:
        for video, start in enumerate(range(0, frames, VIDEO)):
            part = np.roll(block, video, axis=1)[: frames - start]
            file.write(part.tobytes())
            np.save(folder / "videos" / f"{video:04}.npy", part)
    text, _ = packed([item(row) for row in range(frames)])
    (folder / "features" / "train.items").write_bytes(text)
    sealed.seal(folder / "features", ["train.vectors", "train.items"], lambda files: sealed.Manifest(files=files))


def item(row: int) -> str:
    return f"{row // VIDEO:03}-video/{row % VIDEO:05}.jpg"


def alone(batches: Callable[[Path, int], Windowed], folder: Path, frames: int) -> Found:
    """What `measure` finds in a fresh process."""
    spawning = multiprocessing.get_context("spawn")
    here, there = spawning.Pipe()
    process = spawning.Process(target=measure, args=(there, batches, folder, frames))
    process.start()
    there.close()
    found: Found = here.recv()
    process.join()
    return found


def measure(result: Connection, batches: Callable[[Path, int], Windowed], folder: Path, frames: int) -> None:
    torch.set_num_threads(1)  # as in the DataLoader's workers; several wait for one another on a busy machine
    process = psutil.Process()
    before = process.memory_info()
    start = time.perf_counter()
    handed_out = batches(folder, frames)
    next(handed_out)
    opened = time.perf_counter() - start
    steps = frames // WINDOW // BATCH
    rates = []
    for _ in range(2):
        start = time.perf_counter()
        total = sum(float(next(handed_out)[0, 0, 0]) for _ in range(steps))
        rates.append(steps * BATCH / (time.perf_counter() - start))
        assert np.isfinite(total)
    after = process.memory_info()
    own = (after.rss - after.shared) - (before.rss - before.shared)
    result.send(Found(opened, rates[0], rates[1], own / 1e6, (after.rss - before.rss) / 1e6))


def mapped(folder: Path, frames: int) -> Windowed:
    manifest = sealed.read(folder / "features", sealed.Manifest)
    sealed.verify(folder / "features", manifest)
    vectors = np.memmap(folder / "features" / "train.vectors", np.float16, "r", shape=(frames, WIDTH))
    text = np.memmap(folder / "features" / "train.items", np.uint8, "r")
    ends = np.arange(1, frames + 1, dtype=np.int64) * len(item(0))
    return windows(vectors, Items(text, ends))


def read_whole(folder: Path, frames: int) -> Windowed:
    vectors = np.fromfile(folder / "features" / "train.vectors", np.float16).reshape(frames, WIDTH)
    return windows(vectors, tuple(item(row) for row in range(frames)))


def windows(vectors: NDArray[np.float16], items: tuple[str, ...] | Items) -> Windowed:
    frames = len(vectors)
    valence = Target(np.zeros((frames, 2), np.float32), np.ones(frames, np.bool_))
    split = CachedSplit(
        images=np.empty((0, 8, 8, 3), np.uint8),
        targets={Task.VALENCE_AROUSAL: valence},
        items=items,
        groups=np.arange(frames) // VIDEO,
        vectors=vectors,
    )
    labels = Labels(valence.values, np.ones((frames, 2), np.bool_), {})
    handed_out = Windows("train", split, labels, CPU, window=WINDOW, hop=WINDOW)
    return (batch.inputs for seed in range(1000) for batch in handed_out.shuffled(BATCH, seed))


def load(folder: Path, frames: int) -> Windowed:
    videos = Videos(sorted((folder / "videos").iterdir()), frames)
    loader = DataLoader(videos, BATCH, shuffle=True, drop_last=True, num_workers=2, persistent_workers=True)
    return (batch for _ in range(1000) for batch in loader)


if __name__ == "__main__":
    main()
