"""The supervisor: one worker on one device, taking one ticket at a time."""

import logging
import uuid
from collections.abc import Callable
from threading import Event

from search.errors import SearchError
from search.settings import Settings
from search.store import studies, tickets
from search.store.connection import Store
from search.store.guidance import Guide
from search.store.studies import StudyRow
from search.store.tickets import Lease
from search.worker.attempt import Attempt, ServedStudy
from search.worker.child_process import ChildProcess
from search.worker.data import prepared_folder

IDLE_SECONDS = 1.0  # between looks for work

log = logging.getLogger(__name__)


class Supervisor:
    """One worker on one device.

    name: who the worker is, for people: host, process and device.
    only: the study to serve, returning when nothing of it is left to train; None serves every open study until
        told to stop.
    on_trial_end: called with the study after every finished trial.
    """

    def __init__(
        self,
        store: Store,
        settings: Settings,
        child: ChildProcess,
        *,
        name: str,
        only: StudyRow | None,
        on_trial_end: Callable[[StudyRow], None],
    ) -> None:
        self._store = store
        self._settings = settings
        self._child = child
        self._name = name
        self._only = only
        self._on_trial_end = on_trial_end
        self._studies: dict[int, ServedStudy] = {}
        self._stopping = Event()

    def stop(self) -> None:
        """Makes `serve` give its ticket back and return. Safe to call from a signal handler."""
        self._stopping.set()

    def serve(self) -> None:
        """Claims and trains until there is nothing left to do, or until `stop`.

        Raises SearchError where this machine can't serve a study whose ticket it claimed, having given it back.
        """
        self._child.start()
        while not self._stopping.is_set():
            self._reap()
            lease = self._claim()
            if lease is not None:
                self._train(lease)
            elif self._only is not None and not self._anyone_trains(self._only):
                return
            else:
                self._stopping.wait(IDLE_SECONDS)

    def _reap(self) -> None:
        lease = self._settings.lease_seconds
        if self._store.seconds_since_outage() < 1.5 * lease:
            return  # after an outage every lease looks expired, though its worker may live
        for lost in self._store.run(lambda connection: tickets.reap(connection, lease=lease)):
            log.warning("worker %s fell silent; its ticket is %s now", lost.worker, lost.state)

    def _claim(self) -> Lease | None:
        claim = uuid.uuid4().hex
        study_id = self._only.study_id if self._only else None
        seconds = self._settings.lease_seconds
        return self._store.run(
            lambda connection: tickets.claim(
                connection, worker=self._name, claim=claim, lease=seconds, study_id=study_id
            )
        )

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
        if attempt is not None and attempt.follow(self._stopping) is not None:
            self._on_trial_end(study.row)

    def _serve_study(self, study_id: int) -> ServedStudy:
        if study_id not in self._studies:
            row = self._store.run(lambda connection: studies.find_by_id(connection, study_id))
            data = prepared_folder(row.definition, self._settings, fingerprint=row.data_fingerprint)
            self._studies[study_id] = ServedStudy(row, Guide(self._store.storage, row.definition), data)
        return self._studies[study_id]

    def _begin(self, study: ServedStudy, lease: Lease) -> Attempt | None:
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
        return Attempt(self._store, self._settings, self._child, study, lease, recipe)
