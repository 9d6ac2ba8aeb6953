"""Creates and upgrades the tables: Optuna's and our own, under one migration chain (alembic)."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, NullPool, create_engine, inspect, text
from sqlalchemy.exc import OperationalError

from search.errors import StoreError, StoreUnreachable
from search.store.patience import PatientConnection

VERSION_TABLE = "search_schema_version"

_LOCK = 7_301_118_010  # any number that nobody else in the database locks


def create_if_empty(url: str) -> None:
    """Gives an empty database its tables; leaves a current one alone.

    Raises StoreError when the schema is another version's, StoreUnreachable when no server answers.
    """
    installed, wanted = versions(url)
    if installed is None:
        migrate(url)
    elif installed != wanted:
        raise StoreError(
            f"the store's schema is version {installed}, this program needs {wanted}: "
            "run `search store migrate` with the newest program."
        )


def migrate(url: str) -> None:
    """Creates or upgrades every table. Any number of processes may call it at once: one works, the rest wait."""
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as lock:
        lock.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _LOCK})
        with engine.begin() as connection:
            configuration = _configuration()
            configuration.attributes["connection"] = connection
            configuration.attributes["url"] = url
            command.upgrade(configuration, "head")


def versions(url: str) -> tuple[str | None, str]:
    """The schema version in the database (None where there is none), and the one that this program needs."""
    head = ScriptDirectory.from_config(_configuration()).get_current_head()
    assert head is not None
    try:
        patient = {"connection_factory": PatientConnection}
        with create_engine(url, poolclass=NullPool, connect_args=patient).connect() as connection:
            return _installed(connection), head
    except OperationalError as error:
        raise StoreUnreachable(f"the store can't be reached: {error.orig}") from error


def _installed(connection: Connection) -> str | None:
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
    return context.get_current_revision()


def _configuration() -> Config:
    configuration = Config()
    configuration.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return configuration
