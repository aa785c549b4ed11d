"""Carrying commands to one server (or to the master that Sentinel names) and replies back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import redis
from attrs import define, frozen
from redis.exceptions import NoScriptError

from kairos.errors import InvalidValue

from .connections import Command, Connections, pack, receive
from .errors import NotAcknowledged
from .scripts import TEXTS

__all__ = ["Link", "Request", "ServerLink", "Stream", "Wait", "check_patience", "decodes"]


@define
class Request:
    """One round trip of a protocol: commands, to be answered by as many replies.

    Attributes
    ----------
    commands
        Each with its key in its usual place, which a cluster goes by.
    writes
        Whether any of them changes data: then nothing is sent again whose outcome is unknown.
    text
        Whether the values that come back may be ``str`` already, where the driver makes that faster than we do.
    waits
        Whether replicas have to confirm it, where ``wait=`` asks for that: data, but not the records of layouts.
    missed
        Filled in where too few did: to be raised when the whole write has been stored.
    """

    commands: Sequence[Command]
    writes: bool = False
    text: bool = False
    waits: bool = False
    missed: NotAcknowledged | None = None


@define
class Stream:
    """Script calls that write, each made while the server carries out the one before it.

    It is answered by a reply for each, up to the first that failed (and those that were under way then).
    """

    commands: Iterator[Command]
    missed: NotAcknowledged | None = None


@frozen
class Wait:
    """How many replicas have to confirm a write, and within how many milliseconds."""

    replicas: int
    timeout: int

    @property
    def command(self) -> Command:
        """Return the command that asks for it."""
        return (b"WAIT", b"%d" % self.replicas, b"%d" % self.timeout)

    def missed(self, reply: Any) -> NotAcknowledged | None:
        """Return the error of a reply to it, if too few replicas have confirmed."""
        if isinstance(reply, Exception):
            raise reply
        if reply >= self.replicas:
            return None
        return NotAcknowledged(
            f"the write is stored, but wait asks for {self.replicas} replicas, and {reply} confirmed it within "
            f"{self.timeout} ms: it is lost if the master fails before they have it"
        )


def decodes(encoder: Any) -> bool:
    """Return whether a client turns values into the same texts as :func:`kairos_redis.kinds.text` does."""
    settings = (encoder.decode_responses, encoder.encoding.lower().replace("-", ""), encoder.encoding_errors)
    return settings == (True, "utf8", "surrogateescape")


def check_patience(settings: Mapping[str, Any], wait: Wait | None) -> None:
    """Raise InvalidValue if the driver would give up before ``WAIT`` does."""
    patience = settings.get("socket_timeout")
    if wait is not None and patience is not None and 1000 * patience <= wait.timeout:
        raise InvalidValue(
            f"wait must take less time than the driver's socket_timeout, {patience} s; got {wait.timeout / 1000} s"
        )


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
        commands, writes = request.commands, request.writes
        if not writes:
            return self._read(commands, raw=not (request.text and self._decodes))
        wait = self._wait if request.waits else None
        replies, request.missed = self._exchange(commands, wait)
        unknown = [at for at, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
        if unknown:  # they were not carried out
            texts = [(b"EVAL", TEXTS[commands[at][1]], *commands[at][2:]) for at in unknown]
            again, missed = self._exchange(texts, wait)
            request.missed = request.missed or missed
            for at, reply in zip(unknown, again, strict=True):
                replies[at] = reply
        return replies

    def _read(self, commands: Sequence[Command], raw: bool) -> list[Any]:
        try:
            return self._exchange(commands, None, raw)[0]
        except redis.ConnectionError:  # to read once more does no harm
            return self._exchange(commands, None, raw)[0]

    def _exchange(
        self, commands: Sequence[Command], wait: Wait | None, raw: bool = True
    ) -> tuple[list[Any], NotAcknowledged | None]:
        sent = pack(commands) if wait is None else pack((*commands, wait.command))
        connection = self._connections.take()
        try:
            connection.send_packed_command((sent,))
            replies = receive(connection, len(commands) + (wait is not None), raw)
        except BaseException:
            self._connections.drop(connection)
            raise
        self._connections.give(connection)
        return replies, None if wait is None else wait.missed(replies.pop())

    def _stream(self, stream: Stream) -> list[Any]:
        connection = self._connections.take()
        replies: list[Any] = []
        try:
            under_way = 0
            for command in stream.commands:
                connection.send_packed_command((pack((command,)),))
                under_way += 1
                if under_way > 1:
                    replies += receive(connection, 1)
                    under_way -= 1
                    if replies[-1] not in (1, 2):
                        break
            replies += receive(connection, under_way)
            if self._wait is not None:
                connection.send_packed_command((pack((self._wait.command,)),))
                (acknowledged,) = receive(connection, 1)
        except BaseException:
            self._connections.drop(connection)
            raise
        self._connections.give(connection)
        if self._wait is not None:
            stream.missed = self._wait.missed(acknowledged)
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
