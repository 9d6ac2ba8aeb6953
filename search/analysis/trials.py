"""What is said of trials wherever they are shown."""

from collections import Counter
from collections.abc import Sequence

from search.analysis.axes import metric_scale, shown, words
from search.store.records import TrialRecord
from search.store.trials import Parameters
from search.study import StudyDefinition

STATES = ("complete", "pruned", "running", "waiting", "failed")
ENDED = ("complete", "pruned", "failed")


def best_so_far(study: StudyDefinition, record: TrialRecord) -> float | None:
    """A trial's objective at its best epoch yet, in the unit of `metric_label`; None before its first."""
    if not record.curve:
        return None
    best = max(record.curve.values()) if study.direction == "maximize" else min(record.curve.values())
    return best * metric_scale(study.objective)


def ranked(study: StudyDefinition, records: Sequence[TrialRecord]) -> list[tuple[TrialRecord, float]]:
    """The trials that have an epoch, each with its `best_so_far`, from the best to the worst."""
    valued = [(record, value) for record in records if (value := best_so_far(study, record)) is not None]
    return sorted(valued, key=lambda pair: pair[1], reverse=study.direction == "maximize")


def started(records: Sequence[TrialRecord]) -> list[TrialRecord]:
    """The trials whose parameters were tried, or are being tried."""
    return [record for record in records if (record.attempt or record.curve) and record.parameters]


def counted(records: Sequence[TrialRecord]) -> str:
    """How many trials there are in each state, such as `16 trials: 9 complete, 7 pruned`."""
    if not records:
        return "no trials yet"
    counts = Counter(record.state for record in records)
    parts = [f"{counts[state]:,} {state}" for state in STATES if counts[state]]
    return f"{len(records):,} trial{'s' if len(records) > 1 else ''}: {', '.join(parts)}"


def valued(values: Parameters) -> str:
    """Values by themselves, such as `8 · cls`."""
    return " · ".join(map(shown, values.values()))


def named(record: TrialRecord) -> str:
    """A trial by the number that the command line gives it, too."""
    return f"trial {record.ticket}"


def described(study: StudyDefinition, record: TrialRecord) -> str:
    """A trial's parameters, such as `learning rate 1e-4, depth (blocks) 4`."""
    return ", ".join(f"{words(name)} {shown(record.parameters[name])}" for name in study.space)
