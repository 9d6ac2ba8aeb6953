"""Connections are lost and databases are empty: the store's answer, on a real server."""

import multiprocessing
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg2
import pytest
from sqlalchemy import Connection, NullPool, create_engine, make_url, text
from sqlalchemy.exc import ProgrammingError

from search.errors import StoreError, StoreOutage
from search.settings import Settings
from search.store import connection, embedded, patience, schema
from search.store.connection import Store, open_store, store_url
from search.store.publication import publishing_alone
from tests.half_open_proxy import HalfOpenProxy
from tests.postgres import Postgres

from .conftest import make_settings

KILL_EVERYONE_ELSE = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE pid != pg_backend_pid()"


def kill_connections(url: str) -> None:
    with create_engine(url, poolclass=NullPool).connect() as connection:
        connection.execute(text(f"{KILL_EVERYONE_ELSE} AND datname = current_database()"))


def test_a_killed_connection_is_replaced(store: Store, server: str) -> None:
    assert store.run(lambda c: c.execute(text("SELECT 1")).scalar()) == 1
    kill_connections(server)
    assert store.run(lambda c: c.execute(text("SELECT 2")).scalar()) == 2
    assert store.seconds_in_touch() < 60 and store.errors == 1


def test_a_transaction_cut_in_the_middle_runs_again_whole(store: Store, server: str) -> None:
    store.run(lambda c: c.execute(text("CREATE TABLE IF NOT EXISTS counter (n int)")))
    store.run(lambda c: c.execute(text("TRUNCATE counter")))
    cuts = iter([True])

    def insert_once(connection: object) -> None:
        connection.execute(text("INSERT INTO counter VALUES (1)"))  # type: ignore[attr-defined]
        if next(cuts, False):
            kill_connections(server)
        connection.execute(text("SELECT 1"))  # type: ignore[attr-defined]

    store.run(insert_once)
    assert store.run(lambda c: c.execute(text("SELECT count(*) FROM counter")).scalar()) == 1


def test_an_error_of_the_driver_itself_is_a_lost_connection() -> None:
    """SQLAlchemy lets it through where a connection breaks while it is given back to the pool."""
    assert connection.is_lost_connection(psycopg2.OperationalError("server closed the connection unexpectedly"))
    assert not connection.is_lost_connection(psycopg2.errors.InvalidPassword("no"))


def test_a_connection_cut_before_its_lock_is_released_is_replaced(store: Store, server: str) -> None:
    cuts = iter([True])

    def publish(connection: Connection) -> None:
        with publishing_alone(connection, 1):
            if next(cuts, False):
                kill_connections(server)
            connection.execute(text("SELECT 1"))

    store.run_statement(publish)
    assert store.errors == 1


def test_a_half_open_connection_is_noticed_and_replaced(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "ANSWER_SECONDS", 2.0)
    monkeypatch.setattr(patience, "CONNECT_SECONDS", 2.0)
    with Postgres(tmp_path) as postgres, HalfOpenProxy(postgres.port) as proxy:
        store = open_store(make_settings(tmp_path, postgres.url_through(proxy.port)))
        assert store.run(lambda c: c.execute(text("SELECT 1")).scalar()) == 1
        proxy.swallow()
        healing = threading.Timer(8.0, proxy.heal)
        healing.start()
        assert store.run(lambda c: c.execute(text("SELECT 2")).scalar()) == 2
        assert store.errors >= 2, "healing, which resets the connection, accounts for one"
        healing.join()
        store.close()


def test_who_must_leave_does_not_wait_for_the_database(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "LEAVING_SECONDS", 1.0)
    leaving = threading.Event()
    with Postgres(tmp_path) as postgres:
        store = open_store(make_settings(tmp_path, postgres.url), leaving=leaving)
        postgres.stop()
        leaving.set()
        with pytest.raises(StoreOutage, match="out of reach"):
            store.run(lambda c: c.execute(text("SELECT 1")))
        store.close()


def test_a_fault_of_the_statement_is_not_retried(store: Store) -> None:
    with pytest.raises(ProgrammingError):
        store.run(lambda c: c.execute(text("SELECT FROM nowhere")))


def _open(url: str, folder: Path) -> None:
    open_store(make_settings(folder, url)).close()


def test_eight_processes_may_start_on_an_empty_database(server: str, tmp_path: Path) -> None:
    with create_engine(server, poolclass=NullPool, isolation_level="AUTOCOMMIT").connect() as connection:
        connection.execute(text("DROP DATABASE IF EXISTS empty WITH (FORCE)"))
        connection.execute(text("CREATE DATABASE empty TEMPLATE template0"))
    url = make_url(server).set(database="empty").render_as_string(hide_password=False)
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_open, args=(url, tmp_path)) for _ in range(8)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0] * 8
    installed, wanted = schema.versions(url)
    assert installed == wanted


def test_another_schema_version_is_refused(settings: Settings, store: Store) -> None:
    store.run(lambda c: c.execute(text(f"UPDATE {schema.VERSION_TABLE} SET version_num = '0000'")))
    try:
        with pytest.raises(
            StoreError, match=r"schema is version 0000, this program needs .* `search store migrate`"
        ):
            open_store(settings)
    finally:
        store.run(lambda c: c.execute(text(f"UPDATE {schema.VERSION_TABLE} SET version_num = '0003'")))


@pytest.mark.parametrize("url", ["nonsense", "sqlite:///file.db", "mysql://user@host/name"])
def test_a_url_of_another_kind_is_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="postgresql://"):
        open_store(make_settings(tmp_path, url))


def test_an_unreachable_server_is_one_clear_message_without_the_password(tmp_path: Path) -> None:
    with pytest.raises(StoreError) as refusal:
        open_store(make_settings(tmp_path, "postgresql://someone:canary@127.0.0.1:1/search"))
    assert "can't be reached" in str(refusal.value)
    assert "canary" not in str(refusal.value)


def test_a_password_with_every_awkward_character_works(server: str, tmp_path: Path) -> None:
    password = "p@ss:wo/rd{%}'\" x"
    with create_engine(server, poolclass=NullPool).begin() as connection:
        connection.exec_driver_sql("DROP ROLE IF EXISTS awkward")
        connection.exec_driver_sql("CREATE ROLE awkward SUPERUSER LOGIN PASSWORD %s", (password,))
    url = make_url(server).set(username="awkward", password=password).render_as_string(hide_password=False)
    store = open_store(make_settings(tmp_path, url))
    assert store.run(lambda c: c.execute(text("SELECT current_user")).scalar()) == "awkward"
    assert "wo/rd" not in repr(make_settings(tmp_path, url))
    store.close()


Hold = Callable[[Path], subprocess.Popen[str]]

HOLD = """
import sys, time
from pathlib import Path
from search.store import embedded
print(embedded.start(Path(sys.argv[1])), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def hold() -> Iterator[Hold]:
    """Starts a process that uses the embedded server of a folder until its standard input closes."""
    processes = []

    def start(folder: Path) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", HOLD, str(folder)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        processes.append(process)
        assert process.stdout is not None
        assert process.stdout.readline().startswith("postgresql://")
        return process

    yield start
    for process in processes:
        with process:
            process.kill()


def is_up(folder: Path) -> bool:
    """Whether the server of a folder runs: it removes this file last."""
    return (folder / "postmaster.pid").exists()


def test_the_embedded_server_is_shared_and_stops_with_its_last_user(hold: Hold, tmp_path: Path) -> None:
    folder = tmp_path / "postgres"
    first, second = hold(folder), hold(folder)
    first.communicate("")
    assert is_up(folder)
    second.communicate("")
    assert not is_up(folder)


def test_a_killed_user_does_not_keep_the_embedded_server_up(hold: Hold, tmp_path: Path) -> None:
    folder = tmp_path / "postgres"
    killed, last = hold(folder), hold(folder)
    killed.kill()
    killed.wait()
    last.communicate("")
    assert not is_up(folder)


def test_the_embedded_server_does_not_listen_on_the_network(server: str, store: Store) -> None:
    assert store.run(lambda c: c.execute(text("SHOW listen_addresses")).scalar()) == ""


def test_an_embedded_server_can_be_stopped_for_everyone(tmp_path: Path) -> None:
    settings = make_settings(tmp_path)
    assert not embedded.stop(settings.home / "postgres")
    store_url(settings)
    assert embedded.stop(settings.home / "postgres")
    assert not embedded.stop(settings.home / "postgres")
