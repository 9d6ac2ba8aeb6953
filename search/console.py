"""How things look on a terminal: tables, bars, and plain JSON for scripts."""

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rich.console import Console, Group, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column, Table
from rich.text import Text

from search.analysis.axes import metric_scale
from search.analysis.pruning import Audit, Correlation, pruner_words
from search.data import About
from search.store.imports import ImportedStudy
from search.store.records import StudyRow, TrialRecord
from search.store.workers import WorkerRecord
from search.study import StudyDefinition
from search.tasks import turned

if TYPE_CHECKING:
    from search.training.survey import Survey

STATE_STYLES = {"complete": "green", "pruned": "yellow", "failed": "red", "running": "cyan", "waiting": "dim"}

_MOST_WINNERS = 5  # that are named

terminal = Console(highlight=False)


def show(renderable: RenderableType) -> None:
    terminal.print(renderable)


def show_json(value: Any) -> None:
    """One JSON text on standard output; dates as ISO 8601."""
    print(json.dumps(value, default=_isoformat, indent=2))


@contextmanager
def progress_bar(title: str) -> Iterator[Callable[[int, int], None]]:
    """A bar to be called with (done, total); nothing where standard output is no terminal."""
    columns = [TextColumn(title), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()]
    with Progress(*columns, console=terminal, transient=True, disable=not terminal.is_terminal) as progress:
        task = progress.add_task(title, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def best_trial(row: StudyRow, trials: Sequence[TrialRecord]) -> TrialRecord | None:
    """The search's complete trial with the best objective on the validation split; the earliest of equals."""
    complete = [
        trial
        for trial in trials
        if trial.stage == "search" and trial.state == "complete" and trial.value is not None
    ]
    objective = row.definition.objective
    return max(complete, key=lambda trial: (turned(objective, trial.value or 0.0), -trial.ticket), default=None)


def definition_table(definition: StudyDefinition) -> RenderableType:
    tickets = definition.tickets()
    facts = {
        "study": definition.name,
        "question": definition.question,
        "data set": f"{definition.dataset.name} at {definition.dataset.image_size} px",
        "model": definition.model.name,
        "objective": f"{definition.direction} {definition.objective} on the validation split",
        "search": f"{definition.sampler}, {len(tickets)} trials of {definition.training.epochs} epochs",
        "pruner": definition.pruner.name,
        "hash": definition.hash[:16],
    }
    facts |= {f"{parameter.role} {name}": _domain(parameter) for name, parameter in definition.space.items()}
    return fact_table(facts)


def study_table(rows: list[StudyRow]) -> RenderableType:
    if not rows:
        return "no studies yet; start with `search launch clsfer_depth_lr --preset quick`"
    table = Table("study", "state", "done", "pruned", "failed", "running", "waiting", box=None, pad_edge=False)
    for row in rows:
        counts = [str(row.counts.get(state, 0)) for state in ("pruned", "failed", "running", "waiting")]
        table.add_row(
            Text(row.name), "done" if row.is_done else row.state, str(row.counts.get("complete", 0)), *counts
        )
    return table


def worker_table(there: list[WorkerRecord], *, lease_seconds: float) -> RenderableType:
    """Who works where, and on what. lease_seconds: after which a worker that was not heard of counts as silent."""
    if not there:
        return "no workers; start one with `search worker`"
    return fact_table({each.worker: _activity(each, lease_seconds) for each in there})


def status_table(
    row: StudyRow, trials: Sequence[TrialRecord], there: Sequence[WorkerRecord] = (), *, answer: str | None = None
) -> RenderableType:
    """there: the workers that train the study now. answer: to the study's question, where it was worked out."""
    best = best_trial(row, trials)
    facts = {
        "study": row.name,
        "question": row.definition.question,
        **({"answer": answer} if answer else {}),
        "state": "done" if row.is_done else f"{row.state}, {row.stage}",
    }
    for stage, counts in row.stage_counts.items():
        facts[stage] = ", ".join(f"{count} {state}" for state, count in sorted(counts.items()))
    facts |= {
        "epochs": f"{row.epochs} in {duration(row.seconds)} of training",
    }
    if best is not None:
        facts["best"] = f"{row.definition.objective} {best.value:.4f} in trial {best.ticket}: {parameters(best)}"
        if row.validation_items and metric_scale(row.definition.objective) > 1:  # a share of them
            facts["noise"] = _noise(row, trials, best.value or 0.0)
    places = {each.worker: f"{each.worker} ({each.host}, {each.device})" for each in there}
    for trial in trials:
        if trial.state == "running":
            step = "" if trial.progress_at is None else f", last step {_ago(trial.progress_at)} ago"
            facts[f"trial {trial.ticket}"] = (
                f"on {places.get(trial.worker or '', trial.worker)}, epoch {trial.epoch or 0}, attempt "
                f"{trial.attempt}{step}: {parameters(trial)}"
            )
    for trial in trials:
        for retry in trial.retries:
            reason = (retry.reason or "").strip().splitlines()[-1:]
            facts[f"trial {trial.ticket}, attempt {retry.attempt}"] = (
                f"{retry.outcome} on {retry.worker}: {''.join(reason)}"
            )
    return fact_table(facts)


def trial_table(row: StudyRow, trials: list[TrialRecord]) -> RenderableType:
    names = list(row.definition.space)
    table = Table(
        "trial",
        "stage",
        "state",
        row.definition.objective,
        "epochs",
        *names,
        "took",
        "reason",
        box=None,
        pad_edge=False,
    )
    for trial in trials:
        value = "" if trial.value is None else f"{trial.value:.4f}"
        reason = (trial.reason or "").strip().splitlines()[-1:]
        table.add_row(
            str(trial.ticket),
            trial.stage,
            Text(trial.state, style=STATE_STYLES[trial.state]),
            value,
            str(len(trial.curve)),
            *(number(trial.parameters[name]) if name in trial.parameters else "" for name in names),
            duration(trial.seconds),
            Text("".join(reason)),
        )
    return table


def import_table(study: ImportedStudy, *, is_new: bool) -> RenderableType:
    """is_new: whether the store did not have it."""
    origin = study.origin
    on = "an unknown split" if origin.judged_on == "unknown" else f"the {origin.judged_on} split"
    facts = {
        "study": study.definition.name + ("" if is_new else ", which was there already"),
        "question": study.definition.question,
        "trials": f"{len(study.trials)} from {origin.source}",
        "measured": f"{study.definition.objective} on {on}, {origin.items or 'an unknown number of'} items",
    }
    return fact_table(facts | {f"note {i}": note for i, note in enumerate(origin.notes, start=1)})


def audit_tables(found: Audit) -> RenderableType:
    """What each pruner would have done, how ranks come about, and what follows."""
    winners = ", ".join(f"trial {ticket}" for ticket in found.winners[:_MOST_WINNERS])
    more = len(found.winners) - _MOST_WINNERS
    facts = {
        "learning curves": f"{found.full} full, {found.cut} that end early",
        "winners": (winners or "none") + (f" and {more} more" if more > 0 else ""),
    }
    pruners = Table(
        Column("pruner", no_wrap=True), "saved", "stopped", "winners stopped", box=None, pad_edge=False
    )
    for replay in found.replays:
        name = f"{pruner_words(replay.pruner)}{' (its own)' if replay.own else ''}"
        killed = f"{len(replay.killed)} of {replay.winners}"
        pruners.add_row(Text(name), f"{replay.saved:.0%}", str(replay.stopped), killed)
    ranks = Table("epoch", "rank correlation with the end", "curves", box=None, pad_edge=False)
    for correlation in _spread(found.correlations):
        ranks.add_row(str(correlation.epoch), f"{correlation.rank:.2f}", str(correlation.curves))
    parts: list[RenderableType] = [fact_table(facts)]
    parts += ["", pruners] if found.replays else []
    parts += ["", ranks] if found.correlations else []
    return Group(*parts, "", Text(found.recommendation), *(Text(caveat, style="dim") for caveat in found.caveats))


def dataset_table(abouts: Mapping[str, About]) -> RenderableType:
    """What each data set is, its terms and how one gets it, by name."""
    table = Table(Column(), Column(overflow="fold"), box=None, show_header=False, pad_edge=False)
    for name, about in abouts.items():
        table.add_row(Text(name, style="bold"), Text(about.summary))
        table.add_row(Text("terms", style="dim"), Text(about.terms))
        table.add_row(Text("access", style="dim"), Text(about.access))
        table.add_row("", "")
    return table


def survey_tables(found: "Survey") -> RenderableType:
    """Counts by class and split, the data set's notes, every unreadable file and every duplicate across splits."""
    counts = Table("class", *found.splits, box=None, pad_edge=False)
    for name in found.classes:
        counts.add_row(Text(name), *(str(split.counts.get(name, 0)) for split in found.splits.values()))
    counts.add_row("without a label", *(str(split.unlabelled) for split in found.splits.values()))
    counts.add_row("all", *(str(split.items) for split in found.splits.values()), style="bold")
    lines: list[RenderableType] = [counts, *map(Text, found.notes)]
    for name, split in found.splits.items():
        if split.groups is not None:
            lines.append(f"{name}: {split.groups} subjects or sequences")
        if split.sizes is not None:
            width, height = (" to ".join(map(str, side[::2])) for side in (split.sizes.width, split.sizes.height))
            lines.append(f"{name}: {width} pixels wide, {height} high; {split.sizes.not_square} not square")
        lines += [Text(f"{name}: {item}: {reason}", style="red") for item, reason in split.unreadable.items()]
    for duplicate in found.duplicates:
        places = "; ".join(f"{name}: {', '.join(items)}" for name, items in duplicate.items())
        lines.append(Text(f"the same image in {places}", style="yellow"))
    return Group(*lines)


def fact_table(facts: dict[str, Any]) -> RenderableType:
    table = Table(box=None, show_header=False, pad_edge=False)
    for key, value in facts.items():
        table.add_row(Text(key, style="dim"), Text(str(value)))
    return table


def side_by_side(
    heads: Sequence[str], rows: Iterable[tuple[str, ...]], sentences: Sequence[str]
) -> RenderableType:
    """Two columns of facts with their names before them, and sentences below."""
    table = Table("", *heads, box=None, pad_edge=False)  # names of studies hold no markup
    for name, *texts in rows:
        table.add_row(Text(name, style="dim"), *map(Text, texts))
    return Group(table, Text(), *map(Text, sentences))


def parameters(trial: TrialRecord) -> str:
    return ", ".join(f"{name} {number(value)}" for name, value in trial.parameters.items())


def number(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def _activity(worker: WorkerRecord, lease_seconds: float) -> str:
    facts = [worker.host, worker.device, f"search {worker.code_version}"]
    if worker.ended_at is None and worker.seconds_silent > lease_seconds:
        facts.append(f"silent for {duration(worker.seconds_silent)}")
    if worker.study is not None:
        facts.append(f"trains {worker.study}, trial {worker.trial}, epoch {worker.epoch or 0}")
        facts.append(f"attempt {worker.attempt}")
    else:
        facts.append("idle" if worker.ended_at is None else "ended")
    if worker.progress_at is not None:
        facts.append(f"last step {_ago(worker.progress_at)} ago")
    return "; ".join([", ".join(facts), *([worker.note] if worker.note else [])])


def _ago(moment: datetime) -> str:
    return duration(max(0.0, (datetime.now(UTC) - moment).total_seconds()))


def _spread(correlations: Sequence[Correlation]) -> list[Correlation]:
    """At most a dozen, the last one among them."""
    step = math.ceil(len(correlations) / 12)
    return list(correlations[::-1][:: step or 1])[::-1]


def _noise(row: StudyRow, trials: Sequence[TrialRecord], best: float) -> str:
    """The binomial standard error, exact for accuracy and a guide for the rest, and the trials within it."""
    error = math.sqrt(best * (1 - best) / row.validation_items)
    values = [trial.value for trial in trials if trial.stage == "search" and trial.state == "complete"]
    near = sum(value is not None and abs(best - value) <= error for value in values) - 1
    split = row.context.origin.judged_on if row.context.origin else "validation"
    return (
        f"one standard error is {error:.4f} ({row.validation_items} {split} images, one seed); "
        f"{near} other complete {'trial lies' if near == 1 else 'trials lie'} within it"
    )


def _domain(parameter: Any) -> str:
    values = parameter.values()
    if values:
        return ", ".join(map(number, values))
    domain = parameter.domain()
    return f"{number(domain.low)} to {number(domain.high)}{', log' if domain.log else ''}"


def _isoformat(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} is not JSON")
