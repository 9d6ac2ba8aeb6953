"""The command line, called in process on a real store."""

import json
from pathlib import Path

import pytest
from sqlalchemy import text

from search import catalog
from search.store import studies, tickets, workers
from search.store.connection import Store

from .conftest import Run
from .test_tickets import STUDY, begin, claim, define, register, report, taken

MALFORMED = {
    "unknown key": (STUDY.replace("sampler:", "samplr: grid\nsampler:"), "unknown key 'samplr'"),
    "wrong type": (STUDY.replace("epochs: 3", "epochs: many"), "training.epochs"),
    "empty range": (STUDY.replace("1e-4 to 1e-1", "1e-2 to 1e-2"), "low 0.01 must be below high 0.01"),
    "low > high": (STUDY.replace("1e-4 to 1e-1", "1e-1 to 1e-4"), "low 0.1 must be below high 0.0001"),
    "unknown model": (STUDY.replace("small_cnn", "resnet"), "no model is named 'resnet'"),
    "unknown metric": (STUDY.replace("objective: accuracy", "objective: acuracy"), "no metric is named 'acuracy'"),
    "grid too large": (STUDY.replace("trials: 4", "trials: 3"), "budget.trials"),
    "duplicate key": (STUDY + "seed: 1\nseed: 2\n", "seed"),
    "not YAML": (STUDY + "space: {lr: [\n", "small.yaml:"),
}


@pytest.mark.parametrize(("text", "words"), MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_study_is_one_clear_message_and_registers_nothing(
    run: Run, store: Store, tmp_path: Path, text: str, words: str
) -> None:
    (tmp_path / "small.yaml").write_text(text)
    message = run("launch", "small.yaml", "--workers", "0", code=2)
    assert message.startswith("search: small.yaml:")
    assert words in message
    assert "Traceback" not in message
    assert store.run(studies.everyone) == []


def test_a_missing_study_file_is_one_clear_message(run: Run, store: Store) -> None:
    message = run("launch", "nowhere.yaml", code=2)
    assert message.startswith("search: there is no study file nowhere.yaml")
    assert store.run(studies.everyone) == []


def test_launch_without_workers_only_registers(run: Run, tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(STUDY)
    assert "study small: 4 trials, 0 of them done" in run("launch", "small.yaml", "--workers", "0")
    (tmp_path / "small.yaml").write_text(STUDY.replace("epochs: 3", "epochs: 4"))
    refusal = run("launch", "small.yaml", "--workers", "0", code=2)
    assert "training.epochs: 3 -> 4" in refusal
    assert "4 trials" in run("launch", "small.yaml", "--name", "small@2", "--workers", "0")
    assert "small@2" in run("list")


def test_what_scripts_read(run: Run, store: Store, tmp_path: Path) -> None:
    study = register(store, define(tmp_path))
    lease = taken(claim(store))
    begin(store, study, lease)
    report(store, lease, 1, 0.5)
    assert [row["name"] for row in json.loads(run("list", "--json"))] == ["small"]
    status = json.loads(run("status", "small", "--json"))
    assert status["counts"] == {"waiting": 3, "running": 1}
    assert status["best"] is None
    trials = json.loads(run("show", "small", "--json"))
    assert trials[0]["curve"] == {"1": 0.5}
    assert json.loads(run("check", "small.yaml", "--json"))["name"] == "small"
    assert json.loads(run("store", "status", "--json"))["schema"] == "0003"


def test_what_people_read(run: Run, store: Store, tmp_path: Path) -> None:
    study = register(store, define(tmp_path))
    begin(store, study, taken(claim(store, worker="host:1")))
    assert "small" in run("list")
    status = run("status", "small")
    assert "Which learning rate is best?" in status
    assert "on host:1, epoch 0, attempt 1" in status
    assert "running" in run("show", "small")
    assert "grid, 4 trials of 3 epochs" in run("check", "small.yaml")


def test_status_names_workers_and_retries(run: Run, store: Store, tmp_path: Path) -> None:
    register(store, define(tmp_path))
    for worker, note in (("here-1", None), ("there-2", "study other: no such data"), ("gone-3", None)):
        store.run(
            lambda c, w=worker: workers.register(c, w, host=w[:-2], device="slot 0: GPU-1", code_version="0.1.0")
        )
        store.run(lambda c, w=worker, n=note: workers.seen(c, w, note=n))
    lost = taken(claim(store, worker="gone-3"))
    store.run(lambda c: tickets.lose(c, lost, "Traceback\nthe training process was killed by SIGKILL"))
    store.run(lambda c: workers.ended(c, "gone-3", note=None))
    lease = taken(claim(store, worker="here-1"))
    begin(store, register(store, define(tmp_path)), lease)
    report(store, lease, 1, 0.5)

    fleet = " ".join(run("status").split())
    assert "here, slot 0: GPU-1, search 0.1.0, trains small, trial 0, epoch 1, attempt 2, last step" in fleet
    assert "idle; study other: no such data" in fleet
    assert "gone-3" not in fleet
    known = json.loads(run("status", "--json"))
    assert [worker["worker"] for worker in known["workers"]] == ["here-1", "there-2"]
    assert [study["name"] for study in known["studies"]] == ["small"]

    status = " ".join(run("status", "small").split())
    assert "on here-1 (here, slot 0: GPU-1), epoch 1, attempt 2, last step" in status
    assert "trial 0, attempt 1 lost on gone-3: the training process was killed by SIGKILL" in status
    retries = json.loads(run("show", "small", "--json"))[0]["retries"]
    assert [(retry["attempt"], retry["outcome"]) for retry in retries] == [(1, "lost")]


def test_pause_resume_stop(run: Run, store: Store, tmp_path: Path) -> None:
    study = register(store, define(tmp_path))
    for command, state in {"pause": "paused", "resume": "open", "stop": "stopped"}.items():
        assert run(command, "small") == f"study small is {state}\n"
        assert store.run(lambda c: studies.find(c, "small")).state == state
        assert json.loads(run(command, "small", "--json")) == {"study": "small", "state": state}
    assert study.state == "open"


def test_an_unknown_study_is_one_clear_message(run: Run) -> None:
    assert run("status", "nothing", code=2).startswith("search: the store holds no study named 'nothing'")


def test_data_check_names_what_is_there(run: Run) -> None:
    assert "happiness" in run("data", "check", "synthetic_faces")
    found = json.loads(run("data", "check", "synthetic_faces", "--json"))
    assert set(found["splits"]) == {"train", "test"}
    there = ", ".join(catalog.names("datasets"))
    assert f"there are: {there}" in run("data", "check", "imagenet", code=2)
    assert "data/raf_db" in run("data", "check", "raf_db", code=2)


def test_data_prepare_fills_the_cache_once(run: Run, tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(STUDY)
    assert run("data", "prepare", "small.yaml") == run("data", "prepare", "small.yaml")
    assert len([folder for folder in (tmp_path / "home" / "cache").iterdir() if folder.is_dir()]) == 1


def test_a_bad_setting_names_its_variable(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEARCH_LEASE_SECONDS", "soon")
    assert run("list", code=2) == "search: SEARCH_LEASE_SECONDS is 'soon': give a number of seconds, such as 60.\n"


def test_no_error_shows_the_stores_password(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("postgresql://someone:canary@127.0.0.1:1/search\n")
    monkeypatch.setenv("SEARCH_STORE_FILE", str(secret))
    assert "canary" not in run("list", code=75)
    monkeypatch.setenv("SEARCH_STORE_FILE", str(tmp_path / "gone"))
    assert "SEARCH_STORE_FILE names" in run("list", code=2)


def test_hostile_text_stays_text(run: Run, store: Store, tmp_path: Path) -> None:
    hostile = STUDY.replace(
        "Which learning rate is best?", "'[red]{x} %s <script>alert(1)</script>; DROP TABLE trials'"
    )
    register(store, define(tmp_path, hostile))
    assert "[red]{x} %s <script>" in run("status", "small")
    assert store.run(lambda c: c.execute(text("SELECT count(*) FROM trials")).scalar()) == 0
