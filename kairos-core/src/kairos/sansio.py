"""One protocol for a sync and an async client, for backends that have both.

Write the protocol once, as a generator that yields one request per round trip and is sent the answer; drive it
with :func:`run` around a sync client, or with :func:`arun` around an async one. A driver's error is raised at
the ``yield``, so that the protocol can handle it.

A backend with both sides writes its storage once, as a :class:`StorageProtocol`; :class:`ProtocolStorage` and
:class:`AsyncProtocolStorage` are its two sides, which only send.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Generator, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from .errors import Unsupported
from .storage import AsyncStorage, Batch, Read, Reply, Scope, Storage

__all__ = ["AsyncProtocolStorage", "ProtocolStorage", "Steps", "StorageProtocol", "arun", "run"]

Request = TypeVar("Request")
Result = TypeVar("Result")

Steps = Generator[Any, Any, Result]
"""A protocol: yields one request a round trip, is sent its answer, returns the result."""


def run(protocol: Generator[Request, Any, Result], send: Callable[[Request], Any]) -> Result:
    """Run a protocol to its end: ``send(request)`` does one round trip.

    Examples
    --------
    >>> def double(key):
    ...     return 2 * (yield ("GET", key))
    >>> run(double("a"), {("GET", "a"): 21}.get)
    42
    """
    try:
        request = next(protocol)
        while True:
            try:
                answer = send(request)
            except Exception as error:
                request = protocol.throw(error)
            else:
                request = protocol.send(answer)
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]
    finally:
        protocol.close()


async def arun(
    protocol: Generator[Request, Any, Result], send: Callable[[Request], Awaitable[Any]]
) -> Result:
    """Run a protocol to its end: ``await send(request)`` does one round trip.

    A task that was cancelled meanwhile ends, even where the driver has lost the cancellation (before Python 3.12,
    :func:`asyncio.wait_for` may return in spite of it).
    """
    task = asyncio.current_task()
    cancelled = 0 if task is None else task.cancelling()
    try:
        request = next(protocol)
        while True:
            try:
                answer = await send(request)
            except Exception as error:
                request = protocol.throw(error)
            else:
                if task is not None and task.cancelling() > cancelled:
                    raise asyncio.CancelledError
                request = protocol.send(answer)
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]
    finally:
        protocol.close()


class StorageProtocol(ABC):
    """:class:`~kairos.storage.Storage` without I/O: the same methods as generators, with the same meaning."""

    def ready(self) -> Steps[None]:
        """Create what is missing (tables, indexes). Safe in eight processes at once."""
        yield from ()

    @abstractmethod
    def layouts(self) -> Steps[Mapping[str, str]]:
        """Return the recorded layouts."""

    @abstractmethod
    def record_layouts(
        self, layouts: Mapping[str, str], options: Mapping[str, Any]
    ) -> Steps[Mapping[str, str]]:
        """Record layouts that are not there yet."""

    @abstractmethod
    def forget_layouts(self, intervals: Sequence[str]) -> Steps[None]:
        """Remove recorded layouts."""

    @abstractmethod
    def write(self, batch: Batch) -> Steps[None]:
        """Store a batch."""

    @abstractmethod
    def read(self, request: Read) -> Steps[Reply]:
        """Return the rows of a range."""

    @abstractmethod
    def names(self, scope: Scope) -> Steps[Iterable[str]]:
        """Return the names with data."""

    @abstractmethod
    def span(self, name: str, interval: str, at_least: int | None) -> Steps[tuple[int, int] | None]:
        """Return the first and last bucket with data."""

    @abstractmethod
    def delete(self, names: Sequence[str], scope: Scope) -> Steps[int]:
        """Remove names."""

    def delete_all(self, scope: Scope) -> Steps[int]:
        """Remove all names and the recorded layouts; name by name, unless the backend knows better."""
        names = yield from self.names(dict.fromkeys(scope))
        count = yield from self.delete(list(names), scope)
        yield from self.forget_layouts(tuple(scope))
        return count

    def expire(self, scope: Scope, names: Sequence[str] | None) -> Steps[None]:
        """Remove dead buckets; only called where expiry is manual."""
        raise Unsupported("this backend removes dead buckets itself: expire() is for manual expiry")
        yield


class ProtocolStorage(Storage):
    """The side of a protocol that waits. A subclass has ``protocol`` (at the latest when ``ready`` goes on to this
    class's), ``capabilities`` and :meth:`send`, and closes what it has opened.
    """

    protocol: StorageProtocol

    @abstractmethod
    def send(self, request: Any) -> Any:
        """Do one round trip."""

    def run(self, steps: Steps[Result]) -> Result:
        """Run steps of the protocol to their end."""
        return run(steps, self.send)

    def ready(self) -> None:
        """Create what is missing."""
        self.run(self.protocol.ready())

    def layouts(self) -> Mapping[str, str]:
        """Return the recorded layouts."""
        return self.run(self.protocol.layouts())

    def record_layouts(self, layouts: Mapping[str, str], options: Mapping[str, Any]) -> Mapping[str, str]:
        """Record layouts that are not there yet."""
        return self.run(self.protocol.record_layouts(layouts, options))

    def forget_layouts(self, intervals: Sequence[str]) -> None:
        """Remove recorded layouts."""
        self.run(self.protocol.forget_layouts(intervals))

    def write(self, batch: Batch) -> None:
        """Store a batch."""
        self.run(self.protocol.write(batch))

    def read(self, request: Read) -> Reply:
        """Return the rows of a range."""
        return self.run(self.protocol.read(request))

    def names(self, scope: Scope) -> Iterable[str]:
        """Return the names with data."""
        return self.run(self.protocol.names(scope))

    def span(self, name: str, interval: str, at_least: int | None) -> tuple[int, int] | None:
        """Return the first and last bucket with data."""
        return self.run(self.protocol.span(name, interval, at_least))

    def delete(self, names: Sequence[str], scope: Scope) -> int:
        """Remove names."""
        return self.run(self.protocol.delete(names, scope))

    def delete_all(self, scope: Scope) -> int:
        """Remove all names and the recorded layouts."""
        return self.run(self.protocol.delete_all(scope))

    def expire(self, scope: Scope, names: Sequence[str] | None) -> None:
        """Remove dead buckets."""
        self.run(self.protocol.expire(scope, names))


class AsyncProtocolStorage(AsyncStorage):
    """The side of a protocol for asyncio: :class:`ProtocolStorage` with coroutines."""

    protocol: StorageProtocol

    @abstractmethod
    async def send(self, request: Any) -> Any:
        """Do one round trip."""

    async def run(self, steps: Steps[Result]) -> Result:
        """Run steps of the protocol to their end."""
        return await arun(steps, self.send)

    async def ready(self) -> None:
        """Create what is missing."""
        await self.run(self.protocol.ready())

    async def layouts(self) -> Mapping[str, str]:
        """Return the recorded layouts."""
        return await self.run(self.protocol.layouts())

    async def record_layouts(
        self, layouts: Mapping[str, str], options: Mapping[str, Any]
    ) -> Mapping[str, str]:
        """Record layouts that are not there yet."""
        return await self.run(self.protocol.record_layouts(layouts, options))

    async def forget_layouts(self, intervals: Sequence[str]) -> None:
        """Remove recorded layouts."""
        await self.run(self.protocol.forget_layouts(intervals))

    async def write(self, batch: Batch) -> None:
        """Store a batch."""
        await self.run(self.protocol.write(batch))

    async def read(self, request: Read) -> Reply:
        """Return the rows of a range."""
        return await self.run(self.protocol.read(request))

    async def names(self, scope: Scope) -> Iterable[str]:
        """Return the names with data."""
        return await self.run(self.protocol.names(scope))

    async def span(self, name: str, interval: str, at_least: int | None) -> tuple[int, int] | None:
        """Return the first and last bucket with data."""
        return await self.run(self.protocol.span(name, interval, at_least))

    async def delete(self, names: Sequence[str], scope: Scope) -> int:
        """Remove names."""
        return await self.run(self.protocol.delete(names, scope))

    async def delete_all(self, scope: Scope) -> int:
        """Remove all names and the recorded layouts."""
        return await self.run(self.protocol.delete_all(scope))

    async def expire(self, scope: Scope, names: Sequence[str] | None) -> None:
        """Remove dead buckets."""
        await self.run(self.protocol.expire(scope, names))
