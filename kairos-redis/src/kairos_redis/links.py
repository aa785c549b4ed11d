"""Carrying commands to one server (or to the master that Sentinel names) and replies back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import redis

from kairos.sansio import run

from .connections import Command, Connections, pack, receive
from .exchanges import Exchange, served, streamed
from .requests import Request, Stream, Wait, check_patience, decodes

__all__ = ["Link", "ServerLink"]


class Link(ABC):
    """What carries requests. Called from any thread."""

    spread: bool
    """Whether keys lie on several nodes, so that a script can touch one key only."""

    @abstractmethod
    def send(self, request: Request | Stream) -> list[Any]:
        """Return the replies; errors of the server are among them, others are raised."""

    @abstractmethod
    def pipeline(self) -> Any:
        """Return a pipeline of redis-py, for the caller's own fetch."""

    @abstractmethod
    def scan(self, pattern: bytes) -> Iterator[list[bytes]]:
        """Yield the keys that match, some at a time, perhaps more than once."""

    @abstractmethod
    def close(self) -> None:
        """Release what was opened."""


class ServerLink(Link):
    """One server, or a master by Sentinel.

    Parameters
    ----------
    client
        redis-py's client.
    owned
        Whether the client is ours to close.
    wait
        What every write waits for.
    """

    spread = False

    def __init__(self, client: redis.Redis, owned: bool, wait: Wait | None) -> None:
        self._client = client
        self._owned = owned
        self._wait = wait
        check_patience(client.connection_pool.connection_kwargs, wait)
        self._decodes = owned and decodes(client.get_encoder())
        self._connections = Connections(client.connection_pool, keep=owned)

    def send(self, request: Request | Stream) -> list[Any]:
        """Return the replies to commands, sent at once."""
        if isinstance(request, Stream):
            return self._stream(request)
        return run(served(request, self._wait, self._decodes), self._exchange)

    def _exchange(self, exchange: Exchange) -> list[Any]:
        commands = exchange.commands
        connection = self._connections.take()
        try:
            connection.send_packed_command((pack(commands),))
            replies = receive(connection, len(commands), exchange.raw)
        except BaseException:
            self._connections.drop(connection)
            raise
        self._connections.give(connection)
        return replies

    def _stream(self, stream: Stream) -> list[Any]:
        connection = self._connections.take()

        def step(step: Command | int) -> list[Any]:
            if isinstance(step, int):
                return receive(connection, step)
            connection.send_packed_command((pack((step,)),))
            return []

        try:
            replies = run(streamed(stream, self._wait), step)
        except BaseException:
            self._connections.drop(connection)
            raise
        self._connections.give(connection)
        return replies

    def pipeline(self) -> Any:
        """Return a pipeline without MULTI."""
        self._connections.close()  # the pool may have no more than one
        return self._client.pipeline(transaction=False)

    def scan(self, pattern: bytes) -> Iterator[list[bytes]]:
        """Yield the keys that match."""
        cursor = b"0"
        while True:
            (reply,) = self.send(Request([(b"SCAN", cursor, b"MATCH", pattern, b"COUNT", b"1000")]))
            if isinstance(reply, Exception):
                raise reply
            cursor, keys = reply
            yield list(keys)
            if cursor == b"0":
                return

    def close(self) -> None:
        """Close the client, if it is ours."""
        self._connections.close()
        if self._owned:
            self._client.close()
            self._client.connection_pool.disconnect()
