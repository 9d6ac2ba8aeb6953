"""What a frozen network makes of every image of prepared data, computed once and mapped from disk.

A folder holds `NAME.vectors` (float16, N x D) for each split, and `manifest.json`. It is filled and verified as
the folder of the images is; what a killed process has computed is kept for the next.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from search import catalog
from search.errors import CacheError, DatasetError
from search.training import sealed
from search.training.arithmetic import deterministic, memory_layout
from search.training.augment import normalize
from search.training.cache import CachedSplit, Prepared
from search.training.journal import Journal

FORMAT: Literal[1] = 1  # raised whenever a folder would be filled or read differently
BATCH = 64  # images given to the network at once
SEED = 0  # of a network that has no weights of its own

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Extractor:
    """A frozen network.

    model: the file `models/NAME.py`, whose `features` is called with `arguments`.
    normalization: as the knob of that name.
    sounds: whether the sound at each image follows its vector.
    """

    model: str
    arguments: Mapping[str, Any]
    normalization: str
    sounds: bool

    def fingerprint(self, data: Prepared) -> str:
        """A hash of the images and of all that the vectors hang on, the content of a file of weights included.

        Raises CacheError where the weights are a file that can't be read.
        """
        arguments = dict(self.arguments)
        weights = arguments.get("weights")
        if isinstance(weights, str) and Path(weights).is_file():
            arguments["weights"] = _content(Path(weights))
        cause = [FORMAT, data.fingerprint, self.model, arguments, self.normalization, self.sounds]
        return blake2b(json.dumps(cause, sort_keys=True).encode(), digest_size=16).hexdigest()


class Manifest(sealed.Manifest):
    """What stands in the `manifest.json` of vectors. widths: columns of the images, then perhaps of the sounds."""

    format: Literal[1] = FORMAT
    fingerprint: str
    widths: dict[str, int]


def compute(data: Prepared, extractor: Extractor, *, cache: Path, progress: Progress) -> Path:
    """The folder of the vectors of `data`, filled unless it stands already, by one process at a time.

    On a GPU where there is one. The network is in evaluation mode, in float32; without weights of its own it has
    those that a fixed seed gives.

    progress: called with the images done so far, those of a killed process included, and their total.

    Raises DatasetError where sounds are asked for and there are none, or a vector isn't finite in float16, and
    CacheError where the folder can't be written.
    """
    splits = data.splits()
    if extractor.sounds and any(split.sounds is None for split in splits.values()):
        raise DatasetError(f"{data.name} has no sound: set `sounds: false` under `dataset.features`.")
    fingerprint = extractor.fingerprint(data)
    folder = folder_of(cache, data, extractor.model, fingerprint)

    def filled(aside: Path) -> tuple[list[str], Callable[[dict[str, sealed.File]], Manifest]]:
        widths = _fill(aside, splits, extractor, data.image_size, progress)
        return [f"{name}.vectors" for name in splits], lambda files: Manifest(
            fingerprint=fingerprint, widths=widths, files=files
        )

    return sealed.ensure(folder, Manifest, filled)


def folder_of(cache: Path, data: Prepared, model: str, fingerprint: str) -> Path:
    """Where `compute` puts the vectors of that fingerprint."""
    return cache / f"{data.name}-{data.image_size}-{model}-{fingerprint[:16]}.{FORMAT}"


def with_vectors(data: Prepared, folder: Path) -> Prepared:
    """`data` with the vectors of a folder that `compute` returned for it, mapped read-only, and its fingerprint.

    Raises CacheError as `search.training.sealed.verify` does.
    """
    manifest = verify_vectors(folder)
    width = sum(manifest.widths.values())
    splits = {
        name: replace(
            split,
            vectors=np.memmap(folder / f"{name}.vectors", np.float16, "r", shape=(len(split.items), width)),
        )
        for name, split in data.splits().items()
    }
    return replace(data, fingerprint=manifest.fingerprint, widths=manifest.widths, **splits)  # type: ignore[arg-type]


def verify_vectors(folder: Path) -> Manifest:
    """The manifest of a folder of vectors that match it. Raises CacheError as `search.training.sealed.verify`."""
    manifest = sealed.read(folder, Manifest)
    sealed.verify(folder, manifest)
    return manifest


def _fill(
    folder: Path, splits: Mapping[str, CachedSplit], extractor: Extractor, image_size: int, progress: Progress
) -> dict[str, int]:
    done, total = 0, sum(len(split.items) for split in splits.values())
    widths: dict[str, int] = {}
    network = _network(extractor, image_size)
    for name, split in splits.items():
        with Journal(folder / f"{name}.journal", [folder / f"{name}.vectors"]) as journal:
            if journal.notes:
                done += journal.notes[-1]["end"]
                widths = journal.notes[-1]["widths"]
                progress(done, total)
            first = journal.notes[-1]["end"] if journal.notes else 0
            for start in range(first, len(split.items), BATCH):
                rows = slice(start, min(start + BATCH, len(split.items)))
                blocks = {"images": network(split.images[rows])}
                if extractor.sounds and split.sounds is not None:
                    blocks["sounds"] = np.asarray(split.sounds[rows])
                vectors = np.concatenate(list(blocks.values()), axis=1)
                if not np.isfinite(vectors).all():
                    raise DatasetError(
                        f"{extractor.model} gives values beyond float16's range (65504) for images {rows.start} "
                        f"to {rows.stop} of the {name} split: check its weights and the normalization."
                    )
                widths = {kind: block.shape[1] for kind, block in blocks.items()}
                journal.append({"end": rows.stop, "widths": widths}, vectors.tobytes())
                done += rows.stop - rows.start
                progress(done, total)
    return widths


def _network(extractor: Extractor, image_size: int) -> Callable[[NDArray[np.uint8]], NDArray[np.float16]]:
    """The frozen network as a function of uint8 (B, S, S, 3), which gives float16 (B, D)."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        model: nn.Module = catalog.features(extractor.model)(image_size=image_size, **extractor.arguments)
    layout = memory_layout(model, device)
    model = model.eval().requires_grad_(False).to(device).to(memory_format=layout)

    @torch.inference_mode()
    def vectors(images: NDArray[np.uint8]) -> NDArray[np.float16]:
        pixels = torch.from_numpy(images.copy()).to(device).permute(0, 3, 1, 2)
        floats = normalize(pixels, extractor.normalization).contiguous(memory_format=layout)
        with deterministic(device):
            found: NDArray[np.float16] = model(floats).half().cpu().numpy()
        return found

    return vectors


def _content(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise CacheError(f"the weights {file} can't be read: {error.strerror}.") from error
