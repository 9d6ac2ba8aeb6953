"""The report of a study, read as a browser and a Markdown renderer would."""

import base64
import hashlib
import random
import re
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt

from search import catalog
from search.analysis import account, evidence, quantities
from search.analysis.evidence import Table
from search.analysis.figures import draw
from search.analysis.findings import Comparison, Conclusion, HealthWarning, Spread
from search.analysis.note import literal
from search.analysis.quantities import ABSENT
from search.analysis.report import MOST_COMPARISONS, Report, definition_yaml, write_report
from search.analysis.results import Results
from search.store.readings import Reading
from search.study import StudyDefinition, load_study
from tests.make_reports import (
    BEGAN,
    HOSTILE,
    make_done,
    make_imported,
    make_record,
    make_row,
    make_searching,
    make_study,
    spread,
)

MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])


class Page(HTMLParser):
    """What stands on a page: its texts in order, its tags, its scripts."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self._inside: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))
        self._inside.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self._inside and self._inside.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if "script" in self._inside:
            self.scripts.append(data)
        elif "style" not in self._inside and data.strip():
            self.texts.append(" ".join(data.split()))

    @property
    def text(self) -> str:
        return " ".join(self.texts)


def write(
    folder: Path,
    results: Results,
    conclusion: Conclusion,
    warnings: Sequence[HealthWarning] = (),
    *,
    figures: bool = False,
) -> tuple[str, str]:
    """The web page and the Markdown."""
    drawn = draw(results, conclusion) if figures else {}
    write_report(Report(results, conclusion, warnings, drawn), folder)
    return (folder / "report.html").read_text(), (folder / "report.md").read_text()


def rendered(markdown: str) -> Page:
    return Page(MARKDOWN.render(markdown))


# What is told


def test_the_first_sentence_answers_the_question(tmp_path: Path) -> None:
    results, conclusion, warnings = make_done()
    html, markdown = write(tmp_path, results, conclusion, warnings)
    for page in (Page(html), rendered(markdown)):
        question = page.texts.index("Does depth help?")
        assert page.texts[question + 1] == conclusion.answer
    assert markdown.splitlines()[:3] == ["# Does depth help?", "", f"**{conclusion.answer}**"]


def test_the_evidence_is_all_there(tmp_path: Path) -> None:
    for page in map(told, write(tmp_path, *make_done())):
        for fact in (
            "80.00 ± 1.00 [77.52, 82.48]",  # fresh runs of depth 8 on test
            "4 (1 infeasible)",
            "9.00 ± 2.30",
            "< 0.001",
            "exact McNemar",
            "All runs share one data split.",
            "The best learning rate is near the edge of its range. 4 of the 5 best are at 1e-2.",
            "spread by 1.00 percentage points",
            "lay 2.00 percentage points above",
            "1e-5 to 0.01, 4 points, log",
            "Hyperband, from epoch 1 to 3, reduction factor 3",
            "1 trial of 8 stopped early: 1 after epoch 1.",
            "the loss is nan at step 12",
            "hash-of-test",
            "fresh runs 101, 102, 103",
            "2026-03-01 11:00 UTC",
            "torch 2.9.0",
            "was read 6 times",
            "search launch STUDY.yaml --name depth_lr",
            "schedule: cosine",
            "18.0 min",
        ):
            assert fact in page, fact


def told(page: str) -> str:
    """The text of a page of either kind."""
    found = Page(page) if page.startswith("<!DOCTYPE") else rendered(page)
    return found.text


def test_a_search_under_way_says_so(tmp_path: Path) -> None:
    running = [
        make_record(0),
        make_record(1, (0.2,), state="running"),
        make_record(2, (), state="waiting", attempt=0, parameters={}, started_at=None, finished_at=None),
    ]
    page = told(write(tmp_path, *make_searching(running, sampler="random", space=SPACE))[0])
    assert "The search goes on: 3 trials: 1 complete, 1 running, 1 waiting." in page
    assert "No model of this study has been shown the test split." in page
    assert "Comparisons" not in page


SPACE = {"depth": {"role": "scientific", "choices": [2, 8]}, "lr": {"role": "nuisance", "low": 1e-5, "high": 1e-2}}


def test_a_study_without_any_trial_has_a_report(tmp_path: Path) -> None:
    page = told(write(tmp_path, *make_searching(), figures=True)[0])
    assert "No trial has begun" in page
    assert "Nothing yet." in page


@pytest.mark.parametrize(
    ("stage", "state", "said"),
    [
        ("search", "paused", "The search is paused: 8 trials"),
        ("search", "stopped", "The search was stopped: 8 trials"),
        ("confirm", "open", "run again with fresh seeds, 6 of 6 so far"),
        ("conclude", "stopped", "6 of 6 so far. The study was stopped."),
    ],
)
def test_each_stage_is_named(tmp_path: Path, stage: Any, state: Any, said: str) -> None:
    results, conclusion, _ = make_done()
    results = replace(results, row=replace(results.row, stage=stage, state=state))
    assert said in told(write(tmp_path, results, conclusion)[0])


def test_imported_results_say_where_they_are_from_and_that_nobody_trained_them_here(tmp_path: Path) -> None:
    for page in map(told, write(tmp_path, *make_imported())):
        assert "imported from 001_lr_model_accuracy.csv" in page
        assert "Nobody trained them here" in page
        assert "measured on the test split (3,068 items)" in page
        assert "best trial on test (%)" in page
        assert "85.40" in page
        assert "There is nothing to run" in page
        assert "search launch" not in page


def test_without_a_test_split_there_is_no_column_for_it(tmp_path: Path) -> None:
    results, conclusion, _ = make_done()
    table = evidence.levels(results, replace(conclusion, judged_on="validation"))
    assert [column for column in table.columns if "test" in column] == []
    page = told(write(tmp_path, results, replace(conclusion, judged_on="validation", items=400))[0])
    assert "judged by accuracy on validation (%), over 400 items" in page


def test_single_runs_have_no_interval() -> None:
    assert quantities.spread("accuracy", Spread((0.8,), 0.8, None, None, None)) == "80.00"
    assert quantities.spread("ccc_mean", spread(0.5, 0.6)).startswith("0.5500 ± 0.0707 [")
    assert quantities.spread("accuracy", None) == quantities.ABSENT


def test_many_comparisons_are_folded_away(tmp_path: Path) -> None:
    results, conclusion, _ = make_done()
    many = tuple(replace(conclusion.comparisons[0], worse=f"value {i}") for i in range(MOST_COMPARISONS + 1))
    html, _ = write(tmp_path, results, replace(conclusion, comparisons=many))
    assert f"All {MOST_COMPARISONS + 1} comparisons" in html
    assert f"Holm&#39;s correction for {MOST_COMPARISONS + 1} comparisons" in html


def test_a_comparison_that_is_not_established_says_what_it_would_take() -> None:
    results, conclusion, _ = make_done()
    unknown = Comparison("a", "b", 0.01, None, None, None, None, None, None, False, 1200, "Not established.")
    table = evidence.comparisons(results, replace(conclusion, comparisons=(unknown,)))
    assert dict(zip(table.columns, table.rows[0], strict=True)) == {
        "better": "a",
        "worse": "b",
        "difference (percentage points)": "1.00",
        "told apart": "no",
        "seeds needed": "1,200",
    }


def test_reasons_are_counted_and_the_last_line_of_each_is_shown() -> None:
    records = [
        make_record(i, (), state="failed", reason="Traceback\n  deep\nCUDA out of memory") for i in range(10)
    ]
    records.append(make_record(10, (), state="failed", reason="x" * 1000))
    study = make_study()
    table = account.failures(Results(make_row(study, records), records, {}, []))
    assert table.rows[0] == ("failed", "CUDA out of memory", "10", "0, 1, 2, 3, 4, 5, 6, 7 and 2 more")
    assert len(table.rows[1][1]) == 300


def test_many_prunings_are_summed_up() -> None:
    records = [
        make_record(i, (0.1,) * (i + 1), state="pruned", reason=f"pruned after epoch {i + 1}") for i in range(20)
    ]
    said = account.pruning(Results(make_row(make_study(), records), records, {}, []))
    assert said == "20 trials of 20 stopped early: after epochs 1 to 20, half of them by epoch 11."


# That it is safe


def test_the_page_needs_no_network_and_only_its_own_scripts_run(tmp_path: Path) -> None:
    html, _ = write(tmp_path, *make_done(), figures=True)
    page = Page(html)
    assert "plotly.js v" in html
    assert not [tag for tag, attributes in page.tags if "src" in attributes or tag in ("link", "iframe", "img")]
    (policy,) = [each["content"] for tag, each in page.tags if tag == "meta" and "http-equiv" in each]
    executed = re.findall("<script>(.*?)</script>", html, re.S)
    hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in executed]
    assert policy is not None
    assert re.findall("'sha256-(.*?)'", policy) == hashes
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe-inline" not in policy.partition("style-src")[0]


def test_text_of_people_is_shown_letter_by_letter(tmp_path: Path) -> None:
    results, conclusion, warnings = make_done(make_study(question=HOSTILE))
    failed = [replace(each, reason=HOSTILE, state="failed", worker=HOSTILE) for each in results.records[:8]]
    records = [*failed, *results.records[8:]]
    levels = (replace(conclusion.levels[0], name=HOSTILE), conclusion.levels[1])
    readings = [Reading(8, 1, HOSTILE, BEGAN, HOSTILE)]
    warnings = [HealthWarning("edge", HOSTILE, HOSTILE)]
    results = replace(results, records=records, readings=readings)
    conclusion = replace(conclusion, answer=HOSTILE, levels=levels, caveats=(HOSTILE,))
    html, markdown = write(tmp_path, results, conclusion, warnings, figures=True)
    for page in (Page(html), rendered(markdown)):
        assert page.texts.count(HOSTILE) >= 5
        assert not [
            tag for tag, each in page.tags if tag == "img" or "onerror" in each or "javascript" in str(each)
        ]


def test_markdown_shows_any_text_letter_by_letter() -> None:
    generator = random.Random(0)
    letters = "ab1 \\`*_{}[]()<>#+-.!|~$&=:/@^\"'"
    for _ in range(1000):
        text = " ".join("".join(generator.choices(letters, k=generator.randint(1, 12))).split())
        if text:
            assert rendered(literal(text)).text == text, text
            assert rendered(f"| a |\n| --- |\n| {literal(text)} |").texts == ["a", text]


def test_code_in_markdown_ends_where_it_should(tmp_path: Path) -> None:
    study = make_study(question="```\n# no heading")
    results, conclusion, _ = make_done(study)
    _, markdown = write(tmp_path, results, conclusion)
    page = rendered(markdown)
    assert [tag for tag, _ in page.tags].count("h1") == 1


def test_the_folder_of_the_data_stays_at_home(tmp_path: Path) -> None:
    for page in write(tmp_path, *make_done()):
        assert "/home/somebody" not in page


# That it can be run again


@pytest.mark.parametrize("study", [*map(load_study, catalog.names("studies"))], ids=lambda study: study.name)
def test_the_definition_is_a_study_file_of_the_same_search(tmp_path: Path, study: StudyDefinition) -> None:
    (tmp_path / "study.yaml").write_text(definition_yaml(study))
    assert load_study(str(tmp_path / "study.yaml")).hash == study.hash


# Tables


def test_columns_of_numbers_are_known() -> None:
    rows = (
        ("a", "1,200", "1.00 ± 0.20", "< 0.001", "80.0 [79.0, 81.0]", "1e-5", "4 (1 infeasible)", "2, 8"),
        ("b", ABSENT, "-3", "0.5", "1", ABSENT, "4", "1e-5 to 0.01, log"),
    )
    numeric = Table(tuple("abcdefgh"), rows).numeric
    assert numeric == (False, True, True, True, True, True, True, False)
