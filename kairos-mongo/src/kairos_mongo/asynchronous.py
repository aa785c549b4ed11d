"""The storage for asyncio: the same protocol and driver, with PyMongo's own asynchronous client."""

from __future__ import annotations

import inspect
from typing import Any

from kairos.sansio import AsyncProtocolStorage, arun
from kairos.storage import Values

from .driver import Driver
from .protocol import Protocol
from .requests import Request
from .storage import capabilities_of

__all__ = ["AsyncMongoStorage"]


class AsyncMongoStorage(AsyncProtocolStorage):
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
        self.protocol = protocol
        self._driver = driver
        self._client = client
        self.capabilities = capabilities_of(values)

    async def send(self, request: Request) -> Any:
        """Carry a request out."""
        return await arun(self._driver.steps(request), _awaited)

    async def close(self) -> None:
        """Close the client that the URL made."""
        if self._client is not None:
            await self._client.close()


async def _awaited(given: Any) -> Any:
    """Return the result of what PyMongo, or a caller's own fetch, has given."""
    return await given if inspect.isawaitable(given) else given
