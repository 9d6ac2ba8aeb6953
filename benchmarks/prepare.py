"""Preparing a data set of JPEG files: images a second beside a DataLoader, and memory at two sizes.

Ours is the whole of `search data prepare` in a process of its own: loading the code, reading every file once for
its fingerprint and once to decode it, carving a validation split, writing and checking the cache. The peer is one
pass over the same folder with torchvision's ImageFolder in a `torch.utils.data.DataLoader` of two workers, which
decodes with Pillow and resizes alike, and keeps nothing; it is timed without loading its code.

    .venv/bin/python -m benchmarks.prepare
    .venv/bin/python -m benchmarks.prepare --images 3000 --turns 1      in half a minute

It takes about ten minutes on two cores and 6 GB of disk. To reach: 1,500 images a second, and 1 GB with 300,000.
The memory is that of all of its processes together.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
from PIL import Image
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from torchvision.transforms import InterpolationMode, v2

from benchmarks.training_throughput import QUALITY
from search import catalog

SIDE = 100  # pixels of a file's image
FACES = 700  # different ones that are rendered
CLASSES = 7

STUDY = """
name: benchmark
question: How long does it take to prepare?
dataset: {{name: image_folder, image_size: {size}}}
model: {{name: small_cnn}}
objective: accuracy
space: {{lr: {{choices: [0.001, 0.01], role: nuisance}}}}
sampler: grid
budget: {{trials: 2}}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, nargs="+", default=[30_000, 300_000], help="images of the sets")
    parser.add_argument("--size", type=int, default=48, help="side of a prepared image in pixels")
    parser.add_argument("--turns", type=int, default=3, help="of each side on the first set")
    parser.add_argument("--links", action="store_true", help=f"make the sets of links to {FACES} files")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for number, count in enumerate(options.images):
            root = Path(folder, str(count))
            make_set(root, count, links=options.links)
            print(f"{count:,} files of {SIDE} x {SIDE}, to {options.size} px", flush=True)
            for turn in range(options.turns if number == 0 else 1):
                seconds, peak = prepare(root, Path(folder, f"home-{count}-{turn}"), options.size)
                line = f"  prepared: {count / seconds:,.0f} images a second, at most {peak:,.0f} MB of memory"
                if number == 0:
                    peer = count / load(root, options.size)
                    line += f"; DataLoader: {peer:,.0f} a second, ratio {count / seconds / peer:.2f}"
                print(line, flush=True)


def make_set(root: Path, count: int, *, links: bool) -> None:
    """`count` JPEG files as train/CLASS/NUMBER.jpg under `root`, all different unless they are links."""
    split = catalog.dataset("synthetic_faces")(root, images=FACES, test_images=CLASSES).train
    faces, _ = split.images.decode(np.arange(FACES), SIDE)
    labels = split.labels() % CLASSES
    rng = np.random.default_rng(0)
    for label in range(CLASSES):
        (root / "train" / str(label)).mkdir(parents=True)
    files: list[Path] = []
    for number in range(count):
        which = number % FACES
        file = root / "train" / str(labels[which]) / f"{number:07}.jpg"
        if links and number >= FACES:
            file.hardlink_to(files[which])
            continue
        # Another light and colour from everywhere, so that no two images are near-duplicates.
        corners = rng.integers(-60, 60, (3, 3, 3)).repeat(34, axis=0).repeat(34, axis=1)[:SIDE, :SIDE]
        Image.fromarray(np.clip(faces[which] + corners, 0, 255).astype(np.uint8)).save(file, quality=QUALITY)
        files.append(file)


def prepare(root: Path, home: Path, size: int) -> tuple[float, float]:
    """Seconds that `search data prepare` takes, and the most memory that it and its children held, in MB."""
    study = root / "benchmark.yaml"
    study.write_text(STUDY.format(size=size))
    command = [sys.executable, "-m", "search", "data", "prepare", str(study), "--root", str(root)]
    start, peak = time.perf_counter(), 0.0
    with subprocess.Popen(
        command, env=os.environ | {"SEARCH_HOME": str(home)}, stdout=subprocess.DEVNULL
    ) as process:
        while process.poll() is None:
            peak = max(peak, sum(map(peak_memory, family(process.pid))))
            time.sleep(0.05)
    assert process.returncode == 0
    return time.perf_counter() - start, peak


def family(process: int) -> list[int]:
    """A process and its children that are there and run a program of their own."""
    try:
        found = psutil.Process(process)
        own = psutil.Process().cmdline()  # of a fork of ours, which still counts what we hold
        return [each.pid for each in (found, *found.children(recursive=True)) if each.cmdline() != own]
    except psutil.Error:
        return []


def peak_memory(process: int) -> float:
    """The most memory that a process held since it began, in MB; 0 once it is gone. For Linux only."""
    # What getrusage tells of a child counts what its parent held when it was forked.
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return 0.0
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found[1]) * 1024 / 1e6 if found else 0.0


def load(root: Path, size: int) -> float:
    """Seconds of one pass with a DataLoader."""
    resize = v2.Resize((size, size), InterpolationMode.BILINEAR, antialias=True)
    images = ImageFolder(str(root / "train"), v2.Compose([resize, v2.PILToTensor()]))
    start = time.perf_counter()
    count = sum(len(labels) for _, labels in DataLoader(images, 256, num_workers=2))
    assert count == len(images)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
