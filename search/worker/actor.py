"""A worker as an actor: what it is told, what it does, and what it has to say at the end. Ray makes it one.

No secret travels: a worker reads the environment of its own node.
"""

import os
import platform
from dataclasses import dataclass
from threading import Event

from search import logs
from search.errors import SearchError, SettingsError
from search.redaction import known_secrets, without_url_passwords
from search.settings import Settings, read_settings
from search.worker import service
from search.worker.slots import Slot


@dataclass(frozen=True)
class Errand:
    """What an actor is told; everything else stands in its node's environment.

    settings: the launching process's, on one machine with the embedded store; they hold no secret.
    """

    study: str | None
    slot: int
    threads: int
    on_gpu: bool
    settings: Settings | None


def errand(settings: Settings, *, study: str | None, slot: int, threads: int, on_gpu: bool) -> Errand:
    """What to tell an actor. The settings go along only where they name no store: its URL may be secret."""
    return Errand(study, slot, threads, on_gpu, settings if settings.store is None else None)


@dataclass(frozen=True)
class Farewell:
    """How a worker ended: in good order, or with the message and exit code of an error."""

    message: str | None = None
    exit_code: int = 0


class SearchWorker:
    """One worker. Ray calls `work` in one thread, again where it starts the actor anew, and `stop` in another."""

    def __init__(self, errand: Errand) -> None:
        self._errand = errand
        self._stopping = Event()

    def work(self) -> Farewell:
        """Works until the study is done, or until `stop`."""
        errand = self._errand
        try:
            settings = errand.settings or _own_settings()
            logs.configure(known_secrets(settings))
            device = os.environ["CUDA_VISIBLE_DEVICES"] if errand.on_gpu else "cpu"
            slot = Slot(errand.slot, device, errand.threads)
            service.work(settings, study=errand.study, slot=slot, stopping=self._stopping)
        except SearchError as error:
            message = f"the worker on {platform.node()} ended early: {error}"
            return Farewell(without_url_passwords(message), error.exit_code)
        return Farewell()

    def stop(self) -> None:
        self._stopping.set()


def _own_settings() -> Settings:
    settings = read_settings()
    if settings.store is None:
        raise SettingsError(
            f"Ray runs without SEARCH_STORE on {platform.node()}: start it there with the environment of a worker."
        )
    return settings
