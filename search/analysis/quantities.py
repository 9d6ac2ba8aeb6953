"""How numbers are written in reports: metrics in the unit of their label, spreads, probabilities, times."""

from datetime import UTC, datetime

from search.analysis.axes import metric_label, metric_scale
from search.analysis.findings import Spread

ABSENT = "\N{EN DASH}"


def measured(metric: str, split: str | None) -> str:
    """What a metric was measured on, with its unit, such as `accuracy on test (%)`."""
    return metric_label(metric, None if split == "unknown" else split)


def unit(metric: str) -> str:
    """What stands after a metric's name where it has a unit: ` (%)`."""
    return " (%)" if _is_share(metric) else ""


def difference_unit(metric: str) -> str:
    """The unit of differences of a metric, in words; empty where the metric has none."""
    return "percentage points" if _is_share(metric) else ""


def amount(metric: str, value: float | None) -> str:
    """A metric's value, or a difference of two, in the unit of its label: `85.40`, or `0.6123`."""
    if value is None:
        return ABSENT
    return f"{value * metric_scale(metric):.{2 if _is_share(metric) else 4}f}"


def spread(metric: str, spread: Spread | None) -> str:
    """Mean ± standard deviation and the 95 % interval of the mean, such as `85.10 ± 0.31 [84.72, 85.48]`."""
    if spread is None:
        return ABSENT
    text = amount(metric, spread.mean)
    if spread.deviation is not None:
        text += f" ± {amount(metric, spread.deviation)}"
    if spread.low is not None and spread.high is not None:
        text += f" [{amount(metric, spread.low)}, {amount(metric, spread.high)}]"
    return text


def probability(p: float | None) -> str:
    """A p value with two significant digits, or that it is below 0.001."""
    if p is None:
        return ABSENT
    return "< 0.001" if p < 0.001 else f"{p:.2g}" if p < 0.995 else "1"


def hours(seconds: float) -> str:
    """A time in hours, or in minutes and seconds where it is short."""
    if seconds >= 3600:
        return f"{seconds / 3600:,.1f} h"
    return f"{seconds / 60:.1f} min" if seconds >= 60 else f"{seconds:.0f} s"


def moment(at: datetime | None) -> str:
    """A time of day in UTC, to the minute."""
    return ABSENT if at is None else f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def counted(number: int, thing: str) -> str:
    """A number of things, such as `1 trial`, or `1,200 epochs`."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def _is_share(metric: str) -> bool:
    return metric_scale(metric) != 1
