"""The batches of a run's splits, whatever they are of: images or sequences, of one data set or of several."""

from collections.abc import Sequence
from typing import TypeVar

import torch

from search.errors import DatasetError
from search.training.batches import Alternating, Batches, Pooled, Sampled, Windows
from search.training.cache import CachedSplit
from search.training.heads import Labels, Layout, Member, classes_of, labels
from search.training.recipe import Knobs

_Items = TypeVar("_Items", Batches, Batches | Windows)


def training_batches(
    layout: Layout, knobs: Knobs, device: torch.device, seed: int
) -> Batches | Windows | Sampled | Pooled | Alternating:
    """The training splits of all data sets that are trained on, sampled as `class_sampling` says.

    seed: of what sampling draws once for the whole run.

    Raises DatasetError where one has no label, or can't be sampled so.
    """
    parts = [
        split_batches("training", member, member.data.train, layout, knobs, device) for member in layout.trained
    ]
    alternating = knobs.batches == "alternating" and len(parts) > 1
    if knobs.class_sampling == "natural":
        return Alternating(parts) if alternating else _one(parts)
    images = [part for part in parts if isinstance(part, Batches)]
    if len(images) < len(parts):
        raise DatasetError(
            f"class_sampling {knobs.class_sampling} draws single images, and this study trains on windows of "
            "sequences; leave it at natural."
        )
    sampled = [
        Sampled(items, classes_of(layout, items.values, items.mask), knobs.class_sampling, seed)
        for items in (images if alternating else [_one(images)])
    ]
    return Alternating(sampled) if alternating else sampled[0]


def _one(parts: Sequence[_Items]) -> _Items | Pooled:
    return parts[0] if len(parts) == 1 else Pooled(parts)


def split_batches(
    name: str, member: Member, split: CachedSplit, layout: Layout, knobs: Knobs, device: torch.device
) -> Batches | Windows:
    """One split of a data set; `name` is that of the split. Raises DatasetError where it has no label."""
    return batches_of(name, split, labels(split, member.data.classes, member.heads, layout.width), knobs, device)


def batches_of(
    name: str, split: CachedSplit, own: Labels, knobs: Knobs, device: torch.device
) -> Batches | Windows:
    """A split whose labels are laid out already: its images, or windows of its sequences.

    own: its labels. Raises as `split_batches`.
    """
    if split.vectors is None:
        return Batches(name, split, own, device)
    return Windows(name, split, own, device, window=knobs.window, hop=knobs.hop)
