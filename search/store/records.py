"""Studies and trials as the store hands them over: plain data."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from search.store import tickets
from search.store.trials import Parameters
from search.study.definition import StudyDefinition

StudyState = Literal["open", "paused", "stopped"]


Stage = Literal["search", "confirm", "conclude", "done"]


STAGES = ("search", "confirm", "conclude")  # that tickets are filed for, in order


class SplitFacts(BaseModel):
    """One split of a study's data: how many items it has, and a hash of their ids and labels."""

    model_config = ConfigDict(frozen=True)

    items: int
    hash: str


class Origin(BaseModel):
    """Where the results of an imported study come from.

    source: the file or folder; sha256: of the file, or of all files read.
    judged_on: the split that the values were measured on: test, validation, or unknown.
    items: how many items that split has; None where unknown.
    notes: what else a reader must know, as sentences.
    """

    model_config = ConfigDict(frozen=True)

    source: str
    sha256: str
    judged_on: Literal["test", "validation", "unknown"]
    items: int | None
    notes: tuple[str, ...] = ()


class Context(BaseModel):
    """What a study was registered with, beside its definition.

    splits: by name. versions: of Python and of the libraries that train, by name.
    origin: None for a study that this service trains.
    """

    model_config = ConfigDict(frozen=True)

    splits: dict[str, SplitFacts] = {}
    versions: dict[str, str] = {}
    origin: Origin | None = None


@dataclass(frozen=True)
class StudyRow:
    """A registered study.

    state: open studies give work; paused ones may be resumed; stopped ones are over.
    stage: what its tickets are for now: the search, fresh runs of the best configurations (confirm), reading the
        split that judges (conclude); or done, when nothing more will be filed.
    stage_at: when that began.
    code_version: the newest version that registered it; older workers are given none of it.
    validation_items: labelled images that the objective is measured on.
    stage_counts: for each stage that has begun, its tickets by state (waiting, running, complete, pruned, failed).
    epochs, seconds: what all workers have trained so far, and how long they took, summed.
    search_epochs, search_seconds: of these, what the search has taken, which its budget limits.
    context: what it was registered with.
    """

    study_id: int
    name: str
    state: StudyState
    stage: Stage
    stage_at: datetime
    priority: int
    definition: StudyDefinition
    data_fingerprint: str
    validation_items: int
    code_version: str
    created_at: datetime
    stage_counts: dict[str, dict[str, int]]
    epochs: int
    seconds: float
    search_epochs: int
    search_seconds: float
    context: Context

    @property
    def counts(self) -> dict[str, int]:
        """Tickets of every stage by state."""
        return dict(sum((Counter(counts) for counts in self.stage_counts.values()), Counter()))

    @property
    def tickets(self) -> int:
        """All of its tickets."""
        return sum(self.counts.values())

    @property
    def finished(self) -> int:
        """The tickets that nobody will train any more."""
        return self.tickets - self.counts.get("waiting", 0) - self.counts.get("running", 0)

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to train, and nothing more will be filed."""
        return self.stage == "done"


@dataclass(frozen=True)
class Retry:
    """An attempt that did not end its trial: it was lost, or its worker had to leave."""

    attempt: int
    worker: str
    outcome: str
    reason: str | None


@dataclass(frozen=True)
class TrialRecord:
    """One ticket and what is known of its trial.

    stage: what it is for: search, confirm or conclude.
    source: number of the ticket that it takes up: confirming one, that of the search which had its parameters
        first; concluding one, the confirming one whose model reads the split. None in the search.
    trial: Optuna's number of the last attempt's trial, None before the first and while concluding.
    value: the objective: best over epochs once complete, the last one when pruned.
    epoch: the last one that its last attempt reported.
    epochs: every metric of each epoch, by its number from 1.
    curve: the objective of each epoch.
    seconds: what those epochs took, summed; epoch_seconds: each of them.
    retries: the attempts before the last that did not end it, in order.
    progress_at: its last training step that the store knows of.
    """

    ticket: int
    stage: Literal["search", "confirm", "conclude"]
    source: int | None
    state: str
    attempt: int
    epoch: int | None
    trial: int | None
    parameters: Parameters
    seed: int
    value: float | None
    epochs: dict[int, dict[str, float]]
    curve: dict[int, float]
    seconds: float
    epoch_seconds: dict[int, float]
    worker: str | None
    reason: str | None
    started_at: datetime | None
    progress_at: datetime | None
    finished_at: datetime | None
    retries: list[Retry]

    @property
    def is_infeasible(self) -> bool:
        """Whether this configuration can't be trained: it failed, or its loss stopped being finite."""
        return tickets.is_infeasible(self.state, self.reason)


NO_CONTEXT = Context()
