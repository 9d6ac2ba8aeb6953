"""The dashboard's gate, around an application that says what it was asked."""

import base64
import io
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import pytest

from search.analysis.gate import Gate, is_loopback
from search.errors import StoreError

if TYPE_CHECKING:
    from wsgiref.types import StartResponse

PASSWORD = "käse @:/{%}"


def app(environ: dict[str, Any], start: "StartResponse") -> Iterable[bytes]:
    start(
        "200 OK", [("Content-Type", "text/html"), ("Access-Control-Allow-Origin", "*"), ("x-frame-options", "x")]
    )
    return [b"inside"]


def nothing() -> None:
    """A database that is well."""


def broken() -> None:
    raise StoreError("the store at secret-host can't be reached")


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


LOGIN = basic("search", PASSWORD)


def ask(
    gate: Gate, path: str = "/dashboard", method: str = "GET", host: str = "127.0.0.1:8080", **headers: str
) -> tuple[int, dict[str, str], bytes]:
    """The gate's answer: status, headers by lower-case name, body."""
    answers: list[tuple[int, dict[str, str]]] = []

    def start(status: str, headers: list[tuple[str, str]], *_: object) -> Any:
        assert len({name.lower() for name, _ in headers}) == len(headers)
        answers.append((int(status.split()[0]), {name.lower(): value for name, value in headers}))

    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "HTTP_HOST": host,
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": sys.stderr,
        **{f"HTTP_{name.upper()}": value for name, value in headers.items()},
    }
    body = b"".join(gate(environ, start))
    (status, sent) = answers[0]
    return status, sent, body


def gate(password: str | None = PASSWORD, check: Any = nothing) -> Gate:
    return Gate(app, password=password, names=["Search.Example.org"], check=check)


def test_the_right_password_opens() -> None:
    status, _, body = ask(gate(), authorization=LOGIN)
    assert (status, body) == (200, b"inside")


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Basic",
        "Basic ",
        "Basic !!!",
        "Basic é",
        "Bearer " + LOGIN.split()[1],
        basic("search", ""),
        basic("search", "wrong"),
        basic("search", PASSWORD + " "),
        basic("admin", PASSWORD),
        basic("", PASSWORD),
    ],
)
def test_anything_else_does_not(header: str) -> None:
    status, headers, body = ask(gate(), authorization=header)
    assert (status, headers["www-authenticate"]) == (401, 'Basic realm="search", charset="UTF-8"')
    assert b"inside" not in body
    assert PASSWORD.encode() not in body


def test_without_a_password_everybody_is_let_in() -> None:
    assert ask(gate(password=None))[0] == 200


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8080", "localhost:8080", "[::1]:8080", "192.168.1.5:8080", "SEARCH.example.org"]
)
def test_own_names_and_addresses_are_served(host: str) -> None:
    assert ask(gate(), authorization=LOGIN, host=host)[0] == 200


@pytest.mark.parametrize(
    "host", ["", "evil.example", "127.0.0.1.evil.example", "localhost.evil.example:8080", "[::1", "a b"]
)
def test_a_strangers_name_is_refused(host: str) -> None:
    status, _, body = ask(gate(), authorization=LOGIN, host=host)
    assert status == 421
    assert b"SEARCH_DASHBOARD_NAMES" in body


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:9999"])
def test_another_sites_page_writes_nothing(origin: str) -> None:
    path = "/api/studies/1/1/skip"
    assert ask(gate(), path, "POST", authorization=LOGIN, origin=origin)[0] == 403
    assert ask(gate(), path, "POST", authorization=LOGIN, origin="http://127.0.0.1:8080")[0] == 200
    assert ask(gate(), path, "POST", authorization=LOGIN)[0] == 200  # no browser


@pytest.mark.parametrize("path", ["/artifacts/1/2", "//artifacts/1/2", "/artifacts/"])
def test_an_artifact_can_only_be_looked_at(path: str) -> None:
    _, headers, _ = ask(gate(), path, authorization=LOGIN)
    assert headers["content-security-policy"].startswith("sandbox; default-src 'none'")
    assert "access-control-allow-origin" not in headers


@pytest.mark.parametrize("path", ["/dashboard", "/healthz", "/artifacts/1/2"])
@pytest.mark.parametrize("login", [LOGIN, ""])
def test_every_answer_carries_the_headers(path: str, login: str) -> None:
    _, headers, _ = ask(gate(), path, authorization=login)
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"


def test_health_needs_no_login_and_tells_the_truth() -> None:
    assert ask(gate(), "/healthz")[::2] == (200, b"well\n")
    status, _, body = ask(gate(check=broken), "/healthz")
    assert status == 503
    assert b"secret-host" not in body
    assert ask(gate(), "/healthz", host="evil.example")[0] == 421


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("", False),
     ("::", False), ("192.168.1.5", False), ("localhost.evil.example", False)],
)  # fmt: skip
def test_loopback(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback
