"""A connection that does not wait for ever: a network that swallows packets is found out within seconds.

Keepalives and TCP_USER_TIMEOUT end a connection whose other end is gone; they do not where something in between,
such as a proxy or a tunnel, goes on acknowledging. psycopg2's wait callback lets us watch the clock ourselves.
"""

import logging
import os
import select
import socket
import time

from psycopg2 import extensions

CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 25.0  # more than the server gives a statement

log = logging.getLogger(__name__)


class PatientConnection(extensions.connection):
    """A connection on which no call takes longer than the limits above; then it is cut and the call fails."""


def _wait(connection: extensions.connection) -> None:
    connecting = connection.status == extensions.STATUS_SETUP
    limit = CONNECT_SECONDS if connecting else ANSWER_SECONDS
    deadline = time.monotonic() + limit
    patient = isinstance(connection, PatientConnection)
    while (state := connection.poll()) != extensions.POLL_OK:
        poll = select.poll()
        poll.register(connection.fileno(), select.POLLIN if state == extensions.POLL_READ else select.POLLOUT)
        if not poll.poll(1000 * max(0.0, deadline - time.monotonic()) if patient else None):
            log.warning("the database has not answered for %g s: the connection is cut", limit)
            _cut(connection.fileno())  # at the next poll the connection is found broken
            patient = False


def _cut(descriptor: int) -> None:
    """Ends both directions of a connection; psycopg2 would wait for itself if asked to close it here."""
    with socket.socket(fileno=os.dup(descriptor)) as end:
        end.shutdown(socket.SHUT_RDWR)


extensions.set_wait_callback(_wait)
