"""What a pruner would have done to trials whose learning curves are known, by Optuna's own pruners."""

from collections.abc import Sequence
from datetime import UTC, datetime

from optuna import create_study
from optuna.samplers import RandomSampler
from optuna.trial import TrialState

from search.store.guidance import make_pruner
from search.store.records import TrialRecord
from search.study import StudyDefinition
from search.study.definition import Hyperband, Median, NoPruner

Pruner = Hyperband | Median | NoPruner

_LONG_AGO = datetime.min.replace(tzinfo=UTC)


def stops(study: StudyDefinition, records: Sequence[TrialRecord], pruner: Pruner) -> dict[int, int]:
    """The trials that `pruner` would have stopped: the epoch by number of the ticket.

    The trials are replayed one after another, in the order in which they started; confirming runs come last, as
    further trials. One that a pruner had stopped in truth is replayed up to there, and then ends. Nothing is asked
    at the last epoch of a complete trial, as in the search.
    """
    replayed = create_study(
        direction=study.direction,
        study_name=study.name,  # by which Hyperband deals trials out to its brackets
        sampler=RandomSampler(seed=0),
        pruner=make_pruner(pruner),
    )
    untouched = _untouched_epochs(pruner)
    stopped: dict[int, int] = {}
    for record in sorted(records, key=_order):
        trial = replayed.ask()
        for epoch, value in record.curve.items():
            trial.report(value, epoch)
            is_last = record.state == "complete" and epoch == max(record.curve)
            if epoch >= untouched and not is_last and trial.should_prune():
                stopped[record.ticket] = epoch
                break
        if record.ticket not in stopped and record.state == "complete":
            replayed.tell(trial, record.value)
        else:
            replayed.tell(trial, state=TrialState.FAIL if record.is_infeasible else TrialState.PRUNED)
    return stopped


def _untouched_epochs(pruner: Pruner) -> int:
    """Before this epoch a pruner stops nothing, and need not be asked."""
    if isinstance(pruner, Hyperband):
        return pruner.min_resource
    return pruner.warmup_epochs if isinstance(pruner, Median) else 0


def _order(record: TrialRecord) -> tuple[bool, datetime, int]:
    return record.stage != "search", record.started_at or _LONG_AGO, record.ticket
