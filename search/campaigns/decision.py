"""How a campaign goes on from what a step has found.

Where the study establishes a best level, that is taken. Where the best one does not beat all others, the value
that the campaign already has stays, if it is one of those that are not beaten; else the simplest of them is
taken: the first of the choices that the study file lists. Points of a grid and numbers of a range are not listed,
and none is simpler: of those, the best is taken.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from search.analysis import wording
from search.analysis.axes import shown
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
    confirmed = [level for level in conclusion.levels if level.confirmed and level.confirmed.validation]
    if not confirmed:
        raise CampaignStopped(
            f"step {step.name} has nothing to go on from: no run of its study {step.study} that confirms a "
            f"configuration was completed. {conclusion.answer} See `search show {step.study}`."
        )
    best = confirmed[0]
    if conclusion.established or len(confirmed) == 1:
        return _decision(step, study, best, "established" if conclusion.established else "only", confirmed)
    tied = _not_beaten(conclusion, confirmed)
    now = {name: values.get(name, _default(study, name)) for name in scientific(study)}
    for level in tied:
        if all(_same(level.values[name], value) for name, value in now.items()):
            return _decision(step, study, level, "kept", tied, exactly=now)
    return _decision(step, study, min(tied, key=lambda level: _place(study, level)), "simplest", tied)


def _not_beaten(conclusion: Conclusion, confirmed: Sequence[Level]) -> list[Level]:
    """The best level, and those of which it is not shown that they are worse."""
    best = confirmed[0].name
    beaten = {found.worse for found in conclusion.comparisons if found.distinguishable and found.better == best}
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


def _decision(
    step: Step,
    study: StudyDefinition,
    level: Level,
    reason: Reason,
    candidates: Sequence[Level],
    *,
    exactly: Mapping[str, Scalar] = MappingProxyType({}),
) -> Decision:
    """exactly: values that a point of a grid only comes near to."""
    configuration = level.confirmed
    assert configuration is not None  # of levels that were confirmed, only
    parameters = configuration.parameters | dict(exactly)
    carried = {name: parameters[name] for name in step.carry}
    sentence = wording.sentence(_because(study, level, reason, candidates) + _along(level, carried))
    return Decision(level.name, reason, carried, sentence)


def _because(study: StudyDefinition, level: Level, reason: Reason, candidates: Sequence[Level]) -> str:
    name = wording.spoken(level.values)
    others = [wording.spoken(other.values) for other in candidates if other is not level]
    match reason:
        case "established":
            return f"took {name}: it beats every other value that was run again"
        case "only" if not name:
            return "took the best configuration: the study compares nothing"
        case "only":
            return f"took {name}, the only one with fresh runs to judge it by"
        case "kept":
            why = "the value it had"
        case "simplest" if _place(study, level):
            why = "the first that is listed"
        case "simplest":
            why = "the best mean"
    verb = "kept" if reason == "kept" else "took"
    return f"no difference: {verb} {name}, {why}; {wording.listed(others)} can't be told from the best"


def _along(level: Level, carried: Parameters) -> str:
    """What is carried beside what was asked about."""
    tuned = [
        f"{wording.named(name)} {shown(value)}" for name, value in carried.items() if name not in level.values
    ]
    return f"; {wording.listed(tuned)} {'goes' if len(tuned) == 1 else 'go'} with it" if tuned else ""
