"""Findings in words, which claim as much as the numbers do and no more."""

import math
import re

from search.analysis.axes import metric_scale, shown, words
from search.analysis.entrants import Entrant, Judged
from search.analysis.findings import Comparison, Spread
from search.store.trials import Parameters

_MOST_ITEMS = 1_000_000  # that anybody is advised to collect


def spoken(parameters: Parameters) -> str:
    """Parameters in the middle of a sentence, without units: `depth 8`; "" for none."""
    return ", ".join(f"{named(name)} {shown(value)}" for name, value in parameters.items())


def sentence(text: str) -> str:
    """Text with a capital letter and a full stop."""
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith('.') else '.'}"


def number(value: float) -> str:
    """A count for reading: `3,068`; two digits that matter once it is only about right."""
    digits = max(0, math.floor(math.log10(value)) - 1) if value >= 1 else 0
    return f"{round(value, -digits):,.0f}"


def p_value(p: float) -> str:
    """`p = 0.003`, `p < 0.001`."""
    if p < 0.001:
        return "p < 0.001"
    return f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"


def listed(texts: list[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} and {texts[-1]}"


def level(metric: str, spread: Spread) -> str:
    """A mean with its 95 % interval: `84.6 ± 0.4 %`, `0.512 ± 0.021`; of a single run its value alone."""
    scale = metric_scale(metric)
    unit = " %" if scale > 1 else ""
    if spread.high is None:
        return f"{_digits(spread.mean * scale, abs(spread.mean * scale) / 100)}{unit}"
    half = (spread.high - spread.mean) * scale
    return f"{_digits(spread.mean * scale, half)} ± {_digits(half, half)}{unit}"


def difference(metric: str, value: float, margin: float | None = None) -> str:
    """A difference: `1.1 ± 0.3 points`, `0.4 points`; of a metric that is no share, its own unit and name."""
    scale = metric_scale(metric)
    unit = "points" if scale > 1 else f"in {named(metric)}"
    text = _digits(value * scale, value * scale if margin is None else margin * scale)
    return f"{text} {unit}" if margin is None else f"{text} ± {_digits(margin * scale, margin * scale)} {unit}"


def items(judged: Judged) -> str:
    """`3,068 test images`; `4,000 validation images of 75 subjects or sequences`."""
    split = "" if judged.split == "unknown" else f"{judged.split} "
    if judged.items is None:
        return f"an unknown number of {split}images"
    of_groups = "" if judged.groups is None else f" of {judged.groups:,} subjects or sequences"
    return f"{judged.items:,} {split}images{of_groups}"


def seeds(*runs: int) -> str:
    """`5 seeds each`, `5 and 4 seeds`, `5 seeds`, `one run of each`."""
    if set(runs) == {1}:
        return "one run of each" if len(runs) > 1 else "a single run"
    if len(set(runs)) > 1:
        return f"{listed([str(count) for count in runs])} seeds"
    return f"{runs[0]} seeds{' each' if len(runs) > 1 else ''}"


def result(judged: Judged, spread: Spread) -> str:
    """`accuracy 84.6 ± 0.4 % over 5 seeds on 3,068 test images`."""
    runs = "in a single run" if len(spread.values) == 1 else f"over {len(spread.values)} seeds"
    return f"{named(judged.metric)} {level(judged.metric, spread)} {runs} on {items(judged)}"


def named(name: str) -> str:
    """A parameter or metric in words, without its unit."""
    return re.sub(r" \(.*\)$", "", words(name))


def compared(
    found: Comparison,
    better: Entrant,
    worse: Entrant,
    judged: Judged,
    *,
    variance: float | None,
    factor: float | None,
) -> str:
    """A comparison in words.

    variance: of the difference, by the items. factor: how many times the items would show it, where they limit.
    """
    if found.distinguishable:
        by = difference(judged.metric, found.difference, found.margin)
        return sentence(
            f"{better.spoken} beats {worse.spoken} by {by} ({_evidence(found, better, worse, judged)})"
        )
    if 1 in (better.runs, worse.runs):
        return sentence(f"not established: {_single_runs(found, better, worse, judged, variance)}")
    lead = f"{better.spoken} leads {worse.spoken} by "
    if found.p is None:
        by = difference(judged.metric, found.difference)
        luck = "" if found.p_seeds is None else f", {p_value(found.p_seeds)}"
        return sentence(
            f"not established: {lead}{by} ({seeds(better.runs, worse.runs)}{luck}), but nothing is "
            f"known of the luck of the images"
        )
    evidence = _evidence(found, better, worse, judged)
    if not found.difference:
        return sentence(
            f"not distinguishable at this budget: {better.spoken} and {worse.spoken} are equal ({evidence})"
        )
    assert found.margin is not None
    if found.difference > found.margin:
        by = difference(judged.metric, found.difference, found.margin)
        reason = f"{by}, but not by every test"
    else:
        within = _digits(found.margin * metric_scale(judged.metric), found.margin * metric_scale(judged.metric))
        reason = f"{difference(judged.metric, found.difference)}, within ±{within}"
    return sentence(
        f"not distinguishable at this budget: {lead}{reason} ({evidence}); {_needed(found, judged, factor)}"
    )


def _evidence(found: Comparison, better: Entrant, worse: Entrant, judged: Judged) -> str:
    p = [] if found.p is None else [p_value(found.p)]
    return ", ".join([*p, seeds(better.runs, worse.runs), items(judged)])


def _single_runs(
    found: Comparison, better: Entrant, worse: Entrant, judged: Judged, variance: float | None
) -> str:
    runs = seeds(better.runs, worse.runs)
    if better.runs != worse.runs:
        runs = f"a single run of {better.spoken if better.runs == 1 else worse.spoken}"
    if not found.difference:
        return f"{runs}, and {better.spoken} and {worse.spoken} are equal on {items(judged)}"
    text = f"{runs}, and {better.spoken} leads {worse.spoken} by {difference(judged.metric, found.difference)}"
    if judged.metric == "accuracy" and judged.items is not None:
        text += f", {_count(found.difference * judged.items)} of {items(judged)}"
        if variance is not None:
            text += f", where one standard error is {_count(math.sqrt(variance) * judged.items)}"
    if found.p_items is not None:
        text += f" ({found.items_test} over the images alone: {p_value(found.p_items)})"
    return text


def _needed(found: Comparison, judged: Judged, factor: float | None) -> str:
    if found.seeds_needed is not None:
        return f"about {number(found.seeds_needed)} seeds of each would be needed"
    if factor is None or judged.items is None:
        return "more than 1,000 seeds of each would be needed"
    if judged.items * factor > _MOST_ITEMS:
        return f"not even {_MOST_ITEMS:,} images would show so little"
    groups = "" if judged.groups is None else f" of about {number(judged.groups * factor)} subjects or sequences"
    split = "" if judged.split == "unknown" else f"{judged.split} "
    return f"more {split}images, about {number(judged.items * factor)}{groups}, would be needed"


def _count(images: float) -> str:
    return f"{images:.0f}" if images >= 0.95 else f"{images:.1f}"


def _digits(value: float, like: float) -> str:
    """A value with so many decimals that `like` shows one or two digits, and the value one at least."""
    finest = min((abs(size) for size in (value, like) if size), default=1.0)
    decimals = min(max(0 if finest >= 10 else 1, -math.floor(math.log10(finest))), 6)
    return f"{value:.{decimals}f}"
