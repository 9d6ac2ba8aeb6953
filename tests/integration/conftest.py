"""Real servers for every test: one embedded Postgres a session, emptied before each test, and one S3."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import NullPool, create_engine, text

from search.cli import main
from search.settings import Settings
from search.store import embedded, schema
from search.store.connection import Store, open_store, store_url
from tests.s3 import S3

Run = Callable[..., str]


def make_settings(folder: Path, store: str | None = None) -> Settings:
    """Settings that keep everything within one folder."""
    return Settings(
        home=folder / "home",
        data=folder / "data",
        results=str(folder / "results"),
        store=store,
        lease_seconds=60.0,
        stall_seconds=600.0,
    )


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3]:
    with pytest.MonkeyPatch.context() as patch:
        server = S3()
        for name, value in server.environment.items():
            patch.setenv(name, value)
        yield server
        server.stop()


@pytest.fixture
def s3(s3_server: S3) -> S3:
    """The server, with a new bucket."""
    s3_server.make_bucket()
    return s3_server


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a running server with every table, stopped at the end."""
    settings = make_settings(tmp_path_factory.mktemp("server"))
    url = store_url(settings)
    schema.migrate(url)
    yield url
    embedded.stop(settings.home / "postgres")


@pytest.fixture
def settings(server: str, tmp_path: Path) -> Settings:
    """Settings that name a database with tables and nothing in them."""
    with create_engine(server, poolclass=NullPool).begin() as connection:
        connection.execute(text("TRUNCATE studies, search_workers RESTART IDENTITY CASCADE"))
    return make_settings(tmp_path, server)


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    store = open_store(settings)
    yield store
    store.close()


@pytest.fixture
def run(
    server: str, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    """Runs `search ARGUMENTS`, asserts the exit code, and returns what was printed: errors, if it failed."""
    monkeypatch.setenv("SEARCH_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SEARCH_RESULTS", str(tmp_path / "results"))
    monkeypatch.setenv("SEARCH_STORE", server)
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, code: int = 0) -> str:
        capsys.readouterr()
        assert main(arguments) == code
        printed = capsys.readouterr()
        return printed.err if code else printed.out

    return run
