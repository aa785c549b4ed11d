"""Carrying commands to the nodes of a Cluster: one packed send a node, all sent before the first reply is read."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence, Set
from contextlib import suppress
from typing import Any

import redis
from redis.cluster import ClusterNode
from redis.crc import key_slot
from redis.exceptions import (
    AskError,
    MovedError,
    NoScriptError,
    RedisClusterException,
    ResponseError,
    TryAgainError,
)

from .connections import Command, Connections, pack, receive
from .errors import NotAcknowledged
from .links import Link, Request, Stream, Wait, check_patience, decodes
from .scripts import TEXTS

__all__ = ["ClusterLink"]

_ROUNDS = 8
_PAUSE = 0.05

Redirected = dict[int, tuple[Connections, bool]]
"""Command's number -> the node that another has named, and whether it must be asked."""

_KEY_AT = {b"EVALSHA": 3, b"ZDIFF": 2}
"""Where a command's first key stands, if not behind its name."""


class ClusterLink(Link):
    """A Redis Cluster.

    Parameters
    ----------
    client
        redis-py's client, which knows the nodes and their slots.
    owned
        Whether the client is ours to close.
    wait
        What every write waits for, on each node.
    """

    spread = True

    def __init__(self, client: Any, owned: bool, wait: Wait | None) -> None:
        self._client: Any = client
        self._owned = owned
        self._wait = wait
        check_patience(client.get_connection_kwargs(), wait)
        self._decodes = owned and decodes(self._client.get_encoder())
        self._by_slot: dict[int, Connections] = {}
        self._by_node: dict[str, tuple[Any, Connections]] = {}
        self._stale = False

    def send(self, request: Request | Stream) -> list[Any]:
        """Return the replies; what a node has refused because it is another's, or not now, is sent again."""
        assert isinstance(request, Request)  # a script of many keys is for one server
        if self._stale:
            self._refresh()
        commands, wait = request.commands, self._wait if request.waits else None
        raw = not (request.text and self._decodes)
        replies: list[Any] = [None] * len(commands)
        pending = list(range(len(commands)))
        redirected: Redirected = {}
        for turn in range(_ROUNDS):
            failure, missed, unsent = self._round(commands, pending, redirected, replies, wait, raw)
            request.missed = request.missed or missed
            if failure is not None:
                self._stale = True
                if turn or (request.writes and not unsent):
                    raise failure
                self._refresh()  # to read once more does no harm, nor to write what has not left
                pending, redirected = (unsent, {}) if request.writes else (pending, {})
                continue
            pending, redirected = self._refused(commands, pending, redirected, replies)
            if not pending:
                break
            if turn:
                time.sleep(_PAUSE)
        return replies

    def _refused(
        self, commands: Sequence[Command], sent: Sequence[int], targets: Redirected, replies: list[Any]
    ) -> tuple[list[int], Redirected]:
        """Return which commands were not carried out and should be sent again, and where to, if not by their slots."""
        pending: list[int] = []
        redirected: Redirected = {}
        moved = False
        unknown: dict[Connections, dict[bytes, list[int]]] = {}
        for at in sent:
            reply = replies[at]
            if not isinstance(reply, ResponseError):
                continue
            if isinstance(reply, AskError):  # MovedError is one
                moved = moved or isinstance(reply, MovedError)
                redirected[at] = (self._at(reply), not isinstance(reply, MovedError))
            elif isinstance(reply, NoScriptError):
                if at in targets:
                    redirected[at] = targets[at]
                connections = targets[at][0] if at in targets else self._of(commands[at])
                unknown.setdefault(connections, {}).setdefault(commands[at][1], []).append(at)
            elif not isinstance(reply, TryAgainError):
                continue
            pending.append(at)
        for connections, digests in unknown.items():
            loaded = _exchange(connections, [(b"SCRIPT", b"LOAD", TEXTS[digest]) for digest in digests])
            for numbers, reply in zip(digests.values(), loaded, strict=True):
                if isinstance(reply, Exception):
                    pending = [at for at in pending if at not in numbers]
                    for at in numbers:
                        replies[at] = reply
        if moved:
            self._refresh()
        return pending, redirected

    def _round(
        self,
        commands: Sequence[Command],
        pending: Sequence[int],
        redirected: Redirected,
        replies: list[Any],
        wait: Wait | None,
        raw: bool,
    ) -> tuple[Exception | None, NotAcknowledged | None, list[int]]:
        """Send each node its commands, then read all replies.

        Returns the first failure of a node, that of an acknowledgement, and, if no node failed otherwise than by not
        being there, the commands that were not sent.
        """
        groups: dict[Connections, list[int]] = {}
        try:
            for at in pending:
                to = redirected[at][0] if at in redirected else self._of(commands[at])
                groups.setdefault(to, []).append(at)
        except (redis.RedisError, RedisClusterException) as error:
            return error, None, []
        asking = {at for at, (_, asks) in redirected.items() if asks}
        lent: list[tuple[Connections, Any, list[int]]] = []
        failure: Exception | None = None
        absent: Exception | None = None
        unsent: list[int] = []
        missed: NotAcknowledged | None = None
        try:
            for connections, numbers in groups.items():
                try:
                    connection = connections.take()
                except (redis.RedisError, OSError) as error:
                    absent = absent or error
                    unsent += numbers
                    continue
                try:
                    connection.send_packed_command((self._packed(commands, numbers, asking, wait),))
                except (redis.RedisError, OSError) as error:
                    failure = failure or error
                    connections.drop(connection)
                    continue
                lent.append((connections, connection, numbers))
            while lent:
                connections, connection, numbers = lent[0]
                try:
                    found = receive(connection, self._expected(numbers, asking, wait), raw)
                    if wait is not None:
                        missed = wait.missed(found.pop()) or missed
                except (redis.RedisError, OSError) as error:
                    failure = failure or error
                    connections.drop(connection)
                else:
                    connections.give(connection)
                    answers = iter(found)
                    for at in numbers:
                        if at in asking:
                            next(answers)
                        replies[at] = next(answers)
                lent.pop(0)
        except BaseException:
            for connections, connection, _ in lent:
                connections.drop(connection)
            raise
        return (absent, missed, unsent) if failure is None else (failure, missed, [])

    def _packed(
        self,
        commands: Sequence[Command],
        numbers: Sequence[int],
        asking: Set[int],
        wait: Wait | None,
    ) -> bytes:
        if not asking and wait is None:
            return pack([commands[at] for at in numbers])
        sent: list[Command] = []
        for at in numbers:
            if at in asking:
                sent.append((b"ASKING",))
            sent.append(commands[at])
        if wait is not None:
            sent.append(wait.command)
        return pack(sent)

    def _expected(self, numbers: Sequence[int], asking: Set[int], wait: Wait | None) -> int:
        return len(numbers) + (wait is not None) + (sum(at in asking for at in numbers) if asking else 0)

    def _of(self, command: Command) -> Connections:
        """Return the connections to the node of a command's key."""
        slot = key_slot(command[_KEY_AT.get(command[0], 1)])
        try:
            return self._by_slot[slot]
        except KeyError:
            found = self._node(self._client.nodes_manager.get_node_from_slot(slot))
            self._by_slot[slot] = found
            return found

    def _node(self, node: Any) -> Connections:
        pool = self._client.get_redis_connection(node).connection_pool
        known = self._by_node.get(node.name)
        if known is None or known[0] is not pool:
            if known is not None:
                known[1].close()
            known = self._by_node[node.name] = (pool, Connections(pool, keep=self._owned))
        return known[1]

    def _at(self, error: AskError) -> Connections:
        """Return the connections to the node that a refusal names, known or new."""
        node = self._client.get_node(error.host, error.port)
        return self._node(node or ClusterNode(error.host, error.port))  # type: ignore[no-untyped-call]

    def _refresh(self) -> None:
        """Ask which node has which slots; if nobody answers, the next call asks again."""
        try:
            self._client.nodes_manager.initialize()
            self._stale = False
        except (redis.RedisError, RedisClusterException, OSError):
            self._stale = True
        self._by_slot = {}

    def pipeline(self) -> Any:
        """Return a pipeline over the nodes."""
        return self._client.pipeline()

    def scan(self, pattern: bytes) -> Iterator[list[bytes]]:
        """Yield the keys of every master that match."""
        for node in self._client.get_primaries():
            connections, cursor = self._node(node), b"0"
            while True:
                (reply,) = _exchange(connections, [(b"SCAN", cursor, b"MATCH", pattern, b"COUNT", b"1000")])
                if isinstance(reply, Exception):
                    raise reply
                cursor, keys = reply
                yield list(keys)
                if cursor == b"0":
                    break

    def close(self) -> None:
        """Close the client, if it is ours."""
        for _, connections in self._by_node.values():
            connections.close()
        if self._owned:
            with suppress(redis.RedisError):
                self._client.close()


def _exchange(connections: Connections, commands: Sequence[Command]) -> list[Any]:
    connection = connections.take()
    try:
        connection.send_packed_command((pack(commands),))
        replies = receive(connection, len(commands))
    except BaseException:
        connections.drop(connection)
        raise
    connections.give(connection)
    return replies
