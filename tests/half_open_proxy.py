"""A TCP proxy that can turn half-open: connections stay up, and nothing comes through any more."""

import socket
import struct
import threading
from types import TracebackType
from typing import Self

RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER, on, 0 s


class HalfOpenProxy:
    """Listens on `port` of 127.0.0.1 and forwards to another port of it, until told to swallow.

    TCP's own means do not notice it: the proxy's side acknowledges every byte and every keepalive.
    """

    def __init__(self, upstream: int) -> None:
        self._upstream = upstream
        self._swallowing = threading.Event()
        self._lock = threading.Lock()
        self._links: set[_Link] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self.close()

    def swallow(self) -> None:
        """From now on bytes of either direction vanish, of new connections too; every connection stays open."""
        self._swallowing.set()

    def heal(self) -> None:
        """Forwards again. Connections that lost bytes are reset, as by a router that forgot them."""
        self._swallowing.clear()
        self._reset([link for link in self._every_link() if link.lost])

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._reset(self._every_link())

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:  # closed
                return
            try:
                server = socket.create_connection(("127.0.0.1", self._upstream))
            except OSError:  # nobody listens there: neither does anybody here
                client.close()
                continue
            link = _Link(client, server)
            with self._lock:
                self._links.add(link)
            for source, target in ((client, server), (server, client)):
                threading.Thread(target=self._pump, args=(link, source, target), daemon=True).start()

    def _pump(self, link: "_Link", source: socket.socket, target: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                if self._swallowing.is_set() or link.lost:
                    link.lost = True
                else:
                    target.sendall(data)
            if not self._swallowing.is_set():
                self._reset([link])
            else:
                link.lost = True  # the end of a connection is not seen on the other side either
        except OSError:  # the other direction's pump has closed it
            self._reset([link])

    def _every_link(self) -> "list[_Link]":
        with self._lock:
            return [*self._links]

    def _reset(self, links: "list[_Link]") -> None:
        with self._lock:
            self._links.difference_update(links)
        for link in links:
            link.reset()


class _Link:
    """The two ends of a proxied connection. lost: bytes of it have vanished, so that it can't go on."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.lost = False
        self._ends = (client, server)

    def reset(self) -> None:
        for end in self._ends:
            try:
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
                end.shutdown(socket.SHUT_RD)  # wakes the thread that reads from it
            except OSError:  # closed already
                continue
            finally:
                end.close()
