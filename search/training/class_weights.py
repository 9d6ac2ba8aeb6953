"""Weights of classes in the loss, from how often each occurs. Their mean over the labels is 1."""

import math

import torch
from torch import Tensor

from search.training.recipe import Knobs


def class_weights(knobs: Knobs, labels: Tensor, classes: int) -> Tensor | None:
    """float32 (K,): the weights that `class_weights` asks for, None where all classes weigh alike.

    labels: int64 (N,), those of the whole training split.
    """
    match knobs.class_weights:
        case "balanced":
            return balanced_weights(labels, classes)
        case "effective":
            return effective_weights(labels, classes, knobs.effective_beta)
        case "none":
            return None


def balanced_weights(labels: Tensor, classes: int) -> Tensor:
    """float32 (K,): N / (K n_c) for n_c of N labels in class c, K counting the classes that occur.

    A class that doesn't occur weighs 0.
    """
    counts = torch.bincount(labels, minlength=classes)
    weights = len(labels) / (torch.count_nonzero(counts) * counts)
    return torch.where(counts > 0, weights, 0.0).float()


def effective_weights(labels: Tensor, classes: int, beta: float) -> Tensor:
    """float32 (K,): in proportion to (1 - beta) / (1 - beta ** n_c), the inverse effective number of n_c labels.

    Cui et al., "Class-Balanced Loss Based on Effective Number of Samples", https://arxiv.org/abs/1901.05555. There
    the weights add up to K; here their mean over the labels is 1, as for balanced ones, so that one learning rate
    fits both. With beta 0 all weigh alike; towards 1 they become the balanced ones. A class that doesn't occur
    weighs 0.

    beta: in [0, 1).
    """
    counts = torch.bincount(labels, minlength=classes).double()
    number = -torch.expm1(counts * math.log(beta)) if beta else torch.ones_like(counts)
    inverse = torch.where(counts > 0, 1 / number, 0.0)
    return (inverse * len(labels) / (counts * inverse).sum()).float()
