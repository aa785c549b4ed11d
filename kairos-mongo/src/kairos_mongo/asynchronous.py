"""The storage for asyncio: the same protocol and driver, with PyMongo's own asynchronous client."""

from __future__ import annotations

import inspect
from collections.abc import Generator, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from kairos.sansio import arun
from kairos.storage import AsyncStorage, Batch, Read, Reply, Scope, Values

from .driver import Driver
from .protocol import Protocol
from .requests import Request
from .storage import capabilities_of

__all__ = ["AsyncMongoStorage"]

Result = TypeVar("Result")


class AsyncMongoStorage(AsyncStorage):
    """One timeseries in a MongoDB database, for one event loop.

    Parameters
    ----------
    protocol
        What to ask.
    driver
        How it is asked.
    values
        The values that this timeseries takes.
    client
        The client to close; None if it is the caller's.
    """

    def __init__(self, protocol: Protocol, driver: Driver, values: Values, client: Any) -> None:
        self._protocol = protocol
        self._driver = driver
        self._client = client
        self.capabilities = capabilities_of(values)

    async def _run(self, protocol: Generator[Request, Any, Result]) -> Result:
        return await arun(protocol, self._send)

    async def _send(self, request: Request) -> Any:
        return await arun(self._driver.steps(request), _awaited)

    async def ready(self) -> None:
        """Connect, and create the indexes that are missing."""
        await self._run(self._protocol.ready())

    async def layouts(self) -> Mapping[str, str]:
        """Return the recorded layouts."""
        return await self._run(self._protocol.layouts())

    async def record_layouts(
        self, layouts: Mapping[str, str], options: Mapping[str, Any]
    ) -> Mapping[str, str]:
        """Record layouts that are not there yet."""
        return await self._run(self._protocol.record_layouts(layouts))

    async def forget_layouts(self, intervals: Sequence[str]) -> None:
        """Remove recorded layouts."""
        await self._run(self._protocol.forget_layouts(intervals))

    async def write(self, batch: Batch) -> None:
        """Store a batch."""
        await self._run(self._protocol.write(batch))

    async def read(self, request: Read) -> Reply:
        """Return the rows of a range."""
        return await self._run(self._protocol.read(request))

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
        """Remove all names at once."""
        return await self._run(self._protocol.delete_all(scope))

    async def close(self) -> None:
        """Close the client that the URL made."""
        if self._client is not None:
            await self._client.close()


async def _awaited(given: Any) -> Any:
    """Return the result of what PyMongo, or a caller's own fetch, has given."""
    return await given if inspect.isawaitable(given) else given
