"""Publishes studies beside training, in a thread that never holds it up."""

import logging
from threading import Event, Thread

from search.analysis.publish import publish_if_due
from search.store.connection import Store
from search.store.records import StudyRow

log = logging.getLogger(__name__)


class Publisher:
    """Renews the dashboard, and the files in `results`, of each study it is woken for.

    results: a folder or a URL.

    A study is published at most once in `every_seconds` by all workers together, and when it is done. What goes
    wrong is logged; the next trial is another chance.
    """

    def __init__(self, store: Store, results: str, *, every_seconds: float = 20.0) -> None:
        self._store = store
        self._results = results
        self._every_seconds = every_seconds
        self._changed: dict[str, StudyRow] = {}  # and not published since
        self._woken = Event()
        self._closing = Event()
        self._thread = Thread(target=self._run, name="publisher", daemon=True)
        self._thread.start()

    def wake(self, row: StudyRow) -> None:
        """Says that a trial of the study has finished; returns at once."""
        self._changed[row.name] = row
        self._woken.set()

    def close(self) -> None:
        """Ends the thread and publishes what has changed since, due or not."""
        self._closing.set()
        self._woken.set()
        self._thread.join()
        self._publish_changed(every_seconds=0.0)

    def _run(self) -> None:
        while self._woken.wait() and not self._closing.is_set():
            self._woken.clear()
            self._publish_changed(self._every_seconds)
            self._closing.wait(self._every_seconds)
            if self._changed:
                self._woken.set()

    def _publish_changed(self, every_seconds: float) -> None:
        for name, row in [*self._changed.items()]:
            del self._changed[name]
            try:
                if not publish_if_due(self._store, row, self._results, every_seconds=every_seconds):
                    self._changed.setdefault(name, row)  # what was published so recently misses this trial
            except Exception:
                log.exception("the figures of %s could not be published", name)
