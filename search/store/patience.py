"""A connection that does not wait for ever: a network that swallows packets is found out within seconds.

Keepalives and TCP_USER_TIMEOUT end a connection whose other end is gone; they do not where something in between,
such as a proxy or a tunnel, goes on acknowledging. psycopg2's wait callback lets us watch the clock ourselves.
"""

import select
import time

import psycopg2
from psycopg2 import extensions

CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 25.0  # more than the server gives a statement


class PatientConnection(extensions.connection):
    """A connection on which no call takes longer than the limits above; then it is closed and the call fails."""


def _wait(connection: extensions.connection) -> None:
    connecting = connection.status == extensions.STATUS_SETUP
    limit = CONNECT_SECONDS if connecting else ANSWER_SECONDS
    deadline = time.monotonic() + limit
    while (state := connection.poll()) != extensions.POLL_OK:
        event = select.POLLIN if state == extensions.POLL_READ else select.POLLOUT
        poll = select.poll()
        poll.register(connection.fileno(), event)
        patience = None
        if isinstance(connection, PatientConnection):
            patience = max(0.0, 1000 * (deadline - time.monotonic()))
        if not poll.poll(patience):
            connection.close()
            raise psycopg2.OperationalError(f"the database has not answered for {limit:g} s")


extensions.set_wait_callback(_wait)
