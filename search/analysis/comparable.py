"""Whether two results were judged by the same, without which nothing is compared."""

from collections.abc import Iterator

from search.analysis.measures import digest
from search.analysis.sides import Side
from search.errors import NotComparable
from search.predictions import Predictions


def refuse_different_items(one: Side, other: Side, *, judges: bool) -> None:
    """Raises NotComparable, naming what differs, where two sides were not judged by the same metric and items.

    judges: whether they are compared by the split that judges; else it is by the validation split.
    """
    metrics = one.found.definition.objective, other.found.definition.objective
    if metrics[0] != metrics[1]:
        raise _refusal(one, other, [f"the objective of one is {metrics[0]}, that of the other {metrics[1]}"])
    differences = list(_of_the_judge(one, other) if judges else _of_validation(one, other))
    if differences:
        raise _refusal(one, other, differences)


def _of_the_judge(one: Side, other: Side) -> Iterator[str]:
    if bool(one.predictions) != bool(other.predictions):
        unknown = other if one.predictions else one
        yield f"of {unknown.spoken} it is not known on which items it was judged"
    elif one.predictions:
        yield from _of_predictions(one.predictions[0], other.predictions[0], one.found.definition.objective)
    else:
        origins = one.found.row.context.origin, other.found.row.context.origin
        if origins[0] and origins[1] and origins[0].sha256 != origins[1].sha256:
            yield f"one comes from {origins[0].source}, the other from {origins[1].source}"
        elif origins[0] and origins[1] and origins[0].judged_on != origins[1].judged_on:
            yield f"one was measured on {origins[0].judged_on}, the other on {origins[1].judged_on}"


def _of_predictions(a: Predictions, b: Predictions, metric: str) -> Iterator[str]:
    if digest(a, metric) == digest(b, metric):
        return
    if a.split != b.split:
        yield f"one was judged on the {a.split} split, the other on the {b.split} split"
    if a.task != b.task:
        yield f"one predicts {a.task}, the other {b.task}"
    if a.classes != b.classes:
        yield f"the classes of one are {', '.join(a.classes)}, those of the other {', '.join(b.classes)}"
    if a.items != b.items:
        both = len(set(a.items) & set(b.items))
        order = " in another order" if both == len(a.items) == len(b.items) else ""
        counts = f"{len(a.items):,} items, the other on {len(b.items):,}"
        yield f"one was judged on {counts}; {both:,} are in both{order}"
    else:
        yield "the labels of the items differ"


def _of_validation(one: Side, other: Side) -> Iterator[str]:
    for side in (one, other):
        if side.searched is None:
            yield f"{side.spoken} was imported, and the other one has not been judged yet"
            return
    a, b = one.found.row, other.found.row
    splits = a.context.splits.get("validation"), b.context.splits.get("validation")
    if splits[0] and splits[1]:
        if splits[0] != splits[1]:
            yield (
                f"their validation splits differ: {splits[0].items:,} items (hash {splits[0].hash[:12]}) and "
                f"{splits[1].items:,} (hash {splits[1].hash[:12]})"
            )
    elif a.data_fingerprint != b.data_fingerprint:
        yield f"their data differ: fingerprints {a.data_fingerprint[:12]} and {b.data_fingerprint[:12]}"


def _refusal(one: Side, other: Side, differences: list[str]) -> NotComparable:
    data = [
        line for line in one.found.definition.differences(other.found.definition) if line.startswith("dataset.")
    ]
    text = f"{one.spoken} and {other.spoken} can't be compared: {'; '.join(differences)}."
    return NotComparable("\n  ".join([text, *data]))
