"""What one worker works with, and what it does for the whole fleet beside its own trial."""

import logging
from dataclasses import dataclass, field

from search.settings import Settings
from search.store import tickets, workers
from search.store.connection import Store
from search.worker.child_process import ChildProcess
from search.worker.metrics import Metrics

# After an outage every lease looks expired though its worker may live. A living worker is back in touch, and has
# renewed its lease, after the longest call and the longest pause between calls; shorter leases ask for less.
RECONNECT_SECONDS = 30.0
QUICK_RECONNECT_SECONDS = 10.0

log = logging.getLogger(__name__)


@dataclass
class Desk:
    """One worker's own: the store, its child process, and its name, which no other worker ever has.

    metrics: what it has done, for Prometheus.
    note: what keeps it from working, for people.
    """

    store: Store
    settings: Settings
    child: ChildProcess
    name: str
    metrics: Metrics
    note: str | None = field(default=None, init=False)

    def reap(self) -> None:
        """Takes back the tickets of workers that fell silent."""
        patience = min(RECONNECT_SECONDS, max(QUICK_RECONNECT_SECONDS, self.settings.lease_seconds))
        if self.store.seconds_in_touch() < patience:
            return
        for lost in self.store.run(lambda connection: tickets.reap(connection, patience=patience)):
            log.warning("worker %s fell silent; its ticket is %s now", lost.worker, lost.state)

    def show_up(self) -> None:
        """Lets people know that the worker is there."""
        self.store.run_statement(lambda connection: workers.seen(connection, self.name, note=self.note))

    def feel_well(self) -> None:
        """Says that the worker has got something done."""
        feel_well(self.settings)


def feel_well(settings: Settings) -> None:
    """Touches the health file, by whose age others tell whether a worker is well."""
    if settings.health_file is not None:
        settings.health_file.touch()
