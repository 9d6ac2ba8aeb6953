"""What a paper needs of a study: vector figures, LaTeX tables, a methods paragraph, a checklist."""

import re
import textwrap
from pathlib import Path

from markupsafe import Markup

from search.analysis import elsewhere, evidence, latex, markdown, methods, quantities, references, searched
from search.analysis.checklist import SOURCE, checklist
from search.analysis.evidence import Table
from search.analysis.note import literal
from search.analysis.pictures import write_pictures
from search.analysis.report import Report

_WIDTH = 115


def write_paper(report: Report, folder: Path) -> None:
    """Writes tables in LaTeX, which docs/reports.md names, methods.tex, methods.md, checklist.md, and the figures.

    Figures are PDF and SVG, and left out where no Chrome or Chromium is found. A table without a row is left out.
    """
    for name, (table, caption) in _tables(report).items():
        if table.rows:
            text = latex.table(table, caption, f"tab:{_label(report.results.row.name)}-{name}")
            (folder / f"{name}.tex").write_text(text, encoding="utf-8")
    told = methods.sentences(report.results, report.conclusion)
    for file, escaped in {"methods.md": map(literal, told), "methods.tex": map(latex.literal, told)}.items():
        paragraph = textwrap.fill(" ".join(escaped), _WIDTH, break_long_words=False, break_on_hyphens=False)
        (folder / file).write_text(f"{paragraph}\n", encoding="utf-8")
    facts = {
        "study": report.results.definition,
        "source": Markup(SOURCE),  # noqa: S704 - an address of ours, whole
        "sections": checklist(report.results, report.conclusion),
    }
    (folder / "checklist.md").write_text(markdown.page("checklist.md.j2", facts), encoding="utf-8")
    write_pictures(report.figures, folder)


def _tables(report: Report) -> dict[str, tuple[Table, str]]:
    results, conclusion = report.results, report.conclusion
    measure = quantities.measured(results.definition.objective, conclusion.judged_on)
    return {
        "levels": (evidence.levels(results, conclusion), "What was found for each value."),
        "comparisons": (evidence.comparisons(results, conclusion), f"Comparisons of {measure}."),
        "other-metrics": (
            elsewhere.other_metrics(results, conclusion),
            f"Other metrics on {conclusion.judged_on}, by which nothing was chosen.",
        ),
        "data-sets": (
            elsewhere.data_sets(results, conclusion),
            "Test splits of other data sets, which decide nothing.",
        ),
        "classes": (
            elsewhere.classes(results, conclusion),
            f"Accuracy within each class: {conclusion.levels[0].name if conclusion.levels else ''}.",
        ),
        "references": (references.table(results.definition), "Results from elsewhere."),
        "space": (searched.space(results.definition), "What was searched."),
    }


def _label(name: str) -> str:
    return re.sub("[^A-Za-z0-9-]", "-", name)
