"""The storage for asyncio: the same protocol, driven by redis.asyncio."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from redis.asyncio.client import Pipeline, PubSub, Redis
from redis.asyncio.cluster import ClusterNode, ClusterPipeline, RedisCluster
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel

from kairos.sansio import AsyncProtocolStorage

from .asynchronous_links import AsyncClusterLink, AsyncLink, AsyncServerLink
from .fetching import Fetch, check_queued
from .keys import Place
from .protocol import Protocol
from .requests import Request, Stream, Wait
from .storage import CAPABILITIES
from .urls import Family

__all__ = ["FAMILY", "NO_CLIENTS", "AsyncRedisStorage"]

FAMILY = Family(Redis, RedisCluster, ClusterNode, Sentinel, Retry)
NO_CLIENTS = (Pipeline, ClusterPipeline, PubSub)


class AsyncRedisStorage(AsyncProtocolStorage):
    """One timeseries in Redis, for one event loop.

    Parameters
    ----------
    place
        Its keys.
    make
        What makes the client, or gives the caller's.
    owned
        Whether the client is ours to close.
    wait
        What every write waits for.
    """

    capabilities = CAPABILITIES

    def __init__(self, place: Place, make: Callable[[], Any], owned: bool, wait: Wait | None) -> None:
        self.place = place
        self._make, self._owned, self._wait = make, owned, wait
        self._link: AsyncLink | None = None

    async def ready(self) -> None:
        """Connect, and refuse a place where one of our intervals holds another kind."""
        if self._link is None:
            client = self._make()
            kind = AsyncClusterLink if isinstance(client, RedisCluster) else AsyncServerLink
            self._link = kind(client, self._owned, self._wait)
            self.protocol = Protocol(self.place, self._link.spread, (Pipeline, ClusterPipeline))
        await self._link.ready()
        await super().ready()

    async def send(self, request: Request | Stream | Fetch) -> list[Any]:
        """Send a request, or let the caller's fetch queue what it wants."""
        assert self._link is not None
        if isinstance(request, Fetch):
            return await _fetched(await self._link.pipeline(), request)
        return await self._link.send(request)

    async def close(self) -> None:
        """Release what a URL has opened."""
        if self._link is not None:
            await self._link.close()


async def _fetched(pipeline: Any, fetch: Fetch) -> list[Any]:
    """Carry a fetch out on a pipeline; it may be a coroutine function."""
    async with pipeline:
        for number, key in enumerate(fetch.keys, 1):
            queued = fetch.function(pipeline, key)
            if queued is not pipeline and inspect.isawaitable(queued):
                await queued
            check_queued(pipeline, key, number)
        replies: list[Any] = await pipeline.execute()
        return replies
