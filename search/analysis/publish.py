"""Publishing a study: its figures and a note, to optuna-dashboard and to files."""

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import plotly.graph_objects as go
from optuna import Study
from sqlalchemy import Connection

from search.analysis.figures import draw
from search.analysis.note import is_ours, study_note
from search.analysis.pages import write_pages
from search.analysis.pictures import write_pictures
from search.places import Remote, open_place
from search.store import publication, studies
from search.store.connection import Store
from search.store.studies import StudyRow

Figures = Mapping[str, go.Figure]


def publish(store: Store, name: str, results: str, *, images: bool) -> list[str]:
    """Draws a study's figures, shows them in the dashboard, and writes them to `results`/NAME/figures.

    results: a folder or a URL. images: also PNG and SVG, where a Chrome or Chromium is found.

    Returns the files written. Raises StudyNotFound, PlaceError.
    """
    target = open_place(results) / name / "figures"

    def work(connection: Connection) -> tuple[Figures, list[str]]:
        row = studies.find(connection, name)
        with publication.publishing_alone(connection, row.study_id):
            return _publish_pages(connection, row, target)

    figures, pages = store.run_statement(work)
    return pages + (_moved_into(target, write_pictures, figures) if images else [])


def publish_if_due(store: Store, row: StudyRow, results: str, *, every_seconds: float) -> list[str]:
    """As `publish`: with images, once, when the study is done, and else unless it was published so recently.

    Returns the files written, none where it was not due.
    """
    now = store.run_statement(lambda connection: studies.find_by_id(connection, row.study_id))
    if now.is_done and store.run_statement(lambda c: publication.take_last_turn(c, row.study_id)):
        return publish(store, row.name, results, images=True)
    if store.run_statement(lambda c: publication.take_turn(c, row.study_id, seconds=every_seconds)):
        return publish(store, row.name, results, images=False)
    return []


def _publish_pages(connection: Connection, row: StudyRow, folder: Path | Remote) -> tuple[Figures, list[str]]:
    records = studies.records(connection, row)
    figures = draw(row.definition, records)

    def change(study: Study) -> None:
        # It imports scikit-learn for a second: not before the first trial has finished.
        from optuna_dashboard import get_note, save_note, save_plotly_graph_object

        for name, figure in figures.items():
            save_plotly_graph_object(study, figure, graph_object_id=name)
        if is_ours(get_note(study)):
            save_note(study, study_note(row.definition, records))

    publication.change_dashboard(connection, row.study_id, change)
    return figures, _moved_into(folder, write_pages, figures)


def _moved_into(folder: Path | Remote, write: Callable[[Figures, Path], None], figures: Figures) -> list[str]:
    """Has the files written aside and moves or uploads them, so that nobody reads half of one."""
    if isinstance(folder, Path):
        folder.mkdir(parents=True, exist_ok=True)
    beside = folder if isinstance(folder, Path) else None  # where a file can be moved from in one step
    with tempfile.TemporaryDirectory(dir=beside, prefix=".") as aside:
        write(figures, Path(aside))
        files = sorted(Path(aside).iterdir())
        for file in files:
            if isinstance(folder, Path):
                file.replace(folder / file.name)
            else:
                folder.put(file, file.name)
    return [str(folder / file.name) for file in files]
