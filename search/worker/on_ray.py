"""Workers as Ray actors: one for each slot of a cluster.

Ray places them, and starts them again where a node dies; what is done and what is left stands in the store alone.
"""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from search.errors import SearchError, SettingsError, WorkerError

try:
    import ray
    from ray.exceptions import RayError
except ModuleNotFoundError as error:
    raise SettingsError(f"Ray is not installed here ({error}): pip install 'affect-search[ray]'.") from error

from search import logs
from search.redaction import known_secrets
from search.settings import Settings
from search.worker import cluster, service
from search.worker.actor import Farewell, SearchWorker, errand
from search.worker.cluster import Shares

LOOK_SECONDS = 1.0  # between looks at the actors
ANSWER_SECONDS = 10.0  # how long a worker may take to hear that it must stop
LEAVE_SECONDS = 90.0  # how long it may take to give its ticket back and publish its figures

log = logging.getLogger(__name__)


class RayFleet:
    """As many actors as the cluster has slots, or `limit`, while nodes come and go."""

    def __init__(self, settings: Settings, *, study: str | None, limit: int | None) -> None:
        self._settings = settings
        self._study = study
        self._limit = limit
        self._actors: dict[ray.ObjectRef[Farewell], Any] = {}  # by the promise of their farewells
        self._hired = 0
        self._told_to_stop = 0
        self._leaving_since: float | None = None
        self._told: dict[ray.ObjectRef[None], ray.ObjectRef[Farewell]] = {}
        self._nodes: set[str] = set()
        self._failure: SearchError | None = None

    def stop(self) -> None:
        """Has every worker give its ticket back; said twice, ends them at once. Safe in a signal handler."""
        self._told_to_stop += 1

    def failure(self) -> SearchError | None:
        """What the first worker that could not go on said."""
        return self._failure

    def at_work(self) -> bool:
        """Looks after the workers once, and says whether any is left.

        Raises StoreError where a machine has joined that does not reach the embedded store.
        """
        self._hear_farewells()
        if self._told_to_stop and self._leaving_since is None:
            self._leave()
        if self._leaving_since is None:
            self._fill_slots()
            return True
        self._dismiss_silent(time.monotonic() - self._leaving_since)
        return bool(self._actors)

    def close(self) -> None:
        """Stops the workers in good order and waits for them."""
        self._told_to_stop = max(1, self._told_to_stop)
        while self.at_work():
            time.sleep(LOOK_SECONDS)

    def _fill_slots(self) -> None:
        nodes = cluster.living_nodes()
        cluster.refuse_other_machines(nodes, self._settings)
        shares = cluster.share_out(nodes, self._settings.slots_per_gpu)
        self._tell_of_changes({node["NodeID"]: node["NodeManagerHostname"] for node in nodes}, shares)
        for _ in range(min(shares.count, self._limit or shares.count) - len(self._actors)):
            self._hire(shares)

    def _tell_of_changes(self, nodes: dict[str, str], shares: Shares) -> None:
        if self._nodes - set(nodes):
            log.warning(
                "Ray lost %s of %s nodes; their work goes on elsewhere",
                len(self._nodes - set(nodes)),
                len(self._nodes),
            )
        if set(nodes) - self._nodes:
            kind = "GPU" if shares.on_gpus else "CPU"
            log.info("Ray has %s slots (%s) on %s", shares.count, kind, ", ".join(sorted(nodes.values())))
        self._nodes = set(nodes)

    def _hire(self, shares: Shares) -> None:
        what = errand(
            self._settings,
            study=self._study,
            slot=self._hired,
            threads=shares.threads,
            on_gpu=shares.on_gpus,
        )
        # Neither restarts nor calls are counted: the store counts how often a ticket was lost, and gives it up.
        options = {"max_restarts": -1, "max_task_retries": -1, "max_concurrency": 2, **shares.resources}
        actor: Any = ray.remote(SearchWorker).options(**options).remote(what)
        self._actors[actor.work.remote()] = actor
        self._hired += 1

    def _hear_farewells(self) -> None:
        ended, _ = (
            ray.wait([*self._actors], num_returns=len(self._actors), timeout=0) if self._actors else ([], [])
        )
        for promise in ended:
            del self._actors[promise]  # Ray ends an actor that nobody holds
            error = _error(promise)
            self._failure = self._failure or error
            if error is not None or self._study is not None:
                self._told_to_stop = max(1, self._told_to_stop)  # nothing is left that the others could train

    def _leave(self) -> None:
        self._leaving_since = time.monotonic()
        self._told = {actor.stop.remote(): promise for promise, actor in self._actors.items()}

    def _dismiss_silent(self, seconds: float) -> None:
        """Ends the workers that were never placed, or whose node is gone, or that take too long."""
        if self._told_to_stop > 1 or seconds > LEAVE_SECONDS:
            self._dismiss([*self._actors])
        elif seconds > ANSWER_SECONDS and self._told:
            _, silent = ray.wait([*self._told], num_returns=len(self._told), timeout=0)
            self._dismiss([self._told[answer] for answer in silent])
            self._told = {}

    def _dismiss(self, promises: list["ray.ObjectRef[Farewell]"]) -> None:
        for promise in promises:
            actor = self._actors.pop(promise, None)
            if actor is not None:
                ray.kill(actor)


@contextmanager
def fleet(settings: Settings, address: str, *, study: str | None, limit: int | None = None) -> Iterator[RayFleet]:
    """The workers of a cluster, who are all gone at the end.

    address: as `cluster.connected` takes it. study: serve this one and end when it is done; None serves all.
    limit: how many workers at most.

    Raises WorkerError, StoreError.
    """
    with cluster.connected(address):
        workers = RayFleet(settings, study=study, limit=limit)
        try:
            yield workers
        finally:
            workers.close()


def run(settings: Settings, address: str, *, study: str | None) -> None:
    """Keeps the workers of a cluster at work until `study` is done (None: until told to stop by a signal).

    Raises SearchError where a worker can't go on.
    """
    logs.configure(known_secrets(settings))
    with fleet(settings, address, study=study) as workers:
        with service.stop_signals_to(lambda number, frame: workers.stop()):
            while workers.at_work():
                time.sleep(LOOK_SECONDS)
        failure = workers.failure()
        if failure is not None:
            raise failure


def _error(promise: "ray.ObjectRef[Farewell]") -> SearchError | None:
    """What a worker has to say; what Ray has to say where the worker can't."""
    try:
        farewell = ray.get(promise)
    except RayError as error:
        return WorkerError(f"a worker on Ray ended early: {str(error).strip()}")
    if farewell.message is None:
        return None
    failure = WorkerError(farewell.message)
    failure.exit_code = farewell.exit_code
    return failure
