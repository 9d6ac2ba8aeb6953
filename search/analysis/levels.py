"""The levels of what a study asks about: its trials, by the values of the scientific parameters."""

from collections.abc import Sequence

from search.analysis.axes import parameter_axis, shown, words
from search.store.records import TrialRecord
from search.store.trials import Parameters
from search.study import StudyDefinition
from search.study.space import Parameter, Range
from search.study.yaml_source import Scalar

BUCKETS = 5  # that a range of a scientific parameter is cut into, evenly on its axis
_MOST_VALUES = 12  # whole numbers of a range that are each a level of their own

LevelKey = tuple[int, ...]  # the place of each scientific value, or bucket, in the order of its parameter


def scientific(study: StudyDefinition) -> list[str]:
    """The parameters that the study asks about, in its order."""
    return [name for name, parameter in study.space.items() if parameter.role == "scientific"]


def level_of(study: StudyDefinition, parameters: Parameters) -> LevelKey:
    """Which level a configuration belongs to; () where it asks about none. Keys sort as values do."""
    return tuple(_place(name, study.space[name], parameters[name]) for name in scientific(study))


def level_values(study: StudyDefinition, parameters: Parameters) -> Parameters:
    """The scientific ones of a configuration's parameters; of several those that differ from level to level."""
    asked = scientific(study)
    differing = [name for name in asked if len(study.space[name].values() or "..") > 1]
    return {name: parameters[name] for name in differing or asked}


def level_name(study: StudyDefinition, parameters: Parameters) -> str:
    """A level in words, such as `depth (blocks) 8`."""
    named = ", ".join(f"{words(name)} {shown(value)}" for name, value in level_values(study, parameters).items())
    return named or "the configuration"


def by_level(study: StudyDefinition, records: Sequence[TrialRecord]) -> dict[LevelKey, list[TrialRecord]]:
    """The trials of each level that has some, in the order of its values."""
    levels: dict[LevelKey, list[TrialRecord]] = {}
    for record in records:
        if record.parameters:  # those of a sampler are drawn when the trial begins
            levels.setdefault(level_of(study, record.parameters), []).append(record)
    return dict(sorted(levels.items()))


def _place(name: str, parameter: Parameter, value: Scalar) -> int:
    values = parameter.values()
    if values is not None and not (isinstance(parameter, Range) and len(values) > _MOST_VALUES):
        return list(values).index(value)
    axis = parameter_axis(name, parameter)
    share = (axis.position(value) - axis.low) / (axis.high - axis.low)
    return min(int(share * BUCKETS), BUCKETS - 1)
