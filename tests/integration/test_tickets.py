"""The laws of tickets, on a real Postgres."""

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from optuna.trial import TrialState
from sqlalchemy import text

from search import __version__
from search.errors import OldVersion, StudyConflict, StudyNotFound
from search.settings import Settings
from search.store import studies, tickets
from search.store.connection import Store, open_store
from search.store.records import StudyRow, TrialRecord
from search.store.studies import distributions
from search.store.tickets import Lease
from search.study import StudyDefinition, load_study

RELEASE = (0, 1, 0)
STUDY = """
name: small
question: Which learning rate is best?
dataset: {name: synthetic_faces, image_size: 16, images: 200, test_images: 70, subjects: 20}
model: {name: small_cnn, widths: [4, 8, 8]}
objective: accuracy
training: {epochs: 3}
space:
  lr: {role: nuisance, grid: "4 points from 1e-4 to 1e-1, log"}
sampler: grid
budget: {trials: 4}
"""


def define(folder: Path, text: str = STUDY) -> StudyDefinition:
    file = folder / "small.yaml"
    file.write_text(text)
    return load_study(str(file))


def register(store: Store, definition: StudyDefinition) -> StudyRow:
    study_id = store.run(
        lambda connection: studies.register(
            connection, definition, data_fingerprint="pixels", validation_items=100, code_version=__version__
        )
    )
    return store.run(lambda connection: studies.find_by_id(connection, study_id))


@pytest.fixture
def study(store: Store, tmp_path: Path) -> StudyRow:
    return register(store, define(tmp_path))


def claim(store: Store, *, worker: str = "w", claim: str | None = None, lease: float = 60.0) -> Lease | None:
    key = claim or uuid.uuid4().hex
    return store.run(lambda c: tickets.claim(c, worker=worker, claim=key, lease=lease, release=RELEASE))


def begin(store: Store, study: StudyRow, lease: Lease) -> int | None:
    parameters = lease.parameters or {"lr": 0.01}
    kinds = distributions(study.definition)
    return store.run(lambda c: tickets.begin(c, lease, parameters, kinds))


def report(store: Store, lease: Lease, epoch: int, value: float) -> int | None:
    return store.run_statement(
        lambda c: tickets.report(
            c,
            lease,
            epoch=epoch,
            value=value,
            metrics={"accuracy": value},
            seconds=1.0,
            samples_per_second=100.0,
            renew_seconds=60.0,
        )
    )


def expire(store: Store, lease: Lease) -> None:
    """Makes a lease run out, and the server look as if it had been up for long."""
    past = "UPDATE search_tickets SET lease_expires_at = now() - interval '1 s' WHERE ticket_id = :id"
    store.run(lambda c: c.execute(text(past), {"id": lease.ticket_id}))


def reap(store: Store) -> list[tickets.Lost]:
    return store.run(lambda c: tickets.reap(c, patience=0.0))


def records(store: Store, study: StudyRow) -> list[TrialRecord]:
    return store.run(lambda c: studies.records(c, study))


def taken(lease: Lease | None) -> Lease:
    assert lease is not None
    return lease


def test_a_trial_from_claim_to_end(store: Store, study: StudyRow) -> None:
    lease = taken(claim(store))
    assert (lease.number, lease.attempt, lease.parameters) == (0, 1, study.definition.tickets()[0])
    trial_id = begin(store, study, lease)
    assert trial_id is not None
    assert report(store, lease, 1, 0.25) == 0
    assert report(store, lease, 2, 0.5) == 0
    assert store.run(lambda c: tickets.finish(c, lease, "complete", value=0.5, notes={"best_epoch": 2}))

    trial = store.storage.get_trial(trial_id)
    assert trial.state == TrialState.COMPLETE
    assert trial.value == 0.5
    assert trial.params == lease.parameters
    assert trial.intermediate_values == {1: 0.25, 2: 0.5}
    assert trial.user_attrs["best_epoch"] == 2
    record = records(store, study)[0]
    assert (record.state, record.value, record.curve) == ("complete", 0.5, {1: 0.25, 2: 0.5})


def test_many_claim_at_once_and_none_twice(settings: Settings, store: Store, tmp_path: Path) -> None:
    register(store, define(tmp_path, STUDY.replace("4 points", "60 points").replace("trials: 4", "trials: 60")))
    barrier = threading.Barrier(8)

    def worker(number: int) -> list[int]:
        own = open_store(settings)
        barrier.wait()
        claimed: list[int] = []
        while (lease := claim(own, worker=str(number))) is not None:
            claimed.append(lease.number)
        own.close()
        return claimed

    with ThreadPoolExecutor(8) as pool:
        claimed = [number for numbers in pool.map(worker, range(8)) for number in numbers]
    assert sorted(claimed) == list(range(60))


def test_every_step_may_be_repeated(store: Store, study: StudyRow) -> None:
    first, again = claim(store, claim="key"), claim(store, claim="key")
    assert first == again
    lease = taken(first)
    assert begin(store, study, lease) == begin(store, study, lease)
    assert report(store, lease, 1, 0.25) == 0
    assert report(store, lease, 1, 0.25) == 0
    for _ in range(2):
        assert store.run(lambda c: tickets.finish(c, lease, "pruned", value=0.25, reason="pruned after epoch 1"))
    assert len(store.storage.get_all_trials(study.study_id)) == 1
    assert records(store, study)[0].curve == {1: 0.25}
    assert records(store, study)[0].epoch_seconds == {1: 1.0}


def test_a_worker_whose_ticket_was_taken_changes_nothing(store: Store, study: StudyRow) -> None:
    zombie = taken(claim(store, worker="zombie"))
    begin(store, study, zombie)
    report(store, zombie, 1, 0.9)
    expire(store, zombie)
    assert [lost.worker for lost in reap(store)] == ["zombie"]
    heir = taken(claim(store, worker="heir"))
    assert (heir.ticket_id, heir.attempt) == (zombie.ticket_id, 2)
    begin(store, study, heir)

    assert report(store, zombie, 2, 0.95) is None
    assert not store.run_statement(lambda c: tickets.renew(c, zombie, seconds=60.0, silent=0.0))
    assert not store.run(lambda c: tickets.finish(c, zombie, "complete", value=0.95))
    assert not store.run(lambda c: tickets.give_back(c, zombie, "too late"))
    assert begin(store, study, zombie) is None

    states = [trial.state for trial in store.storage.get_all_trials(study.study_id)]
    assert states == [TrialState.FAIL, TrialState.RUNNING]
    assert records(store, study)[0].state == "running"


def test_a_living_lease_is_not_reaped(store: Store, study: StudyRow) -> None:
    lease = taken(claim(store))
    assert reap(store) == []
    expire(store, lease)
    just_started = store.run(lambda c: tickets.reap(c, patience=3600.0))
    assert just_started == [], "the server has been up for less than a lease: nobody could have renewed"
    assert len(reap(store)) == 1


def test_a_ticket_that_kills_every_worker_fails_in_the_end(store: Store, study: StudyRow) -> None:
    for attempt in range(1, tickets.MAX_LOSSES + 2):
        lease = taken(claim(store))
        assert (lease.number, lease.attempt) == (0, attempt)
        expire(store, lease)
        reap(store)
    assert records(store, study)[0].state == "failed"
    assert "fell silent in attempt 4" in (records(store, study)[0].reason or "")
    assert taken(claim(store)).number == 1


def test_giving_back_is_no_loss(store: Store, study: StudyRow) -> None:
    for _ in range(tickets.MAX_LOSSES + 2):
        lease = taken(claim(store))
        assert lease.number == 0
        assert store.run(lambda c, lease=lease: tickets.give_back(c, lease, "the worker was stopped"))
    assert records(store, study)[0].state == "waiting"


def test_a_retried_ticket_keeps_the_parameters_drawn_for_it(store: Store, tmp_path: Path) -> None:
    text = STUDY.replace('grid: "4 points from 1e-4 to 1e-1, log"', "low: 1e-4, high: 1e-1, log: true")
    study = register(store, define(tmp_path, text.replace("sampler: grid", "sampler: tpe")))
    lease = taken(claim(store))
    assert lease.parameters is None
    begin(store, study, lease)
    store.run(lambda c: tickets.lose(c, lease, "killed"))
    assert taken(claim(store)).parameters == {"lr": 0.01}


@pytest.mark.parametrize(
    ("budget", "claims"), [("trials: 4", 4), ("trials: 4, epochs: 2", 2), ("trials: 4, hours: 1e-9", 1)]
)
def test_the_budget_is_exact(store: Store, tmp_path: Path, budget: str, claims: int) -> None:
    study = register(store, define(tmp_path, STUDY.replace("trials: 4", budget)))
    claimed = 0
    while (lease := claim(store)) is not None:
        begin(store, study, lease)
        report(store, lease, 1, 0.5)
        claimed += 1
    assert claimed == claims
    row = store.run(lambda c: studies.find_by_id(c, study.study_id))
    assert not row.is_done, "trials still run"


def test_paused_and_stopped_studies_give_no_work(store: Store, study: StudyRow) -> None:
    for state in ("paused", "stopped"):
        store.run(lambda c, state=state: studies.set_state(c, study, state))
        assert claim(store) is None
    store.run(lambda c: studies.set_state(c, study, "open"))
    assert claim(store) is not None


def test_the_same_definition_again_is_the_same_study(store: Store, study: StudyRow, tmp_path: Path) -> None:
    assert register(store, define(tmp_path)).study_id == study.study_id
    assert register(store, define(tmp_path)).tickets == 4


def test_another_definition_under_that_name_is_refused(store: Store, study: StudyRow, tmp_path: Path) -> None:
    with pytest.raises(StudyConflict) as refusal:
        register(store, define(tmp_path, STUDY.replace("epochs: 3", "epochs: 5")))
    assert "training.epochs: 3 -> 5" in str(refusal.value)
    assert "small@2" in str(refusal.value)


def test_changed_data_is_refused(store: Store, study: StudyRow) -> None:
    with pytest.raises(StudyConflict, match="the data of study 'small' has changed"):
        store.run(
            lambda c: studies.register(
                c, study.definition, data_fingerprint="others", validation_items=100, code_version=__version__
            )
        )


def test_of_many_that_register_at_once_one_creates(settings: Settings, store: Store, tmp_path: Path) -> None:
    definition = define(tmp_path)
    barrier = threading.Barrier(6)

    def worker(_: int) -> int:
        own = open_store(settings)
        barrier.wait()
        study_id = register(own, definition).study_id
        own.close()
        return study_id

    with ThreadPoolExecutor(6) as pool:
        assert len(set(pool.map(worker, range(6)))) == 1
    assert register(store, definition).tickets == 4


def test_a_worker_is_given_nothing_that_a_newer_version_registered(store: Store, study: StudyRow) -> None:
    raise_version(store, "0.10.0")
    assert claim(store) is None
    assert store.run(lambda c: studies.newer_than(c, RELEASE)) == [("small", "0.10.0")]
    row = store.run(lambda c: studies.find(c, "small"))
    with pytest.raises(OldVersion, match=r"registered by search 0\.10\.0, and this is 0\.1\.0: upgrade here"):
        studies.refuse_old_version(row, "0.1.0")
    raise_version(store, "0.0.9")
    assert claim(store) is not None
    assert store.run(lambda c: studies.newer_than(c, RELEASE)) == []


def test_an_older_version_cannot_launch_what_a_newer_one_registered(
    store: Store, study: StudyRow, tmp_path: Path
) -> None:
    raise_version(store, "99.1")
    with pytest.raises(OldVersion):
        register(store, define(tmp_path))
    raise_version(store, "0.0.1")
    assert register(store, define(tmp_path)).code_version == __version__, "now older workers are given none of it"


def raise_version(store: Store, version: str) -> None:
    store.run(lambda c: c.execute(text("UPDATE search_studies SET code_version = :v"), {"v": version}))


def test_a_study_that_a_worker_refuses_is_left_to_others(store: Store, study: StudyRow) -> None:
    refused = {"worker": "w", "claim": "a", "lease": 60.0, "release": RELEASE, "refused": [study.study_id]}
    assert store.run(lambda c: tickets.claim(c, **refused)) is None
    assert claim(store) is not None


def test_every_attempt_is_kept_with_its_end(store: Store, study: StudyRow) -> None:
    def attempts() -> list[tuple[object, ...]]:
        query = "SELECT attempt, worker, resumed_from, outcome, reason FROM search_attempts ORDER BY attempt"
        return [tuple(row) for row in store.run(lambda c: c.execute(text(query)).all())]

    first = taken(claim(store, worker="a"))
    begin(store, study, first)
    report(store, first, 1, 0.5)
    store.run(lambda c: tickets.give_back(c, first, "the worker was stopped"))
    second = taken(claim(store, worker="b"))
    assert second.epochs == 1
    store.run(lambda c: tickets.resumed(c, second, epochs=1))
    store.run(lambda c: tickets.lose(c, second, "killed"))
    third = taken(claim(store, worker="c"))
    expire(store, third)
    reap(store)
    fourth = taken(claim(store, worker="d"))
    begin(store, study, fourth)
    store.run(lambda c: tickets.finish(c, fourth, "complete", value=0.5))
    assert attempts() == [
        (1, "a", None, "given back", "the worker was stopped"),
        (2, "b", 1, "lost", "killed"),
        (3, "c", None, "lost", "worker c fell silent in attempt 3"),
        (4, "d", None, "complete", None),
    ]
    retries = records(store, study)[0].retries
    assert [(retry.attempt, retry.outcome) for retry in retries] == [(1, "given back"), (2, "lost"), (3, "lost")]


def test_epochs_that_the_last_attempt_did_not_come_to_are_dropped(store: Store, study: StudyRow) -> None:
    first = taken(claim(store))
    begin(store, study, first)
    for epoch in (1, 2, 3):
        report(store, first, epoch, 0.1 * epoch)
    store.run(lambda c: tickets.lose(c, first, "killed"))
    second = taken(claim(store))
    begin(store, study, second)
    report(store, second, 1, 0.1)
    store.run(lambda c: tickets.finish(c, second, "pruned", value=0.1, reason="pruned after epoch 1"))
    assert records(store, study)[0].curve == {1: 0.1}


def test_a_lost_attempt_leaves_the_rungs_of_successive_halving(store: Store, study: StudyRow) -> None:
    lease = taken(claim(store))
    trial_id = begin(store, study, lease)
    assert trial_id is not None
    store.storage.set_trial_system_attr(trial_id, "completed_rung_0", 0.5)
    store.run(lambda c: tickets.lose(c, lease, "killed"))
    assert store.storage.get_trial(trial_id).system_attrs == {}


def test_an_unknown_study_names_those_there_are(store: Store, study: StudyRow) -> None:
    with pytest.raises(StudyNotFound, match="no study named 'large'; there are: small"):
        store.run(lambda c: studies.find(c, "large"))
