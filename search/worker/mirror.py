"""The checkpoints of a ticket where every worker reaches them: in a shared folder, or mirrored to a remote place.

Training always writes to a folder. Where that is a shared one there is nothing else to do. Where the place is a
URL, the newest checkpoints come from there before an attempt, and go there after each epoch, beside training.
"""

import logging
import shutil
import time
from pathlib import Path
from threading import Lock, Thread

from search.places import Remote, open_place, reason
from search.settings import Settings
from search.worker.checkpoint_files import CheckpointFile, local_files, remote_files

KEPT = 2  # checkpoints, as search.training.checkpoint keeps them
RETRY_SECONDS = 0.5  # between tries while somebody waits
REMOVAL_SECONDS = 10.0  # how long the end of a ticket waits for its remote files to go

log = logging.getLogger(__name__)


class LocalCheckpoints:
    """The checkpoints of a ticket in `folder`, which other workers reach by themselves or not at all."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fetch(self, seconds: float) -> bool:
        """Brings the newest checkpoints into `folder` before training. False where it takes longer than `seconds`:
        call again. What can't be brought is logged, and training begins with what is there.
        """
        return True

    def push(self) -> None:
        """Has the newest checkpoint of this attempt brought to the other workers; returns at once."""

    def flush(self, seconds: float) -> bool:
        """Waits for that, up to `seconds`; whether the newest one is there."""
        return True

    def remove(self) -> None:
        """Removes every checkpoint of the ticket, which has ended."""
        shutil.rmtree(self.folder, ignore_errors=True)


def ticket_checkpoints(settings: Settings, study: str, ticket: int, attempt: int) -> LocalCheckpoints:
    """The checkpoints of a ticket, as one attempt at it keeps them.

    study: the name of the study's folder; of another definition or other data it is another one.

    Raises PlaceError.
    """
    here = settings.home / "checkpoints"
    place = open_place(settings.checkpoints) if settings.checkpoints else here
    if isinstance(place, Path):
        return LocalCheckpoints(place / study / str(ticket))
    return Mirror(here / study / str(ticket), place / study / str(ticket), attempt)


class Mirror(LocalCheckpoints):
    """Keeps the newest checkpoints of `folder` at a remote place, too.

    As in `search.training.checkpoint`, an attempt writes into its own folder, and reads and clears away those of
    attempts up to its own: one believed dead that still runs can't damage another's. Uploads that fail are tried
    again after the next epoch. One that breaks off may leave half a file, which is passed over when read.
    """

    def __init__(self, folder: Path, remote: Remote, attempt: int) -> None:
        super().__init__(folder)
        self._remote = remote
        self._attempt = attempt
        self._fetching: Thread | None = None
        self._lock = Lock()  # over the next two
        self._working: Thread | None = None
        self._asked = False
        self._removing = False
        self._sent: CheckpointFile | None = None
        self._failing = False

    def fetch(self, seconds: float) -> bool:
        if self._fetching is None:
            self._fetching = Thread(target=self._fetch_newest, name="fetch checkpoints", daemon=True)
            self._fetching.start()
        self._fetching.join(seconds)
        return not self._fetching.is_alive()

    def push(self) -> None:
        with self._lock:
            self._asked = True
            if self._working is None:
                self._working = Thread(target=self._work, name="mirror checkpoints", daemon=True)
                self._working.start()

    def flush(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while True:
            self.push()
            self._join(deadline - time.monotonic())
            if self._newest_own() == self._sent:
                return True
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            time.sleep(min(RETRY_SECONDS, left))

    def remove(self) -> None:
        super().remove()
        self._removing = True
        self.push()
        self._join(REMOVAL_SECONDS)

    def _join(self, seconds: float) -> None:
        thread = self._working
        if thread is not None:
            thread.join(max(0.0, seconds))

    def _fetch_newest(self) -> None:
        try:
            here = {file.name: file for file in local_files(self.folder, self._attempt)}
            there = {file.name: file for file in remote_files(self._remote, self._attempt)}
            for file in sorted((here | there).values(), reverse=True)[:KEPT]:
                if file.name in there and file != here.get(file.name):
                    self._fetch(file)
        except Exception as error:  # of a dozen kinds, each library's own
            log.warning(
                "the checkpoints in %s can't be fetched (%s): training starts from what this machine holds",
                self._remote,
                reason(error),
            )

    def _fetch(self, file: CheckpointFile) -> None:
        path = self.folder / file.name
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_suffix(".tmp")
        try:
            self._remote.filesystem.get_file(f"{self._remote.path}/{file.name}", str(aside))
            aside.replace(path)
        finally:
            aside.unlink(missing_ok=True)

    def _work(self) -> None:
        """Uploads, or removes, until nothing more is asked for."""
        while self._take_request():
            try:
                if self._removing:
                    self._remove_remote()
                else:
                    self._send_newest()
                self._failing = False
            except Exception as error:  # of a dozen kinds, each library's own
                if not self._failing:
                    advice = "remove it by hand" if self._removing else "every epoch is another chance"
                    log.warning("%s can't be changed (%s): %s", self._remote, reason(error), advice)
                self._failing = True

    def _take_request(self) -> bool:
        with self._lock:
            asked, self._asked = self._asked, False
            if not asked:
                self._working = None
            return asked

    def _send_newest(self) -> None:
        newest = self._newest_own()
        if newest is None or newest == self._sent:
            return
        try:
            self._remote.put(self.folder / newest.name, newest.name)
        except FileNotFoundError:
            if (self.folder / newest.name).exists():
                raise
            return  # superseded meanwhile, so another push follows
        self._sent = newest
        self._tidy()

    def _tidy(self) -> None:
        """Keeps the newest of its own, and of earlier attempts what is not yet superseded."""
        files = remote_files(self._remote, self._attempt)
        own = [file for file in files if file.attempt == self._attempt]
        for file in {*files} - {*files[:KEPT], *own[:KEPT]}:
            self._remote.filesystem.rm_file(f"{self._remote.path}/{file.name}")

    def _remove_remote(self) -> None:
        if self._remote.filesystem.find(self._remote.path):
            self._remote.filesystem.rm(self._remote.path, recursive=True)

    def _newest_own(self) -> CheckpointFile | None:
        return next(
            (file for file in local_files(self.folder, self._attempt) if file.attempt == self._attempt), None
        )
