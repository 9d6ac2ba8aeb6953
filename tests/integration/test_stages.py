"""The stages of a study: what is filed when, and what is kept of the models' readings, on a real Postgres."""

import time
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Barrier

import numpy as np
import pytest
from alembic import command
from sqlalchemy import NullPool, create_engine, make_url, text

from search import __version__
from search.analysis.selection import selected
from search.predictions import Predictions
from search.settings import Settings
from search.store import readings, schema, stages, studies, tickets
from search.store.connection import Store, open_store
from search.store.records import StudyRow, TrialRecord
from search.store.studies import distributions
from search.store.tickets import Ending, Lease
from search.study import StudyDefinition, load_study
from search.tasks import Task

RELEASE = (0, 1, 0)
STUDY = """
name: depths
question: How deep?
dataset: {name: synthetic_faces, image_size: 16, images: 200, test_images: 70, subjects: 20}
model: {name: clsfer, width: 16, depths: [1, 1, 1, 1], heads: 4, stem_stride: 2}
objective: accuracy
training: {epochs: 3}
space:
  depth: {role: scientific, choices: [1, 2]}
  lr: {role: nuisance, grid: "2 points from 1e-4 to 1e-1, log"}
sampler: grid
budget: {trials: 4}
seed: 7
confirm: {seeds: 2}
"""


def define(folder: Path) -> StudyDefinition:
    file = folder / "depths.yaml"
    file.write_text(STUDY)
    return load_study(str(file))


def register(store: Store, definition: StudyDefinition, code_version: str = __version__) -> StudyRow:
    study_id = store.run(
        lambda connection: studies.register(
            connection, definition, data_fingerprint="pixels", validation_items=100, code_version=code_version
        )
    )
    return again(store, study_id)


def again(store: Store, study_id: int) -> StudyRow:
    return store.run(lambda connection: studies.find_by_id(connection, study_id))


@pytest.fixture
def study(store: Store, tmp_path: Path) -> StudyRow:
    return register(store, define(tmp_path))


def claim(store: Store) -> Lease | None:
    key = uuid.uuid4().hex
    return store.run(lambda c: tickets.claim(c, worker="w", claim=key, lease=60.0, release=RELEASE))


def train(store: Store, study: StudyRow, ending: Ending = "complete", value: float = 0.5) -> Lease:
    """Does the next ticket as a worker would."""
    lease = claim(store)
    assert lease is not None and lease.parameters is not None
    parameters, kinds = lease.parameters, distributions(study.definition)
    store.run(lambda c: tickets.begin(c, lease, parameters, kinds))
    store.run(
        lambda c: tickets.report(
            c,
            lease,
            epoch=1,
            value=value,
            metrics={"accuracy": value},
            seconds=1.0,
            samples_per_second=1.0,
            renew_seconds=60.0,
        )
    )
    assert store.run(lambda c: tickets.finish(c, lease, ending, value=value if ending == "complete" else None))
    return lease


def advance(store: Store, study: StudyRow, *, seconds: float = 0.0) -> str | None:
    """seconds: how long it takes to select configurations."""

    def select(row: StudyRow, records: Sequence[TrialRecord]) -> list[TrialRecord]:
        time.sleep(seconds)
        return selected(row.definition, records)

    return store.run(lambda c: stages.advance(c, study.study_id, release=RELEASE, select=select))


def of_stage(store: Store, study: StudyRow, stage: str) -> list[TrialRecord]:
    records = store.run(lambda c: studies.records(c, study))
    return [record for record in records if record.stage == stage]


def predictions() -> Predictions:
    return Predictions(
        split="test",
        task=Task.EXPRESSION,
        classes=("a", "b"),
        items=("x", "y"),
        groups=None,
        truth=np.array([0, 1]),
        predicted=np.array([[0.9, 0.1], [0.4, 0.6]], np.float32),
    )


def search(store: Store, study: StudyRow) -> None:
    """Trains the whole search; the rate of 0.1 is better for either depth."""
    for record in of_stage(store, study, "search"):
        train(store, study, value=0.6 if record.parameters["lr"] == 0.1 else 0.4)


def test_a_study_goes_from_stage_to_stage(store: Store, study: StudyRow) -> None:
    assert study.stage == "search" and not study.is_done
    assert advance(store, study) is None
    search(store, study)
    assert again(store, study.study_id).stage == "search" and not again(store, study.study_id).is_done

    assert advance(store, study) == "confirm"
    confirming = of_stage(store, study, "confirm")
    assert [(r.parameters, r.seed) for r in confirming] == [
        ({"depth": depth, "lr": 0.1}, seed) for seed in (8, 9) for depth in (1, 2)
    ]
    sources = {r.ticket: r.parameters for r in of_stage(store, study, "search")}
    assert all(r.source is not None and sources[r.source] == r.parameters for r in confirming)
    assert advance(store, study) is None
    for _ in confirming[1:]:
        train(store, study)
    train(store, study, "failed")

    assert advance(store, study) == "conclude"
    concluding = of_stage(store, study, "conclude")
    assert [r.source for r in concluding] == [r.ticket for r in confirming[:3]]
    assert [(r.parameters, r.seed) for r in concluding] == [(r.parameters, r.seed) for r in confirming[:3]]
    for _ in concluding:
        lease = claim(store)
        assert lease is not None and lease.stage == "conclude"
        store.run(lambda c, lease=lease: readings.store(c, lease, predictions()))
        assert store.run(lambda c, lease=lease: tickets.finish(c, lease, "complete"))

    assert advance(store, study) == "done"
    row = again(store, study.study_id)
    assert row.is_done and claim(store) is None and advance(store, study) is None
    assert row.stage_counts == {
        "search": {"complete": 4},
        "confirm": {"complete": 3, "failed": 1},
        "conclude": {"complete": 3},
    }
    assert row.counts == {"complete": 10, "failed": 1}
    assert (row.epochs, row.search_epochs) == (8, 4)
    kept = store.run(lambda c: readings.predictions(c, study.study_id))
    assert sorted(kept) == [r.source for r in concluding]
    assert kept[confirming[0].ticket].digest() == predictions().digest()
    shown = store.run(lambda c: readings.readings(c, study.study_id))
    assert [(r.ticket, r.attempt, r.worker, r.outcome) for r in shown] == [
        (r.source, 1, "w", "complete") for r in concluding
    ]


def test_of_many_who_begin_a_stage_one_does(store: Store, study: StudyRow, settings: Settings) -> None:
    search(store, study)
    stores = [open_store(settings) for _ in range(4)]
    together = Barrier(len(stores))

    def begin(own: Store) -> str | None:
        together.wait()
        return advance(own, study, seconds=0.5)

    try:
        with ThreadPoolExecutor(len(stores)) as pool:
            begun = [*pool.map(begin, stores)]
    finally:
        for each in stores:
            each.close()
    assert sorted(map(str, begun)) == ["None", "None", "None", "confirm"]
    assert len(of_stage(store, study, "confirm")) == 4


def test_without_confirmation_the_search_is_all(store: Store, tmp_path: Path) -> None:
    definition = define(tmp_path)
    confirm = definition.confirm.model_copy(update={"seeds": 0})
    study = register(store, definition.model_copy(update={"confirm": confirm}))
    search(store, study)
    assert [advance(store, study) for _ in range(4)] == ["confirm", "conclude", "done", None]
    assert again(store, study.study_id).stage_counts == {"search": {"complete": 4}}


def test_more_seeds_may_be_asked_for_later(store: Store, study: StudyRow) -> None:
    search(store, study)
    advance(store, study)
    for _ in range(4):
        train(store, study)
    while (stage := advance(store, study)) != "done":
        assert stage == "conclude"
        while lease := claim(store):
            store.run(lambda c, lease=lease: tickets.finish(c, lease, "complete"))
    assert register(store, study.definition).is_done  # launched again as it was, nothing is left to do
    more = study.definition.confirm.model_copy(update={"seeds": 3})
    row = register(store, study.definition.model_copy(update={"confirm": more}))
    assert row.study_id == study.study_id and row.definition.confirm.seeds == 3 and not row.is_done
    assert advance(store, study) == "confirm"
    waiting = [record for record in of_stage(store, study, "confirm") if record.state == "waiting"]
    assert [(record.parameters["depth"], record.seed) for record in waiting] == [(1, 10), (2, 10)]
    for _ in waiting:
        train(store, study)
    assert advance(store, study) == "conclude"
    assert len(of_stage(store, study, "conclude")) == 6


def test_a_spent_budget_ends_the_search_and_not_what_follows(store: Store, tmp_path: Path) -> None:
    definition = define(tmp_path)
    budget = definition.budget.model_copy(update={"epochs": 2})
    study = register(store, definition.model_copy(update={"budget": budget}))
    train(store, study)
    assert advance(store, study) is None
    train(store, study)
    assert claim(store) is None
    assert advance(store, study) == "confirm"
    lease = claim(store)
    assert lease is not None and lease.stage == "confirm"


def test_a_paused_study_and_a_newer_one_begin_nothing(store: Store, study: StudyRow) -> None:
    search(store, study)
    store.run(lambda c: studies.set_state(c, study, "paused"))
    assert advance(store, study) is None
    store.run(lambda c: studies.set_state(c, study, "open"))
    store.run(lambda c: c.execute(text("UPDATE search_studies SET code_version = '9.0'")))
    assert advance(store, study) is None


def test_who_lost_the_lease_stores_no_predictions(store: Store, study: StudyRow) -> None:
    lease = claim(store)
    assert lease is not None
    store.run(lambda c: readings.store(c, replace(lease, attempt=2), predictions()))
    assert store.run(lambda c: c.execute(text("SELECT count(*) FROM search_predictions")).scalar()) == 0
    for _ in range(2):
        store.run(lambda c: readings.store(c, lease, predictions()))
    assert store.run(lambda c: c.execute(text("SELECT count(*) FROM search_predictions")).scalar()) == 1


def test_studies_from_before_there_were_stages(server: str) -> None:
    url = make_url(server).set(database="before_stages").render_as_string(hide_password=False)
    admin = create_engine(server, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text("CREATE DATABASE before_stages"))
    try:
        engine = create_engine(url, poolclass=NullPool)
        with engine.begin() as connection:
            configuration = schema._configuration()
            configuration.attributes |= {"connection": connection, "url": url}
            command.upgrade(configuration, "0002")
            for number, state in enumerate(("complete", "waiting"), start=1):
                connection.execute(
                    text(
                        f"""
                        INSERT INTO studies (study_id, study_name) VALUES ({number}, '{state}');
                        INSERT INTO search_studies (study_id, name, definition, definition_hash, data_fingerprint,
                                                    validation_items, code_version)
                        VALUES ({number}, '{state}', '', '', '', 1, '0.1.0');
                        INSERT INTO search_tickets (study_id, number, seed, state)
                        VALUES ({number}, 0, 0, '{state}')
                        """
                    )
                )
        schema.migrate(url)
        with engine.connect() as connection:
            found = connection.execute(text("SELECT name, stage FROM search_studies ORDER BY name"))
            assert [tuple(row) for row in found] == [("complete", "done"), ("waiting", "search")]
    finally:
        with admin.connect() as connection:
            connection.execute(text("DROP DATABASE before_stages WITH (FORCE)"))
