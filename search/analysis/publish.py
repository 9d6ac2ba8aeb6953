"""Publishing a study: its figures, its report and a note, to files and to optuna-dashboard."""

from functools import partial
from pathlib import Path

from optuna import Study
from sqlalchemy import Connection

from search.analysis import results
from search.analysis.figures import DASHBOARD
from search.analysis.note import is_ours, study_note
from search.analysis.pages import write_pages
from search.analysis.paper import write_paper
from search.analysis.pictures import write_pictures
from search.analysis.report import Report, work_out, write_report
from search.places import Remote, open_place, written_into
from search.store import publication, studies
from search.store.connection import Store
from search.store.records import StudyRow


def publish(
    store: Store, name: str, place: str, *, images: bool = False, paper: bool = False, brief: bool = False
) -> tuple[Report, list[str]]:
    """Works a study out anew, writes its figures and its report to `place`/NAME, and shows them in the dashboard.

    place: a folder or a URL. images: also each figure as PNG and SVG; paper: also what a paper needs, in
    `place`/NAME/paper. Both need a Chrome or Chromium for pictures, and go without where there is none.
    brief: of the figures' own pages, of 5 MB each, only those that the dashboard shows, too.

    Returns what was told, and the files written. Raises StudyNotFound, PlaceError.
    """
    target = open_place(place) / name

    def work(connection: Connection) -> tuple[Report, list[str]]:
        row = studies.find(connection, name)
        with publication.publishing_alone(connection, row.study_id):
            return _publish_pages(connection, row, target, brief=brief)

    report, files = store.run_statement(work)
    if images:
        files += written_into(target / "figures", partial(write_pictures, report.figures))
    if paper:
        files += written_into(target / "paper", partial(write_paper, report))
    return report, files


def publish_if_due(store: Store, row: StudyRow, place: str, *, every_seconds: float) -> list[str]:
    """As `publish`: once after each stage, the last time with images; and else briefly, unless it was so recently.

    Returns the files written, none where it was not due.
    """
    if store.run_statement(lambda c: publication.take_stage_turn(c, row.study_id)):
        now = store.run_statement(lambda c: studies.find_by_id(c, row.study_id))
        return publish(store, row.name, place, images=now.is_done)[1]
    if store.run_statement(lambda c: publication.take_turn(c, row.study_id, seconds=every_seconds)):
        return publish(store, row.name, place, brief=True)[1]
    return []


def _publish_pages(
    connection: Connection, row: StudyRow, target: Path | Remote, *, brief: bool
) -> tuple[Report, list[str]]:
    report = work_out(results.read(connection, row))
    pages = {name: figure for name, figure in report.figures.items() if name in DASHBOARD or not brief}
    files = written_into(target / "figures", partial(write_pages, pages))
    files += written_into(target, partial(write_report, report))

    def change(study: Study) -> None:
        # It imports scikit-learn for a second: not before the first trial has finished.
        from optuna_dashboard import get_note, save_note, save_plotly_graph_object

        for name in DASHBOARD:
            if name in report.figures:
                save_plotly_graph_object(study, report.figures[name], graph_object_id=name)
        if is_ours(get_note(study)):
            save_note(study, study_note(report.results, report.conclusion))

    publication.change_dashboard(connection, row.study_id, change)
    return report, files
