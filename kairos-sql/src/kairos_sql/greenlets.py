"""Locks, pauses and connections for greenlets of one event loop: what they wait for, their coroutine awaits."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from functools import partial
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from greenlet import getcurrent  # type: ignore[import-untyped]
from sqlalchemy.engine import Connection
from sqlalchemy.pool import Pool
from sqlalchemy.util import await_only, greenlet_spawn

from .connections import Connections
from .dialects import Dialect, Lent

__all__ = ["Errands", "GreenletConnections", "GreenletLock", "lock_of", "pause"]

T = TypeVar("T")

_PATIENCE = 10.0
"""How many seconds :meth:`Errands.finish` waits for a server before what is under way is cancelled."""


def pause(seconds: float) -> None:
    """Let the event loop run for so long."""
    await_only(asyncio.sleep(seconds))


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


def lock_of(pool: Pool | None) -> GreenletLock:
    """Return the lock of all who use a pool; None: a new one."""
    return GreenletLock() if pool is None else _locks.setdefault(pool, GreenletLock())


class _Turns:
    """A condition for greenlets; it needs no lock, as they change only where they wait."""

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: Any) -> None:
        return None

    def wait(self, timeout: float) -> None:
        """Wait until it is this greenlet's turn, or for so many seconds."""
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await_only(asyncio.wait((turn,), timeout=timeout))
        except BaseException:
            if turn.done():  # a turn that is not taken is another's
                self.notify()
            raise
        finally:
            with suppress(ValueError):
                self._waiting.remove(turn)

    def notify(self) -> None:
        """Give one who waits a turn."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return


class Errands:
    """What goes on to its end though whoever waits for it is cancelled: opening a connection, giving it back.

    Drivers and SQLAlchemy's pool forget a connection that they are cancelled on while they open it.
    """

    def __init__(self) -> None:
        self._running: set[asyncio.Task[Any]] = set()  # a loop alone would let them be collected

    def run(self, work: Callable[..., T], *arguments: Any, undo: Callable[[T], object] | None = None) -> T:
        """Return ``work(*arguments)``; where nobody waits for it any more, undo it."""
        task = self.start(work, *arguments)
        try:
            return await_only(asyncio.shield(task))
        except asyncio.CancelledError:
            if undo is not None:
                task.add_done_callback(partial(self._undo, undo))
            raise

    def start(self, work: Callable[..., T], *arguments: Any) -> asyncio.Task[T]:
        """Begin work that nobody needs to wait for."""
        task = asyncio.get_running_loop().create_task(greenlet_spawn(work, *arguments))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    def _undo(self, undo: Callable[[T], object], task: asyncio.Task[T]) -> None:
        if not task.cancelled() and task.exception() is None:
            self.start(undo, task.result())

    def finish(self, seconds: float) -> None:
        """Wait for all that is under way; cancel what has not ended after so many seconds."""
        deadline = time.monotonic() + seconds
        while self._running:
            _, late = await_only(asyncio.wait(self._running, timeout=max(deadline - time.monotonic(), 0)))
            for task in late:
                task.cancel()
            await_only(asyncio.sleep(0))  # what undoes them has begun


class GreenletConnections(Connections):
    """Connections for greenlets of one event loop."""

    def __init__(self, dialect: Dialect, owned: bool, keep: bool) -> None:
        super().__init__(dialect, owned, keep)
        self._pause = pause
        self._free: Any = _Turns()
        self.errands = Errands()

    def _lend(self) -> Lent:
        return self.errands.run(super()._lend, undo=_close)

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """Lend a SQLAlchemy connection."""
        with self.lock if self._turns else nullcontext():
            connection = self.errands.run(self._engine.connect, undo=Connection.close)
            try:
                yield connection
            finally:
                self.errands.run(connection.close)

    def _take_back(self, lent: Lent, error: BaseException, theirs: bool = False) -> None:
        """Take a connection back after an error; one that was cancelled may be anywhere in its protocol: it goes."""
        if isinstance(error, Exception) or (self._turns and not self._dialect.shared):
            self.errands.run(super()._take_back, lent, error, theirs)
        else:
            self._discard(lent)

    def _put_back(self, lent: Lent) -> None:
        self.errands.run(super()._put_back, lent)

    def _discard(self, lent: Lent) -> None:
        self.errands.run(super()._discard, lent)

    def _usable(self, lent: Lent) -> bool:
        try:
            return super()._usable(lent)
        except BaseException:  # cancelled while the server was asked
            self._discard(lent)
            raise

    def close(self) -> None:
        """Give everything back, when what calls have left behind has ended."""
        self.errands.finish(_PATIENCE)
        super().close()
        self.errands.finish(_PATIENCE)


def _close(lent: Lent) -> None:
    """Close a connection that was opened for nobody."""
    with suppress(Exception):
        lent.cursor.close()
    with suppress(Exception):
        lent.checkout.invalidate()
    lent.checkout.close()
