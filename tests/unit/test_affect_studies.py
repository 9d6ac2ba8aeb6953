"""Studies whose objective is no accuracy: what is said and drawn of them."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest

from search.analysis import wording
from search.analysis.paper import write_paper
from search.analysis.report import Report, work_out, write_report
from search.tasks import METRIC_DIRECTIONS
from tests.make_affect_results import TASKS, affect

CLASSIFYING = {"accuracy", "recall_disgust", "kl", "chebyshev", "abaw_mean"}
NAMES = re.compile(rf"\b({'|'.join(name for name in METRIC_DIRECTIONS if '_' in name)})\b")


@pytest.fixture(scope="module", params=TASKS)
def report(request: pytest.FixtureRequest) -> Report:
    return work_out(affect(request.param))


def objective(report: Report) -> str:
    return report.results.definition.objective


def test_the_better_value_wins_whichever_way_is_better(report: Report) -> None:
    """Depth 8 is the best one of all that were made up."""
    assert report.conclusion.levels[0].values["depth"] == 8
    assert report.conclusion.answer.startswith("Depth 8 beats")
    unit = "points" if objective(report).startswith(("acc", "recall")) else wording.named(objective(report))
    assert unit in report.conclusion.answer


def test_a_confusion_is_drawn_of_classifiers_alone(report: Report) -> None:
    classes = {"confusion-matrix", "class-accuracy"} & report.figures.keys()
    assert bool(classes) == (objective(report) in CLASSIFYING)
    assert {"isolation", "learning-curves", "best-of-n", "slices", "contour"} <= report.figures.keys()


def test_the_best_is_the_least_where_less_is_better(report: Report) -> None:
    best = trace(report.figures["learning-curves"], lambda name: name.startswith("best"))
    others = [each.y for each in report.figures["learning-curves"].data if each.mode == "lines"]
    ends = min if report.results.definition.direction == "minimize" else max
    assert ends(best.y) == ends(float(ends(values)) for values in [best.y, *others])
    expected = trace(report.figures["best-of-n"], lambda name: name == "expected").y
    rises = bool(np.all(np.diff(expected) >= 0))
    assert rises == (report.results.definition.direction == "maximize")
    label = report.figures["learning-curves"].layout.yaxis.title.text
    assert ("lower is better" in label.replace("<br>", " ")) == (not rises)


def trace(figure: go.Figure, named: Any) -> Any:
    return next(each for each in figure.data if each.name and named(each.name))


def test_metrics_are_said_in_words(report: Report, tmp_path: Path) -> None:
    """Their names in programs stand in the definition alone."""
    write_report(report, tmp_path)
    told = (tmp_path / "report.md").read_text().replace("\\_", "_").split("The definition, every default")[0]
    assert not NAMES.findall(told)
    assert wording.named(objective(report)) in told


def test_a_paper_has_the_other_metrics_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("search.analysis.paper.write_pictures", lambda figures, folder: None)
    write_paper(work_out(affect("abaw_mean", elsewhere=True)), tmp_path)
    table = (tmp_path / "other-metrics.tex").read_text()
    assert "mean CCC &" in table and r"\label{tab:depth-lr-other-metrics}" in table
    assert "kdef" in (tmp_path / "data-sets.tex").read_text()
    assert "disgust" in (tmp_path / "classes.tex").read_text()
    assert not (tmp_path / "references.tex").exists()
