"""Real servers for every test: one embedded Postgres a session, emptied before each test, and one S3."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest
from moto.server import ThreadedMotoServer
from sqlalchemy import NullPool, create_engine, text

from search.settings import Settings
from search.store import embedded, schema
from search.store.connection import Store, open_store, store_url


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


S3_SECRET = "c4n4ry/+s3cr3t"


class S3:
    """An S3 server on this machine, with one bucket, `url`. What it holds outlives a stop and a start."""

    def __init__(self, port: int = 0) -> None:
        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
        self._server.start()
        self.port = self._server.get_host_and_port()[1]
        self.url = ""

    def stop(self) -> None:
        self._server.stop()

    def start(self) -> None:
        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=self.port, verbose=False)
        self._server.start()

    def filesystem(self) -> fsspec.AbstractFileSystem:
        return fsspec.filesystem("s3", use_listings_cache=False)


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3]:
    with pytest.MonkeyPatch.context() as patch:
        server = S3()
        patch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "key")
        patch.setenv("AWS_SECRET_ACCESS_KEY", S3_SECRET)
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        yield server
        server.stop()


@pytest.fixture
def s3(s3_server: S3) -> S3:
    """The server, with a new bucket."""
    bucket = f"bucket-{uuid.uuid4().hex}"
    s3_server.filesystem().mkdir(bucket)
    s3_server.url = f"s3://{bucket}"
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
