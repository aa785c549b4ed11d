"""The storage for asyncio: the same storage, run in a greenlet, with the asynchronous drivers of SQLAlchemy.

SQLAlchemy's asynchronous drivers look like those that wait, to whoever calls them from a greenlet of its own; what they
await, the coroutine awaits that has started the greenlet (``run_sync``). Locks and pauses here do the same.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from attrs import define
from sqlalchemy.util import await_only, greenlet_spawn

from kairos.storage import AsyncStorage, Batch, Capabilities, Read, Reply, Scope

from .greenlets import Errands, GreenletConnections
from .storage import LOOK_AGAIN, SQLStorage

__all__ = ["AsyncSQLStorage", "GreenletStorage"]

_MOST = 256
"""How many batches are stored together at most: what is planned for them holds the loop."""


class GreenletStorage(SQLStorage):
    """The storage, whose methods run in greenlets."""

    @property
    def errands(self) -> Errands:
        """What goes on to its end."""
        connections = self._connections
        assert isinstance(connections, GreenletConnections)
        return connections.errands

    def ready(self) -> None:
        """Look at the engine; plan long writes in parts."""
        super().ready()
        self._statements.rows.rest = _rest

    def store(self, batches: Sequence[Batch]) -> Sequence[Exception | None]:
        """Store batches in one transaction; alone, each for itself, if one of them is refused. Return their errors."""
        try:
            if time.monotonic() - self._looked > LOOK_AGAIN:
                self._look_again()
            self._store(batches, _nothing)
        except Exception as error:
            if len(batches) > 1 and self._refused(error):
                return [self.store([batch])[0] for batch in batches]
            return [error] * len(batches)
        return [None] * len(batches)


def _nothing() -> None:
    return None


def _rest() -> None:
    await_only(asyncio.sleep(0))


@define(eq=False)
class _Ticket:
    batch: Batch
    answer: asyncio.Future[None]


class Commits:
    """Group commit: writes of coroutines that wait for their turn are stored together, in one transaction.

    A group is stored by a task of its own: cancelling one who waits for it does not touch the others. A write that
    finds nothing under way is stored by its own coroutine, which may be cancelled.
    """

    def __init__(self, storage: GreenletStorage) -> None:
        self._storage = storage
        self._busy = False
        self._waiting: deque[_Ticket] = deque()

    async def write(self, batch: Batch) -> None:
        """Store a batch, with whatever else waits."""
        if self._busy:
            ticket = _Ticket(batch, asyncio.get_running_loop().create_future())
            self._waiting.append(ticket)
            await ticket.answer
            return
        self._busy = True
        try:
            (error,) = await greenlet_spawn(self._storage.store, (batch,))
        finally:
            self._go_on()
        if error is not None:
            raise error

    def _go_on(self) -> None:
        if self._waiting:
            self._storage.errands.start(self._lead)
        else:
            self._busy = False

    def _lead(self) -> None:
        """Store what waits: a group, and who comes next starts the next one."""
        tickets: list[_Ticket] = []
        while self._waiting and len(tickets) < _MOST:
            ticket = self._waiting.popleft()
            if not ticket.answer.done():  # else it was cancelled
                tickets.append(ticket)
        errors: Sequence[Exception | None] = []
        try:
            if tickets:
                errors = self._storage.store([ticket.batch for ticket in tickets])
        finally:
            self._go_on()
            for ticket, error in zip(tickets, errors, strict=False):
                if ticket.answer.done():
                    continue
                if error is None:
                    ticket.answer.set_result(None)
                else:
                    ticket.answer.set_exception(error)
            for ticket in tickets[len(errors) :]:
                ticket.answer.cancel()  # as the task was, which stored them


class AsyncSQLStorage(AsyncStorage):
    """One timeseries in a SQL database, for one event loop.

    Parameters
    ----------
    storage
        The storage whose methods are run in greenlets.
    """

    def __init__(self, storage: GreenletStorage) -> None:
        self._storage = storage
        self._commits = Commits(storage)

    @property
    def capabilities(self) -> Capabilities:  # type: ignore[override]  # of the storage, which learns in ready()
        """What the storage can do."""
        return self._storage.capabilities

    async def ready(self) -> None:
        """Look at the engine, create what is missing, compile the statements."""
        await greenlet_spawn(self._storage.ready)

    async def layouts(self) -> Mapping[str, str]:
        """Return the recorded layouts."""
        return await greenlet_spawn(self._storage.layouts)

    async def record_layouts(
        self, layouts: Mapping[str, str], options: Mapping[str, Any]
    ) -> Mapping[str, str]:
        """Record layouts that are not there yet."""
        return await greenlet_spawn(self._storage.record_layouts, layouts, options)

    async def forget_layouts(self, intervals: Sequence[str]) -> None:
        """Remove recorded layouts."""
        await greenlet_spawn(self._storage.forget_layouts, intervals)

    async def write(self, batch: Batch) -> None:
        """Store a batch, with those of coroutines that wait, in one transaction."""
        await self._commits.write(batch)

    async def read(self, request: Read) -> Reply:
        """Return the rows of a range."""
        return await greenlet_spawn(self._storage.read, request)

    async def names(self, scope: Scope) -> Iterable[str]:
        """Return the names with data."""
        return await greenlet_spawn(self._storage.names, scope)

    async def span(self, name: str, interval: str, at_least: int | None) -> tuple[int, int] | None:
        """Return the first and last bucket with data."""
        return await greenlet_spawn(self._storage.span, name, interval, at_least)

    async def delete(self, names: Sequence[str], scope: Scope) -> int:
        """Remove names."""
        return await greenlet_spawn(self._storage.delete, names, scope)

    async def delete_all(self, scope: Scope) -> int:
        """Remove all names at once."""
        return await greenlet_spawn(self._storage.delete_all, scope)

    async def expire(self, scope: Scope, names: Sequence[str] | None) -> None:
        """Remove dead buckets, in transactions of bounded size."""
        await greenlet_spawn(self._storage.expire, scope, names)

    async def close(self) -> None:
        """Give connections back; dispose of an engine that is the storage's own."""
        await greenlet_spawn(self._storage.close)
