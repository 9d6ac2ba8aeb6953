"""One attempt at a ticket: the child trains it, every epoch is reported, and it ends in one of five ways.

Complete, pruned, failed for good, given back (the worker was told to stop), or lost (the child died or hangs).
"""

import logging
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any

from search.settings import Settings
from search.store import tickets
from search.store.connection import Store
from search.store.guidance import Guide
from search.store.studies import StudyRow
from search.store.tickets import Ending, Lease
from search.training.epoch import Epoch
from search.training.recipe import Recipe
from search.worker.child_process import ChildDied, ChildProcess
from search.worker.messages import Assignment, EpochDone, Failed, Finished

TICK_SECONDS = 1.0

log = logging.getLogger(__name__)


class Fenced(Exception):
    """The ticket was taken away: another attempt owns it, and this one says nothing more."""


@dataclass(frozen=True)
class ServedStudy:
    """What a worker keeps of a study between trials: its row, its guide, and its data on this machine."""

    row: StudyRow
    guide: Guide
    data: Path


class Attempt:
    """The attempt that `lease` names, with the recipe to train; the study's guide follows its trial."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        child: ChildProcess,
        study: ServedStudy,
        lease: Lease,
        recipe: Recipe,
    ) -> None:
        self._store = store
        self._settings = settings
        self._child = child
        self._study = study
        self._lease = lease
        self._recipe = recipe
        self._checkpoints = settings.home / "checkpoints" / study.row.name / str(lease.number)
        self._epochs: list[Epoch] = []
        self._under_way = False
        self._renewed_at = self._progress_at = time.monotonic()

    def follow(self, stopping: Event) -> Ending | None:
        """Trains to the end and says how it ended; None where the ticket waits again or another worker has it.

        stopping: set when the worker must leave.
        """
        try:
            self._child.send(Assignment(self._recipe, self._study.data, self._checkpoints, self._lease.attempt))
            while not stopping.is_set():
                ending = self._step()
                if ending is not None:
                    shutil.rmtree(self._checkpoints, ignore_errors=True)
                    return ending
        except ChildDied as death:
            reason = str(death)
            log.warning("ticket %s: %s", self._lease.number, reason)
            self._store.run(lambda connection: tickets.lose(connection, self._lease, reason))
            return None
        except Fenced:
            log.warning("ticket %s was taken by another worker", self._lease.number)
            self._child.abandon()
            return None
        self._child.abandon()
        self._store.run(lambda connection: tickets.give_back(connection, self._lease, "the worker was stopped"))
        return None

    def _step(self) -> Ending | None:
        """Handles the child's next word, or its silence."""
        message = self._child.receive(min(TICK_SECONDS, self._settings.lease_seconds / 8))
        if message is not None:
            self._progress_at = time.monotonic()
            if not self._under_way:
                self._under_way = True
                log.info("ticket %s: the first step is done", self._lease.number)
        if isinstance(message, EpochDone):
            return self._report(message.epoch)
        if isinstance(message, Finished):
            return self._complete()
        if isinstance(message, Failed):
            return self._failed(message)
        self._stay_alive()
        return None

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
        if epoch.number == self._recipe.knobs.epochs or not self._should_prune(epoch, ended):
            return None
        self._end("pruned", self._value(epoch), f"pruned after epoch {epoch.number}")
        self._child.abandon()
        return "pruned"

    def _should_prune(self, epoch: Epoch, ended: int) -> bool:
        guide, value = self._study.guide, self._value(epoch)
        return self._store.retrying(lambda: guide.should_prune(epoch=epoch.number, value=value, ended=ended))

    def _complete(self) -> Ending:
        """The trial's value is that of its best epoch on the validation split; the earliest of equals."""
        sign = 1 if self._study.row.definition.direction == "maximize" else -1
        best = max(self._epochs, key=lambda epoch: (sign * self._value(epoch), -epoch.number))
        self._end("complete", self._value(best), None, {"best_epoch": best.number, **best.metrics})
        return "complete"

    def _failed(self, failure: Failed) -> Ending:
        if failure.kind != "diverged":
            self._end("failed", None, failure.reason)
            return "failed"
        last = self._value(self._epochs[-1]) if self._epochs else None
        self._end("pruned", last, failure.reason)
        return "pruned"

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

    def _stay_alive(self) -> None:
        now = time.monotonic()
        silent = now - self._progress_at
        if silent > self._settings.stall_seconds:
            self._child.kill()
            raise ChildDied(f"the training process made no progress for {silent:.0f} s and was killed")
        if now - self._renewed_at < self._settings.lease_seconds / 4:
            return
        seconds = self._settings.lease_seconds
        if not self._store.run_statement(lambda c: tickets.renew(c, self._lease, seconds=seconds)):
            raise Fenced
        self._renewed_at = now

    def _value(self, epoch: Epoch) -> float:
        return epoch.metrics[self._study.row.definition.objective]
