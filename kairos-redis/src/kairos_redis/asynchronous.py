"""The storage for asyncio: the same protocol, driven by redis.asyncio."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from redis.asyncio.client import Pipeline, PubSub, Redis
from redis.asyncio.cluster import ClusterNode, ClusterPipeline, RedisCluster
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel

from kairos.sansio import arun
from kairos.storage import AsyncStorage, Batch, Read, Reply, Scope

from .asynchronous_links import AsyncClusterLink, AsyncLink, AsyncServerLink
from .fetching import Fetch, check_queued
from .keys import Place
from .protocol import Protocol, Steps
from .requests import Request, Stream, Wait
from .storage import CAPABILITIES
from .urls import Family

__all__ = ["FAMILY", "NO_CLIENTS", "AsyncRedisStorage"]

FAMILY = Family(Redis, RedisCluster, ClusterNode, Sentinel, Retry)
NO_CLIENTS = (Pipeline, ClusterPipeline, PubSub)

Result = TypeVar("Result")


class AsyncRedisStorage(AsyncStorage):
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
        self._protocol: Protocol

    async def ready(self) -> None:
        """Connect, and refuse a place where one of our intervals holds another kind."""
        if self._link is None:
            client = self._make()
            kind = AsyncClusterLink if isinstance(client, RedisCluster) else AsyncServerLink
            self._link = kind(client, self._owned, self._wait)
            self._protocol = Protocol(self.place, self._link.spread, (Pipeline, ClusterPipeline))
        await self._link.ready()
        await self._run(self._protocol.ready())

    async def _run(self, protocol: Steps[Result]) -> Result:
        return await arun(protocol, self._send)

    async def _send(self, step: Request | Stream | Fetch) -> list[Any]:
        assert self._link is not None
        if isinstance(step, Fetch):
            return await _fetched(await self._link.pipeline(), step)
        return await self._link.send(step)

    async def layouts(self) -> Mapping[str, str]:
        """Return the recorded layouts of our kind."""
        return await self._run(self._protocol.layouts())

    async def record_layouts(
        self, layouts: Mapping[str, str], options: Mapping[str, Any]
    ) -> Mapping[str, str]:
        """Record layouts that are not there yet."""
        return await self._run(self._protocol.record_layouts(layouts, options))

    async def forget_layouts(self, intervals: Sequence[str]) -> None:
        """Remove recorded layouts."""
        await self._run(self._protocol.forget_layouts(intervals))

    async def write(self, batch: Batch) -> None:
        """Store a batch, or queue it on the caller's pipeline."""
        if batch.options:
            self._protocol.queue(batch)
        else:
            await self._run(self._protocol.write(batch))

    async def read(self, request: Read) -> Reply:
        """Return the rows of a range."""
        return Reply(await self._run(self._protocol.read(request)))

    async def names(self, scope: Scope) -> Iterable[str]:
        """Return the names with data."""
        return await self._run(self._protocol.names(scope))

    async def span(self, name: str, interval: str, at_least: int | None) -> tuple[int, int] | None:
        """Return the first and last bucket with data."""
        return await self._run(self._protocol.span(name, interval, at_least))

    async def delete(self, names: Sequence[str], scope: Scope) -> int:
        """Remove names."""
        return await self._run(self._protocol.delete(names, scope))

    async def delete_all(self, scope: Scope) -> int:
        """Remove all names."""
        return await self._run(self._protocol.delete_all(scope))

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
