"""The workers of one launch: processes of this machine, or whatever else offers the same."""

import signal
from typing import Protocol

from search.errors import SearchError, WorkerError
from search.logs import last_words
from search.settings import Settings
from search.worker import service


class Fleet(Protocol):
    """The workers of one launch."""

    def at_work(self) -> bool:
        """Whether any of them is; to be asked about once a second."""

    def stop(self) -> None:
        """Has every worker give its ticket back and end; said twice, ends them at once.

        Safe to call from a signal handler.
        """

    def failure(self) -> SearchError | None:
        """Why one of them ended before the study did."""


class Processes:
    """Workers of this machine, each a process."""

    def __init__(self, settings: Settings, study: str, workers: int) -> None:
        self._settings = settings
        self._study = study
        self._processes = service.start(settings, study, workers=workers)

    def at_work(self) -> bool:
        return any(process.poll() is None for process in self._processes)

    def stop(self) -> None:
        for process in self._processes:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)

    def failure(self) -> SearchError | None:
        failed = [number for number, process in enumerate(self._processes) if process.returncode]
        if not failed:
            return None
        log = service.log_file(self._settings, self._study, failed[0])
        return WorkerError(f"worker {failed[0]} ended early: {last_words(log)} (log: {log})")
