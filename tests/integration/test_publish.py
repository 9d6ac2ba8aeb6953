"""Publishing, to a real Postgres and to files, as the dashboard and people then read it."""

import json
import logging
import os
import socket
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any
from wsgiref.util import setup_testing_defaults

import optuna
import plotly.graph_objects as go
import pytest
from optuna_dashboard import save_note, wsgi

from search.analysis.dashboard import serve
from search.analysis.figures import DASHBOARD
from search.analysis.publish import publish, publish_if_due
from search.analysis.report import Report
from search.analysis.selection import selected
from search.cli import main
from search.errors import SearchError, StudyNotFound
from search.settings import Settings
from search.store import publication, stages, studies, tickets
from search.store.connection import Store, open_store, store_url
from search.store.records import StudyRow
from search.store.studies import distributions
from search.study import StudyDefinition
from search.worker.publisher import Publisher

QUESTION = "<script>alert(1)</script> How deep?"


@pytest.fixture
def study(store: Store) -> StudyRow:
    definition = StudyDefinition.model_validate(
        {
            "name": "depth_lr@2",
            "question": QUESTION,
            "dataset": {"name": "synthetic_faces", "image_size": 48},
            "model": {"name": "clsfer"},
            "objective": "accuracy",
            "space": {
                "depth": {"role": "scientific", "choices": [2, 4]},
                "lr": {"role": "nuisance", "grid": "4 points from 1e-5 to 1e-2, log"},
            },
            "sampler": "grid",
            "budget": {"trials": 8},
            "confirm": {"seeds": 1},
        }
    )
    study_id = store.run(
        lambda c: studies.register(
            c, definition, data_fingerprint="pixels", validation_items=100, code_version="0.1.0"
        )
    )
    return store.run(lambda c: studies.find_by_id(c, study_id))


def train(store: Store, study: StudyRow, *curve: float, state: tickets.Ending = "complete") -> None:
    """One trial with these values, told as a worker tells them."""
    key = uuid.uuid4().hex
    lease = store.run(lambda c: tickets.claim(c, worker="w", claim=key, lease=60.0, release=(0, 1, 0)))
    assert lease is not None
    parameters = lease.parameters
    assert parameters is not None
    store.run(lambda c: tickets.begin(c, lease, parameters, distributions(study.definition)))
    for epoch, value in enumerate(curve, start=1):
        told: dict[str, Any] = {"epoch": epoch, "value": value, "metrics": {"accuracy": value}}
        told |= {"seconds": 1.0, "samples_per_second": 1.0, "renew_seconds": 60.0}
        store.run_statement(partial(tickets.report, lease=lease, **told))
    store.run(lambda c: tickets.finish(c, lease, state, value=max(curve, default=None)))


def advance(store: Store, study: StudyRow) -> str | None:
    """Begins the study's next stage, as a worker does."""
    return store.run(
        partial(
            stages.advance,
            study_id=study.study_id,
            release=(0, 1, 0),
            select=lambda row, records: selected(row.definition, records),
        )
    )


def drawn(folder: Path) -> list[Path]:
    """The files that stand in a folder and those within it."""
    return [path for path in folder.rglob("*") if path.is_file()]


def in_dashboard(store: Store, study: StudyRow) -> dict[str, Any]:
    """The study as the dashboard's own server tells it to a browser."""
    environment: dict[str, Any] = {"PATH_INFO": f"/api/studies/{study.study_id}", "QUERY_STRING": "after=0"}
    setup_testing_defaults(environment)
    body = b"".join(wsgi(store.storage)(environment, lambda status, headers, error=None: None))
    shown: dict[str, Any] = json.loads(body)
    return shown


def figures_in_dashboard(store: Store, study: StudyRow) -> dict[str, go.Figure]:
    graphs = in_dashboard(store, study)["plotly_graph_objects"]
    return {graph["id"]: go.Figure(json.loads(graph["graph_object"])) for graph in graphs}


def note_in_dashboard(store: Store, study: StudyRow) -> str:
    body: str = in_dashboard(store, study)["note"]["body"]
    return body


def pages_of(told: Report, folder: str) -> list[str]:
    """The files that publishing writes into the folder of a study, without pictures."""
    figures = [f"{folder}/figures/{name}.html" for name in sorted(told.figures)]
    return [*figures, f"{folder}/report.html", f"{folder}/report.md"]


def test_figures_reach_the_dashboard_and_files(store: Store, study: StudyRow, tmp_path: Path) -> None:
    train(store, study, 0.3, 0.8)
    train(store, study, 0.2, state="pruned")
    train(store, study, state="failed")
    told, files = publish(store, study.name, str(tmp_path))
    assert files == pages_of(told, f"{tmp_path}/depth_lr@2")
    assert sorted(map(str, drawn(tmp_path))) == sorted(files)
    shown = figures_in_dashboard(store, study)
    assert set(shown) == set(told.figures) & set(DASHBOARD)
    assert [dimension.label for dimension in shown["parallel-coordinates"].data[0].dimensions][:2] == [
        "state",
        "depth (blocks)",
    ]
    assert "8 trials: 1 complete, 1 pruned, 5 waiting, 1 failed" in shown["contour"].layout.title.text


def test_a_page_needs_no_network_and_has_no_markup_of_the_question(
    store: Store, study: StudyRow, tmp_path: Path
) -> None:
    _, files = publish(store, study.name, str(tmp_path))
    for page in (Path(file).read_text() for file in files if file.endswith(".html")):
        assert "plotly.js v" in page
        assert 'src="http' not in page
        assert QUESTION not in page
        assert "<script>alert" not in page


def test_a_figure_that_shrank_leaves_nothing_of_the_longer_one(
    store: Store, study: StudyRow, tmp_path: Path
) -> None:
    def change(study: optuna.Study) -> None:
        from optuna_dashboard import save_plotly_graph_object

        figure = go.Figure(go.Scatter(y=[*range(3000)]))
        save_plotly_graph_object(study, figure, graph_object_id="learning-curves")

    store.run_statement(lambda c: publication.change_dashboard(c, study.study_id, change))
    assert len(figures_in_dashboard(store, study)["learning-curves"].data) == 1
    publish(store, study.name, str(tmp_path))
    assert len(figures_in_dashboard(store, study)["learning-curves"].data) == 0


def test_the_note_is_kept_up_to_date_until_somebody_writes_their_own(
    store: Store, study: StudyRow, tmp_path: Path
) -> None:
    publish(store, study.name, str(tmp_path))
    assert "8 trials: 8 waiting" in note_in_dashboard(store, study)
    train(store, study, 0.5)
    publish(store, study.name, str(tmp_path))
    assert "8 trials: 1 complete, 7 waiting" in note_in_dashboard(store, study)
    save_note(optuna.load_study(study_name=study.name, storage=store.storage), "Mine.")
    publish(store, study.name, str(tmp_path))
    assert note_in_dashboard(store, study) == "Mine."


def test_figures_reach_a_bucket_as_pages_that_a_browser_shows(store: Store, study: StudyRow, s3: Any) -> None:
    told, files = publish(store, study.name, f"{s3.url}/results/")
    assert files == pages_of(told, f"{s3.url}/results/depth_lr@2")
    filesystem = s3.filesystem()
    assert [f"s3://{name}" for name in filesystem.find(s3.url)] == files
    assert "8 trials: 8 waiting" in filesystem.cat_file(files[0]).decode()
    assert filesystem.info(files[0])["ContentType"] == "text/html"
    train(store, study, 0.5)
    publish(store, study.name, f"{s3.url}/results")
    assert "1 complete, 7 waiting" in filesystem.cat_file(files[0]).decode()


def test_a_bucket_that_is_gone_is_logged_without_secrets(
    store: Store, study: StudyRow, s3: Any, caplog: pytest.LogCaptureFixture
) -> None:
    s3.stop()
    try:
        publisher = Publisher(store, s3.url, every_seconds=0.0)
        publisher.wake(study)
        publisher.close()
    finally:
        s3.start()
    assert "the figures of depth_lr@2 could not be published" in caplog.text
    assert "EndpointConnectionError" in caplog.text
    assert os.environ["AWS_SECRET_ACCESS_KEY"] not in caplog.text


def test_the_command_prints_the_answer_and_the_files(
    store: Store, study: StudyRow, server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    train(store, study, 0.3, 0.8)
    for name, value in {"SEARCH_STORE": server, "SEARCH_HOME": "home", "SEARCH_RESULTS": "results"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("BROWSER_PATH", str(tmp_path / "no-browser"))
    monkeypatch.chdir(tmp_path)
    assert main(["report", study.name, "--paper"]) == 0
    answer, *files = capsys.readouterr().out.splitlines()
    assert answer.startswith("The search alone can't tell")
    folder = tmp_path / "results" / study.name
    paper = ["checklist.md", "levels.tex", "methods.md", "methods.tex", "space.tex"]
    assert files == [f"{folder}/report.html", f"{folder}/report.md", *(f"{folder}/paper/{name}" for name in paper)]
    assert main(["report", study.name, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["conclusion"]["answer"] == answer
    assert f"{folder}/report.html" in told["files"]
    assert main(["report", "nobody"]) == 2
    assert "no study named 'nobody'" in capsys.readouterr().err


def test_an_unknown_study_is_refused(store: Store, tmp_path: Path) -> None:
    with pytest.raises(StudyNotFound, match="no study named 'nobody'"):
        publish(store, "nobody", str(tmp_path))


def test_of_many_who_would_publish_at_once_one_does(
    store: Store, study: StudyRow, settings: Settings, tmp_path: Path
) -> None:
    stores = [open_store(settings) for _ in range(4)]
    try:
        with ThreadPoolExecutor(4) as pool:
            written = pool.map(lambda each: publish_if_due(each, study, str(tmp_path), every_seconds=3600), stores)
            assert sorted(map(len, written)) == [0, 0, 0, len(drawn(tmp_path))]
    finally:
        for each in stores:
            each.close()
    assert publish_if_due(store, study, str(tmp_path), every_seconds=3600) == []
    assert publish_if_due(store, study, str(tmp_path), every_seconds=0)


def test_one_publisher_keeps_others_waiting(
    store: Store, study: StudyRow, settings: Settings, tmp_path: Path
) -> None:
    with closing(open_store(settings)) as other, ThreadPoolExecutor(1) as pool:
        with (
            other.storage.engine.connect() as connection,
            publication.publishing_alone(connection, study.study_id),
        ):
            written = pool.submit(publish, store, study.name, str(tmp_path))
            time.sleep(0.5)
            assert not written.done()
            assert not [*tmp_path.glob("depth_lr*")]
        assert written.result(30)[1]


def test_a_stage_that_ended_is_published_once_whenever_that_was(store: Store, study: StudyRow) -> None:
    def stage_turn() -> bool:
        return store.run(lambda connection: publication.take_stage_turn(connection, study.study_id))

    assert not stage_turn()  # the search goes on
    for trials, stage in ((8, "confirm"), (2, "conclude")):
        for _ in range(trials):
            train(store, study, 0.5)
        assert advance(store, study) == stage
        assert [stage_turn(), stage_turn()] == [True, False]


def test_the_report_of_a_stage_waits_for_no_turn(
    store: Store, study: StudyRow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BROWSER_PATH", str(tmp_path / "no-browser"))
    due = partial(publish_if_due, store, study, str(tmp_path), every_seconds=3600)
    for _ in range(8):
        train(store, study, 0.5)
    assert due()
    assert due() == []
    advance(store, study)
    assert f"{tmp_path}/depth_lr@2/report.html" in due()
    assert due() == []
    report = (tmp_path / "depth_lr@2" / "report.md").read_text()
    assert "run again with fresh seeds, 0 of" in report


def test_without_a_browser_there_are_pages_only(
    store: Store,
    study: StudyRow,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("BROWSER_PATH", str(tmp_path / "no-browser"))
    caplog.set_level(logging.INFO, logger="search")
    _, files = publish(store, study.name, str(tmp_path), images=True)
    assert {Path(file).suffix for file in files} == {".html", ".md"}
    assert "no Chrome or Chromium was found" in caplog.text


@pytest.mark.browser
def test_with_a_browser_there_are_pictures(store: Store, study: StudyRow, tmp_path: Path) -> None:
    train(store, study, 0.3, 0.8)
    told, written = publish(store, study.name, str(tmp_path), images=True, paper=True)
    files = {f"{Path(file).parent.name}/{Path(file).name}": Path(file) for file in written}
    for name in told.figures:
        assert files[f"figures/{name}.png"].read_bytes().startswith(b"\x89PNG")
        assert files[f"figures/{name}.svg"].read_text().startswith("<svg")
        assert files[f"paper/{name}.svg"].read_text().startswith("<svg")
        assert files[f"paper/{name}.pdf"].read_bytes().startswith(b"%PDF")


@pytest.fixture
def publisher(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Publisher]:
    monkeypatch.setenv("BROWSER_PATH", str(tmp_path / "no-browser"))
    publisher = Publisher(store, str(tmp_path / "results"), every_seconds=0.2)
    yield publisher
    publisher.close()


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_worker_publishes_beside_its_training(
    store: Store, study: StudyRow, publisher: Publisher, tmp_path: Path
) -> None:
    page = tmp_path / "results" / study.name / "figures" / "contour.html"
    train(store, study, 0.5)
    publisher.wake(study)
    wait_for(page)
    page.unlink()
    publisher.wake(study)
    wait_for(page)
    train(store, study, 0.6)
    publisher.wake(study)
    publisher.close()
    assert "2 complete, 6 waiting" in page.read_text()


def test_what_goes_wrong_is_logged_and_the_next_trial_is_another_chance(
    store: Store, study: StudyRow, publisher: Publisher, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    results = tmp_path / "results"
    results.write_text("in the way")
    publisher.wake(study)
    deadline = time.monotonic() + 30
    while "could not be published" not in caplog.text:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert "NotADirectoryError" in caplog.text
    results.unlink()
    publisher.wake(study)
    wait_for(results / study.name / "figures" / "contour.html")


def test_a_port_that_is_taken_is_one_clear_sentence(settings: Settings) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(SearchError, match=rf"port {port} of 127\.0\.0\.1 \(Address already in use\).*--port"):
            serve(store_url(settings), settings.results, port=port)
