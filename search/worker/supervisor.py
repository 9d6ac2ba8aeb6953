"""The supervisor: one worker on one slot, taking one ticket at a time."""

import logging
import random
import time
import uuid
from collections.abc import Callable, Sequence
from functools import partial
from threading import Event

from packaging.version import Version

from search import __version__
from search.analysis.selection import selected
from search.errors import DatasetError, SearchError
from search.store import stages, studies, tickets
from search.store.guidance import Guide
from search.store.records import StudyRow, TrialRecord
from search.store.tickets import Lease
from search.worker.attempt import Attempt, ServedStudy
from search.worker.data import DataSource, cache_folder
from search.worker.desk import Desk

IDLE_SECONDS = 1.0  # between looks for work, give or take a half, so that a fleet does not look all at once
SHOW_UP_SECONDS = 5.0  # between the rounds of an idle worker: it shows up, and takes back lost tickets

RELEASE = Version(__version__).release

log = logging.getLogger(__name__)


class Supervisor:
    """One worker on one slot.

    only: the study to serve, returning when nothing of it is left to train; None serves every open study until
        told to stop.
    stopping: set, by a signal handler too, to make `serve` give its ticket back and return.
    on_trial_end: called with the study after every finished trial, and when a stage begins.
    """

    def __init__(
        self, desk: Desk, *, only: StudyRow | None, stopping: Event, on_trial_end: Callable[[StudyRow], None]
    ) -> None:
        self._desk = desk
        self._store = desk.store
        self._only = only
        self._stopping = stopping
        self._on_trial_end = on_trial_end
        self._studies: dict[int, ServedStudy] = {}
        self._refused: dict[int, str] = {}  # studies that can't be served here, and why
        self._rounds_at = 0.0

    def serve(self) -> None:
        """Claims and trains until there is nothing left to do, or until told to stop.

        Raises SearchError where this machine can't serve the one study it is to serve, or can't train at all,
        having given the ticket back.
        """
        self._desk.child.start()
        while not self._stopping.is_set():
            self._make_rounds()
            lease = self._claim()
            if lease is not None:
                self._train(lease)
                self._advance(lease.study_id)
            elif self._advance(self._only.study_id if self._only else None):
                continue
            elif self._only is not None and not self._anyone_trains(self._only):
                return
            else:
                self._stopping.wait(IDLE_SECONDS * random.uniform(0.5, 1.5))

    def _make_rounds(self) -> None:
        self._desk.feel_well()
        if time.monotonic() - self._rounds_at < min(SHOW_UP_SECONDS, self._desk.settings.lease_seconds / 4):
            return
        self._rounds_at = time.monotonic()
        self._desk.reap()
        self._desk.note = "; ".join([*self._refused.values(), *self._too_new()]) or None
        self._desk.show_up()

    def _too_new(self) -> list[str]:
        newer = self._store.run_statement(lambda connection: studies.newer_than(connection, RELEASE))
        return [f"study {name} needs search {needed}, this is {__version__}: upgrade" for name, needed in newer]

    def _claim(self) -> Lease | None:
        claim = uuid.uuid4().hex
        return self._store.run(
            lambda connection: tickets.claim(
                connection,
                worker=self._desk.name,
                claim=claim,
                lease=self._desk.settings.lease_seconds,
                release=RELEASE,
                study_id=self._only.study_id if self._only else None,
                refused=[*self._refused],
            )
        )

    def _advance(self, study_id: int | None) -> bool:
        """Begins the next stage of a study that is ready for it, or of all that are (None); whether any was."""
        ready = self._store.run_statement(lambda c: stages.ready(c, release=RELEASE, study_id=study_id))
        for each in ready:
            stage = self._store.run(partial(stages.advance, study_id=each, release=RELEASE, select=_selected))
            if stage is not None:
                study = self._store.run(partial(studies.find_by_id, study_id=each))
                log.info("study %s: now %s", study.name, stage)
                self._on_trial_end(study)
        return bool(ready)

    def _anyone_trains(self, study: StudyRow) -> bool:
        row = self._store.run(lambda connection: studies.find(connection, study.name))
        return row.counts.get("running", 0) > 0

    def _train(self, lease: Lease) -> None:
        try:
            study = self._serve_study(lease.study_id)
            attempt = self._begin(study, lease)
        except SearchError as error:
            reason = str(error)
            self._store.run(lambda connection: tickets.give_back(connection, lease, reason))
            raise
        try:
            if attempt is not None and attempt.follow(self._stopping) is not None:
                self._on_trial_end(study.row)
        except DatasetError as error:
            if self._only is not None:
                raise
            self._refused[lease.study_id] = f"study {study.row.name}: {error}"
            log.error("study %s can't be served here: %s", study.row.name, error)

    def _serve_study(self, study_id: int) -> ServedStudy:
        if study_id not in self._studies:
            row = self._store.run(lambda connection: studies.find_by_id(connection, study_id))
            settings = self._desk.settings
            data = DataSource(row.definition.dataset, settings.data, cache_folder(settings), row.data_fingerprint)
            self._studies[study_id] = ServedStudy(row, Guide(self._store.storage, row.definition), data)
        return self._studies[study_id]

    def _begin(self, study: ServedStudy, lease: Lease) -> Attempt | None:
        if lease.stage == "conclude":
            assert lease.parameters is not None
            return Attempt(self._desk, study, lease, study.row.definition.recipe(lease.parameters, lease.seed))
        guide = study.guide
        parameters = lease.parameters or self._store.retrying(
            lambda: guide.draw(seed=lease.seed, ticket=lease.number)
        )
        trial_id = self._store.run(
            lambda connection: tickets.begin(connection, lease, parameters, guide.distributions)
        )
        if trial_id is None:
            return None
        self._store.retrying(lambda: guide.follow(trial_id))
        log.info("%s: ticket %s, attempt %s: %s", study.row.name, lease.number, lease.attempt, parameters)
        recipe = study.row.definition.recipe(parameters, lease.seed)
        return Attempt(self._desk, study, lease, recipe)


def _selected(row: StudyRow, records: Sequence[TrialRecord]) -> list[TrialRecord]:
    return selected(row.definition, records)
