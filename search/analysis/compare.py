"""Two studies, or two trials, side by side: what differs in them, and whether their results do.

The statistics are those of conclusions. What was judged on different items is not compared.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from search.analysis import results, statistics, wording
from search.analysis.comparable import refuse_different_items
from search.analysis.comparisons import compare as compare_entrants
from search.analysis.entrants import Entrant, Judged
from search.analysis.findings import Comparison, Spread
from search.analysis.results import Results
from search.analysis.sides import Side, side
from search.analysis.standing import is_settled, judged_by
from search.errors import NotComparable
from search.store import studies
from search.store.trials import Parameters


@dataclass(frozen=True)
class Shown:
    """What is shown of one side.

    parameters: of the configuration, within its study's space. result: its runs on the split named beside.
    searched: the objective on validation of the run that chose it; None where that is not known.
    epochs, seconds: what its study has taken, in all stages.
    """

    name: str
    question: str
    stage: str
    parameters: Parameters
    result: Spread
    searched: float | None
    trials: int
    epochs: int
    seconds: float


@dataclass(frozen=True)
class Difference:
    """A knob or an argument of the model that differs; None where a side has none of that name."""

    name: str
    a: Any
    b: Any


@dataclass(frozen=True)
class Compared:
    """Two sides against each other.

    metric: what is compared. judged_on: the split. items: how many it has; None where unknown.
    settings: what differs between the two configurations.
    definitions: what leads from the definition of A's study to that of B's, a line for each key.
    data: what differs in their data and in the versions that trained them, as sentences.
    caveats: what a reader must know, as sentences.
    """

    a: Shown
    b: Shown
    metric: str
    judged_on: str
    items: int | None
    settings: tuple[Difference, ...]
    definitions: tuple[str, ...]
    data: tuple[str, ...]
    comparison: Comparison
    caveats: tuple[str, ...]


def compare(connection: Connection, a: str, b: str) -> Compared:
    """Compares two studies of the store, or two trials: `STUDY:TICKET`. Raises StudyNotFound and as `compared`."""
    found = [results.read(connection, studies.find(connection, name.partition(":")[0])) for name in (a, b)]
    return compared(a, found[0], b, found[1])


def compared(a: str, found_a: Results, b: str, found_b: Results) -> Compared:
    """Compares two studies, or two trials, by their names: `STUDY`, `STUDY:TICKET`.

    A study stands by the configuration that its conclusion puts first.

    Raises UnknownName where there is no such trial, NotComparable where one has no result, where one is a study
    and the other a trial, or where they were judged by different metrics or items.
    """
    if (":" in a) != (":" in b):
        raise NotComparable(f"{a} and {b} are a study and a trial: compare two studies, or two trials.")
    if a == b:
        raise NotComparable(f"{a} is compared with itself: name two that differ.")
    one, other = side(a, found_a), side(b, found_b)
    entrants, judged = _judged(one, other)
    (comparison,) = compare_entrants(entrants, judged)
    return Compared(
        a=_shown(one, entrants[0]),
        b=_shown(other, entrants[1]),
        metric=judged.metric,
        judged_on=judged.split,
        items=judged.items,
        settings=_settings(one, other),
        definitions=_definitions(one, other),
        data=_data(one, other),
        comparison=comparison,
        caveats=_caveats(one, other, judged),
    )


def _judged(one: Side, other: Side) -> tuple[list[Entrant], Judged]:
    """The two as they can be compared: by the split that judges, else, as single runs, by validation."""
    judges = bool(one.judged and other.judged)
    refuse_different_items(one, other, judges=judges)
    if judges:
        entrants = [Entrant(each.name, each.spoken, each.judged, each.predictions) for each in (one, other)]
        return entrants, judged_by(one.found)
    values = [each.searched for each in (one, other) if each.searched is not None]
    entrants = [
        Entrant(each.name, each.spoken, (value,)) for each, value in zip((one, other), values, strict=True)
    ]
    row = one.found.row
    return entrants, Judged(row.definition.objective, "validation", row.validation_items)


def _shown(one: Side, entrant: Entrant) -> Shown:
    row = one.found.row
    return Shown(
        name=one.name,
        question=row.definition.question,
        stage=row.stage,
        parameters=one.parameters,
        result=statistics.spread(entrant.values),
        searched=one.searched,
        trials=len(one.found.searched),
        epochs=row.epochs,
        seconds=row.seconds,
    )


def _settings(one: Side, other: Side) -> tuple[Difference, ...]:
    a, b = one.knobs, other.knobs
    return tuple(Difference(name, a.get(name), b.get(name)) for name in {**a, **b} if a.get(name) != b.get(name))


def _definitions(one: Side, other: Side) -> tuple[str, ...]:
    """Their names and questions stand beside."""
    lines = one.found.definition.differences(other.found.definition)
    return tuple(line for line in lines if not line.startswith(("name: ", "question: ")))


def _data(one: Side, other: Side) -> tuple[str, ...]:
    a, b = one.found.row, other.found.row
    sentences = []
    for name in {**a.context.splits, **b.context.splits}:
        here, there = a.context.splits.get(name), b.context.splits.get(name)
        if here != there:
            counts = [f"{facts.items:,} items" if facts else "none" for facts in (here, there)]
            sentences.append(f"The {name} splits are not the same: {counts[0]}, and {counts[1]}.")
    if a.data_fingerprint != b.data_fingerprint and not sentences:
        sentences.append("Their data were prepared in different ways or are not the same.")
    versions = {**a.context.versions, **b.context.versions}
    for name in versions:
        old, new = a.context.versions.get(name, "unknown"), b.context.versions.get(name, "unknown")
        if old != new:
            sentences.append(f"They were trained with {name} {old} and {new}.")
    return tuple(sentences)


def _caveats(one: Side, other: Side, judged: Judged) -> tuple[str, ...]:
    sentences = []
    for each in (one, other):
        if each.trial is None and not is_settled(each.found):
            what = f"it stands by the best of {len(each.found.searched)} trials, a single run chosen for being so"
            stage = f"{each.spoken} is not done (it is in its stage {each.found.row.stage})"
            sentences.append(wording.sentence(f"{stage}: {what}"))
    if judged.split == "validation":
        sentences.append(
            "Values on validation are too high: it has chosen the epochs, and in a search the trials."
        )
    if one.trial is not None and one.found.row.name == other.found.row.name:
        sentences.append("Who picks two trials of many to compare will find a difference too often.")
    return tuple(sentences)
