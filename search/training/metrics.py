"""The metrics of a classifier on a whole split. Their names and directions stand in `search.tasks`."""

import torch
import torch.nn.functional as F
from torch import Tensor
from torchmetrics.functional.classification import multiclass_accuracy, multiclass_f1_score


def classification_metrics(predictions: Tensor, labels: Tensor, classes: int) -> dict[str, float]:
    """accuracy, balanced_accuracy and macro_f1, each in [0, 1].

    balanced_accuracy is the mean recall of the classes that occur in `labels`.
    macro_f1 is the mean over all `classes`, so that runs compare; one that neither occurs nor is predicted counts
    as 0. (scikit-learn's default leaves such a class out.)

    predictions, labels: int64 (N,), N at least 1.
    """
    recalls = multiclass_accuracy(predictions, labels, classes, average="none")
    scores = multiclass_f1_score(predictions, labels, classes, average="none", zero_division=0)
    return {
        "accuracy": multiclass_accuracy(predictions, labels, classes, average="micro").item(),
        "balanced_accuracy": recalls[torch.unique(labels)].mean().item(),
        "macro_f1": scores.mean().item(),
    }


def validation_metrics(logits: Tensor, labels: Tensor) -> dict[str, float]:
    """The metrics of the most likely classes, validation_loss, the plain cross entropy, and largest_class_share,
    the share of images in the class that is predicted most often: 1 for a model that has collapsed to one answer.

    logits: (N, K); labels: int64 (N,).
    """
    predictions = logits.argmax(dim=1)
    return {
        **classification_metrics(predictions, labels, logits.shape[1]),
        "validation_loss": F.cross_entropy(logits.float(), labels).item(),
        "largest_class_share": predictions.bincount().max().item() / len(predictions),
    }
