"""The note that a study carries in optuna-dashboard, and what is said of a study beside its numbers."""

import re
from typing import TYPE_CHECKING

from search import catalog
from search.analysis import quantities
from search.analysis.axes import metric_label
from search.analysis.findings import Conclusion
from search.analysis.report_server import PREFIX
from search.analysis.trials import counted, described, named, ranked

if TYPE_CHECKING:
    from search.analysis.results import Results

_OURS = "*Kept up to date by search; delete this line to write a note of your own.*"

# What Markdown, or GitHub's kind of it, may take for markup: these anywhere, those where a line starts.
_MARKUP = re.compile(r"[\\`*_{}\[\]<>|~$&#!@^]|(?<=:)/|(?<=www)\.")
_START = re.compile(r"^(\d*)([-+.)])(?=[\s-]|$)")


def study_note(results: "Results", conclusion: Conclusion) -> str:
    """What a study asks, what is found, how far it is, and how to run it again, in Markdown."""
    study = results.definition
    complete = ranked(study, [record for record in results.searched if record.state == "complete"])
    measure = metric_label(study.objective, results.searched_on)
    best = [
        f"Best: {value:.4g} in {named(trial)}, {measure}: {described(study, trial)}."
        for trial, value in complete[:1]
    ]
    command = launch_command(study.name)
    lines = [
        f"## {literal(study.question)}",
        f"**{literal(conclusion.answer)}**",
        literal(progress(results)),
        *map(literal, best),
        f"[The report, with the evidence]({PREFIX}{study.name})",
        *([] if results.row.context.origin else [f"To run it again: `{command}`"]),
        _OURS,
    ]
    return "\n\n".join(lines)


def is_ours(note: str) -> bool:
    """Whether a note may be replaced: one that lost its last line is somebody's own."""
    return not note or _OURS in note


def progress(results: "Results") -> str:
    """How far the study is, in a sentence or two."""
    row = results.row
    if row.context.origin is not None:
        return f"{quantities.counted(len(results.searched), 'imported result')}."
    if row.stage == "search":
        goes_on = {"paused": "The search is paused", "stopped": "The search was stopped"}
        return f"{goes_on.get(row.state, 'The search goes on')}: {counted(results.searched)}."
    waits = {"paused": " The study is paused.", "stopped": " The study was stopped."}.get(row.state, "")
    runs = [record for record in results.records if record.stage == row.stage]
    ended = sum(record.state in ("complete", "pruned", "failed") for record in runs)
    share = f"{ended:,} of {len(runs):,}"
    match row.stage:
        case "confirm":
            searched = counted(results.searched)
            return (
                f"The best configurations are run again with fresh seeds, {share} so far, after {searched}.{waits}"
            )
        case "conclude":
            return f"The models of the fresh runs are read on the split that judges, {share} so far.{waits}"
        case _:
            fresh = (
                quantities.counted(len(results.confirmed), "fresh run") if results.confirmed else "no fresh runs"
            )
            return f"The study is done: {counted(results.searched)}; {fresh}."


def launch_command(name: str) -> str:
    """The command that launches the study of that name."""
    base, at, number = name.partition("@")
    version = f"{at}{number}"
    stem, _, preset = base.rpartition("-")
    shipped = catalog.names("studies")
    if base in shipped:
        command = f"search launch {base}"
    elif stem in shipped:
        command = f"search launch {stem} --preset {preset}"
    else:
        return _campaign_command(base, version) or f"search launch STUDY.yaml --name {name}"
    return f"{command} --name {name}" if version else command


def _campaign_command(base: str, version: str) -> str | None:
    """The command for a step of a shipped campaign, such as `clsfer-quick-2-eps`."""
    for name in catalog.names("campaigns"):
        step = re.fullmatch(rf"({name}(?:-(\w+))?)-\d+-[\w-]+", base)
        if step:
            preset = f" --preset {step[2]}" if step[2] else ""
            return f"search campaign launch {name}{preset}{f' --name {step[1]}{version}' if version else ''}"
    return None


def literal(text: str) -> str:
    """Text as Markdown shows it letter by letter, in one line."""
    line = _MARKUP.sub(r"\\\g<0>", " ".join(text.split()))
    return _START.sub(r"\1\\\2", line)
