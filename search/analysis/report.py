"""The report of a study: one web page that needs nothing beside it, and the same in Markdown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
import yaml

from search import __version__
from search.analysis import (
    account,
    elsewhere,
    evidence,
    health,
    markdown,
    quantities,
    references,
    searched,
    web,
)
from search.analysis.conclusion import conclude
from search.analysis.figures import draw
from search.analysis.findings import Conclusion, HealthWarning
from search.analysis.note import launch_command, progress
from search.analysis.results import Results
from search.study import StudyDefinition

MOST_COMPARISONS = 12  # shown at once; the others are folded away


@dataclass(frozen=True)
class Report:
    """What is told of a study.

    figures: by the name they are published under.
    """

    results: Results
    conclusion: Conclusion
    warnings: Sequence[HealthWarning]
    figures: Mapping[str, go.Figure]


def work_out(results: Results) -> Report:
    """What the results say."""
    conclusion = conclude(results)
    return Report(results, conclusion, health.warnings(results), draw(results, conclusion))


def write_report(report: Report, folder: Path) -> None:
    """Writes report.html and report.md into the folder."""
    facts = _facts(report.results, report.conclusion, report.warnings)
    page = web.page("report.html.j2", facts, report.figures)
    (folder / "report.html").write_text(page, encoding="utf-8")
    text = markdown.page("report.md.j2", facts | {"figures": web.named(report.figures)})
    (folder / "report.md").write_text(text, encoding="utf-8")


def definition_yaml(study: StudyDefinition) -> str:
    """The resolved definition as a study file, every default filled in; without the folder of the data.

    What is searched has no fixed value beside it.
    """
    plain = study.model_dump(mode="json")
    del plain["dataset"]["root"]
    for section in ("training", "model"):
        plain[section] = {name: value for name, value in plain[section].items() if name not in study.space}
    text: str = yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=110)
    return text


def _facts(results: Results, conclusion: Conclusion, warnings: Sequence[HealthWarning]) -> dict[str, Any]:
    study = results.definition
    comparisons = evidence.comparisons(results, conclusion)
    return {
        "study": study,
        "row": results.row,
        "origin": results.row.context.origin,
        "conclusion": conclusion,
        "warnings": warnings,
        "progress": progress(results),
        "judged": _judged(results, conclusion),
        "origin_sentences": _origin(results),
        "noise": _difference(study, conclusion.noise),
        "optimism": _difference(study, conclusion.optimism),
        "levels": evidence.levels(results, conclusion),
        "comparisons": comparisons,
        "most_comparisons": MOST_COMPARISONS,
        "sentences": _sentences(conclusion),
        "runs": evidence.runs(results, conclusion),
        "best": None if results.row.context.origin else evidence.best_trials(results),
        "references": references.table(study),
        "reference_sentences": references.sentences(results, conclusion),
        "other_metrics": elsewhere.other_metrics(results, conclusion),
        "test_sets": elsewhere.data_sets(results, conclusion),
        "classes": elsewhere.classes(results, conclusion),
        "dropped": elsewhere.dropped(results, conclusion),
        "space": searched.space(study),
        "how": searched.how(study),
        "fixed": searched.fixed(study),
        "spent": account.spent(results),
        "time_to_best": account.time_to_best(results, conclusion),
        "pruning": account.pruning(results),
        "failures": account.failures(results),
        "seeds": account.seeds(results),
        "data": account.data(results),
        "splits": account.splits(results),
        "readings": account.readings(results),
        "reading_sentences": _readings(results, conclusion),
        "again": _again(results),
        "command": launch_command(study.name),
        "definition": definition_yaml(study),
        "versions": account.versions(results),
        "now": quantities.moment(datetime.now(UTC)),
        "version": __version__,
    }


def _sentences(conclusion: Conclusion) -> list[str]:
    """Of the comparisons with the best level; the table has the others."""
    best = conclusion.levels[0].name if conclusion.levels else None
    with_best = [each.sentence for each in conclusion.comparisons if best in (each.better, each.worse)]
    return with_best[:MOST_COMPARISONS]


def _difference(study: StudyDefinition, value: float | None) -> str | None:
    if value is None:
        return None
    return f"{quantities.amount(study.objective, value)} {quantities.difference_unit(study.objective)}".strip()


def _judged(results: Results, conclusion: Conclusion) -> str:
    metric = results.definition.objective
    if conclusion.stage == "search":
        items = quantities.counted(results.row.validation_items, "item")
        return f"So far there is only {quantities.measured(metric, 'validation')}, over {items}."
    items = "" if conclusion.items is None else f", over {quantities.counted(conclusion.items, 'item')}"
    return f"It is judged by {quantities.measured(metric, conclusion.judged_on)}{items}."


def _origin(results: Results) -> list[str]:
    origin = results.row.context.origin
    if origin is None:
        return []
    split = "an unknown split" if origin.judged_on == "unknown" else f"the {origin.judged_on} split"
    items = "" if origin.items is None else f" ({quantities.counted(origin.items, 'item')})"
    return [
        f"These results were imported from {origin.source} (SHA-256 {origin.sha256}). Nobody trained them here: "
        f"the values are as they stand there, measured on {split}{items}."
    ]


def _readings(results: Results, conclusion: Conclusion) -> list[str]:
    if results.row.context.origin is not None:
        return ["How often the test split was read to come by these results is not known."]
    if not results.readings:
        return ["No model of this study has been shown the test split."]
    times = "once" if conclusion.readings == 1 else f"{conclusion.readings:,} times"
    return [f"The split that judges was read {times}, by models that were trained and chosen before."]


def _again(results: Results) -> list[str]:
    if results.row.context.origin is not None:
        return ["There is nothing to run: these results were imported."]
    return [
        "The same command with the same definition, data and seeds gives the same trials; numbers agree to the "
        "last bit on the same kind of machine only. The definition below, saved as a file, is a study file, too."
    ]
