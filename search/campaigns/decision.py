"""How a campaign goes on from what a step has found.

Where the study establishes a best level, that is taken. Where the best one does not beat all others, the value
that the campaign already has stays, if it is one of those that are not beaten; else the simplest of them is
taken: the first of the choices that the study file lists. Points of a grid and numbers of a range are not listed,
and none is simpler: of those, the best is taken.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from search.analysis import wording
from search.analysis.findings import Conclusion, Level
from search.analysis.levels import scientific
from search.errors import CampaignStopped
from search.store.trials import Parameters
from search.study import StudyDefinition
from search.study.campaign import Step, section_of
from search.study.space import Choices
from search.study.yaml_source import Scalar

Reason = Literal["established", "kept", "simplest", "only"]


@dataclass(frozen=True)
class Decision:
    """What a campaign goes on with.

    level: name of the level that was taken.
    reason: established: it beats the others; kept: none could be told from it, and the campaign had it; simplest:
        none could be told from it, and it is the first that is listed, or the best where nothing is; only: there
        was nothing to decide.
    carried: what is fixed in the following steps, by name.
    sentence: all this in words.
    """

    level: str
    reason: Reason
    carried: Parameters
    sentence: str


def decide(step: Step, study: StudyDefinition, conclusion: Conclusion, values: Mapping[str, Scalar]) -> Decision:
    """What the campaign goes on with after `step`, whose study it is, with `values` fixed until now.

    Raises CampaignStopped where not one of the study's configurations was confirmed.
    """
    confirmed = _confirmed(conclusion)
    if not confirmed:
        raise CampaignStopped(
            f"step {step.name} has nothing to go on from: no run of its study {step.study} that confirms a "
            f"configuration was completed. {conclusion.answer} See `search show {step.study}`."
        )
    if conclusion.established or len(confirmed) == 1:
        reason: Reason = "established" if conclusion.established else "only"
        return _decision(step, study, confirmed[0], reason, conclusion)
    tied = _not_beaten(conclusion, confirmed)
    now = {name: values.get(name, _default(study, name)) for name in scientific(study)}
    for level in tied:
        if _is(level, now):
            return _decision(step, study, level, "kept", conclusion, now)
    simplest = min(tied, key=lambda level: _place(study, level))
    return _decision(step, study, simplest, "simplest", conclusion, now)


def _confirmed(conclusion: Conclusion) -> list[Level]:
    """The levels with fresh runs, the best first."""
    return [level for level in conclusion.levels if level.confirmed and level.confirmed.validation]


def _not_beaten(conclusion: Conclusion, confirmed: Sequence[Level]) -> list[Level]:
    """The levels of which it is not shown that they are worse than another, the best first."""
    beaten = {found.worse for found in conclusion.comparisons if found.distinguishable}
    return [level for level in confirmed if level.name not in beaten]


def _default(study: StudyDefinition, name: str) -> Scalar:
    """The value of a parameter that nothing fixes."""
    known = study.training.model_dump() if section_of(name) == "training" else study.model.arguments
    value: Scalar = known[name]
    return value


def _same(one: Scalar, other: Scalar) -> bool:
    """Whether two values are one: points of a grid on a log scale miss round numbers by a hair."""
    if isinstance(one, bool | str | None) or isinstance(other, bool | str | None):
        return type(one) is type(other) and one == other
    return math.isclose(one, other, rel_tol=1e-9)


def _place(study: StudyDefinition, level: Level) -> tuple[int, ...]:
    """Where a level stands among those listed; those that no list has are equal, and the best is the first."""
    listed = ((study.space[name], value) for name, value in level.values.items())
    return tuple(parameter.choices.index(value) for parameter, value in listed if isinstance(parameter, Choices))


def _is(level: Level, values: Mapping[str, Scalar]) -> bool:
    return all(_same(level.values[name], value) for name, value in values.items())


def _decision(
    step: Step,
    study: StudyDefinition,
    level: Level,
    reason: Reason,
    conclusion: Conclusion,
    now: Mapping[str, Scalar] = MappingProxyType({}),
) -> Decision:
    """now: the values that the campaign has of what the study asks about."""
    configuration = level.confirmed
    assert configuration is not None  # of levels that were confirmed, only
    # a point of a grid only comes near to a round number
    parameters = configuration.parameters | (dict(now) if reason == "kept" else {})
    carried = {name: parameters[name] for name in step.carry}
    said = [_because(study, level, reason, conclusion), *_beside(level, reason, conclusion, now)]
    return Decision(level.name, reason, carried, wording.sentence("; ".join([*said, *_along(level, carried)])))


def _because(study: StudyDefinition, level: Level, reason: Reason, conclusion: Conclusion) -> str:
    name = wording.spoken(level.values)
    match reason:
        case "established":
            return f"took {name}: it beats every other value that was run again"
        case "only" if not name:
            return "took the best configuration: the study compares nothing"
        case "only":
            return f"took {name}, the only one with fresh runs to judge it by"
        case "kept":
            return f"no difference: kept {name}, the value it had"
        case "simplest" if _place(study, level):
            return f"no difference: took {name}, the first that is listed"
        case "simplest":
            return f"no difference: took {name}, the best mean"


def _beside(level: Level, reason: Reason, conclusion: Conclusion, now: Mapping[str, Scalar]) -> Iterator[str]:
    """What a level could not be told from, and what was no candidate for it."""
    if reason not in ("kept", "simplest"):
        return
    confirmed = _confirmed(conclusion)
    tied = _not_beaten(conclusion, confirmed)
    if level is tied[0]:
        yield f"{wording.listed([wording.spoken(other.values) for other in tied[1:]])} can't be told from it"
    else:
        yield f"it can't be told from {wording.spoken(tied[0].values)}, the best on validation"
    if not any(_is(other, now) for other in confirmed):
        yield f"{wording.spoken(dict(now))}, which it had, was not run again"


def _along(level: Level, carried: Parameters) -> Iterator[str]:
    """What is carried beside what was asked about."""
    along = {name: value for name, value in carried.items() if name not in level.values}
    if along:
        yield f"{wording.spoken(along)} {'goes' if len(along) == 1 else 'go'} with it"
