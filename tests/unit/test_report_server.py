"""Reports as the dashboard's server hands them out, behind its gate."""

import io
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from search.analysis.gate import Gate
from search.analysis.report_server import Reports

if TYPE_CHECKING:
    from wsgiref.types import StartResponse

PAGE = "<!DOCTYPE html><p>käse".encode()


def dashboard(environ: dict[str, Any], start: "StartResponse") -> Iterable[bytes]:
    start("200 OK", [("Content-Security-Policy", "default-src 'self'")])
    return [b"the dashboard"]


def ask(place: Path | str, path: str, method: str = "GET") -> tuple[int, dict[str, str], bytes]:
    answers: list[tuple[int, dict[str, str]]] = []

    def start(status: str, headers: list[tuple[str, str]], *_: object) -> Any:
        answers.append((int(status.split()[0]), {name.lower(): value for name, value in headers}))

    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "HTTP_HOST": "127.0.0.1",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": sys.stderr,
    }
    gate = Gate(Reports(dashboard, str(place)), password=None, names=(), check=lambda: None)
    body = b"".join(gate(environ, start))
    return *answers[0], body


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Results with one report, and what is no report beside it."""
    folder = tmp_path / "results" / "depth_lr@2"
    (folder / "figures").mkdir(parents=True)
    (folder / "report.html").write_bytes(PAGE)
    (folder / "figures" / "report.html").write_text("a figure")
    (tmp_path / "report.html").write_text("secret")
    (tmp_path / "results" / "report.html").write_text("secret")
    return tmp_path / "results"


def test_a_report_is_served_as_it_stands(place: Path) -> None:
    status, headers, body = ask(place, "/reports/depth_lr@2")
    assert (status, body) == (200, PAGE)
    assert headers["content-type"] == "text/html; charset=utf-8"
    assert headers["content-length"] == str(len(PAGE))
    assert headers["cache-control"] == "no-store"


def test_everything_else_is_the_dashboards(place: Path) -> None:
    status, headers, body = ask(place, "/dashboard")
    assert (status, body) == (200, b"the dashboard")
    assert headers["content-security-policy"] == "default-src 'self'"


@pytest.mark.parametrize(
    "name",
    [
        "",
        "nobody",
        ".",
        "..",
        "../..",
        "depth_lr@2/figures",
        "depth_lr@2/",
        "/etc",
        "a" * 65,
        "depth_lr@2\n",
        "%2e%2e",
        "\0",
    ],
)
def test_only_names_of_studies_lead_to_files(place: Path, name: str) -> None:
    status, headers, body = ask(place, f"/reports/{name}")
    assert status == 404
    assert b"secret" not in body
    assert headers["content-type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_a_report_can_only_be_read(place: Path, method: str) -> None:
    assert ask(place, "/reports/depth_lr@2", method)[0] == 405


def test_a_report_may_run_scripts_and_reach_nothing(place: Path) -> None:
    policy = ask(place, "/reports/depth_lr@2")[1]["content-security-policy"].split("; ")
    assert policy[:2] == ["sandbox allow-scripts allow-downloads", "default-src 'none'"]
    assert "form-action 'none'" in policy
    assert not [each for each in policy if each.startswith(("connect-src", "frame-src"))]


def test_a_place_that_is_out_of_reach_is_told_without_its_secrets(
    place: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (place / "broken").mkdir()
    (place / "broken" / "report.html").mkdir()
    status, _, body = ask(place, "/reports/broken")
    assert (status, body) == (502, b"The reports can't be reached just now.\n")
    assert "the report of broken can't be read" in caplog.text
