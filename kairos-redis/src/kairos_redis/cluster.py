"""Carrying commands to the nodes of a Cluster: one packed send a node, all sent before the first reply is read."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import redis
from redis.cluster import ClusterNode
from redis.exceptions import RedisClusterException

from kairos.sansio import run

from .connections import Connections, receive
from .links import Link
from .requests import Request, Stream, Wait, check_patience, decodes
from .rounds import Parcel, Pause, Refresh, Round, Rounds, Step, exchanged

__all__ = ["ClusterLink"]


class ClusterLink(Rounds[Connections], Link):
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
        super().__init__(wait, owned and decodes(client.get_encoder()))
        self._client: Any = client
        self._owned = owned
        check_patience(client.get_connection_kwargs(), wait)
        self._by_node: dict[str, tuple[Any, Connections]] = {}

    def send(self, request: Request | Stream) -> list[Any]:
        """Return the replies."""
        assert isinstance(request, Request)  # a script of many keys is for one server
        replies: list[Any] = run(self.requested(request), self._step)
        return replies

    def _step(self, step: Step) -> Any:
        if isinstance(step, Round):
            return _carry_out(step)
        if isinstance(step, Pause):
            return time.sleep(step.seconds)
        assert isinstance(step, Refresh)
        try:
            self._client.nodes_manager.initialize()
        except (redis.RedisError, RedisClusterException, OSError):
            return False
        return True

    def node_of(self, slot: int) -> Connections:
        """Return the connections to the node that has a slot."""
        return self._node(self._client.nodes_manager.get_node_from_slot(slot))

    def node_at(self, host: str, port: int) -> Connections:
        """Return the connections to the node at an address, known or new."""
        return self._node(self._client.get_node(host, port) or ClusterNode(host, port))  # type: ignore[no-untyped-call]

    def _node(self, node: Any) -> Connections:
        pool = self._client.get_redis_connection(node).connection_pool
        known = self._by_node.get(node.name)
        if known is None or known[0] is not pool:
            if known is not None:
                known[1].close()
            known = self._by_node[node.name] = (pool, Connections(pool, keep=self._owned))
        return known[1]

    def pipeline(self) -> Any:
        """Return a pipeline over the nodes."""
        return self._client.pipeline()

    def scan(self, pattern: bytes) -> Iterator[list[bytes]]:
        """Yield the keys of every master that match."""
        for node in self._client.get_primaries():
            connections, cursor = self._node(node), b"0"
            while True:
                command = (b"SCAN", cursor, b"MATCH", pattern, b"COUNT", b"1000")
                (reply,) = run(exchanged(connections, [command]), self._step)
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


def _carry_out(one: Round[Connections]) -> None:
    """Send each node its parcel, then read all replies."""
    lent: list[tuple[Parcel[Connections], Any]] = []
    try:
        for parcel in one.parcels:
            try:
                connection = parcel.node.take()
            except (redis.RedisError, OSError) as error:
                parcel.absent = error
                continue
            try:
                connection.send_packed_command((parcel.sent,))
            except (redis.RedisError, OSError) as error:
                parcel.failure = error
                parcel.node.drop(connection)
                continue
            lent.append((parcel, connection))
        while lent:
            parcel, connection = lent[0]
            try:
                parcel.replies = receive(connection, parcel.count, one.raw)
            except (redis.RedisError, OSError) as error:
                parcel.failure = error
                parcel.node.drop(connection)
            else:
                parcel.node.give(connection)
            lent.pop(0)
    except BaseException:
        for parcel, connection in lent:
            parcel.node.drop(connection)
        raise
