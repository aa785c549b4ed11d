"""A TCP proxy in front of one node that can lose replies, delay them, and hold everything back.

It knows no protocol. What a client sends without a pause is passed on together and is one request; what it sends before
the server has begun to answer belongs to the same. So a client that waits for each answer has exactly its requests
counted, a pipeline as one. Of requests that are under way together on one connection, as Cassandra's driver has them,
more than one answer may be lost with the connection that is cut.
"""

from __future__ import annotations

import contextlib
import select
import socket
import threading
import time
from collections.abc import Callable
from typing import Self

from attrs import define, field

from .ports import Claim

Predicate = Callable[[bytes], bool]

QUIET = 0.02  # seconds without more bytes that end an answer which is to be dropped
QUIET_SHARED = 0.3  # the same, where other requests of the connection were under way
SIZE = 1 << 16
MOST = 1 << 24  # bytes of a request that are gathered before they are passed on
PATIENCE = 30.0  # seconds to connect to the server


@define
class _Drop:
    left: int
    matches: Predicate


class Proxy:
    """A proxy on 127.0.0.1 in front of a server; ``with`` starts and stops it.

    Parameters
    ----------
    host, port
        Of the server. Connections are made when clients come: it may be started, killed and restarted meanwhile.
    gather
        Seconds without more bytes that end what a client sends together. Every request is that much slower.

    Attributes
    ----------
    port
        Where clients connect.
    delay
        Seconds that each answer waits before it is passed on; may be set at any time.
    dropped
        How many answers were lost.
    requests
        How many came from clients.
    round_trips
        How many of them were answered (an answer that was dropped counts).

    Examples
    --------
    >>> with Proxy("127.0.0.1", 6379) as proxy:  # doctest: +SKIP
    ...     proxy.drop_when(lambda request: b"INCR" in request)
    ...     client = redis.Redis(port=proxy.port, retry=None)
    ...     client.incr("n")  # raises ConnectionError, and has counted
    """

    def __init__(self, host: str, port: int, *, gather: float = 0.002) -> None:
        self.server = (host, port)
        self.gather = gather
        self.delay = 0.0
        self.dropped = 0
        self.requests = 0
        self.round_trips = 0
        self._drops: list[_Drop] = []
        self._lock = threading.RLock()
        self._open = threading.Event()
        self._open.set()
        self._closed = False
        self._links: set[_Link] = set()
        self._claim = Claim()
        self.port = self._claim.port
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self._thread = threading.Thread(target=self._accept, name=f"proxy-{port}", daemon=True)

    def drop_replies(self, n: int = 1) -> None:
        """Lose the answers of the next `n` requests: the server does them, the client's connection is cut."""
        self.drop_when(lambda request: True, n)

    def drop_when(self, predicate: Predicate, n: int = 1) -> None:
        """Lose the answers of the next `n` requests whose bytes so far make `predicate` true.

        Parameters
        ----------
        predicate
            Called with the bytes of a request as they have come so far; ``lambda data: b"EVALSHA" in data``.
        n
            How many; then answers are passed on again.
        """
        with self._lock:
            self._drops.append(_Drop(n, predicate))

    def pause(self) -> None:
        """Pass nothing on in either direction, and let new connections wait, until `resume`."""
        self._open.clear()

    def resume(self) -> None:
        """Go on after `pause`."""
        self._open.set()

    def cut(self) -> None:
        """Cut every connection there is."""
        with self._lock:
            links = list(self._links)
        for link in links:
            link.cut()

    def reset_counts(self) -> None:
        """Count `dropped`, `requests` and `round_trips` from zero again."""
        with self._lock:
            self.dropped = self.requests = self.round_trips = 0

    def close(self) -> None:
        """Stop listening and cut every connection."""
        self._closed = True
        self._open.set()
        self._listener.close()
        self._claim.release()
        self.cut()
        if self._thread.is_alive():
            self._thread.join(5)
        with self._lock:
            links = list(self._links)
        for link in links:
            link.join(5)

    def __enter__(self) -> Self:
        self._listener.settimeout(0.05)  # closing a socket does not wake the thread that accepts
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _accept(self) -> None:
        while not self._closed:
            try:
                client, _ = self._listener.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            self._open.wait()
            try:
                server = socket.create_connection(self.server, timeout=PATIENCE)
            except OSError:
                client.close()
                continue
            link = _Link(self, client, server)
            with self._lock:
                self._links.add(link)
            link.start()
            if self._closed:
                link.cut()

    @property
    def _armed(self) -> bool:
        """Whether any answer is to be dropped still."""
        return any(drop.left > 0 for drop in self._drops)

    def _takes(self, request: bytes) -> bool:
        """Tell whether the answer of a request is to be dropped; each is asked about until it is."""
        with self._lock:
            for drop in self._drops:
                if drop.left > 0 and drop.matches(request):
                    drop.left -= 1
                    return True
        return False

    def _count(self, *, requests: int = 0, round_trips: int = 0, dropped: int = 0) -> None:
        with self._lock:
            self.requests += requests
            self.round_trips += round_trips
            self.dropped += dropped

    def _forget(self, link: _Link) -> None:
        with self._lock:
            self._links.discard(link)


@define(eq=False)
class _Link:
    """One client's connection and the one to the server for it, with a thread for each direction."""

    _proxy: Proxy
    _client: socket.socket
    _server: socket.socket
    _request: bytearray = field(factory=bytearray, init=False)
    _asked: bool = field(default=False, init=False)  # the server owes an answer
    _drop: bool = field(default=False, init=False)
    _quiet: float = field(default=QUIET, init=False)
    _done: int = field(default=0, init=False)
    _threads: list[threading.Thread] = field(factory=list, init=False)
    _lock: threading.Lock = field(factory=threading.Lock, init=False)

    def start(self) -> None:
        for side in (self._client, self._server):
            side.settimeout(None)
            side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for target in (self._upwards, self._downwards):
            self._threads.append(threading.Thread(target=target, daemon=True))
        for thread in self._threads:
            thread.start()

    def join(self, seconds: float) -> None:
        for thread in self._threads:
            thread.join(seconds)

    def cut(self) -> None:
        """Cut both connections; the threads see it and end."""
        for side in (self._client, self._server):
            with contextlib.suppress(OSError):
                side.shutdown(socket.SHUT_RDWR)

    def _upwards(self) -> None:
        """Pass on what the client sends."""
        try:
            while data := self._burst():
                self._proxy._open.wait()
                with self._lock:
                    shared = self._asked
                    if not self._asked:
                        self._asked = True
                        self._request.clear()
                        self._proxy._count(requests=1)
                    if self._proxy._armed and not self._drop:  # decided before the server can answer
                        self._request += data
                        self._drop = self._proxy._takes(bytes(self._request))
                        self._quiet = QUIET_SHARED if shared else QUIET
                self._server.sendall(data)
            self._server.shutdown(socket.SHUT_WR)
        except OSError:
            self.cut()
        except BaseException:  # the predicate's: the thread reports it, and the client must not wait for ever
            self.cut()
            raise
        finally:
            self._leave()

    def _burst(self) -> bytes:
        """Return what the client sends until it pauses; nothing where it has hung up."""
        data = bytearray(self._client.recv(SIZE))
        poll = select.poll()
        poll.register(self._client, select.POLLIN)
        while data and len(data) < MOST and poll.poll(self._proxy.gather * 1000):
            more = self._client.recv(SIZE)
            if not more:
                break
            data += more
        return bytes(data)

    def _downwards(self) -> None:
        """Pass on what the server answers, or lose it."""
        try:
            while data := self._server.recv(SIZE):
                self._proxy._open.wait()
                with self._lock:
                    begins, drop = self._asked, self._drop
                    self._asked = False
                if begins:
                    self._proxy._count(round_trips=1)
                if drop:
                    self._lose()
                    break
                if begins and self._proxy.delay:
                    time.sleep(self._proxy.delay)
                self._client.sendall(data)
        except OSError:
            pass  # either side may go at any time
        finally:
            self.cut()
            self._leave()

    def _leave(self) -> None:
        """Close the connections, when both threads are done with them."""
        with self._lock:
            self._done += 1
            if self._done < 2:
                return
        self._client.close()
        self._server.close()
        self._proxy._forget(self)

    def _lose(self) -> None:
        """Let the server finish its answer, then let go of it."""
        self._server.settimeout(self._quiet)
        try:
            while self._server.recv(SIZE):
                pass
        except OSError:
            pass  # it is quiet, or gone
        self._proxy._count(dropped=1)
