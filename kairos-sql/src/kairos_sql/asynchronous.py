"""The storage for asyncio: the same storage, run in a greenlet, with the asynchronous drivers of SQLAlchemy.

SQLAlchemy's asynchronous drivers look like those that wait, to whoever calls them from a greenlet of its own; what they
await, the coroutine awaits that has started the greenlet (``run_sync``). Locks and pauses here do the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import sqlalchemy as sa
from greenlet import getcurrent  # type: ignore[import-untyped]
from sqlalchemy.engine import URL, Connection, Engine
from sqlalchemy.pool import Pool
from sqlalchemy.util import await_only, greenlet_spawn

from kairos.storage import AsyncStorage, Batch, Capabilities, Read, Reply, Scope

from .connections import Connections
from .dialects import Dialect, Lent, Lock
from .sqlite import SQLite, set_up
from .storage import SQLStorage

__all__ = ["AsyncSQLStorage", "AsyncSQLite", "GreenletConnections", "GreenletStorage"]

T = TypeVar("T")


class GreenletLock:
    """A reentrant lock for greenlets: who waits lets the event loop run."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._owner: Any = None
        self._depth = 0

    def acquire(self, blocking: bool = True) -> bool:
        """Take it; return whether it was free."""
        me = getcurrent()
        if self._owner is not me:
            if not blocking and self._lock.locked():
                return False
            await_only(self._lock.acquire())
            self._owner = me
        self._depth += 1
        return True

    def release(self) -> None:
        """Give it back."""
        self._depth -= 1
        if not self._depth:
            self._owner = None
            self._lock.release()

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, *_: Any) -> None:
        self.release()


_locks: WeakKeyDictionary[Pool, GreenletLock] = WeakKeyDictionary()


def _pause(seconds: float) -> None:
    await_only(asyncio.sleep(seconds))


class Errands:
    """What goes on to its end though whoever waits for it is cancelled: opening a connection, giving it back.

    Drivers and SQLAlchemy's pool forget a connection that they are cancelled on while they open it.
    """

    def __init__(self) -> None:
        self._running: set[asyncio.Task[Any]] = set()  # a loop alone would let them be collected

    def run(self, work: Callable[..., T], *arguments: Any, undo: Callable[[T], object] | None = None) -> T:
        """Return ``work(*arguments)``; where nobody waits for it any more, undo it."""
        task = self._start(work, *arguments)
        try:
            return await_only(asyncio.shield(task))
        except asyncio.CancelledError:
            if undo is not None:
                task.add_done_callback(partial(self._undo, undo))
            raise

    def _start(self, work: Callable[..., T], *arguments: Any) -> asyncio.Task[T]:
        task = asyncio.get_running_loop().create_task(greenlet_spawn(work, *arguments))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    def _undo(self, undo: Callable[[T], object], task: asyncio.Task[T]) -> None:
        if not task.cancelled() and task.exception() is None:
            self._start(undo, task.result())

    def finish(self) -> None:
        """Wait for all that is under way."""
        while self._running:
            await_only(asyncio.wait(self._running))
            await_only(asyncio.sleep(0))  # what undoes them has begun


class GreenletConnections(Connections):
    """Connections for greenlets of one event loop."""

    def __init__(self, dialect: Dialect, owned: bool, keep: bool) -> None:
        super().__init__(dialect, owned, keep)
        self._pause = _pause
        self._errands = Errands()

    def _lend(self) -> Lent:
        return self._errands.run(super()._lend, undo=super()._discard)

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """Lend a SQLAlchemy connection."""
        with self.lock if self._turns else nullcontext():
            connection = self._errands.run(self._engine.connect, undo=Connection.close)
            try:
                yield connection
            finally:
                self._errands.run(connection.close)

    def _take_back(self, lent: Lent, error: BaseException, theirs: bool = False) -> None:
        self._errands.run(super()._take_back, lent, error, theirs)

    def _put_back(self, lent: Lent) -> None:
        self._errands.run(super()._put_back, lent)

    def _discard(self, lent: Lent) -> None:
        self._errands.run(super()._discard, lent)

    def close(self) -> None:
        """Give everything back, when what calls have left behind has ended."""
        self._errands.finish()
        super().close()


class GreenletStorage(SQLStorage):
    """The storage in a greenlet: each write is a transaction, as cancelling one must not touch another."""

    def write(self, batch: Batch) -> None:
        """Store a batch."""
        self._store([batch], _nothing)


def _nothing() -> None:
    return None


class AsyncSQLite(SQLite):
    """SQLite through aiosqlite, which runs the standard library's driver in a thread of its own."""

    @staticmethod
    def create_engine(url: URL, client_config: dict[str, Any]) -> Engine:
        """Return an engine whose every connection is set up."""
        engine = SQLite.create_engine(url, client_config)
        sa.event.remove(engine, "connect", set_up)
        sa.event.listen(engine, "connect", _set_up)
        return engine

    def lock(self) -> Lock:
        """Return the lock of the pool."""
        return _locks.setdefault(self.engine.pool, GreenletLock())

    def _driver(self, cursor: Any) -> Any:
        return cursor._connection


def _set_up(connection: Any, record: Any) -> None:
    set_up(connection, record, _pause)


class AsyncSQLStorage(AsyncStorage):
    """One timeseries in a SQL database, for one event loop.

    Parameters
    ----------
    storage
        The storage whose methods are run in greenlets.
    """

    def __init__(self, storage: SQLStorage) -> None:
        self._storage = storage

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
        """Store a batch in one transaction."""
        await greenlet_spawn(self._storage.write, batch)

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
