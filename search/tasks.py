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


# What a network may be trained to say, as a study names it; label distributions are expressions, too.
TRAINABLE = ("expression", "valence", "arousal", "action_units")

EKMAN = ("anger", "disgust", "fear", "happiness", "sadness", "surprise")
EKMAN_NEUTRAL = (*EKMAN, "neutral")
EKMAN_NEUTRAL_CONTEMPT = (*EKMAN_NEUTRAL, "contempt")  # AffectNet and FER+ with eight classes
MIKELS = ("anger", "disgust", "fear", "amusement", "sadness", "excitement", "contentment", "awe")
POLAR = ("negative", "positive")

# The label spaces by name: data sets with the same class names in the same order share one.
SPACES = {
    "ekman": EKMAN,
    "ekman_neutral": EKMAN_NEUTRAL,
    "ekman_neutral_contempt": EKMAN_NEUTRAL_CONTEMPT,
    "mikels": MIKELS,
    "polar": POLAR,
}

VALENCE_AROUSAL = ("valence", "arousal")  # the columns of Task.VALENCE_AROUSAL

# FACS numbers of the twelve units annotated in Aff-Wild2 (ABAW challenges), in the challenge's order.
ACTION_UNITS = (1, 2, 4, 6, 7, 10, 12, 15, 23, 24, 25, 26)

_CLASSES = sorted({name for space in SPACES.values() for name in space})

# What each metric that training measures, and a study may name as its objective, asks a network to say.
OBJECTIVES: dict[str, tuple[str, ...]] = {
    "accuracy": ("expression",),
    "balanced_accuracy": ("expression",),
    "macro_f1": ("expression",),
    "expr_total": ("expression",),  # ABAW 2021: 0.67 macro F1 + 0.33 accuracy
    "ccc_valence": ("valence",),
    "ccc_arousal": ("arousal",),
    "ccc_mean": ("valence", "arousal"),
    "mse": ("valence", "arousal"),  # mean squared error
    "au_f1": ("action_units",),  # mean over the units
    "au_total": ("action_units",),  # ABAW 2021: half the mean F1, half the accuracy over all (frame, unit) cells
    "abaw_mean": (),  # mean of CCC, expr_total and au_total, of those that the network says anything about
    "chebyshev": ("expression",),  # the six of label distribution learning (Geng 2016), means over images
    "clark": ("expression",),
    "canberra": ("expression",),
    "kl": ("expression",),
    "cosine": ("expression",),
    "intersection": ("expression",),
    **{f"recall_{name}": ("expression",) for name in _CLASSES},  # accuracy within one class
    **{f"f1_au{number}": ("action_units",) for number in ACTION_UNITS},
}
# The same for people: those of single classes and units by their pattern.
METRIC_NAMES = ", ".join(
    [name for name in OBJECTIVES if not name.startswith(("recall_", "f1_"))] + ["recall_CLASS", "f1_auNUMBER"]
)

_MINIMIZED = ("mse", "chebyshev", "clark", "canberra", "kl")

# Every metric known by name, with the direction that is better. Shares and correlations are in [0, 1] and [-1, 1].
METRIC_DIRECTIONS: dict[str, Direction] = {
    name: "minimize" if name in _MINIMIZED else "maximize" for name in OBJECTIVES
}


def turned(metric: str, value: float) -> float:
    """A metric's value, turned so that more of it is better."""
    return value if METRIC_DIRECTIONS[metric] == "maximize" else -value
