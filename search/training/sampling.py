"""Which items an epoch shows, and in which order: a pure function of labels and seeds."""

from typing import Literal

import torch
from torch import Tensor


def epoch_order(
    labels: Tensor, sampling: Literal["balanced", "subset"], *, run_seed: int, epoch_seed: int
) -> Tensor:
    """int64 (M,): positions in `labels`, in the order in which an epoch shows them. M is the same for every epoch.

    balanced: as many items as have a label, drawn with replacement so that each class that occurs is as likely.
    subset: of every class as many items as the rarest has, the same ones in every epoch of a run, each once.

    labels: int64 (N,) on the CPU, one of them at least not negative; items with a negative one are never shown.
    run_seed decides the subset, epoch_seed all else.
    """
    generator = torch.Generator().manual_seed(epoch_seed)
    if sampling == "subset":
        chosen = _subset(labels, torch.Generator().manual_seed(run_seed))
        return chosen[torch.randperm(len(chosen), generator=generator)]
    labelled = torch.nonzero(labels >= 0).squeeze(1)
    _, kinds, counts = torch.unique(labels[labelled], return_inverse=True, return_counts=True)
    drawn = torch.multinomial(1 / counts[kinds].double(), len(labelled), replacement=True, generator=generator)
    return labelled[drawn]


def _subset(labels: Tensor, generator: torch.Generator) -> Tensor:
    shuffled = torch.randperm(len(labels), generator=generator)
    members = [shuffled[labels[shuffled] == kind] for kind in torch.unique(labels[labels >= 0])]
    rarest = min(map(len, members))
    return torch.cat([positions[:rarest] for positions in members])
