"""The links over redis.asyncio: the steps of :mod:`.exchanges` and :mod:`.rounds`, awaited."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from itertools import count
from time import monotonic
from typing import Any
from weakref import WeakKeyDictionary

import redis
from redis.asyncio.cluster import ClusterNode
from redis.exceptions import RedisClusterException, ResponseError

from kairos.errors import Closed
from kairos.sansio import arun

from .connections import TRUSTED, Command, pack
from .exchanges import Exchange, served, streamed
from .requests import Request, Stream, Wait, check_patience, decodes
from .rounds import Parcel, Pause, Refresh, Round, Rounds, Step

__all__ = ["AsyncClusterLink", "AsyncLink", "AsyncServerLink"]

MOST = 50
"""How many connections to a server are used at once: further calls wait for one, in the order in which they came."""


class AsyncLink(ABC):
    """What carries requests for one event loop."""

    spread: bool
    """Whether keys lie on several nodes, so that a script can touch one key only."""

    @abstractmethod
    async def ready(self) -> None:
        """Learn what has to be known before the first request."""

    @abstractmethod
    async def send(self, request: Request | Stream) -> list[Any]:
        """Return the replies; errors of the server are among them, others are raised."""

    @abstractmethod
    async def pipeline(self) -> Any:
        """Return a pipeline of redis.asyncio, for the caller's own fetch."""

    @abstractmethod
    async def close(self) -> None:
        """Release what was opened."""


_limits: WeakKeyDictionary[Any, dict[str, asyncio.Semaphore]] = WeakKeyDictionary()
_numbers = count()


def _limit(owner: Any, name: str, most: int) -> asyncio.Semaphore:
    """Return what limits the connections of a pool or of a cluster's node, for all who share it."""
    limits = _limits.setdefault(owner, {})
    if name not in limits:
        limits[name] = asyncio.Semaphore(min(MOST, most))
    return limits[name]


class AsyncConnections:
    """Connections of one server, lent to one call at a time.

    A call that is cancelled, or times out, leaves a connection on which a reply may still come: it is closed.

    Parameters
    ----------
    get, release
        Of the pool of redis-py's.
    keep
        Whether connections stay here between calls; a pool of the caller's gets each back at once.
    free
        How many may still be used.

    Attributes
    ----------
    number
        Who needs connections of several servers at once takes them in this order: else two could wait for each other.
    """

    def __init__(
        self,
        get: Callable[[], Awaitable[Any]],
        release: Callable[[Any], Awaitable[None]],
        keep: bool,
        free: asyncio.Semaphore,
    ) -> None:
        self.number = next(_numbers)
        self._get, self._release = get, release
        self._keep = keep
        self._free = free
        self._idle: deque[tuple[Any, float]] = deque()
        self._closed = False

    async def take(self) -> Any:
        """Borrow a connection that the server has not closed; wait for one if too many are used."""
        await self._free.acquire()
        try:
            if self._closed:
                raise Closed("this timeseries is closed; make a new one")
            while self._idle:
                connection, since = self._idle.pop()
                if monotonic() - since < TRUSTED or await _is_well(connection):
                    return connection
                await self._drop(connection)
            return await self._get()
        except BaseException:
            self._free.release()
            raise

    async def give(self, connection: Any) -> None:
        """Give a connection back from which every reply has been read."""
        try:
            if self._keep and not self._closed:
                self._idle.append((connection, monotonic()))
            else:
                await self._release(connection)
        finally:
            self._free.release()

    async def drop(self, connection: Any) -> None:
        """Give a connection back that is broken, or on which a reply may still come."""
        try:
            await self._drop(connection)
        finally:
            self._free.release()

    async def _drop(self, connection: Any) -> None:
        with suppress(redis.RedisError, OSError):
            await connection.disconnect(nowait=True)
        await self._release(connection)

    async def lend_back(self) -> None:
        """Give all idle connections to the pool, for somebody else to use."""
        while self._idle:
            await self._release(self._idle.pop()[0])

    async def close(self) -> None:
        """Give all idle connections back, and lend no more."""
        self._closed = True
        await self.lend_back()


async def _is_well(connection: Any) -> bool:
    """Return whether a connection is open, and nothing has come on it that nobody asked for."""
    look = getattr(connection, "can_read", None) or connection.can_read_destructive  # of redis-py before 8
    try:
        return not await look()
    except (redis.ConnectionError, OSError):
        return False


async def _receive(connection: Any, count: int, raw: bool = True) -> list[Any]:
    """Return the replies to that many commands; errors of the server are among them, not raised."""
    replies: list[Any] = []
    read = connection.read_response
    for _ in range(count):
        try:
            replies.append(await read(disable_decoding=raw))
        except ResponseError as error:
            replies.append(error)
    return replies


class AsyncServerLink(AsyncLink):
    """One server, or a master by Sentinel.

    Parameters
    ----------
    client
        The client of redis.asyncio.
    owned
        Whether the client is ours to close.
    wait
        What every write waits for.
    """

    spread = False

    def __init__(self, client: Any, owned: bool, wait: Wait | None) -> None:
        self._client = client
        self._owned = owned
        self._wait = wait
        pool = client.connection_pool
        check_patience(pool.connection_kwargs, wait)
        self._decodes = owned and decodes(client.get_encoder())
        free = _limit(pool, "", pool.max_connections)
        self._connections = AsyncConnections(pool.get_connection, pool.release, owned, free)

    async def ready(self) -> None:
        """Nothing: the pool connects by itself."""

    async def send(self, request: Request | Stream) -> list[Any]:
        """Return the replies to commands, sent at once."""
        if isinstance(request, Stream):
            return await self._stream(request)
        return await arun(served(request, self._wait, self._decodes), self._exchange)

    async def _exchange(self, exchange: Exchange) -> list[Any]:
        commands = exchange.commands
        connection = await self._connections.take()
        try:
            await connection.send_packed_command(pack(commands))
            replies = await _receive(connection, len(commands), exchange.raw)
        except BaseException:
            await self._connections.drop(connection)
            raise
        await self._connections.give(connection)
        return replies

    async def _stream(self, stream: Stream) -> list[Any]:
        connection = await self._connections.take()

        async def step(step: Command | int) -> list[Any]:
            if isinstance(step, int):
                return await _receive(connection, step)
            await connection.send_packed_command(pack((step,)))
            return []

        try:
            replies = await arun(streamed(stream, self._wait), step)
        except BaseException:
            await self._connections.drop(connection)
            raise
        await self._connections.give(connection)
        return replies

    async def pipeline(self) -> Any:
        """Return a pipeline without MULTI."""
        await self._connections.lend_back()  # the pool may have no more than one
        return self._client.pipeline(transaction=False)

    async def close(self) -> None:
        """Close the client, if it is ours."""
        await self._connections.close()
        if self._owned:
            pool = self._client.connection_pool
            await self._client.aclose()
            await pool.disconnect()
            for sentinel in getattr(getattr(pool, "sentinel_manager", None), "sentinels", ()):
                await sentinel.aclose()


class AsyncClusterLink(Rounds[AsyncConnections], AsyncLink):
    """A Redis Cluster.

    Parameters
    ----------
    client
        The client of redis.asyncio, which knows the nodes and their slots.
    owned
        Whether the client is ours to close.
    wait
        What every write waits for, on each node.
    """

    spread = True

    def __init__(self, client: Any, owned: bool, wait: Wait | None) -> None:
        super().__init__(wait, owned and decodes(client.get_encoder()))
        self._client = client
        self._owned = owned
        check_patience(client.get_connection_kwargs(), wait)
        self._by_node: dict[str, tuple[Any, AsyncConnections]] = {}
        self._made: list[Any] = []

    async def ready(self) -> None:
        """Learn which node has which slots."""
        await self._client.initialize()

    async def send(self, request: Request | Stream) -> list[Any]:
        """Return the replies."""
        assert isinstance(request, Request)  # a script of many keys is for one server
        replies: list[Any] = await arun(self.requested(request), self._step)
        return replies

    async def _step(self, step: Step) -> Any:
        if isinstance(step, Round):
            return await _carry_out(step)
        if isinstance(step, Pause):
            return await asyncio.sleep(step.seconds)
        assert isinstance(step, Refresh)
        try:
            await self._client.nodes_manager.initialize()
        except (redis.RedisError, RedisClusterException, OSError):
            return False
        return True

    def node_of(self, slot: int) -> AsyncConnections:
        """Return the connections to the node that has a slot."""
        return self._node(self._client.nodes_manager.get_node_from_slot(slot))

    def node_at(self, host: str, port: int) -> AsyncConnections:
        """Return the connections to the node at an address, known or new."""
        node = self._client.get_node(host, port)
        if node is None:  # not known yet; whoever makes the round learns of it by the refresh that follows
            node = ClusterNode(host, port, "primary", **self._client.nodes_manager.connection_kwargs)
            self._made.append(node)
        return self._node(node)

    def _node(self, node: Any) -> AsyncConnections:
        known = self._by_node.get(node.name)
        if known is None or known[0] is not node:
            free = _limit(self._client, node.name, node.max_connections)
            connections = AsyncConnections(_getter(node), _releaser(node), False, free)
            known = self._by_node[node.name] = (node, connections)
        return known[1]

    async def pipeline(self) -> Any:
        """Return a pipeline over the nodes."""
        return self._client.pipeline()

    async def close(self) -> None:
        """Close the client, if it is ours."""
        for _, connections in self._by_node.values():
            await connections.close()
        for node in self._made:
            with suppress(redis.RedisError, OSError):
                await node.disconnect()
        if self._owned:
            with suppress(redis.RedisError, OSError):
                await self._client.aclose()


def _getter(node: Any) -> Callable[[], Awaitable[Any]]:
    """Return what takes a connected connection of a node's, whose pool does not look whether it is open still."""

    async def get() -> Any:
        while True:
            connection = node.acquire_connection()
            if not connection.is_connected or await _is_well(connection):
                break
            await connection.disconnect(nowait=True)
        try:
            await connection.connect()
        except BaseException:
            node.release(connection)
            raise
        return connection

    return get


def _releaser(node: Any) -> Callable[[Any], Awaitable[None]]:
    async def release(connection: Any) -> None:
        node.release(connection)

    return release


async def _carry_out(one: Round[AsyncConnections]) -> None:
    """Send each node its parcel, then read all replies."""
    lent: list[tuple[Parcel[AsyncConnections], Any]] = []
    try:
        for parcel in sorted(one.parcels, key=_number):
            try:
                connection = await parcel.node.take()
            except (redis.RedisError, OSError) as error:
                parcel.absent = error
                continue
            lent.append((parcel, connection))
            try:
                await connection.send_packed_command(parcel.sent)
            except (redis.RedisError, OSError) as error:
                parcel.failure = error
                lent.pop()
                await parcel.node.drop(connection)
        while lent:
            parcel, connection = lent[0]
            try:
                parcel.replies = await _receive(connection, parcel.count, one.raw)
            except (redis.RedisError, OSError) as error:
                parcel.failure = error
                lent.pop(0)
                await parcel.node.drop(connection)
            else:
                lent.pop(0)
                await parcel.node.give(connection)
    except BaseException:
        for parcel, connection in lent:
            await parcel.node.drop(connection)
        raise


def _number(parcel: Parcel[AsyncConnections]) -> int:
    return parcel.node.number
