"""The training loss: cross entropy on label distributions."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from search.training.recipe import Knobs

Loss = Callable[[Tensor, Tensor], Tensor]


def balanced_weights(labels: Tensor, classes: int) -> Tensor:
    """float32 (K,): N / (K n_c) for n_c of N labels in class c, K counting the classes that occur.

    The mean over the labels is 1. A class that doesn't occur weighs 0.
    """
    counts = torch.bincount(labels, minlength=classes)
    weights = len(labels) / (torch.count_nonzero(counts) * counts)
    return torch.where(counts > 0, weights, 0.0).float()


def training_loss(knobs: Knobs, labels: Tensor, classes: int) -> Loss:
    """The loss as a function of logits (B, K) and label distributions (B, K), averaged over the batch.

    The average is over images, not over class weights as torch does with class indices: the same loss whether or
    not labels are mixed.

    labels: int64 (N,), those of the whole training split, for the class weights.
    """
    weight = balanced_weights(labels, classes) if knobs.class_weights == "balanced" else None

    def loss(logits: Tensor, targets: Tensor) -> Tensor:
        return F.cross_entropy(logits.float(), targets, weight, label_smoothing=knobs.label_smoothing)

    return loss
