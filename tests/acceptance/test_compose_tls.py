"""Workers of another host, over TLS: Postgres with a certificate made as docs/fleet.md says."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from socket import AF_INET

import psutil
import psycopg2
import pytest

from .stack import ROOT, Stack, docker, free_port, has_docker, wait_for

pytestmark = [
    pytest.mark.compose,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not has_docker(), reason="no Docker daemon answers"),
]

STORE_HOST = "store.search.test"
RIGHT, WRONG_AUTHORITY, WRONG_NAME = "right", "wrong_authority", "wrong_name"


def make_certificates(folder: Path, name: str) -> None:
    """Runs the lines of the document, which make `tls` and `remote` in the folder."""
    (lines,) = re.findall(r"```sh\n(.*?)```", (ROOT / "docs" / "fleet.md").read_text(), re.DOTALL)
    folder.mkdir()
    environment = os.environ | {"STORE_HOST": name}
    subprocess.run(["sh", "-ec", lines], cwd=folder, env=environment, check=True, capture_output=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    make_certificates(folder / RIGHT, STORE_HOST)
    make_certificates(folder / WRONG_AUTHORITY, STORE_HOST)
    return folder


@pytest.fixture(scope="module")
def bridge() -> str:
    """An address of this host that containers reach."""
    return next(address.address for address in psutil.net_if_addrs()["docker0"] if address.family is AF_INET)


@pytest.fixture(scope="module")
def port() -> str:
    return str(free_port())


@pytest.fixture(scope="module")
def central(folder: Path, bridge: str, port: str) -> Iterator[Stack]:
    """The host of the store."""
    stack = Stack(
        "docker-compose.yml",
        "compose.tls.yml",
        TLS_DIR=str(folder / RIGHT / "tls"),
        STORE_ADDRESS=bridge,
        STORE_PORT=port,
        DASHBOARD_PORT=str(free_port()),
        DATA_DIR=str(folder),
    )
    stack("build", "dashboard", "workers")
    stack("up", "-d", "dashboard")
    for authority in (RIGHT, WRONG_AUTHORITY):
        password = folder / authority / "remote" / "db_password"
        password.write_text(stack.secret("db_password"))
        for file in password.parent.iterdir():
            os.chown(file, 10001, 10001)
            file.chmod(0o400)
    yield stack
    stack.remove()


@pytest.fixture
def remote(request: pytest.FixtureRequest, folder: Path, bridge: str, port: str) -> Iterator[Stack]:
    """Another host, on which the store's name, and a wrong one, lead to the store."""
    names = folder / "names.yml"
    names.write_text(f"services: {{workers: {{extra_hosts: ['{STORE_HOST}:{bridge}', 'other.test:{bridge}']}}}}\n")
    stack = Stack(
        "compose.remote.yml",
        names,
        STORE_HOST="other.test" if request.param == WRONG_NAME else STORE_HOST,
        STORE_PORT=port,
        REMOTE_DIR=str(folder / (WRONG_AUTHORITY if request.param == WRONG_AUTHORITY else RIGHT) / "remote"),
        DATA_DIR=str(folder),
    )
    yield stack
    stack.remove()


@pytest.mark.parametrize("remote", [RIGHT], indirect=True)
def test_a_worker_of_another_host_works_for_the_store(central: Stack, remote: Stack) -> None:
    remote("up", "-d", "workers")
    (worker,) = remote.containers("workers")
    wait_for(lambda: f"{worker[:12]}" in registered(central), "the worker")
    sessions = psql(
        central,
        "SELECT usename, ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE client_addr IS NOT NULL",
    )
    assert {*sessions.split()} == {"search|t"}


@pytest.mark.parametrize(
    ("remote", "reason"),
    [(WRONG_AUTHORITY, "certificate verify failed"), (WRONG_NAME, 'does not match host name "other.test"')],
    indirect=["remote"],
)
def test_another_certificate_is_refused_in_one_message(central: Stack, remote: Stack, reason: str) -> None:
    told = remote("run", "--rm", "-T", "workers", "store", "status", code=75, errors=True)
    message = next(line for line in told.splitlines() if line.startswith("search: "))
    assert reason in told[told.index(message) :]
    assert "Traceback" not in told
    assert central.secret("db_password") not in told


def test_nobody_comes_without_tls_or_without_the_password(central: Stack, bridge: str, port: str) -> None:
    password = central.secret("db_password")
    assert "no encryption" in refusal(bridge, port, password, "disable")
    assert "password authentication failed" in refusal(bridge, port, "wrong", "require")


def refusal(host: str, port: str, password: str, sslmode: str) -> str:
    """What libpq says when it is turned away."""
    with pytest.raises(psycopg2.OperationalError) as caught:
        psycopg2.connect(host=host, port=port, user="search", dbname="search", password=password, sslmode=sslmode)
    return str(caught.value)


def registered(central: Stack) -> str:
    return psql(central, "SELECT worker FROM search_workers")


def psql(central: Stack, query: str) -> str:
    """What the database answers, asked over its own socket."""
    return docker("exec", central.containers("db")[0], "psql", "-U", "search", "-d", "search", "-Atc", query)
