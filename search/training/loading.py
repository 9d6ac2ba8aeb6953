"""The batches of a run's splits, whatever they are of: images or sequences, of one data set or of several."""

import torch

from search.training.batches import Alternating, Batches, Pooled, Windows
from search.training.cache import CachedSplit
from search.training.heads import Layout, Member, labels
from search.training.recipe import Knobs


def training_batches(
    layout: Layout, knobs: Knobs, device: torch.device
) -> Batches | Windows | Pooled | Alternating:
    """The training splits of all data sets that are trained on. Raises DatasetError where one has no label."""
    parts = [
        split_batches("training", member, member.data.train, layout, knobs, device) for member in layout.trained
    ]
    if len(parts) == 1:
        return parts[0]
    return Alternating(parts) if knobs.batches == "alternating" else Pooled(parts)


def split_batches(
    name: str, member: Member, split: CachedSplit, layout: Layout, knobs: Knobs, device: torch.device
) -> Batches | Windows:
    """One split of a data set; `name` is that of the split. Raises DatasetError where it has no label."""
    own = labels(split, member.data.classes, member.heads, layout.width)
    if split.vectors is None:
        return Batches(name, split, own, device)
    return Windows(name, split, own, device, window=knobs.window, hop=knobs.hop)
