"""The environment, read once into one frozen `Settings`."""

import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from platformdirs import user_data_path

from search.errors import SettingsError

SECRET_VARIABLES = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "PGPASSWORD")  # beside SEARCH_STORE


@dataclass(frozen=True)
class Settings:
    """Where things are and how patient the service is.

    home: folder of the embedded database, the data cache and the logs (`SEARCH_HOME`).
    data: folder under which a data set's own folder is looked for by name (`SEARCH_DATA`).
    results: folder, or URL such as s3://bucket/results, that receives figures (`SEARCH_RESULTS`).
    store: URL of a Postgres server, or None for the embedded one: `SEARCH_STORE` or `SEARCH_STORE_FILE`, with the
        password of `SEARCH_STORE_PASSWORD_FILE` where that is given.
    checkpoints: folder, or URL such as s3://bucket/checkpoints, that every worker reaches; None keeps them in
        `home`, for this machine alone (`SEARCH_CHECKPOINTS`).
    slots: folder of this machine in which workers lock the slot they train on (`SEARCH_SLOTS`).
    slots_per_gpu: workers that may share one GPU (`SEARCH_SLOTS_PER_GPU`).
    launch_workers: worker processes that `search launch` starts; None is one for each slot (`SEARCH_WORKERS`).
    metrics_port: where a worker serves Prometheus metrics; None is nowhere (`SEARCH_METRICS_PORT`).
    metrics_host: the address that it listens on there (`SEARCH_METRICS_HOST`).
    health_file: file that a worker touches while it is well; None is none (`SEARCH_HEALTH_FILE`).
    dashboard_password_file: file that holds the password of `search dashboard`; None asks for none
        (`SEARCH_DASHBOARD_PASSWORD_FILE`).
    dashboard_names: host names under which it is served, apart from this machine's own; separated by white space
        (`SEARCH_DASHBOARD_NAMES`).
    lease_seconds: how long a silent worker keeps its ticket (`SEARCH_LEASE_SECONDS`).
    stall_seconds: how long a trial may make no progress before it is killed (`SEARCH_STALL_SECONDS`).
    """

    home: Path
    data: Path
    results: str
    store: str | None = field(repr=False)
    checkpoints: str | None = None
    slots: Path = Path(tempfile.gettempdir(), "search-slots")
    slots_per_gpu: int = 1
    launch_workers: int | None = None
    metrics_port: int | None = None
    metrics_host: str = "127.0.0.1"
    health_file: Path | None = None
    dashboard_password_file: Path | None = None
    dashboard_names: tuple[str, ...] = ()
    lease_seconds: float = 60.0
    stall_seconds: float = 600.0


def read_settings() -> Settings:
    """The settings of this process's environment. Raises SettingsError naming the variable at fault."""
    return Settings(
        home=_folder("SEARCH_HOME", user_data_path("search", appauthor=False)),
        data=_folder("SEARCH_DATA", Path("data")),
        results=_place("SEARCH_RESULTS") or str(Path("results").absolute()),
        store=_store(),
        checkpoints=_place("SEARCH_CHECKPOINTS"),
        slots=_folder("SEARCH_SLOTS", Path(tempfile.gettempdir(), f"search-slots-{os.getuid()}")),
        slots_per_gpu=_number("SEARCH_SLOTS_PER_GPU", low=1) or 1,
        launch_workers=_number("SEARCH_WORKERS", low=0),
        metrics_port=_number("SEARCH_METRICS_PORT", low=1, high=65535),
        metrics_host=os.environ.get("SEARCH_METRICS_HOST") or "127.0.0.1",
        health_file=_file("SEARCH_HEALTH_FILE"),
        dashboard_password_file=_file("SEARCH_DASHBOARD_PASSWORD_FILE"),
        dashboard_names=tuple(os.environ.get("SEARCH_DASHBOARD_NAMES", "").split()),
        lease_seconds=_seconds("SEARCH_LEASE_SECONDS", 60.0),
        stall_seconds=_seconds("SEARCH_STALL_SECONDS", 600.0),
    )


def _folder(variable: str, default: Path) -> Path:
    return Path(os.environ.get(variable) or default).expanduser().absolute()


def _file(variable: str) -> Path | None:
    file = os.environ.get(variable)
    return Path(file) if file else None


def _place(variable: str) -> str | None:
    """A folder as an absolute path, or a URL as it is."""
    text = os.environ.get(variable)
    if not text or "://" in text:
        return text or None
    return str(Path(text).expanduser().absolute())


def _number(variable: str, *, low: int, high: int | None = None) -> int | None:
    text = os.environ.get(variable)
    if not text:
        return None
    try:
        value = int(text)
    except ValueError:
        raise SettingsError(f"{variable} is {text!r}: give a whole number.") from None
    if value < low or (high is not None and value > high):
        span = f"of at least {low}" if high is None else f"from {low} to {high}"
        raise SettingsError(f"{variable} is {value}: give a whole number {span}.")
    return value


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
    url = _secret("SEARCH_STORE_FILE") or os.environ.get("SEARCH_STORE") or None
    password = _secret("SEARCH_STORE_PASSWORD_FILE")
    if not url or password is None:
        return url
    from sqlalchemy import make_url  # a training process reads settings, too, and never needs it
    from sqlalchemy.exc import ArgumentError

    try:
        return make_url(url).set(password=password).render_as_string(hide_password=False)
    except ArgumentError:
        raise SettingsError("SEARCH_STORE is not a URL such as postgresql://user@host:5432/database.") from None


def _secret(variable: str) -> str | None:
    """What stands in the file that the variable names, without the white space around it."""
    file = os.environ.get(variable)
    if not file:
        return None
    try:
        return Path(file).read_text().strip()
    except OSError as error:
        raise SettingsError(f"{variable} names {file}, which can't be read: {error.strerror}.") from error
