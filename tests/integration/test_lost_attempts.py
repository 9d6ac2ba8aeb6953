"""What an attempt that did not end its trial leaves behind, and what not."""

from search.store import tickets
from search.store.connection import Store
from search.store.records import StudyRow

from .test_tickets import begin, claim, records, report, study, taken

__all__ = ["study"]  # a fixture

RUNG = "completed_rung_0"


def test_epochs_that_the_last_attempt_did_not_come_to_are_no_part_of_the_trial(
    store: Store, study: StudyRow
) -> None:
    first = taken(claim(store))
    begin(store, study, first)
    for epoch in (1, 2, 3):
        report(store, first, epoch, 0.1 * epoch)
    store.run(lambda c: tickets.lose(c, first, "killed"))
    assert records(store, study)[0].curve.keys() == {1, 2, 3}, "they are what people see meanwhile"
    second = taken(claim(store))
    assert (second.attempt, second.epochs) == (2, 3)
    begin(store, study, second)
    report(store, second, 1, 0.5)
    assert store.run(lambda c: tickets.finish(c, second, "pruned", value=0.5, reason="pruned after epoch 1"))
    assert records(store, study)[0].curve == {1: 0.5}


def test_a_lost_attempt_leaves_the_rungs_of_successive_halving(store: Store, study: StudyRow) -> None:
    lost = taken(claim(store))
    pruned = taken(claim(store))
    for lease in (lost, pruned):
        trial_id = begin(store, study, lease)
        assert trial_id is not None
        store.storage.set_trial_system_attr(trial_id, RUNG, 0.5)
    store.run(lambda c: tickets.lose(c, lost, "killed"))
    store.run(lambda c: tickets.finish(c, pruned, "pruned", value=0.5))
    rungs = [RUNG in trial.system_attrs for trial in store.storage.get_all_trials(study.study_id)]
    assert rungs == [False, True]
