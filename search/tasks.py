"""What is predicted: the tasks, their label spaces and orders, and the metrics that judge them.

Class orders follow the FER2013 order (Ekman's six and neutral). Class names, never bare indices, are what
caches, checkpoints and predictions store.
"""

from enum import StrEnum
from typing import Literal

Direction = Literal["maximize", "minimize"]


class Task(StrEnum):
    """A kind of target. Shapes are those of `Target.values` for N items."""

    EXPRESSION = "expression"  # int64 (N,), an index into the data set's class names
    DISTRIBUTION = "distribution"  # float32 (N, K), rows sum to 1
    VALENCE_AROUSAL = "valence_arousal"  # float32 (N, 2), each in [-1, 1]
    ACTION_UNITS = "action_units"  # uint8 (N, 12), 0 or 1, in the order of ACTION_UNITS
    LANDMARKS = "landmarks"  # float32 (N, L, 2), x and y in [0, 1] of the image's width and height


EKMAN = ("anger", "disgust", "fear", "happiness", "sadness", "surprise")
EKMAN_NEUTRAL = (*EKMAN, "neutral")

# FACS numbers of the twelve units annotated in Aff-Wild2 (ABAW challenges), in the challenge's order.
ACTION_UNITS = (1, 2, 4, 6, 7, 10, 12, 15, 23, 24, 25, 26)

# Every metric known by name, with the direction that is better. Shares and correlations are in [0, 1] and [-1, 1].
METRIC_DIRECTIONS: dict[str, Direction] = {
    "accuracy": "maximize",
    "balanced_accuracy": "maximize",
    "macro_f1": "maximize",
    "ccc_valence": "maximize",
    "ccc_arousal": "maximize",
    "ccc_mean": "maximize",
    "au_total": "maximize",  # ABAW 2021: half the mean F1, half the accuracy
    "expr_total": "maximize",  # ABAW 2021: 0.67 macro F1 + 0.33 accuracy
    "mse": "minimize",
}

# Those that training measures, which a study may name as its objective.
OBJECTIVES = ("accuracy", "balanced_accuracy", "macro_f1")


def turned(metric: str, value: float) -> float:
    """A metric's value, turned so that more of it is better."""
    return value if METRIC_DIRECTIONS[metric] == "maximize" else -value
