"""What confirmed models say in other metrics, of other tasks and of other data sets."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from search.analysis import account, elsewhere, evidence, quantities
from search.analysis.conclusion import conclude
from search.analysis.measures import measured
from search.analysis.report import work_out, write_report
from search.analysis.statistics import spread
from tests.make_affect_results import TASKS, affect


def test_each_test_set_has_its_column_and_the_best_values_their_rows() -> None:
    results = affect("accuracy", elsewhere=True)
    conclusion = conclude(results)
    table = elsewhere.data_sets(results, conclusion)
    assert table.columns == (
        "value",
        "raf_db, test: accuracy (%)",
        "kdef: accuracy (%)",
        "artphoto: accuracy (%)",
    )
    assert [row[0] for row in table.rows] == [level.name for level in conclusion.levels]
    best = conclusion.levels[0].confirmed
    assert best is not None
    values = [measured(results.predictions[ticket].elsewhere[0], "accuracy") for ticket in best.tickets]
    assert table.rows[0][2] == quantities.spread("accuracy", spread(values))


def test_classes_that_a_test_set_lacks_are_empty_and_the_whole_comes_last() -> None:
    results = affect("accuracy", elsewhere=True)
    table = elsewhere.classes(results, conclude(results))
    rows = {row[0]: row[1:] for row in table.rows}
    assert rows["disgust"][4:] == (quantities.ABSENT, quantities.ABSENT)
    assert list(rows)[-1] == "all classes"
    part = next(iter(results.predictions.values())).elsewhere[0]
    assert rows["all classes"][3] == str((part.truth >= 0).sum())
    assert rows["anger"][3] == str((part.truth == 0).sum())


def test_what_was_dropped_is_counted() -> None:
    results = affect("accuracy", elsewhere=True)
    table = elsewhere.dropped(results, conclude(results))
    assert table.rows == (("artphoto", "awe", "102"), ("artphoto", "contentment", "70"))


def test_a_mean_over_tasks_is_no_metric_of_a_set_that_has_fewer() -> None:
    results = affect("abaw_mean", elsewhere=True)
    table = elsewhere.data_sets(results, conclude(results))
    assert table.columns[1:3] == ("raf_db, test: mean ABAW score", "kdef: accuracy (%)")


def test_one_test_set_has_no_section(tmp_path: Path) -> None:
    results = affect("accuracy")
    conclusion = conclude(results)
    tables = (elsewhere.data_sets, elsewhere.classes, elsewhere.dropped)
    assert not any(make(results, conclusion).rows for make in tables)
    write_report(work_out(results), tmp_path)
    assert "On other data sets" not in (tmp_path / "report.md").read_text()


def test_the_report_says_that_other_data_sets_decide_nothing(tmp_path: Path) -> None:
    write_report(work_out(affect("accuracy", elsewhere=True)), tmp_path)
    for page in ("report.html", "report.md"):
        text = (tmp_path / page).read_text()
        assert "On other data sets" in text and "This decides nothing" in text
        assert "kdef" in text and "contentment" in text


def test_other_metrics_are_of_all_tasks() -> None:
    results = affect("abaw_mean")
    conclusion = conclude(results)
    table = elsewhere.other_metrics(results, conclusion)
    named = [row[0] for row in table.rows]
    assert {"accuracy (%)", "mean CCC", "action-unit score"} <= {*named}
    assert "mean ABAW score" not in named and not [name for name in named if "recall" in name]
    assert table.columns == ("metric", *(level.name for level in conclusion.levels))


@pytest.mark.parametrize("objective", TASKS)
def test_other_metrics_before_anything_was_judged(objective: str) -> None:
    results = affect(objective, seeds=0)
    conclusion = conclude(results)
    assert elsewhere.other_metrics(results, conclusion).rows == ()
    assert account.time_to_best(results, conclusion) == ""


def test_what_the_networks_of_one_value_do_not_say_is_empty() -> None:
    """A study may ask which tasks to train together."""
    results = affect("abaw_mean", elsewhere=True)
    silent = {}
    for record in results.confirmed:
        made = results.predictions[record.ticket]
        if record.parameters["depth"] == 2:
            mute = replace(made, predicted=np.full_like(made.predicted, np.nan))
            other = tuple(replace(part, predicted=np.full_like(part.predicted, np.nan)) for part in made.elsewhere)
            made = replace(mute, elsewhere=other)
        silent[record.ticket] = made
    results = replace(results, predictions=silent)
    report = work_out(results)
    table = elsewhere.other_metrics(results, report.conclusion)
    of_depth_2 = table.columns.index("depth (blocks) 2")
    rows = {row[0]: row for row in table.rows}
    assert rows["accuracy (%)"][of_depth_2] == quantities.ABSENT
    assert rows["mean CCC"][of_depth_2] != quantities.ABSENT
    sets = elsewhere.data_sets(results, report.conclusion).rows
    assert next(row for row in sets if row[0] == "depth (blocks) 2")[2:] == (quantities.ABSENT,) * 2
    assert "811 test images" in report.conclusion.answer


def test_the_time_to_the_best_epoch_is_that_of_the_epochs_up_to_it() -> None:
    results = affect("kl")
    conclusion = conclude(results)
    record = next(record for record in results.searched if record.ticket == 3)
    best = min(record.curve, key=record.curve.__getitem__)
    assert evidence.best_epoch(results, record) == best
    assert evidence.seconds_to_best(results, record) == sum(20.0 + epoch for epoch in range(1, best + 1))
    told = account.time_to_best(results, conclusion)
    runs = [run for run in results.confirmed if run.parameters["depth"] == 8]
    epochs = [evidence.best_epoch(results, run) for run in runs]
    assert told.startswith(f"Fresh runs of depth 8 were at their best after {np.mean(epochs):.1f} epochs")
    assert f"({min(epochs)} to {max(epochs)})" in told and told.endswith("a whole run took 2.4 min.")
    only = replace(
        results, records=[r for r in results.records if r.stage == "search" or r.ticket == runs[0].ticket]
    )
    assert "after" in account.time_to_best(only, conclude(only))
