"""One connection pool, and one way to run SQL that survives a lost connection."""

import logging
import time
from collections.abc import Callable
from threading import Event
from typing import Any, TypeVar

import psycopg2
from optuna.exceptions import StorageInternalError
from sqlalchemy import Connection, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    InterfaceError,
    OperationalError,
    PendingRollbackError,
    SQLAlchemyError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    retry_if_exception_type,
    stop_after_attempt,
    stop_after_delay,
    stop_any,
    stop_when_event_set,
    wait_fixed,
    wait_random_exponential,
)

from search.errors import StoreError, StoreOutage, StoreUnreachable
from search.settings import Settings
from search.store import embedded, schema
from search.store.patience import PatientConnection
from search.store.storage import PostgresStorage

T = TypeVar("T")

DATABASE_ERRORS = (SQLAlchemyError, StorageInternalError, psycopg2.Error)

log = logging.getLogger(__name__)

REVIVAL_SECONDS = 30.0  # how long a server may take to be there: an embedded one is first found dead, and started
OUTAGE_SECONDS = 600.0  # how long a database may be gone before a worker gives up
LEAVING_SECONDS = 20.0  # the same, once it was told to leave: for all that is left to say together

# Only database time decides anything, so every session speaks UTC; a call that hangs ends within seconds.
_SESSION = (
    "-c timezone=UTC -c statement_timeout=20s -c lock_timeout=15s -c idle_in_transaction_session_timeout=60s"
)
_ENGINE: dict[str, Any] = {
    "pool_size": 1,
    "max_overflow": 1,
    "pool_timeout": 60,
    "connect_args": {
        "options": _SESSION,
        "application_name": "search",
        "connection_factory": PatientConnection,
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 15_000,
    },
}


class Store:
    """An open store: `run` for a transaction, `run_statement` for a single statement, `storage` for Optuna.

    revive: called while the server can't be reached, to start it again where that is ours to do.
    leaving: once it is set, an outage is waited for only briefly.
    tests_connections: whether each is tried before use, for callers that go to `storage` without `retrying`.
    """

    def __init__(
        self,
        url: str,
        *,
        revive: Callable[[], object] = lambda: None,
        leaving: Event | None = None,
        tests_connections: bool = False,
    ) -> None:
        self._revive = revive
        self._leaving = leaving or Event()
        engine = _ENGINE | {"pool_pre_ping": tests_connections}
        self.storage = PostgresStorage(optuna_url(url), engine_kwargs=engine, skip_table_creation=True)
        self._transactions = self.storage.engine
        self._statements = self.storage.engine.execution_options(isolation_level="AUTOCOMMIT")
        self._in_touch_since = time.monotonic()
        self._waits_since: float | None = None  # when it first waited after it was told to leave
        self._reason = ""  # of the last failure
        self.errors = 0  # calls that found the database out of reach

    def run(self, work: Callable[[Connection], T]) -> T:
        """The result of `work` in one transaction, run again when the connection is lost."""
        return self.retrying(lambda: self._in(self._transactions, work))

    def run_statement(self, work: Callable[[Connection], T]) -> T:
        """As `run`, for work of a single statement: without the round trips of BEGIN and COMMIT."""
        return self.retrying(lambda: self._in(self._statements, work))

    def retrying(self, call: Callable[[], T]) -> T:
        """The result of `call`, run again while the database can't be reached, for up to ten minutes.

        Raises StoreOutage after that.
        """
        started = time.monotonic()
        attempts = Retrying(
            retry=retry_if_exception(is_lost_connection),
            wait=wait_random_exponential(multiplier=0.1, max=5.0),
            stop=self._has_waited_enough,
            before_sleep=self._note_outage,
            reraise=True,
        )
        try:
            return attempts(call)
        except DATABASE_ERRORS as error:
            if is_lost_connection(error):
                seconds = time.monotonic() - started
                raise StoreOutage(f"the database has been out of reach for {seconds:.0f} s: {error}") from error
            raise

    def seconds_in_touch(self) -> float:
        """For how long the database has answered this process without a failure."""
        return time.monotonic() - self._in_touch_since

    def close(self) -> None:
        self.storage.engine.dispose()

    def _has_waited_enough(self, state: RetryCallState) -> bool:
        if not self._leaving.is_set():
            return (state.seconds_since_start or 0.0) > OUTAGE_SECONDS
        if self._waits_since is None:
            self._waits_since = time.monotonic()
        return time.monotonic() - self._waits_since > LEAVING_SECONDS

    def _note_outage(self, state: RetryCallState) -> None:
        self._in_touch_since = time.monotonic()
        self.errors += 1
        reason = str(state.outcome and state.outcome.exception()).partition("\n")[0]
        if state.attempt_number == 1 or reason != self._reason:
            log.warning("the database can't be reached; trying again for up to %g s: %s", OUTAGE_SECONDS, reason)
        self._reason = reason
        self._revive()

    @staticmethod
    def _in(engine: Any, work: Callable[[Connection], T]) -> T:
        with engine.begin() as connection:
            return work(connection)


def open_store(settings: Settings, *, leaving: Event | None = None) -> Store:
    """The store that the settings name, or the embedded one; an empty database gets its tables.

    leaving: as for `Store`. Where it is given, a server that restarts just now is waited for.

    Raises StoreError when it can't be reached or its schema is of another version.
    """

    def open_now() -> Store:
        url = store_url(settings)
        try:
            schema.create_if_empty(url)
            return Store(url, revive=lambda: store_url(settings), leaving=leaving)
        except DATABASE_ERRORS as error:
            if is_lost_connection(error):
                raise StoreUnreachable("the connection to the store was lost while it was opened.") from error
            raise

    # An embedded server that was killed a moment ago still looks alive; soon it is found dead, and started.
    patience = stop_any(stop_after_delay(REVIVAL_SECONDS), stop_when_event_set(leaving or Event()))
    if settings.store and leaving is None:
        patience = stop_any(stop_after_attempt(1))
    again = retry_if_exception_type(StoreUnreachable)
    return Retrying(retry=again, wait=wait_fixed(0.5), stop=patience, reraise=True)(open_now)


def store_url(settings: Settings) -> str:
    """The URL of the store's server, with the psycopg2 driver; starts the embedded one where none is named."""
    url = settings.store or embedded.start(settings.home / "postgres")
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise StoreError(
            "SEARCH_STORE is not a URL such as postgresql://user:password@host:5432/database."
        ) from None
    if not parsed.drivername.startswith("postgres"):
        raise StoreError(f"SEARCH_STORE names a {parsed.drivername} database; only postgresql:// is supported.")
    return parsed.set(drivername="postgresql+psycopg2").render_as_string(hide_password=False)


def optuna_url(url: str) -> str:
    """The URL as Optuna takes it: it fills `{...}` templates, so braces are percent-encoded."""
    return url.replace("{", "%7B").replace("}", "%7D")


def is_lost_connection(error: BaseException) -> bool:
    """Whether the error says that the server could not be reached, as against a fault in the call."""
    if isinstance(error, StorageInternalError) and error.__cause__ is not None:
        return is_lost_connection(error.__cause__)
    if isinstance(error, PendingRollbackError):  # of what cleans up after the error that matters
        return error.__context__ is not None and is_lost_connection(error.__context__)
    if isinstance(error, psycopg2.OperationalError | psycopg2.InterfaceError):  # of giving a connection back
        return not _is_statement_fault(error)
    if isinstance(error, PoolTimeout):
        return True
    if not isinstance(error, DBAPIError):
        return False
    if error.connection_invalidated or isinstance(error, InterfaceError):
        return True
    return isinstance(error, OperationalError) and not _is_statement_fault(error.orig)


def _is_statement_fault(error: BaseException | None) -> bool:
    """Whether the server answered, and refused who asked for good."""
    refused = (psycopg2.errors.InvalidPassword, psycopg2.errors.InvalidAuthorizationSpecification)
    return isinstance(error, refused)
