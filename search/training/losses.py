"""The training loss: each head's own, over the labels there are, weighted and summed."""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from search.tasks import Task
from search.training.class_weights import class_weights
from search.training.heads import Head
from search.training.recipe import Knobs

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]

# Focal loss of action units, as in the seed of the published multi-task network (https://arxiv.org/abs/2107.01175).
FOCAL_ALPHA = 0.95
FOCAL_GAMMA = 1.0


def training_loss(knobs: Knobs, heads: Sequence[Head], values: Tensor, mask: Tensor) -> Loss:
    """The loss as a function of the network's output, values and mask, each (B, W) or (B, T, W).

    A label that is missing has no part in it, and its output a gradient of exactly 0.

    values, mask: (N, W), those of the whole training split, for the weights of classes and units.
    """
    losses = [(_weight(knobs, head.task), head.columns, _loss_of(knobs, head, values, mask)) for head in heads]

    def loss(outputs: Tensor, values: Tensor, mask: Tensor) -> Tensor:
        outputs = outputs.float()
        parts = [
            weight * part(outputs[..., columns], values[..., columns], mask[..., columns])
            for weight, columns, part in losses
        ]
        return torch.stack(parts).sum()

    return loss


def validation_loss(knobs: Knobs, heads: Sequence[Head]) -> Loss:
    """The same without class weights, smoothing and focus, so that runs which differ in these compare."""
    plain = {"label_smoothing": 0.0, "class_weights": "none", "action_unit_loss": "bce"}
    nothing = torch.empty(0, heads[-1].columns.stop)
    return training_loss(knobs.model_copy(update=plain), heads, nothing, nothing.bool())


def _weight(knobs: Knobs, task: Task) -> float:
    return {
        Task.EXPRESSION: knobs.expression_weight,
        Task.VALENCE_AROUSAL: knobs.valence_arousal_weight,
        Task.ACTION_UNITS: knobs.action_unit_weight,
    }[task]


def _loss_of(knobs: Knobs, head: Head, values: Tensor, mask: Tensor) -> Loss:
    values, mask = values[:, head.columns], mask[:, head.columns]
    match head.task:
        case Task.EXPRESSION:
            return _expression(knobs, values, mask)
        case Task.VALENCE_AROUSAL:
            return _valence_arousal(knobs)
        case _:
            return _action_units(knobs, values, mask)


def _expression(knobs: Knobs, values: Tensor, mask: Tensor) -> Loss:
    """Cross entropy of label distributions, whose gradient is that of their Kullback-Leibler divergence.

    The mean is over items, not over class weights as torch has it with class indices: the same loss whether or not
    labels are mixed.
    """
    weight = class_weights(knobs, values[mask[:, 0]].argmax(dim=1), values.shape[1])

    def loss(logits: Tensor, distributions: Tensor, mask: Tensor) -> Tensor:
        classes = logits.shape[-1]
        each = F.cross_entropy(
            logits.reshape(-1, classes),
            distributions.reshape(-1, classes),
            weight,
            label_smoothing=knobs.label_smoothing,
            reduction="none",
        )
        return _mean(each, mask[..., 0].reshape(-1))

    return loss


def _valence_arousal(knobs: Knobs) -> Loss:
    def loss(outputs: Tensor, values: Tensor, mask: Tensor) -> Tensor:
        columns = outputs.shape[-1]
        outputs, values = outputs.reshape(-1, columns), values.reshape(-1, columns)
        mask = mask.reshape(-1, columns)
        total = outputs.new_zeros(())
        if "ccc" in knobs.valence_arousal_loss:
            total = total + concordance_loss(outputs, values, mask)
        if "mse" in knobs.valence_arousal_loss:
            total = total + _mean((outputs - values).square(), mask)
        return total

    return loss


def concordance_loss(outputs: Tensor, values: Tensor, mask: Tensor) -> Tensor:
    """1 - CCC (Lin 1989, of the population), the mean over columns; all (N, C).

    A column with fewer than two labels, or with labels that are all the same, counts 0.
    """
    present = mask.float()
    count = present.sum(dim=0).clamp(min=1)

    def mean(numbers: Tensor) -> Tensor:
        return (numbers * present).sum(dim=0) / count

    from_mean, to_mean = outputs - mean(outputs), values - mean(values)
    covariance = mean(from_mean * to_mean)
    spread = mean(to_mean.square())
    apart = mean(from_mean.square()) + spread + (mean(outputs) - mean(values)).square()
    counts = (mask.sum(dim=0) >= 2) & (spread > 0)
    concordance = 2 * covariance / torch.where(counts, apart, 1.0)
    return torch.where(counts, 1 - concordance, 0.0).mean()


def _action_units(knobs: Knobs, values: Tensor, mask: Tensor) -> Loss:
    """Binary cross entropy, the mean over the (item, unit) cells that have a label."""
    positive = None
    if knobs.action_unit_loss == "weighted_bce":
        present = (values * mask).sum(dim=0)
        positive = torch.where(present > 0, (mask.sum(dim=0) - present) / present.clamp(min=1), 1.0)

    def loss(logits: Tensor, values: Tensor, mask: Tensor) -> Tensor:
        if knobs.action_unit_loss == "focal":
            return _mean(_focal(logits, values), mask)
        each = F.binary_cross_entropy_with_logits(logits, values, pos_weight=positive, reduction="none")
        return _mean(each, mask)

    return loss


def _focal(logits: Tensor, values: Tensor) -> Tensor:
    probability = logits.sigmoid()
    present = FOCAL_ALPHA * (1 - probability) ** FOCAL_GAMMA * values * F.logsigmoid(logits)
    absent = (1 - FOCAL_ALPHA) * probability**FOCAL_GAMMA * (1 - values) * F.logsigmoid(-logits)
    return -(present + absent)


def _mean(each: Tensor, mask: Tensor) -> Tensor:
    """The mean over what the mask has, 0 where it has nothing."""
    return (each * mask).sum() / mask.sum().clamp(min=1)
