"""Publishes studies beside training, in a thread that never holds it up."""

import logging
from pathlib import Path
from threading import Event, Thread

from search.analysis.publish import publish, publish_if_due
from search.store.connection import Store
from search.store.studies import StudyRow

log = logging.getLogger(__name__)


class Publisher:
    """Renews the dashboard, and the files in `folder`, of each study it is woken for.

    A study is published at most once in `every_seconds` by all workers together. What goes wrong is logged; the
    next trial is another chance.
    """

    def __init__(self, store: Store, folder: Path, *, every_seconds: float = 20.0) -> None:
        self._store = store
        self._folder = folder
        self._every_seconds = every_seconds
        self._changed: dict[str, StudyRow] = {}  # not published since
        self._known: dict[str, StudyRow] = {}
        self._woken = Event()
        self._closing = Event()
        self._thread = Thread(target=self._run, name="publisher", daemon=True)
        self._thread.start()

    def wake(self, row: StudyRow) -> None:
        """Says that a trial of the study has finished; returns at once."""
        self._known[row.name] = self._changed[row.name] = row
        self._woken.set()

    def close(self) -> None:
        """Ends the thread and publishes every study it was woken for a last time, with pictures."""
        self._closing.set()
        self._woken.set()
        self._thread.join()
        for name in self._known:
            try:
                publish(self._store, name, self._folder, images=True)
            except Exception:
                log.exception("the figures of %s could not be published", name)

    def _run(self) -> None:
        while self._woken.wait() and not self._closing.is_set():
            self._woken.clear()
            for name in [*self._changed]:
                self._publish_if_due(self._changed.pop(name))
            self._closing.wait(self._every_seconds)

    def _publish_if_due(self, row: StudyRow) -> None:
        try:
            published = publish_if_due(self._store, row, self._folder, every_seconds=self._every_seconds)
        except Exception:
            log.exception("the figures of %s could not be published", row.name)
            return
        if not published:  # another worker's were too recent to know of this trial
            self._changed.setdefault(row.name, row)
            self._woken.set()
