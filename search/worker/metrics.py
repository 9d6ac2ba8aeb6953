"""What a worker does, for Prometheus to read."""

from collections.abc import Callable, Iterable
from typing import Literal

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    start_http_server,
)
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from search import __version__
from search.errors import SearchError

EPOCH_SECONDS = (0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600)  # upper ends of the histogram's buckets

Outcome = Literal["complete", "pruned", "failed", "given_back", "lost"]


def _zero() -> float:
    return 0.0


class Metrics:
    """Counts from its beginning on; who wants them read calls `serve`. Counting takes microseconds.

    A study's name is a label, so whatever text it is, it stays text.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self._trials = Counter(
            "search_trials_ended", "Attempts that ended, by how", ["study", "state"], registry=self.registry
        )
        self._epochs = Histogram(
            "search_epoch_seconds",
            "Seconds that an epoch took to train",
            ["study"],
            buckets=EPOCH_SECONDS,
            registry=self.registry,
        )
        self._epochs_total = Counter("search_epochs", "Epochs trained", ["study"], registry=self.registry)
        self._speed = Gauge(
            "search_samples_per_second", "Training samples a second, last epoch", ["study"], registry=self.registry
        )
        self._lease_age = Gauge(
            "search_lease_age_seconds", "Seconds since the lease was renewed; 0 when idle", registry=self.registry
        )
        self._progress_age = Gauge(
            "search_progress_age_seconds",
            "Seconds since the last training step; 0 when idle",
            registry=self.registry,
        )
        self._database_errors = _CounterReadAtScrape(
            "search_database_errors", "Calls that did not reach the database"
        )
        self.registry.register(self._database_errors)
        build = Gauge("search_build_info", "The version that runs", ["version"], registry=self.registry)
        build.labels(__version__).set(1)
        self._close: Callable[[], None] = lambda: None

    def trial_ended(self, study: str, state: Outcome) -> None:
        """An attempt ended: for good, given back, or lost with its training process."""
        self._trials.labels(study, state).inc()

    def epoch_done(self, study: str, *, seconds: float, samples_per_second: float) -> None:
        self._epochs.labels(study).observe(seconds)
        self._epochs_total.labels(study).inc()
        self._speed.labels(study).set(samples_per_second)

    def read_ages_from(self, *, lease: Callable[[], float], progress: Callable[[], float]) -> None:
        """Where a scrape learns the seconds since the lease was renewed and since the last step; 0 when idle."""
        self._lease_age.set_function(lease)
        self._progress_age.set_function(progress)

    def read_database_errors_from(self, count: Callable[[], float]) -> None:
        """Where a scrape learns how many calls have failed to reach the database since the process began."""
        self._database_errors.read = count

    def serve(self, host: str, port: int) -> int:
        """Answers `GET /metrics` in a thread, and returns the port: the one given, or for 0 any free one.

        Raises SearchError where it can't listen there.
        """
        try:
            server, thread = start_http_server(port, host, self.registry)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            raise SearchError(
                f"metrics can't be served on port {port} of {host} ({reason}): "
                "set SEARCH_METRICS_PORT to a free one for each worker, and SEARCH_METRICS_HOST to an own address."
            ) from error

        def close() -> None:
            server.shutdown()
            server.server_close()
            thread.join()

        self._close = close
        return int(server.server_port)

    def close(self) -> None:
        """Stops serving. Harmless where it does not serve."""
        self._close()
        self._close = lambda: None


class _CounterReadAtScrape(Collector):
    def __init__(self, name: str, documentation: str) -> None:
        self._name = name
        self._documentation = documentation
        self.read: Callable[[], float] = _zero

    def collect(self) -> Iterable[Metric]:
        yield CounterMetricFamily(self._name, self._documentation, value=self.read())
