"""What a paper gets: sound LaTeX, sentences that are true, a checklist that claims no more than is known."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from search.analysis import latex, methods
from search.analysis.checklist import checklist
from search.analysis.evidence import Table
from search.analysis.paper import write_paper
from search.analysis.report import Report
from tests.make_reports import HOSTILE, make_done, make_imported, make_record, make_searching, make_study
from tests.tex import Tex

TABLES = ("comparisons.tex", "levels.tex", "space.tex")


def write(folder: Path, made: Any) -> dict[str, str]:
    """The files by name, without pictures."""
    results, conclusion, warnings = (*made, [])[:3]
    write_paper(Report(results, conclusion, warnings, {}), folder)
    return {path.name: path.read_text() for path in sorted(folder.iterdir())}


# LaTeX


def test_every_table_is_sound_latex(tmp_path: Path) -> None:
    files = write(tmp_path, make_done())
    assert [name for name in files if name.endswith(".tex")] == [*TABLES[:2], "methods.tex", TABLES[2]]
    for name in TABLES:
        tex = Tex(files[name])
        assert tex.environments == ["table", "tabular"]
        assert [tex.commands.count(rule) for rule in ("toprule", "midrule", "bottomrule")] == [1, 1, 1]
        assert len({len(row) for row in tex.rows}) == 1
        assert len(tex.rows[0]) == len(tex.columns)
    assert r"\label{tab:depth-lr-levels}" in files["levels.tex"]
    assert r"80.00 \ensuremath{\pm} 1.00 {[}77.52, 82.48]" in files["levels.tex"]
    assert r"\textless{} 0.001" in files["comparisons.tex"]


def test_text_of_people_is_set_letter_by_letter(tmp_path: Path) -> None:
    results, conclusion, warnings = make_done(make_study(model={"name": "clsfer", "block": HOSTILE}))
    levels = tuple(replace(level, name=f"{HOSTILE} {i}") for i, level in enumerate(conclusion.levels))
    compared = replace(conclusion.comparisons[0], better=HOSTILE, items_test=HOSTILE)
    conclusion = replace(conclusion, levels=levels, comparisons=(compared,))
    files = write(tmp_path, (results, conclusion, warnings))
    for name in (*TABLES, "methods.tex"):
        tex = Tex(files[name])
        assert not {"input", "etc"} & {*tex.commands}
    assert Tex(files["comparisons.tex"]).text.count(HOSTILE.replace('"', "''")) == 2


@pytest.mark.parametrize(
    "text", [HOSTILE, "a--b---c", "[x]", "*", "50 % ± 3", "naïve\x00\u202ebidi", "…\N{EN DASH}"]
)
def test_any_text_comes_back_from_latex(text: str) -> None:
    printable = "".join(letter for letter in text if letter.isprintable())
    assert Tex(latex.literal(text)).text == printable


def test_a_table_without_a_heading_has_no_rule_for_it() -> None:
    text = latex.table(Table(("", ""), (("a", "1"),)), "Facts.", "tab:facts")
    assert "midrule" not in Tex(text).commands
    assert Tex(text).columns == "lr"


# Methods


def test_the_methods_name_all_that_was_done() -> None:
    told = " ".join(methods.sentences(*make_done()[:2]))
    for fact in (
        "clsfer on synthetic_faces, with images of 48 x 48 pixels",
        "3,600 items for train, 400 items for validation and 300 items for test",
        "by accuracy on the validation split alone (400 items)",
        "depth (blocks) (2, 8; scientific) and learning rate (1e-5 to 0.01, 4 points, log; nuisance)",
        "In 8 trials of at most 3 epochs",
        "Hyperband, from epoch 1 to 3, reduction factor 3",
        "1 diverged or failed",
        "3 fresh seeds",
        "the test split was read 6 times in all",
        "Welch's t test over seeds, by exact McNemar over the items of the test split, and by a t test",
        "fresh runs, 18 epochs in 18.0 min",
        "python 3.11.7",
    ):
        assert fact in told, fact


def test_the_methods_of_a_search_claim_nothing_that_was_not_done() -> None:
    told = " ".join(methods.sentences(*make_searching([make_record(0)])))
    assert "No configuration has been trained again" in told
    assert "test split was read" not in told
    assert "Welch" not in told


@pytest.mark.parametrize("sampler", ["grid", "sobol", "random", "tpe", "gp"])
def test_every_sampler_has_its_words(sampler: str) -> None:
    space = {"lr": {"role": "nuisance", "choices": [1e-4, 1e-3]}}
    results, conclusion = make_searching([make_record(0, parameters={"lr": 1e-4})], sampler=sampler, space=space)
    assert "(seed 0)" in " ".join(methods.sentences(results, conclusion))


def test_the_methods_of_an_import_leave_to_the_authors_what_only_they_know() -> None:
    told = " ".join(methods.sentences(*make_imported()))
    assert "imported from 001_lr_model_accuracy.csv" in told
    assert "We trained" not in told


# The checklist


def test_the_checklist_answers_what_is_known_and_leaves_the_rest(tmp_path: Path) -> None:
    text = write(tmp_path, make_done())["checklist.md"]
    assert len(re.findall(r"^- \[[ x]\]", text, re.M)) == 21
    assert (
        "- [x] The exact number of training and evaluation runs: 8 trials of the search, 6 fresh runs, 6 readings"
        in text
    )
    assert "- [ ] A description of the computing infrastructure: for you to say." in text
    assert "hash-of-test" in text


@pytest.mark.parametrize("made", [make_imported(), make_searching()], ids=["imported", "searching"])
def test_what_was_not_done_is_not_ticked(made: Any) -> None:
    items = {item.asked: item.answer for section in checklist(*made).values() for item in section}
    assert items["Results with central tendency and variation"] is None
    assert items["The average runtime of each result, or the estimated energy"] is None


def test_an_import_ticks_nothing_that_only_its_authors_know() -> None:
    results, conclusion = make_imported()
    assert [item for items in checklist(results, conclusion).values() for item in items if item.answer] == []
