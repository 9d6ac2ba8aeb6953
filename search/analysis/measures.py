"""Metrics from predictions, as functions of sums over items, so that items can be resampled at once.

Every metric here depends on a split only through sums over its items: of the cells of the confusion matrix, of
products of truth and prediction, of hits and misses. `item_sums` gives each item's share, (N, S); whatever subset
or multiset of items is to be judged, its metric is `of_sums` of its summed shares.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from search.predictions import Predictions
from search.tasks import Task

Floats = NDArray[np.float64]

_VA_METRICS = ("ccc_valence", "ccc_arousal", "ccc_mean", "mse")
_METRICS: dict[Task, tuple[str, ...]] = {
    Task.EXPRESSION: ("accuracy", "balanced_accuracy", "macro_f1", "expr_total"),
    Task.DISTRIBUTION: ("accuracy", "balanced_accuracy", "macro_f1"),
    Task.VALENCE_AROUSAL: _VA_METRICS,
    Task.ACTION_UNITS: ("au_total",),
}


def is_measurable(task: Task, metric: str) -> bool:
    """Whether `measured` knows the metric for the task."""
    return metric in _METRICS.get(task, ())


def measured(predictions: Predictions, metric: str) -> float:
    """The metric over all items, in its own unit; the same number as `search.training` measures."""
    return float(of_sums(item_sums(predictions).sum(axis=0), predictions, metric))


def rightly(predictions: Predictions) -> NDArray[np.bool_]:
    """bool (N,): whether the likeliest class is the item's own."""
    return np.asarray(_labels(predictions) == predictions.predicted.argmax(axis=1))


def item_sums(predictions: Predictions) -> Floats:
    """(N, S): each item's share of the sums. S depends on the task and its number of classes alone."""
    match predictions.task:
        case Task.EXPRESSION | Task.DISTRIBUTION:
            classes = predictions.predicted.shape[1]
            cells = _labels(predictions) * classes + predictions.predicted.argmax(axis=1)
            return np.asarray(np.eye(classes**2)[cells])
        case Task.VALENCE_AROUSAL:
            x, y = predictions.truth.astype(np.float64), predictions.predicted.astype(np.float64)
            return np.stack([np.ones_like(x), x, y, x * x, y * y, x * y], axis=-1).reshape(len(x), -1)
        case Task.ACTION_UNITS:
            truth, said = predictions.truth > 0, predictions.predicted >= 0.5
            hits = np.stack([np.ones_like(truth), truth & said, truth != said], axis=-1)
            return hits.reshape(len(truth), -1).astype(np.float64)
        case Task.LANDMARKS:
            raise ValueError("no metric of landmarks is measured from predictions")


def of_sums(sums: Floats, like: Predictions, metric: str) -> Any:
    """The metric of summed shares: (..., S) -> (...). `like`: predictions of the same task and classes.

    balanced_accuracy is the mean recall of the classes that occur; macro_f1 counts one that neither occurs nor is
    predicted as 0; CCC is the population's (Lin 1989, ddof 0), 0 where truth and prediction are both constant.
    """
    match like.task:
        case Task.EXPRESSION | Task.DISTRIBUTION:
            return _classification(sums, like.predicted.shape[1], metric)
        case Task.VALENCE_AROUSAL:
            return _valence_arousal(sums.reshape(*sums.shape[:-1], 2, 6), metric)
        case _:
            return _au_total(sums.reshape(*sums.shape[:-1], -1, 3))


def _labels(predictions: Predictions) -> NDArray[np.int64]:
    if predictions.task is Task.DISTRIBUTION:
        return np.asarray(predictions.truth.argmax(axis=1), dtype=np.int64)
    return np.asarray(predictions.truth, dtype=np.int64)


def _classification(sums: Floats, classes: int, metric: str) -> Floats:
    confusion = sums.reshape(*sums.shape[:-1], classes, classes)  # (..., truth, prediction)
    right = np.diagonal(confusion, axis1=-2, axis2=-1)
    occurring, predicted = confusion.sum(axis=-1), confusion.sum(axis=-2)
    accuracy = right.sum(axis=-1) / sums.sum(axis=-1)
    if metric == "accuracy":
        return np.asarray(accuracy)
    if metric == "balanced_accuracy":
        return np.asarray(_ratio(right, occurring).sum(axis=-1) / (occurring > 0).sum(axis=-1))
    f1 = np.asarray(_ratio(2 * right, occurring + predicted).mean(axis=-1))
    return f1 if metric == "macro_f1" else 0.67 * f1 + 0.33 * accuracy


def _valence_arousal(sums: Floats, metric: str) -> Floats:
    means = sums / sums[..., :1]
    x, y, xx, yy, xy = (means[..., i] for i in range(1, 6))
    if metric == "mse":
        return np.asarray((xx + yy - 2 * xy).mean(axis=-1))
    ccc = _ratio(2 * (xy - x * y), (xx - x * x) + (yy - y * y) + (x - y) ** 2)
    return np.asarray(ccc.mean(axis=-1) if metric == "ccc_mean" else ccc[..., _VA_METRICS.index(metric)])


def _au_total(sums: Floats) -> Floats:
    count, hit, wrong = (sums[..., i] for i in range(3))
    f1 = _ratio(2 * hit, 2 * hit + wrong)
    return np.asarray(0.5 * f1.mean(axis=-1) + 0.5 * (1 - wrong / count).mean(axis=-1))


def _ratio(numerator: Floats, denominator: Floats) -> Floats:
    """0 where the denominator is."""
    return np.divide(numerator, denominator, out=np.zeros(numerator.shape), where=denominator > 0)
