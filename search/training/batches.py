"""Batches of a cached split: an index gather, nothing decoded and no worker processes."""

import warnings
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from search.errors import DatasetError
from search.tasks import Task
from search.training.cache import CachedSplit

_SHARE_OF_FREE_MEMORY = 0.5  # of a GPU, that images may take; the rest is the model's and its activations'


class Batches:
    """The images of a split that carry an expression label.

    Pixels live on a CUDA device when they fit into half of its free memory; otherwise they stay in the cache file,
    mapped and not copied. A batch is (images, labels) on the device: uint8 (B, 3, S, S) with channels last in
    memory, and int64 (B,).
    """

    def __init__(self, name: str, split: CachedSplit, device: torch.device) -> None:
        """`name` is that of the split. Raises DatasetError if it has no expression label at all."""
        target = split.targets.get(Task.EXPRESSION)
        if target is None or not target.mask.any():
            raise DatasetError(f"the {name} split has no expression label; training needs images that carry one.")
        self.rows = np.flatnonzero(target.mask)  # where in the split the labelled images are
        self._rows = torch.from_numpy(self.rows)
        self._device = device
        self._pixels = _resident(_as_tensor(split.images), device)
        self.labels = torch.from_numpy(target.values[self.rows]).to(device)

    def __len__(self) -> int:
        """The number of labelled images."""
        return len(self._rows)

    def shuffled(self, batch_size: int, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Whole batches in an order drawn from `seed`; the images left over are dropped."""
        order = torch.randperm(len(self), generator=torch.Generator().manual_seed(seed))
        whole = len(self) // batch_size * batch_size
        return map(self._gather, torch.split(order[:whole], batch_size))

    def in_order(self, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Every labelled image once, in the split's order; the last batch may be short."""
        return map(self._gather, torch.split(torch.arange(len(self)), batch_size))

    def _gather(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        rows = self._rows[positions].to(self._pixels.device)
        images = self._pixels.index_select(0, rows).to(self._device)  # (B, S, S, 3)
        return images.permute(0, 3, 1, 2), self.labels[positions.to(self._device)]


def _as_tensor(images: np.ndarray) -> Tensor:
    with warnings.catch_warnings():
        # Torch has no read-only tensors and warns that writing would be undefined; a gather only reads.
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(images)


def _resident(pixels: Tensor, device: torch.device) -> Tensor:
    if device.type != "cuda":
        return pixels
    free, _ = torch.cuda.mem_get_info(device)
    return pixels.to(device) if pixels.nbytes <= _SHARE_OF_FREE_MEMORY * free else pixels
