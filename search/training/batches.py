"""Batches of cached splits: an index gather, nothing decoded and no worker processes."""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from search.data import Indices
from search.errors import DatasetError
from search.training.cache import CachedSplit
from search.training.heads import Labels
from search.training.sampling import epoch_order

_SHARE_OF_FREE_MEMORY = 0.5  # of a GPU, that images may take; the rest is the model's and its activations'


@dataclass(frozen=True)
class Batch:
    """Inputs and labels, on the device.

    inputs: uint8 (B, 3, S, S) with channels last in memory, or of windows of sequences float32 (B, T, D).
    values: float32 (B, W), or (B, T, W) of windows; mask: bool of that shape. See `search.training.heads.Labels`.
    """

    inputs: Tensor
    values: Tensor
    mask: Tensor


class Batches:
    """The items of a split that have a label, one image an item.

    Pixels live on a CUDA device when they fit into half of its free memory; otherwise they stay in the cache file,
    mapped and not copied.
    """

    def __init__(self, name: str, split: CachedSplit, labels: Labels, device: torch.device) -> None:
        """`name` is that of the split. Raises DatasetError if no item has a label."""
        self.rows = _labelled(name, labels)  # where in the split the labelled items are
        self._rows = torch.from_numpy(self.rows)
        self._device = device
        self._pixels = _resident(_as_tensor(split.images), device)
        self.values = torch.from_numpy(labels.values[self.rows]).to(device)
        self.mask = torch.from_numpy(labels.mask[self.rows]).to(device)

    def __len__(self) -> int:
        """The number of labelled images."""
        return len(self._rows)

    def shuffled(self, batch_size: int, seed: int) -> Iterator[Batch]:
        """Whole batches in an order drawn from `seed`; the images left over are dropped."""
        return _whole_batches(self, _permutation(len(self), seed), batch_size)

    def in_order(self, batch_size: int) -> Iterator[tuple[Tensor, Batch]]:
        """Every labelled image once, in the split's order; the last batch may be short.

        With each batch come its positions among the labelled images.
        """
        return (
            (positions, self.gather(positions)) for positions in torch.split(torch.arange(len(self)), batch_size)
        )

    def gather(self, positions: Tensor) -> Batch:
        """The labelled images at `positions`, int64 (B,)."""
        rows = self._rows[positions].to(self._pixels.device)
        images = self._pixels.index_select(0, rows).to(self._device)  # (B, S, S, 3)
        positions = positions.to(self._device)
        return Batch(images.permute(0, 3, 1, 2), self.values[positions], self.mask[positions])


class Windows:
    """The sequences of a split as windows of vectors, one group of the split a sequence.

    Vectors stay in the cache file, mapped and not copied. Windows begin `hop` frames apart; the last one ends with
    its sequence. A sequence shorter than a window is padded with frames that have no label.
    """

    def __init__(
        self, name: str, split: CachedSplit, labels: Labels, device: torch.device, *, window: int, hop: int
    ) -> None:
        """`name` is that of the split. Raises DatasetError if it has no groups or no frame has a label."""
        if split.groups is None:
            raise DatasetError(
                f"the {name} split says of no item which sequence it belongs to; features need that."
            )
        assert split.vectors is not None
        self.rows = np.arange(len(split.items))
        _labelled(name, labels)
        self._device = device
        self._vectors = np.asarray(split.vectors)
        self.values = torch.from_numpy(labels.values).to(device)
        self.mask = torch.from_numpy(labels.mask).to(device)
        self._sequences = _sequences(split.groups)
        self._window = window
        self._windows = [
            rows[start : start + window]
            for rows in self._sequences
            for start in _starts(len(rows), window, hop)
            if labels.mask[rows[start : start + window]].any()
        ]

    def __len__(self) -> int:
        """The number of windows that have a label."""
        return len(self._windows)

    def shuffled(self, batch_size: int, seed: int) -> Iterator[Batch]:
        """Whole batches of windows in an order drawn from `seed`; the windows left over are dropped."""
        return _whole_batches(self, _permutation(len(self), seed), batch_size)

    def in_order(self, batch_size: int) -> Iterator[tuple[Tensor, Batch]]:
        """Every sequence once, whole, alone in its batch; with each come the rows of its frames."""
        for rows in self._sequences:
            yield torch.from_numpy(rows), self._batch([rows], len(rows))

    def gather(self, positions: Tensor) -> Batch:
        """The windows at `positions`, int64 (B,)."""
        return self._batch([self._windows[position] for position in positions.tolist()], self._window)

    def _batch(self, windows: Sequence[Indices], length: int) -> Batch:
        """Windows of `length` frames; shorter ones are padded with zeros."""
        vectors = np.empty((len(windows), length, self._vectors.shape[1]), self._vectors.dtype)
        frames = np.zeros((len(windows), length), np.int64)
        there = np.zeros((len(windows), length, 1), np.bool_)
        for i, rows in enumerate(windows):
            vectors[i, : len(rows)] = self._vectors[rows[0] : rows[-1] + 1]
            vectors[i, len(rows) :] = 0
            frames[i, : len(rows)], there[i, : len(rows)] = rows, True
        at = torch.from_numpy(frames).to(self._device)
        return Batch(
            torch.from_numpy(vectors).to(self._device).float(),
            self.values[at],
            self.mask[at] & torch.from_numpy(there).to(self._device),
        )


class Sampled:
    """The items of a split, or of pooled ones, that `epoch_order` draws by their class."""

    def __init__(
        self, items: "Batches | Pooled", labels: Tensor, sampling: Literal["balanced", "subset"], run_seed: int
    ) -> None:
        """labels: int64 (N,), the class of each item, negative where it has none.

        Raises DatasetError if no item has a class.
        """
        if not (labels >= 0).any():
            raise DatasetError(f"class_sampling {sampling} needs expressions, and no training item has one.")
        self._items, self._labels = items, labels.cpu()
        self._sampling, self._run_seed = sampling, run_seed
        self.values, self.mask = items.values, items.mask

    def __len__(self) -> int:
        """The number of items that an epoch shows."""
        return len(self._order(0))

    def shuffled(self, batch_size: int, seed: int) -> Iterator[Batch]:
        """As `Batches.shuffled`."""
        return _whole_batches(self._items, self._order(seed), batch_size)

    def _order(self, seed: int) -> Tensor:
        return epoch_order(self._labels, self._sampling, run_seed=self._run_seed, epoch_seed=seed)


class Pooled:
    """The splits of several data sets as one: a batch may hold items of all of them."""

    def __init__(self, parts: Sequence[Batches | Windows]) -> None:
        self._parts = parts
        self._starts = np.cumsum([0, *map(len, parts)])
        self.values = torch.cat([part.values for part in parts])
        self.mask = torch.cat([part.mask for part in parts])

    def __len__(self) -> int:
        return int(self._starts[-1])

    def shuffled(self, batch_size: int, seed: int) -> Iterator[Batch]:
        """As `Batches.shuffled`."""
        return _whole_batches(self, _permutation(len(self), seed), batch_size)

    def gather(self, positions: Tensor) -> Batch:
        """The items at `positions`, int64 (B,), those of each data set together."""
        batches = []
        for part, start in zip(self._parts, self._starts[:-1].tolist(), strict=True):
            own = positions[(positions >= start) & (positions < start + len(part))]
            if len(own):
                batches.append(part.gather(own - start))
        return Batch(
            torch.cat([batch.inputs for batch in batches]),
            torch.cat([batch.values for batch in batches]),
            torch.cat([batch.mask for batch in batches]),
        )


class Alternating:
    """The splits of several data sets in turn: every batch comes from one of them.

    An epoch has as many batches as all of them together would give; a small data set starts over until it ends.
    """

    def __init__(self, parts: Sequence[Batches | Windows | Sampled]) -> None:
        self._parts = parts
        self.values = torch.cat([part.values for part in parts])
        self.mask = torch.cat([part.mask for part in parts])

    def __len__(self) -> int:
        return sum(map(len, self._parts))

    def shuffled(self, batch_size: int, seed: int) -> Iterator[Batch]:
        """Whole batches; see above. Raises DatasetError where a data set has less than one."""
        if min(map(len, self._parts)) < batch_size:
            raise DatasetError(
                f"batch_size is {batch_size}, and the smallest data set has {min(map(len, self._parts))} labelled "
                "training items; give a batch_size of at most that, or batches: pooled."
            )
        endless = [_endless(part, batch_size, seed) for part in self._parts]
        in_turn = (next(batches) for batches in cycle(endless))
        return islice(in_turn, len(self) // batch_size)


def _endless(part: Batches | Windows | Sampled, batch_size: int, seed: int) -> Iterator[Batch]:
    """Batches of one data set, in a new order whenever it starts over."""
    while True:
        yield from part.shuffled(batch_size, seed)
        seed += 1


def _labelled(name: str, labels: Labels) -> Indices:
    """Where the items with any label are."""
    rows = np.flatnonzero(labels.mask.any(axis=1))
    if not len(rows):
        raise DatasetError(f"no item of the {name} split has a label of what is to be trained.")
    return rows


def _whole_batches(items: Batches | Windows | Pooled, order: Tensor, batch_size: int) -> Iterator[Batch]:
    whole = len(order) // batch_size * batch_size
    return map(items.gather, torch.split(order[:whole], batch_size))


def _permutation(count: int, seed: int) -> Tensor:
    return torch.randperm(count, generator=torch.Generator().manual_seed(seed))


def _sequences(groups: Indices) -> list[Indices]:
    """The rows of each sequence, in the order in which the sequences begin."""
    borders = np.flatnonzero(np.diff(groups)) + 1
    return np.split(np.arange(len(groups)), borders)


def _starts(length: int, window: int, hop: int) -> list[int]:
    """Where the windows of a sequence begin."""
    last = max(length - window, 0)
    return [*range(0, last, hop), last]


def _as_tensor(images: NDArray[np.uint8]) -> Tensor:
    with warnings.catch_warnings():
        # Torch has no read-only tensors and warns that writing would be undefined; a gather only reads.
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(images)


def _resident(pixels: Tensor, device: torch.device) -> Tensor:
    if device.type != "cuda":
        return pixels
    free, _ = torch.cuda.mem_get_info(device)
    return pixels.to(device) if pixels.nbytes <= _SHARE_OF_FREE_MEMORY * free else pixels
