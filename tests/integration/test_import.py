"""Imported studies on a real store, and the audit of one, from the command line."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState
from sqlalchemy import text

from search import __version__
from search.errors import StudyConflict
from search.history.importing import read_study
from search.history.mapping_file import load_mapping
from search.settings import Settings
from search.store import imports, studies
from search.store.connection import Store, open_store
from search.store.imports import ImportedStudy, ImportedTrial
from search.study import StudyDefinition

from .conftest import Run
from .test_tickets import claim

TABLE = """\
study,dataset,learning_rate,model,accuracy_pct,bold_in_seed
cls,RAF-DB,3.2e-05,Baseline,82.986,0
cls,RAF-DB,3.2e-05,CLSFER,83.638,1
cls,RAF-DB,3.2e-06,Baseline,83.605,0
cls,RAF-DB,3.2e-06,CLSFER,85.398,1
"""


@pytest.fixture(autouse=True)
def no_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They take long, and are not the point."""
    monkeypatch.setenv("BROWSER_PATH", str(tmp_path / "no browser"))


@pytest.fixture
def imported(tmp_path: Path) -> ImportedStudy:
    (tmp_path / "t.csv").write_text(TABLE)
    return read_study([tmp_path / "t.csv"], load_mapping("001_lr_model_accuracy"), "by_hand")


def flowing(printed: str) -> str:
    """A text without the line breaks of a narrow terminal."""
    return " ".join(printed.split())


def put(store: Store, study: ImportedStudy) -> bool:
    return store.run(lambda connection: imports.store(connection, study, code_version=__version__))


def test_an_imported_study_is_done_and_gives_no_work(store: Store, imported: ImportedStudy) -> None:
    assert put(store, imported)
    row = store.run(lambda c: studies.find(c, "by_hand"))
    assert (row.state, row.stage, row.is_done, row.finished) == ("stopped", "done", True, 4)
    assert row.definition == imported.definition
    assert row.context.origin == imported.origin
    assert row.validation_items == 3068
    assert claim(store) is None
    store.run(lambda c: studies.set_state(c, row, "open"))
    assert claim(store) is None


def test_imported_trials_are_records_and_optunas_trials(store: Store, imported: ImportedStudy) -> None:
    put(store, imported)
    row = store.run(lambda c: studies.find(c, "by_hand"))
    record = store.run(lambda c: studies.records(c, row))[3]
    assert (record.ticket, record.stage, record.state, record.value) == (3, "search", "complete", 0.85398)
    assert record.parameters == {"model": "CLSFER", "lr": 3.2e-6}
    assert record.epochs == {1: {"accuracy": 0.85398}}
    study = optuna.load_study(study_name="by_hand", storage=store.storage)
    assert study.best_value == 0.85398
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE] * 4
    trial = study.trials[3]
    assert trial.params == {"model": "CLSFER", "lr": 3.2e-6}
    assert trial.intermediate_values == {1: 0.85398}
    assert trial.user_attrs == {"ticket": 3, "seed": 0, "file": "t.csv", "line": 5}


def test_the_same_import_changes_nothing_and_another_is_refused(
    store: Store, imported: ImportedStudy, tmp_path: Path
) -> None:
    assert put(store, imported)
    assert not put(store, imported)
    (tmp_path / "t.csv").write_text(TABLE.replace("85.398", "85.4"))
    other = read_study([tmp_path / "t.csv"], load_mapping("001_lr_model_accuracy"), "by_hand")
    with pytest.raises(StudyConflict, match="--study by_hand@2"):
        put(store, other)
    assert len(store.run(studies.everyone)) == 1


def test_an_import_is_whole_or_nothing(store: Store, imported: ImportedStudy) -> None:
    bad = ImportedTrial({"model": "CLSFER", "lr": 3.2e-6}, 0, 0.5, {1: {"accuracy": float("nan")}}, "t.csv", 9)
    with pytest.raises(ValueError, match="JSON compliant"):
        put(store, ImportedStudy(imported.definition, imported.origin, [*imported.trials, bad]))
    assert store.run(studies.everyone) == []
    assert store.run(lambda c: c.execute(text("SELECT count(*) FROM studies")).scalar()) == 0


def test_of_several_that_import_at_once_one_does(settings: Settings, imported: ImportedStudy) -> None:
    barrier = threading.Barrier(4)

    def work(_: int) -> bool:
        own = open_store(settings)
        barrier.wait()
        is_new = put(own, imported)
        own.close()
        return is_new

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(work, range(4))) == [False, False, False, True]


def test_import_from_the_command_line(run: Run, tmp_path: Path) -> None:
    (tmp_path / "001_lr_model_accuracy.csv").write_text(TABLE)
    facts = json.loads(run("import", "001_lr_model_accuracy.csv", "--study", "by_hand", "--json"))
    assert (facts["study"], facts["is_new"], facts["trials"]) == ("by_hand", True, 4)
    assert facts["origin"]["judged_on"] == "test"
    assert (tmp_path / "results" / "by_hand" / "figures" / "parallel-coordinates.html").exists()
    printed = run("import", "001_lr_model_accuracy.csv", "--study", "by_hand")
    assert "by_hand, which was there already" in printed
    assert "accuracy on the test split, 3068 items" in printed
    assert "(3068 test images, one seed)" in flowing(run("status", "by_hand"))
    assert "there is nothing to replay" in flowing(run("audit", "by_hand"))


def test_what_is_wrong_with_an_import_is_a_clear_message(run: Run, tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text(TABLE)
    assert "no mapping is named 'mine'" in run("import", "mine.csv", "--study", "x", code=2)
    (tmp_path / "mine.csv").write_text(TABLE.replace("83.605", "?"))
    message = run("import", "mine.csv", "--study", "x", "--mapping", "001_lr_model_accuracy", code=2)
    assert message == "search: mine.csv:4: accuracy_pct: '?' is no finite number\n"
    only = ("--mapping", "001_lr_model_accuracy", "--rows", "model=CLSFER", "--json")
    assert json.loads(run("import", "mine.csv", "--study", "x", *only))["trials"] == 2


def test_curves_are_audited_from_the_command_line(run: Run, store: Store, imported: ImportedStudy) -> None:
    trials = [
        ImportedTrial(
            {"lr": 3.2e-6 + 1e-6 * seed},
            0,
            0.05 * seed + 0.09,
            {epoch: {"accuracy": 0.05 * seed + 0.01 * epoch} for epoch in range(1, 10)},
            f"run{seed}",
            None,
        )
        for seed in range(12)
    ]
    space = {"lr": {"role": "nuisance", "low": 1e-6, "high": 1e-4, "log": True}}
    changes = {"space": space, "training": {"epochs": 9}}
    definition = StudyDefinition.model_validate(imported.definition.model_dump() | changes)
    put(store, ImportedStudy(definition, imported.origin, trials))
    printed = flowing(run("audit", "by_hand"))
    assert "hyperband, min_resource 3, max_resource 9" in printed
    assert "rank correlation with the end" in printed
    found = json.loads(run("audit", "by_hand", "--json"))
    assert found["full"] == 12
    assert found["winners"] == [11]
    assert {replay["pruner"]["name"] for replay in found["replays"]} == {"median", "hyperband"}
