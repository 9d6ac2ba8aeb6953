"""The gate of the dashboard: who is let in, under which name, and what a browser may do with what it is given."""

import base64
import hmac
import ipaddress
from collections.abc import Callable, Collection, Iterable
from http import HTTPStatus
from threading import Lock
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from search.errors import StoreError

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

USER = "search"
READING = ("GET", "HEAD", "OPTIONS")

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
}
_POLICIES = {
    # What trials left behind may be any file: it may be looked at and does nothing.
    "/artifacts/": "sandbox; default-src 'none'; img-src 'self'; style-src 'unsafe-inline'",
    # A report draws its figures with scripts of its own. Whoever writes to where reports are kept gets no further:
    # the page is of no site, so it neither sees the login nor reaches anything. Its own policy is stricter still.
    "/reports/": "sandbox allow-scripts allow-downloads; default-src 'none'; "
    "script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; img-src data: blob:; "
    "base-uri 'none'; form-action 'none'",
}


class Gate:
    """A WSGI application around another one.

    password: of the user `search`, asked for with HTTP Basic; None lets everybody in.
    names: host names under which the page is served. `localhost` and addresses in numbers always are; any other
        name may belong to a stranger's page that resolves it to this machine.
    check: raises StoreError where the database is not fit for use; `/healthz` tells, to everybody.
    """

    def __init__(
        self, app: "WSGIApplication", *, password: str | None, names: Collection[str], check: Callable[[], None]
    ) -> None:
        self._app = app
        login = f"{USER}:{password}".encode()
        self._login = None if password is None else base64.b64encode(login)
        self._names = {name.lower() for name in names} | {"localhost"}
        self._check = check
        self._checking = Lock()  # however many ask, the database is asked by one

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        path = "/" + environ.get("PATH_INFO", "").lstrip("/")
        start = _with_headers(start_response, path)
        if not self._is_served(environ.get("HTTP_HOST", "")):
            text = "This name is not served here: add it to SEARCH_DASHBOARD_NAMES."
            return _answer(start, HTTPStatus.MISDIRECTED_REQUEST, text)
        if path == "/healthz":
            return self._health(start)
        if not self._is_admitted(environ):
            challenge = ("WWW-Authenticate", 'Basic realm="search", charset="UTF-8"')
            return _answer(start, HTTPStatus.UNAUTHORIZED, "A login is needed.", challenge)
        if _is_foreign_write(environ):
            return _answer(start, HTTPStatus.FORBIDDEN, "Another site's page may change nothing here.")
        return self._app(environ, start)

    def _is_served(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        return name in self._names or _is_address(name)

    def _is_admitted(self, environ: "WSGIEnvironment") -> bool:
        if self._login is None:
            return True
        scheme, _, login = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
        # Headers come as latin-1, each character a byte.
        return scheme.lower() == "basic" and hmac.compare_digest(login.strip().encode("latin-1"), self._login)

    def _health(self, start: "StartResponse") -> Iterable[bytes]:
        try:
            with self._checking:
                self._check()
        except StoreError:
            return _answer(start, HTTPStatus.SERVICE_UNAVAILABLE, "The database does not answer as it should.")
        return _answer(start, HTTPStatus.OK, "well")


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches what listens on the host, a name or an address."""
    return host == "localhost" or (_is_address(host) and ipaddress.ip_address(host).is_loopback)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _is_foreign_write(environ: "WSGIEnvironment") -> bool:
    """Whether another site's page makes the browser send this, along with the login that it remembers."""
    origin = environ.get("HTTP_ORIGIN")
    if origin is None or environ["REQUEST_METHOD"] in READING:
        return False
    host: str = environ["HTTP_HOST"]
    return str(origin).partition("://")[2].lower() != host.lower()


def _with_headers(start_response: "StartResponse", path: str) -> "StartResponse":
    ours = dict(_HEADERS)
    for prefix, policy in _POLICIES.items():
        if path.startswith(prefix):
            ours["Content-Security-Policy"] = policy
    dropped = {name.lower() for name in ours} | {"access-control-allow-origin"}

    def start(status: str, headers: list[tuple[str, str]], *error: object) -> Callable[[bytes], object]:
        kept = [(name, value) for name, value in headers if name.lower() not in dropped]
        return start_response(status, [*kept, *ours.items()], *error)  # type: ignore[arg-type]

    return start


def _answer(start: "StartResponse", status: HTTPStatus, text: str, *headers: tuple[str, str]) -> Iterable[bytes]:
    body = f"{text}\n".encode()
    plain = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))]
    start(f"{status.value} {status.phrase}", [*plain, *headers])
    return [body]
