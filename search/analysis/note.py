"""The note that a study carries in optuna-dashboard."""

import re
from collections.abc import Sequence

from search import catalog
from search.analysis.axes import metric_label
from search.analysis.trials import counted, described, named, ranked
from search.store.studies import TrialRecord
from search.study import StudyDefinition

_OURS = "*Kept up to date by search; delete this line to write a note of your own.*"


def study_note(study: StudyDefinition, records: Sequence[TrialRecord]) -> str:
    """What a study asks, how far it is, and how to run it again, in Markdown."""
    complete = ranked(study, [record for record in records if record.state == "complete"])
    best = [
        f"Best: {value:.4g}, {named(trial)}: {literal(described(study, trial))}." for trial, value in complete[:1]
    ]
    counts = counted(records)
    lines = [
        f"## {literal(study.question)}",
        f"Objective: {study.direction} {literal(metric_label(study.objective))}.",
        f"{counts[0].upper()}{counts[1:]}.",
        *best,
        f"To run it again: `{launch_command(study.name)}`",
        _OURS,
    ]
    return "\n\n".join(lines)


def is_ours(note: str) -> bool:
    """Whether a note may be replaced: one that lost its last line is somebody's own."""
    return not note or _OURS in note


def launch_command(name: str) -> str:
    """The command that launches the study of that name."""
    base, version, _ = name.partition("@")
    stem, _, preset = base.rpartition("-")
    shipped = catalog.names("studies")
    if base in shipped:
        command = f"search launch {base}"
    elif stem in shipped:
        command = f"search launch {stem} --preset {preset}"
    else:
        return f"search launch STUDY.yaml --name {name}"
    return f"{command} --name {name}" if version else command


def literal(text: str) -> str:
    """Text as Markdown shows it letter by letter, in one line."""
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", " ".join(text.split()))
