"""Axes: where a parameter's values lie on a plot, and what is written beside them."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from search.study.space import Choices, Parameter
from search.study.yaml_source import Scalar
from search.tasks import METRIC_DIRECTIONS, Direction

# Words, with the unit where there is one, for names that don't speak for themselves.
_WORDS = {
    "lr": "learning rate",
    "eps": "Adam epsilon",
    "beta1": "beta 1",
    "beta2": "beta 2",
    "batch_size": "batch size (images)",
    "warmup_epochs": "warm-up (epochs)",
    "clip_norm": "gradient norm limit",
    "mixup_alpha": "MixUp alpha",
    "cutmix_alpha": "CutMix alpha",
    "final_lr_ratio": "final learning rate (ratio)",
    "depth": "depth (blocks)",
    "attn_drop": "attention dropout",
    "macro_f1": "macro F1",
    "ccc_valence": "valence CCC",
    "ccc_arousal": "arousal CCC",
    "ccc_mean": "mean CCC",
    "au_f1": "mean action-unit F1",
    "au_total": "action-unit score",
    "expr_total": "expression score",
    "abaw_mean": "mean ABAW score",
    "mse": "mean squared error",
    "chebyshev": "Chebyshev distance",
    "clark": "Clark distance",
    "canberra": "Canberra distance",
    "kl": "KL divergence",
    "cosine": "cosine similarity",
    "intersection": "intersection similarity",
}
_SHARES = {"accuracy", "balanced_accuracy", "macro_f1"}  # metrics in [0, 1], shown in per cent, as are recalls

_MOST_TICKS = 16  # values that are each written at their place
_LONGEST = 22  # characters of a text beside an axis


def _log10(value: Scalar) -> float:
    assert isinstance(value, int | float)
    return math.log10(value)


def _itself(value: Scalar) -> float:
    assert isinstance(value, int | float)
    return float(value)


@dataclass(frozen=True)
class Axis:
    """One axis.

    low, high: its ends, as positions.
    ticks: texts by position, all different; empty where plotly is to choose.
    position: of a value: its logarithm, its place among the choices, or itself.
    cells: positions of all the values there are, evenly spaced; empty for a range.
    """

    label: str
    low: float
    high: float
    ticks: Mapping[float, str]
    position: Callable[[Scalar], float] = _itself
    cells: Sequence[float] = ()


def parameter_axis(name: str, parameter: Parameter) -> Axis:
    """The axis of one parameter of the search space, over all that it may be."""
    if isinstance(parameter, Choices):
        return _choices_axis(words(name), parameter)
    domain = parameter.domain()
    position = _log10 if domain.log else _itself
    low, high = position(domain.low), position(domain.high)
    values = parameter.values() or ()
    cells = [position(value) for value in values] if len(values) <= 2 * _MOST_TICKS else []
    if 0 < len(values) <= _MOST_TICKS:
        ticks = {position(value): shown(value) for value in values}
    else:
        ticks = _log_ticks(domain.low, domain.high) if domain.log else {}
    return Axis(words(name), low, high, ticks, position, cells)


def is_numeric(parameter: Parameter) -> bool:
    """Whether a parameter's values have an order: anything but a list with texts or switches in it."""
    return not isinstance(parameter, Choices) or all(type(choice) in (int, float) for choice in parameter.choices)


def objective_axis(label: str, values: Sequence[float | None], full: float, direction: Direction) -> Axis:
    """The axis of an objective that some trials, those of None, have no value of: `position` takes None, too.

    Those lie on a mark of their own beyond all others, where it is worst. full: its upper end without any value.
    """
    known = [value for value in values if value is not None]
    low, high = (min(known), max(known)) if known else (0.0, full)
    margin = (high - low) * 0.02 or 0.5 * full / 100
    low, high = low - margin, high + margin
    if None not in values:
        return Axis(label, low, high, {})
    ticks = even_ticks(low, high)
    beyond = 0.1 * (high - low)
    none = low - beyond if direction == "maximize" else high + beyond
    return Axis(
        label,
        min(low, none),
        max(high, none),
        {none: "none"} | ticks,
        lambda value: none if value is None else _itself(value),
    )


def words(name: str) -> str:
    """A knob's, argument's or metric's name as people say it."""
    if name in METRIC_DIRECTIONS and name.startswith("recall_"):
        return f"recall of {name.removeprefix('recall_')}"
    if name in METRIC_DIRECTIONS and name.startswith("f1_au"):
        return f"F1 of action unit {name.removeprefix('f1_au')}"
    return _WORDS.get(name, name.replace("_", " "))


def metric_label(name: str, on: str | None = "validation") -> str:
    """A metric in words, with its unit, and whether less is better.

    on: the split that it is measured on, where there is one to name.
    """
    notes = ["%"] if metric_scale(name) > 1 else []
    notes += ["lower is better"] if METRIC_DIRECTIONS.get(name) == "minimize" else []
    split = f" on {on}" if on else ""
    return f"{words(name)}{split} ({', '.join(notes)})" if notes else f"{words(name)}{split}"


def metric_scale(name: str) -> float:
    """What a metric is multiplied with to have the unit of its label."""
    return 100.0 if name in _SHARES or (name in METRIC_DIRECTIONS and name.startswith("recall_")) else 1.0


def shown(value: Scalar) -> str:
    """A value as it is written: 1e-5, 0.05, 512, none."""
    if value is None or isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return value
    if value == 0 or 0.01 <= abs(value) < 1e6:
        return f"{value:.6g}" if isinstance(value, int) else f"{value:.4g}"
    mantissa, exponent = f"{value:.2e}".split("e")
    return f"{float(mantissa):g}e{int(exponent)}"


def brief(text: str) -> str:
    """A text short enough to stand beside an axis: the middle of a long one is left out."""
    half = _LONGEST // 2
    return text if len(text) <= _LONGEST else f"{text[:half]}…{text[1 - half :]}"


def even_ticks(low: float, high: float) -> dict[float, str]:
    """The ticks at about six round numbers from `low` to `high`."""
    power = 10.0 ** math.floor(math.log10((high - low) / 6))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= (high - low) / 6)
    return {step * i: f"{step * i:.4g}" for i in range(math.ceil(low / step), math.floor(high / step) + 1)}


def _choices_axis(label: str, parameter: Choices) -> Axis:
    choices = list(parameter.choices)
    if is_numeric(parameter):
        choices.sort(key=_itself)
    ticks: dict[float, str] = {}
    for i, choice in enumerate(choices):
        text = brief(shown(choice))
        # plotly puts ticks of the same text in the same place
        ticks[i] = f"{text} ({i + 1})" if text in ticks.values() else text
    margin = 0 if len(choices) > 1 else 1
    return Axis(label, -margin, len(choices) - 1 + margin, ticks, choices.index, range(len(choices)))


def _log_ticks(low: float, high: float) -> dict[float, str]:
    decades = math.log10(high / low)
    multiples = (1, 2, 3, 5, 7) if decades < 1.5 else (1, 3) if decades < 7 else (1,)
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    numbers = [multiple * 10.0**power for power in powers for multiple in multiples]
    inside = [number for number in numbers if low * (1 - 1e-9) <= number <= high * (1 + 1e-9)]
    return {math.log10(number): shown(number) for number in (inside if len(inside) > 1 else (low, high))}
