"""optuna-dashboard over the store, for people with a browser."""

import logging
from collections.abc import Callable
from functools import partial
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from search.errors import SearchError
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
    *,
    host: str = "127.0.0.1",
    port: int = 8080,
    on_listening: Callable[[str], None] = _say,
) -> None:
    """Serves the dashboard until Ctrl-C. It has no login: who reaches the port can change and delete studies.

    host: the address to listen on; the default can be reached from this machine only.
    port: 0 takes any free one.
    on_listening: called with a sentence that holds the page's address.

    Raises SearchError where it can't listen there.
    """
    from optuna_dashboard import wsgi  # takes seconds to import

    store = Store(store_url)
    try:
        server = make_server(host, port, wsgi(store.storage), server_class=_Server, handler_class=_Handler)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SearchError(
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
