"""A slot: one worker process, from its start to its end, and how `search launch` starts several."""

import logging
import os
import platform
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from search.settings import Settings
from search.store import studies
from search.store.connection import open_store
from search.worker.child_process import ChildProcess
from search.worker.publisher import Publisher
from search.worker.supervisor import Supervisor

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def cpu_cores() -> int:
    """The processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def default_workers() -> int:
    """One for each GPU; without any, one for each core up to four."""
    import torch

    return torch.cuda.device_count() or min(4, cpu_cores())


def work(settings: Settings, *, study: str | None, slot: int, threads: int, owned: bool) -> None:
    """Works until `study` is done (None: until told to stop), then publishes its figures once more.

    slot: counts from 0; trains on that GPU where there are any. threads: CPU threads to compute with.
    owned: stop when standard input closes, since its other end is held by the process that started this one.
    """
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("search").setLevel(logging.INFO)
    store = open_store(settings)
    row = store.run(lambda connection: studies.find(connection, study)) if study else None
    publisher = Publisher(store, Path(settings.results))
    child = ChildProcess(slot, threads)
    name = f"{platform.node()}:{os.getpid()}"
    supervisor = Supervisor(store, settings, child, name=name, only=row, on_trial_end=publisher.wake)
    if owned:
        threading.Thread(target=_stop_at_end_of_input, args=(supervisor.stop,), daemon=True).start()
    with _stopped_by_signals(supervisor.stop):
        try:
            supervisor.serve()
        finally:
            child.kill()
            publisher.close()
            store.close()


def start(settings: Settings, study: str, *, workers: int) -> list[subprocess.Popen[bytes]]:
    """Starts worker processes that serve one study, each logging to a file of its own.

    They end when the study is done, when told to, or when this process is gone.
    """
    logs = settings.home / "logs"
    logs.mkdir(parents=True, exist_ok=True)
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


def _stop_at_end_of_input(stop: Callable[[], None]) -> None:
    while os.read(sys.stdin.fileno(), 1):  # unbuffered: a daemon thread must hold no lock when the process ends
        pass
    stop()


@contextmanager
def _stopped_by_signals(stop: Callable[[], None]) -> Iterator[None]:
    """The first signal stops in good order; a second one ends the process at once."""

    def handle(number: int, _: FrameType | None) -> None:
        if told.is_set():
            os._exit(128 + number)
        told.set()
        stop()

    told = threading.Event()
    with stop_signals_to(handle):
        yield
