"""Metrics from predictions, as functions of sums over items, so that items can be resampled at once.

Every metric here depends on a split only through sums over its items: of the cells of the confusion matrix, of
products of truth and prediction, of hits and misses, of distances. `item_sums` gives each item's share, (N, S);
whatever subset or multiset of items is to be judged, its metric is `of_sums` of its summed shares. What has no
label adds nothing.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import rel_entr

from search.predictions import Predictions
from search.tasks import ACTION_UNITS, OBJECTIVES, VALENCE_AROUSAL, Task

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

PRESENT = 0.5  # an action unit is said to be there above this probability, not at it
_CLASSIFICATION = ("accuracy", "balanced_accuracy", "macro_f1", "expr_total")
_LEAST = 1e-12  # probability that the KL divergence takes for 0
_NO_UNIT = 255

# Of label distributions, truth and prediction (N, K) -> (N,): Geng 2016, https://arxiv.org/abs/1408.6027, table 2.
_DISTANCES: dict[str, Callable[[Floats, Floats], Floats]] = {
    "chebyshev": lambda d, p: np.abs(d - p).max(axis=1),
    "clark": lambda d, p: np.sqrt((_ratio(d - p, d + p) ** 2).sum(axis=1)),
    "canberra": lambda d, p: _ratio(np.abs(d - p), d + p).sum(axis=1),
    "kl": lambda d, p: rel_entr(d, p.clip(_LEAST)).sum(axis=1),
    "cosine": lambda d, p: _ratio((d * p).sum(axis=1), np.sqrt((d * d).sum(axis=1) * (p * p).sum(axis=1))),
    "intersection": lambda d, p: np.minimum(d, p).sum(axis=1),
}
# What each task adds to the mean of ABAW's metrics.
_ABAW = {
    Task.EXPRESSION: "expr_total",
    Task.DISTRIBUTION: "expr_total",
    Task.VALENCE_AROUSAL: "ccc",
    Task.ACTION_UNITS: "au_total",
}


def metrics(predictions: Predictions) -> tuple[str, ...]:
    """Every metric that `measured` knows of them, in the order of `search.tasks`.

    Of a single task not abaw_mean, which is then the metric of that task again.
    """
    redundant = set() if predictions.beside else {"abaw_mean"}
    return tuple(name for name in OBJECTIVES if name not in redundant and is_measurable(predictions, name))


def is_measurable(predictions: Predictions, metric: str) -> bool:
    """Whether `measured` knows the metric: the network speaks of it, and there is a label to hold against it."""
    return bool(_parts(predictions, metric))


def measured(predictions: Predictions, metric: str) -> float:
    """The metric over all items, in its own unit; the same number as `search.training` measures.

    Of the predictions themselves, or of those `beside`, which speak of other tasks.
    """
    return float(of_sums(item_sums(predictions, metric).sum(axis=0), predictions, metric))


def labelled(predictions: Predictions, metric: str) -> Flags:
    """bool (N,): which items have a label that the metric looks at, whatever the network says of them.

    For a recall they are those of its class.
    """
    none = np.zeros(len(predictions.items), dtype=bool)
    flags = [_looked_at(part, name) for part, name in _asked(predictions, metric)]
    return np.asarray(np.any([none, *flags], axis=0))


def digest(predictions: Predictions, metric: str) -> str:
    """A short text that is the same where the metric looks at the same items and labels in the same order.

    What networks say of other tasks, and whether they do, is no part of it.
    """
    looked_at = [part for part, _ in _asked(predictions, metric)]
    beside = tuple(part for part in predictions.beside if any(part is each for each in looked_at))
    return replace(predictions, beside=beside).digest()


def rightly(predictions: Predictions) -> Flags:
    """bool (N,): whether the likeliest class is the item's own; False without a label."""
    ((part, _),) = _parts(predictions, "accuracy")
    return np.asarray(_labels(part) == part.predicted.argmax(axis=1))


def classified(predictions: Predictions) -> Predictions | None:
    """The items with a class, their likeliest one where classes are distributed; None where none are predicted."""
    for part, _ in _parts(predictions, "accuracy"):
        there = np.flatnonzero(_labelled_cells(part))
        return replace(
            part,
            task=Task.EXPRESSION,
            items=tuple(part.items[i] for i in there),
            groups=None if part.groups is None else part.groups[there],
            truth=_labels(part)[there],
            predicted=part.predicted[there],
        )
    return None


def item_sums(predictions: Predictions, metric: str) -> Floats:
    """(N, S): each item's share of the sums. S depends on the metric, the tasks and the classes alone."""
    return np.concatenate([_shares(part, name) for part, name in _parts(predictions, metric)], axis=1)


def of_sums(sums: Floats, like: Predictions, metric: str) -> Any:
    """The metric of summed shares: (..., S) -> (...). `like`: predictions of the same items.

    balanced_accuracy is the mean recall of the classes that occur; macro_f1 counts one that neither occurs nor is
    predicted as 0; the recall of a class that does not occur can't be had (and is 0 where none of it was drawn).
    CCC is the population's (Lin 1989, ddof 0), 0 where truth and prediction are both constant. Means over valence
    and arousal, or over action units, are over those that the network speaks of and that have a label; a unit that
    neither occurs nor is predicted has F1 0. abaw_mean is the mean of expr_total, of the mean CCC, and of
    au_total, as far as they are there.
    """
    found, start = [], 0
    for part, name in _parts(like, metric):
        end = start + _width(part, name)
        found.append(_of_part(sums[..., start:end], part, name))
        start = end
    return np.mean(found, axis=0)


def _parts(predictions: Predictions, metric: str) -> list[tuple[Predictions, str]]:
    """What the metric is the mean of: predictions, and what is measured of them. Empty where it can't be had."""
    return [(part, name) for part, name in _asked(predictions, metric) if _has(part, name, _said_columns(part))]


def _asked(predictions: Predictions, metric: str) -> list[tuple[Predictions, str]]:
    """The same by the labels alone, whatever the network says, so that networks are judged on the same items."""
    wanted = ("expr_total", "ccc", "au_total") if metric == "abaw_mean" else (metric,)
    parts = [part for part in (predictions, *predictions.beside) if part.task is not Task.LANDMARKS]
    return [found[0] for name in wanted if (found := [(p, name) for p in parts if _has(p, name, _columns(p))])]


def _has(part: Predictions, metric: str, columns: list[int]) -> bool:
    """Whether the metric is one of the task, and is of these columns of the prediction."""
    match part.task:
        case Task.EXPRESSION | Task.DISTRIBUTION:
            occurring = {
                f"recall_{part.classes[i]}" for i in np.unique(_labels(part)) if 0 <= i < len(part.classes)
            }
            known = {*_CLASSIFICATION, *occurring, *(_DISTANCES if part.task is Task.DISTRIBUTION else ())}
        case Task.VALENCE_AROUSAL:
            known = {f"ccc_{VALENCE_AROUSAL[column]}" for column in columns} | {"mse", "ccc"}
            known |= {"ccc_mean"} if len(columns) == len(VALENCE_AROUSAL) else set()
        case _:
            known = {f"f1_au{ACTION_UNITS[column]}" for column in columns} | {"au_f1", "au_total"}
    return bool(columns) and metric in known


def _labelled_cells(part: Predictions) -> Flags:
    """bool: (N,) of expressions and distributions, else of the shape of the truth."""
    match part.task:
        case Task.EXPRESSION:
            return np.asarray(part.truth >= 0)
        case Task.DISTRIBUTION:
            return np.asarray(~np.isnan(part.truth).any(axis=1))
        case Task.ACTION_UNITS:
            return np.asarray(part.truth != _NO_UNIT)
        case _:
            return np.asarray(~np.isnan(part.truth))


def _looked_at(part: Predictions, metric: str) -> Flags:
    """bool (N,): which items have a label that the metric of these predictions looks at."""
    there = _labelled_cells(part)
    if metric.startswith("recall_"):
        return np.asarray(_labels(part) == part.classes.index(metric.removeprefix("recall_")))
    if there.ndim == 1:
        return there
    columns = _columns(part)
    if metric.startswith("f1_au"):
        columns = [ACTION_UNITS.index(int(metric.removeprefix("f1_au")))]
    elif metric.removeprefix("ccc_") in VALENCE_AROUSAL:
        columns = [VALENCE_AROUSAL.index(metric.removeprefix("ccc_"))]
    return np.asarray(there[:, columns].any(axis=1))


def _columns(part: Predictions) -> list[int]:
    """The columns that have a label: all of an expression's, or none."""
    there = _labelled_cells(part)
    if there.ndim == 1:
        return [*range(part.predicted.shape[1])] if there.any() else []
    return [int(column) for column in np.flatnonzero(there.any(axis=0))]


def _said_columns(part: Predictions) -> list[int]:
    """Those of them that the network speaks of."""
    return [column for column in _columns(part) if not np.isnan(part.predicted[:, column]).all()]


def _labels(part: Predictions) -> NDArray[np.int64]:
    """int64 (N,), -1 without a label."""
    if part.task is Task.DISTRIBUTION:
        return np.where(_labelled_cells(part), np.nan_to_num(part.truth).argmax(axis=1), -1)
    return np.asarray(part.truth, dtype=np.int64)


def _width(part: Predictions, metric: str) -> int:
    if metric in _DISTANCES:
        return 2
    if part.task in (Task.EXPRESSION, Task.DISTRIBUTION):
        return int(part.predicted.shape[1]) ** 2
    return int(part.truth.shape[1]) * (6 if part.task is Task.VALENCE_AROUSAL else 3)


def _shares(part: Predictions, metric: str) -> Floats:
    """(N, `_width`)."""
    there = _labelled_cells(part)
    if metric in _DISTANCES:
        truth = np.where(there[:, None], part.truth, 0).astype(np.float64)
        distances = _DISTANCES[metric](truth, part.predicted.astype(np.float64))
        return np.stack([there, np.where(there, distances, 0)], axis=1).astype(np.float64)
    if part.task in (Task.EXPRESSION, Task.DISTRIBUTION):
        classes = part.predicted.shape[1]
        cells = np.where(there, _labels(part) * classes + part.predicted.argmax(axis=1), 0)
        return np.asarray(np.eye(classes**2)[cells] * there[:, None])
    there = there & ~np.isnan(part.predicted)
    if part.task is Task.VALENCE_AROUSAL:
        x, y = (np.where(there, values, 0).astype(np.float64) for values in (part.truth, part.predicted))
        return np.stack([there, x, y, x * x, y * y, x * y], axis=-1).reshape(len(x), -1).astype(np.float64)
    present, said = part.truth > 0, part.predicted > PRESENT
    hits = np.stack([there, there & present & said, there & (present != said)], axis=-1)
    return hits.reshape(len(hits), -1).astype(np.float64)


def _of_part(sums: Floats, part: Predictions, metric: str) -> Floats:
    if metric in _DISTANCES:
        return _ratio(sums[..., 1], sums[..., 0])
    match part.task:
        case Task.EXPRESSION | Task.DISTRIBUTION:
            return _classification(sums, part, metric)
        case Task.VALENCE_AROUSAL:
            return _valence_arousal(sums.reshape(*sums.shape[:-1], -1, 6), _said_columns(part), metric)
        case _:
            return _action_units(sums.reshape(*sums.shape[:-1], -1, 3), _said_columns(part), metric)


def _classification(sums: Floats, part: Predictions, metric: str) -> Floats:
    classes = part.predicted.shape[1]
    confusion = sums.reshape(*sums.shape[:-1], classes, classes)  # (..., truth, prediction)
    right = np.diagonal(confusion, axis1=-2, axis2=-1)
    occurring, predicted = confusion.sum(axis=-1), confusion.sum(axis=-2)
    accuracy = _ratio(right.sum(axis=-1), sums.sum(axis=-1))
    if metric == "accuracy":
        return accuracy
    recalls = _ratio(right, occurring)
    if metric == "balanced_accuracy":
        return _ratio(recalls.sum(axis=-1), (occurring > 0).sum(axis=-1))
    if metric.startswith("recall_"):
        return np.asarray(recalls[..., part.classes.index(metric.removeprefix("recall_"))])
    f1 = np.asarray(_ratio(2 * right, occurring + predicted).mean(axis=-1))
    return f1 if metric == "macro_f1" else 0.67 * f1 + 0.33 * accuracy


def _valence_arousal(sums: Floats, columns: list[int], metric: str) -> Floats:
    means = _ratio(sums, np.broadcast_to(sums[..., :1], sums.shape))
    x, y, xx, yy, xy = (means[..., i] for i in range(1, 6))
    if metric == "mse":
        return np.asarray((xx + yy - 2 * xy)[..., columns].mean(axis=-1))
    ccc = _ratio(2 * (xy - x * y), (xx - x * x) + (yy - y * y) + (x - y) ** 2)
    of = metric.removeprefix("ccc_")
    return np.asarray(
        ccc[..., VALENCE_AROUSAL.index(of)] if of in VALENCE_AROUSAL else ccc[..., columns].mean(axis=-1)
    )


def _action_units(sums: Floats, columns: list[int], metric: str) -> Floats:
    count, hit, wrong = (sums[..., i] for i in range(3))
    f1 = _ratio(2 * hit, 2 * hit + wrong)
    if metric.startswith("f1_au"):
        return np.asarray(f1[..., ACTION_UNITS.index(int(metric.removeprefix("f1_au")))])
    mean = np.asarray(f1[..., columns].mean(axis=-1))
    if metric == "au_f1":
        return mean
    return 0.5 * mean + 0.5 * (1 - _ratio(wrong.sum(axis=-1), count.sum(axis=-1)))


def _ratio(numerator: Any, denominator: Any) -> Floats:
    """0 where the denominator is."""
    numerator = np.asarray(numerator, dtype=np.float64)
    ratio = np.divide(numerator, denominator, out=np.zeros(numerator.shape), where=np.asarray(denominator) > 0)
    return np.asarray(ratio)
