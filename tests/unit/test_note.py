"""The note that a study carries in the dashboard."""

from dataclasses import replace

import pytest

from search.analysis.note import is_ours, launch_command, study_note
from tests.make_reports import HOSTILE, make_done, make_imported, make_record, make_searching, make_study


def test_the_note_answers_and_says_how_far_the_study_is_and_where_its_report_is() -> None:
    results, conclusion, _ = make_done(make_study(name="clsfer_depth_lr-quick"))
    note = study_note(results, conclusion).split("\n\n")
    assert note == [
        "## Does depth help?",
        f"**{conclusion.answer}**",
        "The study is done: 8 trials: 6 complete, 2 pruned; 6 fresh runs.",
        "Best: 60 in trial 5, accuracy on validation (%): depth (blocks) 8, learning rate 1e-4.",
        "[The report, with the evidence](/reports/clsfer_depth_lr-quick)",
        "To run it again: `search launch clsfer_depth_lr --preset quick`",
        "*Kept up to date by search; delete this line to write a note of your own.*",
    ]


def test_the_note_of_a_search_under_way_has_a_report_too() -> None:
    note = study_note(*make_searching([make_record(0), make_record(1, (0.2,), state="pruned")]))
    assert "The search goes on: 2 trials: 1 complete, 1 pruned." in note
    assert "(/reports/depth_lr)" in note


def test_imported_results_can_not_be_run_again() -> None:
    assert "search launch" not in study_note(*make_imported())


def test_a_note_is_ours_until_its_last_line_is_deleted() -> None:
    note = study_note(*make_searching())
    assert is_ours(note)
    assert is_ours("")
    assert not is_ours("my own")
    assert not is_ours(note.rpartition("\n\n")[0])


def test_the_note_has_no_markup_but_its_own() -> None:
    results, conclusion = make_searching(question=HOSTILE)
    lines = study_note(results, replace(conclusion, answer=HOSTILE)).splitlines()
    assert lines[0].startswith(r"## \<img src=x onerror=alert(1)\> \$x\$ %\{y\} \*\*bold\*\* \[a\](javascript")
    assert lines[2].startswith(r"**\<img")


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("clsfer_lr", "search launch clsfer_lr"),
        ("clsfer_lr-quick", "search launch clsfer_lr --preset quick"),
        ("clsfer_lr-quick@2", "search launch clsfer_lr --preset quick --name clsfer_lr-quick@2"),
        ("mine", "search launch STUDY.yaml --name mine"),
    ],
)
def test_a_study_is_launched_by_its_name(name: str, command: str) -> None:
    assert launch_command(name) == command
