"""The metrics of a whole split, for each head. Their names and directions stand in `search.tasks`.

A metric is measured on the items that have the label; `search.analysis.measures` measures the same from
predictions.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torchmetrics.functional.classification import multiclass_accuracy, multiclass_f1_score

from search.tasks import Task
from search.training.heads import Head
from search.training.losses import Loss

_LEAST = 1e-12  # a predicted probability in a Kullback-Leibler divergence


def validation_metrics(
    heads: Sequence[Head], loss: Loss, outputs: Tensor, values: Tensor, mask: Tensor
) -> dict[str, float]:
    """All that can be measured with these labels, and `validation_loss`.

    heads: those of one data set, the first of each task counts. outputs, values, mask: (N, W).
    """
    metrics: dict[str, float] = {}
    parts = []
    for head in reversed(heads):
        columns = head.columns
        if mask[:, columns].any():
            own = outputs[:, columns].float(), values[:, columns], mask[:, columns]
            metrics |= _MEASURED[head.task](head, *own)
            parts.append(head.task)
    totals = {Task.EXPRESSION: "expr_total", Task.ACTION_UNITS: "au_total"}
    said = [metrics[totals[task]] for task in dict.fromkeys(parts) if task in totals]
    said += [_mean_concordance(metrics)] if Task.VALENCE_AROUSAL in parts else []
    metrics["abaw_mean"] = sum(said) / len(said)
    return {**metrics, "validation_loss": loss(outputs, values, mask).item()}


def classification_metrics(predictions: Tensor, labels: Tensor, classes: int) -> dict[str, float]:
    """accuracy, balanced_accuracy, macro_f1 and expr_total, each in [0, 1].

    balanced_accuracy is the mean recall of the classes that occur in `labels`.
    macro_f1 is the mean over all `classes`, so that runs compare; one that neither occurs nor is predicted counts
    as 0. (scikit-learn's default leaves such a class out.)

    predictions, labels: int64 (N,), N at least 1.
    """
    recalls = multiclass_accuracy(predictions, labels, classes, average="none")
    scores = multiclass_f1_score(predictions, labels, classes, average="none", zero_division=0)
    accuracy = multiclass_accuracy(predictions, labels, classes, average="micro").item()
    return {
        "accuracy": accuracy,
        "balanced_accuracy": recalls[torch.unique(labels)].mean().item(),
        "macro_f1": scores.mean().item(),
        "expr_total": 0.67 * scores.mean().item() + 0.33 * accuracy,
    }


def distribution_metrics(predicted: Tensor, truth: Tensor) -> dict[str, float]:
    """The six measures of label distribution learning (Geng, https://arxiv.org/abs/1408.6027), means over items.

    predicted, truth: (N, K), rows sum to 1. What is 0 / 0 counts 0; probabilities below 1e-12 count as that in kl.
    """
    both = truth + predicted
    apart = (truth - predicted).abs()
    relative = torch.where(both > 0, apart / torch.where(both > 0, both, 1.0), 0.0)
    divergence = torch.special.xlogy(truth, truth) - torch.special.xlogy(truth, predicted.clamp(min=_LEAST))
    means = {
        "chebyshev": apart.amax(dim=1),
        "clark": relative.square().sum(dim=1).sqrt(),
        "canberra": relative.sum(dim=1),
        "kl": divergence.sum(dim=1),
        "cosine": torch.nn.functional.cosine_similarity(truth, predicted, dim=1),
        "intersection": torch.minimum(truth, predicted).sum(dim=1),
    }
    return {name: each.mean().item() for name, each in means.items()}


def concordance(predicted: Tensor, truth: Tensor) -> float:
    """The concordance correlation coefficient (Lin 1989) of the population, in [-1, 1]; both (N,).

    0 where truth and prediction are both constant. The challenges (ABAW) compute it so; torchmetrics divides by
    N - 1 and gives NaN for a constant.
    """
    predicted, truth = predicted.double(), truth.double()
    covariance = ((predicted - predicted.mean()) * (truth - truth.mean())).mean()
    apart = predicted.var(correction=0) + truth.var(correction=0) + (predicted.mean() - truth.mean()).square()
    return (2 * covariance / apart).item() if apart > 0 else 0.0


def action_unit_metrics(predicted: Tensor, truth: Tensor, mask: Tensor, names: Sequence[str]) -> dict[str, float]:
    """F1 of each unit that has a label, au_f1, their mean, and au_total, half of it and half the accuracy over all
    cells that have one.

    predicted, truth, mask: bool (N, U), U names such as `AU1`. A unit that neither occurs nor is predicted has an
    F1 of 0.
    """
    there = mask.any(dim=0)
    hits = (predicted & truth & mask).sum(dim=0)
    wrong = ((predicted != truth) & mask).sum(dim=0)
    scores = torch.where(hits > 0, 2 * hits / (2 * hits + wrong).clamp(min=1), 0.0)
    accuracy = 1 - wrong.sum() / mask.sum().clamp(min=1)
    f1 = scores[there].mean().item()
    each = {f"f1_{name.lower()}": scores[i].item() for i, name in enumerate(names) if there[i]}
    return {"au_f1": f1, "au_total": 0.5 * f1 + 0.5 * accuracy.item(), **each}


def _expression(head: Head, logits: Tensor, distributions: Tensor, mask: Tensor) -> dict[str, float]:
    """Also largest_class_share, the share of items in the class that is predicted most often: 1 for a model that
    has collapsed to one answer."""
    there = mask[:, 0]
    logits, distributions = logits[there], distributions[there]
    predictions, labels = logits.argmax(dim=1), distributions.argmax(dim=1)
    metrics = classification_metrics(predictions, labels, len(head.labels))
    for label in torch.unique(labels).tolist():
        metrics[f"recall_{head.labels[label]}"] = (predictions[labels == label] == label).float().mean().item()
    if ((distributions > 0) & (distributions < 1)).any():
        metrics |= distribution_metrics(logits.softmax(dim=1), distributions)
    return {**metrics, "largest_class_share": predictions.bincount().max().item() / len(predictions)}


def _valence_arousal(head: Head, outputs: Tensor, values: Tensor, mask: Tensor) -> dict[str, float]:
    metrics = {}
    errors = []
    for i, name in enumerate(head.labels):
        predicted, truth = outputs[mask[:, i], i], values[mask[:, i], i]
        if len(truth):
            metrics[f"ccc_{name}"] = concordance(predicted, truth)
            errors.append((predicted - truth).square().mean().item())
    if len(head.labels) == len(errors) == 2:
        metrics["ccc_mean"] = _mean_concordance(metrics)
    return {**metrics, "mse": sum(errors) / len(errors)}


def _mean_concordance(metrics: dict[str, float]) -> float:
    found = [metrics[name] for name in ("ccc_valence", "ccc_arousal") if name in metrics]
    return sum(found) / len(found)


def _action_units(head: Head, logits: Tensor, values: Tensor, mask: Tensor) -> dict[str, float]:
    present = logits.sigmoid() > 0.5  # not at it, as the challenge's code and torchmetrics have it
    return action_unit_metrics(present, values > 0.5, mask, head.labels)


_MEASURED: dict[Task, Callable[[Head, Tensor, Tensor, Tensor], dict[str, float]]] = {
    Task.EXPRESSION: _expression,
    Task.VALENCE_AROUSAL: _valence_arousal,
    Task.ACTION_UNITS: _action_units,
}
