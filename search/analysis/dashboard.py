"""optuna-dashboard over the store, for people with a browser."""

import logging
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from sqlalchemy import make_url

from search.analysis.gate import Gate, is_loopback
from search.analysis.report_server import Reports
from search.errors import DashboardError, StoreError
from search.store import schema
from search.store.connection import Store

log = logging.getLogger(__name__)

_say = partial(print, flush=True)


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True  # a request under way does not hold up the end


class _Handler(WSGIRequestHandler):
    def log_message(self, format: str, *arguments: Any) -> None:
        log.debug(format, *arguments)


def serve(
    store_url: str,
    results: str,
    *,
    host: str = "127.0.0.1",
    port: int = 8080,
    password: str | None = None,
    names: Collection[str] = (),
    on_listening: Callable[[str], None] = _say,
) -> None:
    """Serves the dashboard, and the reports of studies, until Ctrl-C. Who is let in can change and delete studies.

    results: the folder or URL that workers publish to.
    host: the address to listen on; the default can be reached from this machine only.
    port: 0 takes any free one.
    password: of the user `search`; None lets everybody in who reaches the port, so `host` must be this machine.
    names: host names under which browsers may ask for it, beside `host`, `localhost` and addresses in numbers.
    on_listening: called with a sentence that holds the page's address.

    Raises DashboardError where it can't, or must not, listen there; PlaceError where `results` can't be used.
    """
    if password is None and not is_loopback(host):
        raise DashboardError(
            f"the dashboard would let in everybody who reaches {host or 'this machine'}: "
            "give a file that holds a password, with --password-file or SEARCH_DASHBOARD_PASSWORD_FILE."
        )
    from optuna_dashboard import wsgi  # takes seconds to import

    store = Store(store_url, tests_connections=True)
    pages = Reports(wsgi(store.storage), results)
    gate = Gate(pages, password=password, names=[host, *names], check=partial(_check_store, store_url))
    try:
        server = make_server(host, port, gate, server_class=_Server, handler_class=_Handler)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DashboardError(
            f"the dashboard can't listen on port {port} of {host} ({reason}): choose another with --port."
        ) from error
    try:
        with server:
            on_listening(f"dashboard: http://{host}:{server.server_port}/dashboard (Ctrl-C ends it)")
            server.serve_forever()
    except KeyboardInterrupt:
        pass
    finally:
        store.close()


def read_password(file: Path) -> str:
    """The dashboard's password, without white space around it. Raises DashboardError where the file holds none."""
    try:
        password = file.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise DashboardError(f"the dashboard's password can't be read from {file}: {reason}.") from error
    if not password:
        raise DashboardError(f"the dashboard's password file {file} is empty: write a password into it.")
    return password


def _check_store(store_url: str) -> None:
    """Raises StoreError where the database does not answer, or holds another version's tables."""
    url = make_url(store_url).update_query_dict({"connect_timeout": "5"})
    installed, wanted = schema.versions(url.render_as_string(hide_password=False))
    if installed != wanted:
        raise StoreError(f"the store's schema is version {installed}, the dashboard needs {wanted}.")
