"""Results from elsewhere, as lines in figures and in the report."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from search.analysis import references
from search.analysis.best_of_n import best_of_n
from search.analysis.conclusion import conclude
from search.analysis.isolation import isolation
from search.analysis.learning_curves import learning_curves
from search.analysis.report import work_out, write_report
from search.study.definition import Reference
from tests.make_affect_results import affect
from tests.make_figure_results import HOSTILE, many, study, trial


def reference(value: float, **changes: Any) -> dict[str, Any]:
    made = {"label": "SCN", "dataset": "synthetic_faces", "metric": "accuracy", "value": value, "split": "test"}
    return made | {"source": "a paper", "verified": True} | changes


def lines(figure: Any) -> list[float]:
    return [shape.y0 for shape in figure.layout.shapes]


def texts(figure: Any) -> list[str]:
    return [annotation.text for annotation in figure.layout.annotations]


def test_only_the_studys_own_data_set_and_objective_are_drawn() -> None:
    asked = study(
        references=[
            reference(0.62, label="SCN"),
            reference(0.61, dataset="fer_plus"),
            reference(0.6, metric="macro_f1"),
        ]
    )
    figure = learning_curves(asked, [trial(0, curve=(0.4, 0.7))])
    assert figure is not None
    assert lines(figure) == [62]
    assert texts(figure) == ["SCN 62 &#37; (test)"]
    without = learning_curves(study(), [trial(0, curve=(0.4, 0.7))])
    assert without is not None and not without.layout.shapes and without.layout.yaxis.range is None


def test_what_was_not_verified_is_said_to_be() -> None:
    assert references.label(Reference(**reference(0.8703, verified=False))) == "SCN 87.03 % (test, not verified)"
    of_ccc = reference(0.469, metric="ccc_valence", split="unknown")
    assert references.label(Reference(**of_ccc)) == "SCN 0.469 (unknown split)"


def test_a_line_far_outside_is_told_of_and_squashes_nothing() -> None:
    asked = study(references=[reference(0.98, label="far"), reference(0.72, label="near")])
    figure = learning_curves(asked, [trial(0, curve=(0.6, 0.7))])
    assert figure is not None
    assert lines(figure) == [72]
    low, high = figure.layout.yaxis.range
    assert low < 60 and 72 < high < 76
    assert "far outside, and not drawn: far 98 % (test)" in figure.layout.meta["caption"]


def test_lines_close_to_each_other_share_a_place_for_their_labels() -> None:
    close = [reference(0.7205, label="POSTER"), reference(0.7221, label="POSTER++"), reference(0.65, label="SCN")]
    figure = learning_curves(study(references=close), [trial(0, curve=(0.4, 0.7))])
    assert figure is not None
    assert len(lines(figure)) == 3
    assert texts(figure) == ["SCN 65 &#37; (test)", "POSTER++ 72.21 &#37; (test)<br>POSTER 72.05 &#37; (test)"]


def test_every_figure_of_the_objective_has_them_and_hostile_labels_stay_text() -> None:
    asked = study(references=[reference(0.7, label=HOSTILE[:40])])
    trials = many(asked, 30, 10)
    figures = learning_curves(asked, trials), best_of_n(asked, trials), isolation(asked, trials, _levels(asked))
    for figure in figures:
        assert figure is not None
        assert lines(figure) == [70]
        assert "<img" not in texts(figure)[0] and "$" not in texts(figure)[0]


def _levels(asked: Any) -> Any:
    from tests.make_figure_results import conclusion

    return conclusion(asked, many(asked, 30, 10), seeds=3)[0].levels


@pytest.mark.parametrize(
    ("value", "said"),
    [(0.1, "that reaches SCN"), (0.99, "it does not reach SCN"), (None, "within its interval lies SCN")],
)
def test_the_report_says_plainly_whether_the_study_reaches_them(
    value: float | None, said: str, tmp_path: Path
) -> None:
    judged = conclude(affect("ccc_mean")).levels[0].confirmed
    assert judged is not None and judged.judged is not None
    of_raf = reference(value or judged.judged.mean, dataset="raf_db", metric="ccc_mean", verified=False)
    results = affect("ccc_mean", references=[of_raf, reference(0.6, metric="mse")])
    write_report(work_out(results), tmp_path)
    for page in ("report.html", "report.md"):
        text = (tmp_path / page).read_text()
        assert said in text
        assert "t be compared like for like, and no difference is claimed." in text
        assert "mean squared error" in text and "Results from elsewhere" in text
    table = references.table(results.definition)
    assert table.rows[0][:2] == ("SCN", "raf_db") and table.rows[0][5] == "no"
    assert "Held against the study" in table.notes[1]


def test_where_less_is_better_less_is_reached() -> None:
    results = affect("kl", references=[reference(0.5, dataset="raf_db", metric="kl")])
    assert "that reaches SCN 0.5 (test)" in references.sentences(results, conclude(results))[0]


def test_nothing_is_said_of_what_was_not_judged() -> None:
    results = affect("kl", seeds=0, references=[reference(0.5, dataset="raf_db", metric="kl")])
    assert "Nothing of this study has been judged yet" in references.sentences(results, conclude(results))[0]
    assert references.sentences(affect("kl"), conclude(affect("kl"))) == []


def test_a_reference_names_a_metric_there_is() -> None:
    with pytest.raises(ValidationError, match="no metric is named 'acuracy'; there are: accuracy,"):
        Reference(**reference(0.5, metric="acuracy"))
