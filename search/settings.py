"""The environment, read once into one frozen `Settings`."""

import os
from dataclasses import dataclass, field
from pathlib import Path

from platformdirs import user_data_path

from search.errors import SettingsError


@dataclass(frozen=True)
class Settings:
    """Where things are and how patient the service is.

    home: folder of the embedded database, the data cache and the checkpoints (`SEARCH_HOME`).
    data: folder under which a data set's own folder is looked for by name (`SEARCH_DATA`).
    results: folder that receives figures (`SEARCH_RESULTS`).
    store: URL of a Postgres server, or None for the embedded one (`SEARCH_STORE` or `SEARCH_STORE_FILE`).
    lease_seconds: how long a silent worker keeps its ticket (`SEARCH_LEASE_SECONDS`).
    stall_seconds: how long a trial may make no progress before it is killed (`SEARCH_STALL_SECONDS`).
    """

    home: Path
    data: Path
    results: Path
    store: str | None = field(repr=False)
    lease_seconds: float
    stall_seconds: float


def read_settings() -> Settings:
    """The settings of this process's environment. Raises SettingsError naming the variable at fault."""
    return Settings(
        home=_folder("SEARCH_HOME", user_data_path("search", appauthor=False)),
        data=_folder("SEARCH_DATA", Path("data")),
        results=_folder("SEARCH_RESULTS", Path("results")),
        store=_store(),
        lease_seconds=_seconds("SEARCH_LEASE_SECONDS", 60.0),
        stall_seconds=_seconds("SEARCH_STALL_SECONDS", 600.0),
    )


def _folder(variable: str, default: Path) -> Path:
    return Path(os.environ.get(variable) or default).expanduser().absolute()


def _seconds(variable: str, default: float) -> float:
    text = os.environ.get(variable)
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        raise SettingsError(f"{variable} is {text!r}: give a number of seconds, such as {default:g}.") from None
    if not 0 < value < float("inf"):
        raise SettingsError(f"{variable} is {text}: give a number of seconds above 0.")
    return value


def _store() -> str | None:
    file = os.environ.get("SEARCH_STORE_FILE")
    if not file:
        return os.environ.get("SEARCH_STORE") or None
    try:
        return Path(file).read_text().strip()
    except OSError as error:
        raise SettingsError(f"SEARCH_STORE_FILE names {file}, which can't be read: {error.strerror}.") from error
