"""Every error raised on purpose: one class for each thing the user can act on.

The command line prints the message and exits with `exit_code`; no traceback. Anything else that is raised is a
bug and keeps its traceback.
"""

from collections.abc import Mapping
from dataclasses import dataclass


class SearchError(Exception):
    """The message says what is wrong, where, and what to do."""

    exit_code = 2


class SettingsError(SearchError):
    """An environment variable or a secret file is missing or malformed."""


class UnknownName(SearchError):
    """No model, data set, study or metric of that name; the message lists the ones there are."""


@dataclass(frozen=True)
class Problem:
    """One thing wrong in a file: `line` counts from 1; `key` is dotted, such as `space.lr.low`, or a column."""

    line: int
    key: str
    message: str


class StudyFileError(SearchError):
    """A study file or a mapping file is malformed; carries every problem found, in the order of their lines."""

    def __init__(self, path: str, problems: list[Problem]) -> None:
        self.path = path
        self.problems = sorted(problems, key=lambda problem: problem.line)
        lines = [f"{path}:{problem.line}: {problem.key}: {problem.message}" for problem in self.problems]
        super().__init__("\n".join(lines))

    def __reduce__(self) -> tuple[type["StudyFileError"], tuple[str, list[Problem]]]:
        return type(self), (self.path, self.problems)  # what it takes to raise it in another process


class CampaignFileError(SearchError):
    """A campaign file is malformed, or a study that it names is; carries what is wrong with each file."""

    def __init__(self, files: list[StudyFileError]) -> None:
        self.files = files
        super().__init__("\n".join(map(str, files)))


class CampaignConflict(SearchError):
    """A step of a campaign stands in the store as another study than the file now makes of it."""


class CampaignStopped(SearchError):
    """A step has found nothing that the next one could go on from; the message says why."""


class HistoryError(SearchError):
    """Results that were come by elsewhere can't be imported as they are; a line for each reason."""


class StudyConflict(SearchError):
    """A study of that name stands in the store with another definition."""


class StudyNotFound(SearchError):
    """The store holds no study of that name."""


class OldVersion(SearchError):
    """A newer version of the service has registered the study, whose results an older one might spoil."""

    def __init__(self, study: str, *, registered: str, own: str) -> None:
        super().__init__(
            f"study {study!r} was registered by search {registered}, and this is {own}: upgrade here, with "
            f"`pip install --upgrade affect-search>={registered}` or the newer image."
        )


class DatasetError(SearchError):
    """A data set's folder is missing, incomplete, or holds too many unreadable files."""


class CacheError(SearchError):
    """A prepared data set in the cache folder does not match its manifest."""


class ModelError(SearchError):
    """Arguments of a model that do not fit together, such as heads that do not divide the width."""


class WeightsError(SearchError):
    """A file of pretrained weights does not fit the model; the message lists the keys."""


class StoreError(SearchError):
    """The store is no Postgres, or its schema is not the one this version needs."""


class StoreUnreachable(StoreError):
    """No server answers where the store should be.

    The exit code is EX_TEMPFAIL of sysexits.h: start me again later.
    """

    exit_code = 75


class StoreOutage(StoreError):
    """The database was there, and has been out of reach for longer than a worker waits.

    The exit code is EX_TEMPFAIL of sysexits.h: start me again later.
    """

    exit_code = 75


class DashboardError(SearchError):
    """The dashboard can't listen where it was told to, or must not without a password."""


class WorkerError(SearchError):
    """A worker ended before its study did; the message ends with its last words and names its log."""


class WorkerUnfit(WorkerError):
    """This machine can't go on training, though others may: its disk is full, or its GPU is gone.

    The exit code is EX_TEMPFAIL of sysexits.h: start me again later.
    """

    exit_code = 75


class SlotError(SearchError):
    """The folder in which workers lock their slots can't be used."""


class CheckpointError(SearchError):
    """Checkpoints could not be written several times in a row; the message says where and why."""


class PlaceError(SearchError):
    """A folder or URL for checkpoints or figures can't be used."""


class Diverged(SearchError):
    """The loss or a metric stopped being finite during training."""


class NotComparable(SearchError):
    """Two results that can't be held against each other; the message names what differs."""


class DifferentItems(SearchError):
    """Models were judged on different items or labels, so that they can't be compared.

    digests: of `Predictions`, by what was judged.
    """

    def __init__(self, digests: Mapping[str, str]) -> None:
        named = ", ".join(f"{name} on {digest[:8]}" for name, digest in digests.items())
        super().__init__(
            f"they were judged on different items or labels ({named}): compare what has read the same split."
        )
