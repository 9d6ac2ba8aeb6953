"""Training from the cache against training from a DataLoader, and handing out a batch of each.

The peer is what a training script usually does: a folder of JPEG files, `torch.utils.data.DataLoader` with two
worker processes, Pillow to decode each image and torchvision's v2 transforms to change it, as our "standard"
augmentation does. Model, optimizer, memory layout and batch size are the same. Both sides take turns, epoch by
epoch, in one run; printed are medians and the range of the ratios of the turns.

    .venv/bin/python -m benchmarks.training_throughput

It takes about three minutes on two cores. The ratios to reach: training 2.5 at 48 px and 1.5 at 112 px, handing
out 100.
"""

import argparse
import itertools
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import InterpolationMode, v2

from search import catalog
from search.data import Target
from search.tasks import EKMAN_NEUTRAL, Task
from search.training.arithmetic import memory_layout
from search.training.augment import NORMALIZATIONS, STRENGTHS
from search.training.batches import Batch, Batches
from search.training.cache import CachedSplit, Prepared
from search.training.checkpoint import Checkpoints
from search.training.heads import Labels
from search.training.optimizers import optimizer_of
from search.training.recipe import Knobs, Recipe
from search.training.run import train

BATCH = 64
QUALITY = 90
MODEL = "clsfer"
ARGUMENTS = {"width": 8, "depths": (1, 1, 1, 1), "stem_stride": 2, "depth": 2, "heads": 4}
CPU = torch.device("cpu")

Turn = Callable[[], float]  # images a second of one epoch


class JpegFolder(Dataset[tuple[Tensor, int]]):
    """The images of a folder, decoded and transformed one by one."""

    def __init__(
        self, files: list[Path], labels: NDArray[np.int64], transform: Callable[[Image.Image], Tensor]
    ) -> None:
        self.files, self.labels, self.transform = files, labels, transform

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        with Image.open(self.files[index]) as image:
            return self.transform(image.convert("RGB")), int(self.labels[index])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[48, 112], help="image sides in pixels")
    parser.add_argument("--images", type=int, default=1024, help="images of one epoch")
    parser.add_argument("--turns", type=int, default=7, help="epochs of each side, after one to warm up")
    options = parser.parse_args()
    print(f"{torch.get_num_threads()} threads, batches of {BATCH}, medians of {options.turns} turns")
    for size in options.sizes:
        with tempfile.TemporaryDirectory() as folder:
            split, files = make_images(options.images, size, Path(folder))
            compare(
                f"training, {size} px",
                train_ours(split, size, Path(folder)),
                train_peer(split, files),
                options.turns,
            )
            compare(f"handing out, {size} px", hand_out_ours(split), hand_out_peer(split, files), options.turns)


def compare(name: str, ours: Turn, peer: Turn, turns: int) -> None:
    """Print the images a second of both sides and the ratio, each side taking a turn after the other."""
    ours(), peer()
    pairs = [(ours(), peer()) for _ in range(turns)]
    ratios = [one / other for one, other in pairs]
    one, other = (statistics.median(side) for side in zip(*pairs, strict=True))
    print(
        f"{name}: {one:,.0f} against {other:,.0f} images a second, ratio {statistics.median(ratios):.2f} "
        f"({min(ratios):.2f} to {max(ratios):.2f})",
        flush=True,
    )


def make_images(count: int, size: int, folder: Path) -> tuple[CachedSplit, list[Path]]:
    """Synthetic faces as JPEG files, and the same decoded as the cache would hold them."""
    train = catalog.dataset("synthetic_faces")(folder, images=count).train
    rendered, _ = train.images.decode(np.arange(count), size)
    files = [folder / f"{index:05}.jpg" for index in range(count)]
    pixels = np.memmap(folder / "pixels", np.uint8, "w+", shape=rendered.shape)
    for index, file in enumerate(files):
        Image.fromarray(rendered[index]).save(file, quality=QUALITY)
        with Image.open(file) as image:
            pixels[index] = np.asarray(image)
    target = train.targets[Task.EXPRESSION]
    return CachedSplit(pixels, {Task.EXPRESSION: Target(target.values, target.mask)}, train.items, None), files


def train_ours(split: CachedSplit, size: int, folder: Path) -> Turn:
    data = Prepared(folder, "benchmark", size, EKMAN_NEUTRAL, train=split, validation=split, test=None)
    recipe = Recipe(
        model=MODEL,
        model_arguments=ARGUMENTS,
        knobs=Knobs(epochs=10_000, batch_size=BATCH),
        objective="accuracy",
        seed=0,
    )
    epochs = train(
        recipe,
        data,
        device=CPU,
        checkpoints=Checkpoints(folder / "run", 1),
        on_begin=lambda epochs: None,
        on_step=lambda: None,
    )
    return lambda: next(epochs).samples_per_second


def train_peer(split: CachedSplit, files: list[Path]) -> Turn:
    knobs = Knobs()
    model = catalog.model(MODEL)(outputs=len(EKMAN_NEUTRAL), image_size=split.images.shape[1], **ARGUMENTS)
    layout = memory_layout(model, CPU)
    model.to(memory_format=layout)
    optimizer = optimizer_of(model, knobs)
    loader = loader_of(split, files, transforms())

    def turn() -> float:
        start = time.perf_counter()
        for images, labels in loader:
            optimizer.zero_grad(set_to_none=True)
            loss = F.cross_entropy(model(images.contiguous(memory_format=layout)), labels)
            torch.autograd.backward(loss)
            nn.utils.clip_grad_norm_(model.parameters(), knobs.clip_norm)
            optimizer.step()
        return len(loader) * BATCH / (time.perf_counter() - start)

    return turn


def transforms() -> v2.Compose:
    """torchvision's counterpart of our "standard" augmentation."""
    strength = STRENGTHS["standard"]
    mean, deviation = NORMALIZATIONS["half"]
    return v2.Compose(
        [
            v2.RandomHorizontalFlip(),
            v2.RandomAffine(
                strength.rotation,
                translate=(strength.shift, strength.shift),
                scale=(1 - strength.zoom, 1 + strength.zoom),
                interpolation=InterpolationMode.BILINEAR,
            ),
            v2.ColorJitter(brightness=strength.light, contrast=strength.light),
            v2.PILToTensor(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(list(mean), list(deviation)),
            v2.RandomErasing(p=strength.erased, scale=strength.erased_area),
        ]
    )


def hand_out_ours(split: CachedSplit) -> Turn:
    target = split.targets[Task.EXPRESSION]
    values = np.eye(int(target.values.max()) + 1, dtype=np.float32)[target.values]
    labels = Labels(values, np.broadcast_to(target.mask[:, None], values.shape), {})
    batches = Batches("training", split, labels, CPU)
    return lambda: exhaust(itertools.chain.from_iterable(batches.shuffled(BATCH, seed) for seed in range(20)))


def hand_out_peer(split: CachedSplit, files: list[Path]) -> Turn:
    loader = loader_of(split, files, v2.PILToTensor())
    return lambda: exhaust(iter(loader))


def exhaust(batches: Iterator[Any]) -> float:
    start = time.perf_counter()
    count = sum(len(batch.values) if isinstance(batch, Batch) else len(batch[1]) for batch in batches)
    return count / (time.perf_counter() - start)


def loader_of(
    split: CachedSplit, files: list[Path], transform: Callable[[Image.Image], Tensor]
) -> DataLoader[Any]:
    images = JpegFolder(files, split.targets[Task.EXPRESSION].values, transform)
    return DataLoader(images, BATCH, shuffle=True, num_workers=2, drop_last=True, persistent_workers=True)


if __name__ == "__main__":
    main()
