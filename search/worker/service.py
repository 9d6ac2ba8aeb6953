"""A worker, from its start to its end, and how `search launch` starts several."""

import logging
import os
import platform
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from threading import Event
from types import FrameType

from search import __version__, logs
from search.errors import SearchError
from search.places import check_place
from search.redaction import known_secrets
from search.settings import Settings
from search.store import studies, workers
from search.store.connection import Store, open_store
from search.worker.child_process import STOP_SIGNALS, ChildProcess
from search.worker.desk import Desk, feel_well
from search.worker.metrics import Metrics
from search.worker.publisher import Publisher
from search.worker.slots import Slot, cpu_cores, free_slot
from search.worker.supervisor import Supervisor

log = logging.getLogger(__name__)


def work(settings: Settings, *, study: str | None, slot: Slot, stopping: Event) -> None:
    """Works until `study` is done (None: until told to stop), then publishes its figures once more.

    stopping: set, by a signal handler or another thread, to make the worker give its ticket back and return.

    Raises SearchError where it can't go on; the ticket it had waits for another worker.
    """
    store = open_store(settings, leaving=stopping)
    name = f"{platform.node()}-{uuid.uuid4().hex[:8]}"
    note: str | None = None
    publisher = Publisher(store, settings.results)
    child = ChildProcess(slot)
    metrics = Metrics()
    try:
        if settings.metrics_port is not None:
            metrics.read_database_errors_from(lambda: store.errors)
            metrics.serve(settings.metrics_host, settings.metrics_port + slot.number)
        row = store.run(lambda connection: studies.find(connection, study)) if study else None
        if row is not None:
            studies.refuse_old_version(row, __version__)
        if settings.checkpoints is not None:
            check_place(settings.checkpoints, "SEARCH_CHECKPOINTS")
        check_place(settings.results, "SEARCH_RESULTS")
        _enter(store, name, slot)
        desk = Desk(store, settings, child, name, metrics)
        Supervisor(desk, only=row, stopping=stopping, on_trial_end=publisher.wake).serve()
    except SearchError as error:
        note = str(error)
        stopping.set()  # what is left to do waits for no database
        raise
    finally:
        child.close()
        publisher.close()
        metrics.close()
        store.run(lambda connection: workers.ended(connection, name, note=note))
        store.close()


def run(settings: Settings, *, study: str | None, slot: Slot | None, owned: bool) -> None:
    """Works as a process of its own, until done or told to stop by a signal; a second signal ends it at once.

    slot: None takes the first that no other worker of this machine has, and waits for one if need be.
    owned: stop when standard input closes, since its other end is held by the process that started this one.

    Raises SearchError as `work` does.
    """
    logs.configure(known_secrets(settings))
    stopping = Event()
    if owned:
        threading.Thread(target=_stop_at_end_of_input, args=(stopping,), daemon=True).start()
    with _stopped_by_signals(stopping):
        free = free_slot(settings, stopping, on_wait=lambda: feel_well(settings))
        with nullcontext(slot) if slot is not None else free as taken:
            if taken is not None:
                log.info("slot %s: %s, %s threads", taken.number, taken.device, taken.threads)
                work(settings, study=study, slot=taken, stopping=stopping)


def start(settings: Settings, study: str, *, workers: int) -> list[subprocess.Popen[bytes]]:
    """Starts worker processes that serve one study, each logging to a file of its own.

    They end when the study is done, when told to, or when this process is gone.
    """
    log_file(settings, study, 0).parent.mkdir(parents=True, exist_ok=True)
    threads = max(1, cpu_cores() // workers)
    return [_start(study, slot, threads, log_file(settings, study, slot)) for slot in range(workers)]


def log_file(settings: Settings, study: str, slot: int) -> Path:
    """Where the worker of a slot writes its log."""
    return settings.home / "logs" / f"{study}-worker-{slot}.log"


@contextmanager
def stop_signals_to(handle: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Has `handle` called for every signal that means stop, and the former handlers put back at the end."""
    previous = {number: signal.signal(number, handle) for number in STOP_SIGNALS}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _enter(store: Store, name: str, slot: Slot) -> None:
    host, device = platform.node(), f"slot {slot.number}: {slot.device}"
    store.run(lambda c: workers.register(c, name, host=host, device=device, code_version=__version__))


def _start(study: str, slot: int, threads: int, log: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "search", "worker", "--study", study, "--slot", str(slot)]
    with log.open("ab") as output:
        # A session of its own: Ctrl-C reaches the launching process alone, which passes it on once.
        return subprocess.Popen(
            [*command, "--threads", str(threads), "--owned"],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


def _stop_at_end_of_input(stopping: Event) -> None:
    while os.read(sys.stdin.fileno(), 1):  # unbuffered: a daemon thread must hold no lock when the process ends
        pass
    stopping.set()


@contextmanager
def _stopped_by_signals(stopping: Event) -> Iterator[None]:
    """The first signal stops in good order; a second one ends the process at once."""

    def handle(number: int, _: FrameType | None) -> None:
        if told.is_set():
            os._exit(128 + number)
        told.set()
        stopping.set()

    told = Event()
    with stop_signals_to(handle):
        yield
