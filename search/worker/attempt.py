"""One attempt at a ticket: the child trains it, every epoch is reported, and it ends in one of five ways.

Complete, pruned, failed for good, given back (the worker was told to stop, or can't train), or lost (the child
died or hangs).
"""

import logging
import time
from dataclasses import dataclass
from hashlib import blake2b
from threading import Event
from typing import Any

from sqlalchemy import Connection

from search.errors import DatasetError, WorkerUnfit
from search.store import readings, tickets
from search.store.guidance import Guide
from search.store.records import StudyRow
from search.store.tickets import Ending, Lease
from search.tasks import turned
from search.training.epoch import Epoch
from search.training.recipe import Recipe
from search.training.stopping import is_over
from search.worker.child_process import ChildDied
from search.worker.data import DataSource
from search.worker.desk import Desk
from search.worker.messages import Assignment, Begun, EpochDone, Failed, Finished, Judged
from search.worker.metrics import Outcome
from search.worker.mirror import ticket_checkpoints
from search.worker.weights import keep_weights

TICK_SECONDS = 1.0
_CONCLUDING = 1_000_000  # added to the attempts that conclude a run: later ones than any that trained it

FLUSH_SECONDS = 20.0  # how long a worker that must leave waits for its checkpoint to reach the others

log = logging.getLogger(__name__)


class Fenced(Exception):
    """The ticket was taken away: another attempt owns it, and this one says nothing more."""


@dataclass(frozen=True)
class ServedStudy:
    """What a worker keeps of a study between trials: its row, its guide, and where its data are."""

    row: StudyRow
    guide: Guide
    data: DataSource


class Attempt:
    """The attempt that `lease` names, with the recipe to train; the study's guide follows its trial."""

    def __init__(self, desk: Desk, study: ServedStudy, lease: Lease, recipe: Recipe) -> None:
        self._desk = desk
        self._store = desk.store
        self._settings = desk.settings
        self._child = desk.child
        self._study = study
        self._lease = lease
        self._recipe = recipe
        self._concludes = lease.stage == "conclude"
        self._attempt = lease.attempt + (_CONCLUDING if self._concludes else 0)
        trained_by = lease.number if lease.source is None or not self._concludes else lease.source
        self._checkpoints = ticket_checkpoints(
            desk.settings, _checkpoint_name(study.row), trained_by, self._attempt
        )
        self._judged: Judged | None = None
        self._weights_kept = True
        self._resumed_from = 0
        self._epochs: list[Epoch] = []
        self._renewed_at = time.monotonic()

    def follow(self, stopping: Event) -> Ending | None:
        """Trains to the end and says how it ended; None where the ticket waits again or another worker has it.

        stopping: set when the worker must leave.

        Raises DatasetError where this machine lacks the study's data, WorkerUnfit where it can't train at all; the
        ticket then waits for another worker.
        """
        folder = self._checkpoints.folder
        self._desk.metrics.read_ages_from(
            lease=lambda: time.monotonic() - self._renewed_at, progress=self._child.seconds_without_progress
        )
        try:
            while not self._checkpoints.fetch(TICK_SECONDS) and not stopping.is_set():
                self._keep_lease(silent=0.0)
            self._child.expect_progress()
            self._child.send(Assignment(self._recipe, self._study.data, folder, self._attempt, self._lease.stage))
            while not stopping.is_set():
                ending = self._step()
                if ending is not None:
                    if not self._is_to_be_judged(ending) and self._weights_kept:
                        self._checkpoints.remove()
                    return ending
            self._child.abandon()
            self._checkpoints.flush(FLUSH_SECONDS)
            self._give_back("the worker was stopped")
        except ChildDied as death:
            self._lose(str(death))
        except Fenced:
            log.warning("ticket %s was taken by another worker", self._lease.number)
            self._child.abandon()
            if self._store.run_statement(lambda connection: tickets.has_ended(connection, self._lease)):
                self._checkpoints.remove()  # saved since; before that, the other worker may resume from them
        finally:
            self._desk.metrics.read_ages_from(lease=lambda: 0.0, progress=lambda: 0.0)
        return None

    def _is_to_be_judged(self, ending: Ending) -> bool:
        """Whether the ticket that concludes this run will take up its checkpoints."""
        return self._lease.stage == "confirm" and ending == "complete"

    def _step(self) -> Ending | None:
        """Handles the child's next word, or its silence."""
        message = self._child.receive(min(TICK_SECONDS, self._settings.lease_seconds / 8))
        if isinstance(message, Begun):
            self._begin(message.resumed_from)
        elif isinstance(message, EpochDone) and not self._concludes:
            return self._report(message.epoch)
        elif isinstance(message, Judged):
            self._judged = message
        elif isinstance(message, Finished):
            return self._conclude() if self._judged is not None else self._complete()
        elif isinstance(message, Failed):
            return self._failed(message)
        self._stay_alive()
        return None

    def _begin(self, resumed_from: int) -> None:
        self._resumed_from = resumed_from
        log.info("ticket %s: training begins after epoch %s", self._lease.number, resumed_from)
        least = 1 if self._recipe.knobs.early_stopping else self._recipe.knobs.epochs
        if self._concludes and resumed_from < least:
            log.warning(
                "ticket %s: the run of ticket %s is trained again, for its checkpoints can't be reached. "
                "Set SEARCH_CHECKPOINTS to a place that every worker reaches.",
                self._lease.number,
                self._lease.source,
            )
        if resumed_from < self._lease.epochs:
            log.warning(
                "ticket %s: %s epochs of an earlier attempt are trained again, for their checkpoints can't be "
                "reached from here. Set SEARCH_CHECKPOINTS to a place that every worker reaches.",
                self._lease.number,
                self._lease.epochs - resumed_from,
            )
        self._store.run_statement(lambda c: tickets.resumed(c, self._lease, epochs=resumed_from))

    def _report(self, epoch: Epoch) -> Ending | None:
        self._epochs.append(epoch)
        ended = self._store.run_statement(
            lambda connection: tickets.report(
                connection,
                self._lease,
                epoch=epoch.number,
                value=self._value(epoch),
                metrics=epoch.metrics,
                seconds=epoch.seconds,
                samples_per_second=epoch.samples_per_second,
                renew_seconds=self._settings.lease_seconds,
            )
        )
        if ended is None:
            raise Fenced
        self._renewed_at = time.monotonic()
        if epoch.number > self._resumed_from:
            self._checkpoints.push()
            self._desk.metrics.epoch_done(
                self._study.row.name, seconds=epoch.seconds, samples_per_second=epoch.samples_per_second
            )
        if self._is_over() or not self._should_prune(epoch, ended):
            return None
        self._end("pruned", self._value(epoch), f"{tickets.PRUNED} {epoch.number}")
        self._child.abandon()
        return "pruned"

    def _is_over(self) -> bool:
        values = [self._value(epoch) for epoch in self._epochs]
        return is_over(self._recipe.knobs, self._study.row.definition.objective, values)

    def _should_prune(self, epoch: Epoch, ended: int) -> bool:
        """The pruner is asked about every epoch, for it keeps count; an earlier attempt had its answer."""
        guide, value = self._study.guide, self._value(epoch)
        if self._lease.stage != "search":
            return False
        pruned = self._store.retrying(lambda: guide.should_prune(epoch=epoch.number, value=value, ended=ended))
        return pruned and epoch.number > self._resumed_from

    def _complete(self) -> Ending:
        """The trial's value is that of its best epoch on the validation split; the earliest of equals."""
        objective = self._study.row.definition.objective
        best = max(self._epochs, key=lambda epoch: (turned(objective, self._value(epoch)), -epoch.number))
        self._end("complete", self._value(best), None, {"best_epoch": best.number, **best.metrics})
        return "complete"

    def _conclude(self) -> Ending:
        """Keeps the model for people, and its predictions, with the end of the ticket, for the conclusion."""
        judged = self._judged
        assert judged is not None
        self._weights_kept = keep_weights(
            self._settings.results, self._study.row.name, self._lease.source, judged.weights
        )

        def end(connection: Connection) -> bool:
            readings.store(connection, self._lease, judged.predictions)
            return tickets.finish(connection, self._lease, "complete")

        if not self._store.run(end):
            raise Fenced
        self._count("complete")
        return "complete"

    def _failed(self, failure: Failed) -> Ending:
        if failure.kind == "data":
            self._give_back(failure.reason)
            raise DatasetError(failure.reason)
        if failure.kind == "disk":
            self._give_back(failure.reason)
            raise WorkerUnfit(failure.reason)
        if failure.kind == "device":
            self._child.kill()  # what it holds of the GPU can't be used again
            self._lose(failure.reason)
            raise WorkerUnfit(failure.reason)
        if failure.kind == "diverged":
            last = self._value(self._epochs[-1]) if self._epochs else None
            self._end("pruned", last, failure.reason)
            return "pruned"
        self._end("failed", None, failure.reason)
        return "failed"

    def _end(
        self, state: Ending, value: float | None, reason: str | None, notes: dict[str, Any] | None = None
    ) -> None:
        ended = self._store.run(
            lambda connection: tickets.finish(
                connection, self._lease, state, value=value, reason=reason, notes=notes
            )
        )
        if not ended:
            raise Fenced
        self._count(state)

    def _count(self, outcome: Outcome) -> None:
        self._desk.metrics.trial_ended(self._study.row.name, outcome)

    def _give_back(self, reason: str) -> None:
        self._count("given_back")
        self._store.run(lambda connection: tickets.give_back(connection, self._lease, reason))

    def _lose(self, reason: str) -> None:
        log.warning("ticket %s: %s", self._lease.number, reason)
        self._count("lost")
        self._store.run(lambda connection: tickets.lose(connection, self._lease, reason))

    def _stay_alive(self) -> None:
        silent = self._child.seconds_without_progress()
        if silent > self._settings.stall_seconds:
            stacks = self._child.stacks()
            self._child.kill()
            raise ChildDied(f"{stacks}the training process made no progress for {silent:.0f} s and was killed")
        self._keep_lease(silent)

    def _keep_lease(self, silent: float) -> None:
        """Renews the lease when a quarter of it is over. silent: seconds since the last training step."""
        self._desk.feel_well()
        seconds = self._settings.lease_seconds
        if time.monotonic() - self._renewed_at < seconds / 4:
            return
        if not self._store.run_statement(lambda c: tickets.renew(c, self._lease, seconds=seconds, silent=silent)):
            raise Fenced
        self._renewed_at = time.monotonic()
        self._desk.reap()
        self._desk.show_up()

    def _value(self, epoch: Epoch) -> float:
        return epoch.metrics[self._study.row.definition.objective]


def _checkpoint_name(study: StudyRow) -> str:
    """What a study's checkpoints go by: of that name with another definition or other data it is another one."""
    identity = blake2b(f"{study.definition.hash} {study.data_fingerprint}".encode(), digest_size=6).hexdigest()
    return f"{study.name}-{identity}"
