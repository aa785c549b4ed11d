"""Connections of one pool, lent to one call at a time.

redis-py's own ``execute_command`` sends a command again when its connection breaks, which would count twice what was
counted once. Here a connection is borrowed, written to and read from by the connection's own methods, and nothing is
ever sent again. It is also less than half the price.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from time import monotonic
from typing import Any

import redis
from hiredis import pack_command
from redis.exceptions import ResponseError

__all__ = ["Command", "Connections", "pack", "receive"]

Command = tuple[bytes, ...]

TRUSTED = 0.01
"""For how many seconds after a reply a connection is not asked whether the server has closed it."""


_pack: Callable[[Command], bytes] = pack_command  # type: ignore[assignment]  # its hints know tuples of one


def pack(commands: Sequence[Command]) -> bytes:
    """Return commands as they are sent."""
    if len(commands) == 1:
        return _pack(commands[0])
    return b"".join(map(_pack, commands))


class Connections:
    """The connections of a pool.

    Parameters
    ----------
    pool
        redis-py's pool.
    keep
        Whether connections stay here between calls, which saves a third of a short call. A pool of the caller's gets
        each back at once.
    """

    def __init__(self, pool: Any, keep: bool) -> None:
        self._pool = pool
        self._keep = keep
        self._process = os.getpid()
        self._idle: deque[tuple[Any, float]] = deque()

    def take(self) -> Any:
        """Borrow a connection that the server has not closed."""
        if self._process != os.getpid():  # a fork: its connections are the parent's
            self._process, self._idle = os.getpid(), deque()
        while self._idle:
            try:
                connection, since = self._idle.pop()
            except IndexError:  # another thread was faster
                break
            if monotonic() - since < TRUSTED:
                return connection
            try:
                if not connection.can_read():
                    return connection
            except redis.ConnectionError:
                pass
            self.drop(connection)
        return self._pool.get_connection()

    def give(self, connection: Any) -> None:
        """Give a connection back from which every reply has been read."""
        if self._keep:
            self._idle.append((connection, monotonic()))
        else:
            self._pool.release(connection)

    def drop(self, connection: Any) -> None:
        """Give a connection back that is broken, or on which a reply may still come."""
        connection.disconnect()
        self._pool.release(connection)

    def close(self) -> None:
        """Give all connections back."""
        while self._idle:
            with suppress(IndexError, redis.RedisError):
                self.drop(self._idle.pop()[0])


def receive(connection: Any, count: int, raw: bool = True) -> list[Any]:
    """Return the replies to that many commands; errors of the server are among them, not raised.

    ``raw`` values are bytes; others come as the client decodes them.
    """
    replies: list[Any] = []
    read = connection.read_response
    for _ in range(count):
        try:
            replies.append(read(disable_decoding=raw))
        except ResponseError as error:
            replies.append(error)
    return replies
