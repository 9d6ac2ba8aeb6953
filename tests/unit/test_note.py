"""The note in the dashboard."""

import pytest

from search.analysis.note import is_ours, launch_command, study_note
from search.store.studies import TrialRecord
from search.study import StudyDefinition
from tests.make_figure_results import HOSTILE, conclusion, results, study, trial


def note(definition: StudyDefinition, records: list[TrialRecord]) -> str:
    return study_note(results(definition, records), conclusion(definition, records, 0)[0])


def test_the_note_says_what_how_far_and_how_to_run_it_again() -> None:
    text = note(study(name="clsfer_depth_lr-quick"), [trial(0), trial(1, "pruned")])
    assert "## How deep?" in text
    assert "2 trials: 1 complete, 1 pruned" in text
    assert "Best: 60, trial 0" in text
    assert "`search launch clsfer_depth_lr --preset quick`" in text
    assert is_ours(text)
    assert is_ours("")
    assert not is_ours("my own")


def test_the_note_has_no_markup_but_its_own() -> None:
    assert note(study(question=HOSTILE), [trial(0)]).splitlines()[0] == (
        r"## \<img src=x onerror=alert(1)\> \$x\$ %\{y\} \*\*bold\*\* \[a\](javascript:alert(1))"
    )


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
