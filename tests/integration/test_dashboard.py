"""`search dashboard` with a login: the real server, in a process of its own, on a real Postgres."""

import base64
import http.client
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from wsgiref.simple_server import make_server

import optuna
import psutil
import pytest
from optuna.artifacts import FileSystemArtifactStore, upload_artifact
from optuna_dashboard import wsgi
from sqlalchemy import NullPool, create_engine, make_url, text

from search.analysis.dashboard import serve
from search.analysis.gate import Gate
from search.analysis.report_server import Reports
from search.cli import main
from search.errors import DashboardError
from search.store import schema
from search.store.connection import Store
from tests.s3 import S3

PASSWORD = "canary-@:/{%}-käse"
LOGIN = {"Authorization": "Basic " + base64.b64encode(f"search:{PASSWORD}".encode()).decode()}


def ask(
    port: int, path: str, method: str = "GET", content: bytes | None = None, **headers: str
) -> tuple[int, http.client.HTTPMessage, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request(method, path, content, headers=headers)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, answer.headers, body


@contextmanager
def dashboard(server: str, folder: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A running `search dashboard` and its port; ended by Ctrl-C, after which `output` holds what it said."""
    (folder / "password").write_text(f"{PASSWORD}\n")
    process = subprocess.Popen(
        [sys.executable, "-m", "search", "dashboard", "--port", "0", "--password-file", "password", *options],
        cwd=folder,
        env=os.environ | {"SEARCH_HOME": str(folder / "home"), "SEARCH_STORE": server},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    with process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            port = re.search(r"http://[\d.]+:(\d+)/dashboard", line)
            assert port is not None, line
            yield process, int(port[1])
            process.send_signal(signal.SIGINT)
            (folder / "output").write_text(line + process.communicate(timeout=30)[0])
        finally:
            process.kill()


def test_the_login_guards_everything_but_the_health(server: str, store: Store, tmp_path: Path) -> None:
    optuna.create_study(study_name="guarded", storage=store.storage)
    with dashboard(server, tmp_path) as (process, port):
        for path in (
            "/",
            "/dashboard",
            "/api/studies",
            "/static/bundle.js",
            "/csv/1",
            "/artifacts/1/2",
            "/reports/guarded",
            "/favicon.ico",
        ):
            assert ask(port, path)[0] == 401, path
        assert ask(port, "/api/studies/1", "DELETE")[0] == 401
        assert ask(port, "/healthz")[::2] == (200, b"well\n")
        wrong = base64.b64encode(f"search:{PASSWORD}!".encode()).decode()
        assert ask(port, "/api/studies", Authorization=f"Basic {wrong}")[0] == 401
        assert b"guarded" in ask(port, "/api/studies", **LOGIN)[2]
        assert b"</html>" in ask(port, "/dashboard", **LOGIN)[2]
        arguments = " ".join(psutil.Process(process.pid).cmdline())
    assert process.returncode == 0
    told = (tmp_path / "output").read_text() + arguments
    assert "canary" not in told
    assert wrong not in told


def test_a_report_is_served_behind_the_login(server: str, tmp_path: Path) -> None:
    folder = tmp_path / "results" / "depth_lr@2"
    folder.mkdir(parents=True)
    (folder / "report.html").write_text("<p>Depth helps.")
    with dashboard(server, tmp_path) as (_, port):
        assert ask(port, "/reports/depth_lr@2")[0] == 401
        status, headers, body = ask(port, "/reports/depth_lr@2", **LOGIN)
        assert (status, body) == (200, b"<p>Depth helps.")
        assert headers["Content-Security-Policy"].startswith("sandbox allow-scripts")
        assert ask(port, "/reports/depth_lr@3", **LOGIN)[0] == 404
        assert ask(port, "/reports/../reports/depth_lr@2", **LOGIN)[0] == 404


def test_a_report_comes_from_a_bucket_too(store: Store, s3: S3, tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text("<p>Depth helps.")
    s3.filesystem().put_file(str(tmp_path / "report.html"), f"{s3.url}/results/depth_lr/report.html")
    gate = Gate(Reports(wsgi(store.storage), f"{s3.url}/results"), password=None, names=(), check=lambda: None)
    with make_server("127.0.0.1", 0, gate) as httpd:
        Thread(target=httpd.serve_forever, daemon=True).start()
        assert ask(httpd.server_port, "/reports/depth_lr")[::2] == (200, b"<p>Depth helps.")
        assert ask(httpd.server_port, "/reports/nobody")[0] == 404
        s3.stop()
        try:
            assert ask(httpd.server_port, "/reports/depth_lr")[0] == 502
        finally:
            s3.start()
        httpd.shutdown()


def test_a_page_of_another_site_neither_reads_nor_writes(server: str, store: Store, tmp_path: Path) -> None:
    json = {"Content-Type": "application/json"} | LOGIN
    wish = b'{"study_name": "wished", "directions": ["maximize"]}'
    with dashboard(server, tmp_path) as (_, port):
        assert ask(port, "/api/studies", Host=f"evil.example:{port}", **LOGIN)[0] == 421
        assert ask(port, "/api/studies", "POST", wish, Origin="https://evil.example", **json)[0] == 403
        assert optuna.get_all_study_names(store.storage) == []
        assert ask(port, "/api/studies", "POST", wish, Origin=f"http://127.0.0.1:{port}", **json)[0] == 201
        assert optuna.get_all_study_names(store.storage) == ["wished"]


def test_all_of_the_network_may_come_in_only_with_a_password(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(DashboardError, match=r"let in everybody who reaches 0\.0\.0\.0"):
        serve(server, str(tmp_path), host="0.0.0.0", port=0)
    with dashboard(server, tmp_path, "--host", "0.0.0.0") as (_, port):
        assert ask(port, "/api/studies")[0] == 401
    monkeypatch.setenv("SEARCH_STORE", server)
    monkeypatch.setenv("SEARCH_DASHBOARD_PASSWORD_FILE", str(tmp_path / "missing"))
    assert main(["dashboard", "--port", "0"]) == 2
    assert "missing: No such file" in capsys.readouterr().err
    (tmp_path / "empty").write_text("\n")
    assert main(["dashboard", "--port", "0", "--password-file", str(tmp_path / "empty")]) == 2
    assert "is empty" in capsys.readouterr().err


@pytest.fixture
def passing(server: str) -> Iterator[str]:
    """The URL of a database of its own, with tables."""
    run_alone(server, "CREATE DATABASE passing")
    url = make_url(server).set(database="passing").render_as_string(hide_password=False)
    schema.migrate(url)
    yield url
    run_alone(server, "DROP DATABASE IF EXISTS passing WITH (FORCE)")


def test_a_restart_of_the_database_goes_unnoticed(server: str, passing: str, tmp_path: Path) -> None:
    with dashboard(passing, tmp_path) as (_, port):
        for _ in range(3):
            assert ask(port, "/api/studies", **LOGIN)[0] == 200
            run_alone(server, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'passing'")


def test_health_is_ill_without_the_database(server: str, passing: str, tmp_path: Path) -> None:
    with dashboard(passing, tmp_path) as (_, port):
        assert ask(port, "/healthz")[0] == 200
        run_alone(passing, f"UPDATE {schema.VERSION_TABLE} SET version_num = 'another'")
        assert ask(port, "/healthz")[0] == 503
        run_alone(server, "DROP DATABASE passing WITH (FORCE)")
        assert ask(port, "/healthz")[0] == 503


def run_alone(url: str, statement: str) -> None:
    """Runs a statement that no transaction may hold."""
    engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(statement))


HOSTILE = b"<script>fetch('/api/studies/1', {method: 'DELETE'})</script>"


def test_active_files_among_the_artifacts_are_sandboxed(store: Store, tmp_path: Path) -> None:
    """Optuna-dashboard's own route, which hands out whatever trials left with the type they claim."""
    (tmp_path / "files").mkdir()
    files = FileSystemArtifactStore(tmp_path / "files")
    (tmp_path / "page.html").write_bytes(HOSTILE)
    study = optuna.create_study(study_name="hostile", storage=store.storage)
    artifact = upload_artifact(artifact_store=files, file_path=str(tmp_path / "page.html"), study_or_trial=study)
    gate = Gate(wsgi(store.storage, artifact_store=files), password=None, names=(), check=lambda: None)
    with make_server("127.0.0.1", 0, gate) as httpd:
        Thread(target=httpd.serve_forever, daemon=True).start()
        status, headers, body = ask(httpd.server_port, f"/artifacts/{study._study_id}/{artifact}")
        httpd.shutdown()
    assert (status, body) == (200, HOSTILE)
    assert headers["Content-Type"] == "text/html"
    assert headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Access-Control-Allow-Origin"] is None
