"""Connections of an Engine, lent to one call each, and the transactions around the calls."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from threading import Condition
from typing import Any, TypeVar

from sqlalchemy.engine import Connection

from kairos.errors import Closed, InvalidValue

from .dialects import Dialect, Lent
from .statements import Prepared

__all__ = ["Connections"]

T = TypeVar("T")

_PATIENCE = 30.0
"""For how many seconds what the database gave up for the sake of others is sent again."""

_MOST_IDLE = 5
"""How many connections to a server stay open while there is nothing to do."""


class Connections:
    """Lends connections and keeps turns.

    Writes of one pool go one after another: in-process waiters then sleep on a lock instead of polling the
    database's, and are stored together. Where all threads share one connection, reads take turns too.

    Parameters
    ----------
    dialect
        Of the engine whose connections these are.
    owned
        The engine is our own: :meth:`close` disposes of it.
    keep
        Keep connections checked out between calls: a checkout from SQLAlchemy's pool costs more than a read of
        SQLite. Not for a pool that others use, or that has a limit.

    Attributes
    ----------
    retries
        How many transactions were sent again, after the database had given them up.
    """

    def __init__(self, dialect: Dialect, owned: bool, keep: bool) -> None:
        self._dialect = dialect
        self._engine = dialect.engine
        self._owned = owned
        self._turns = dialect.one_connection
        self._guests = self._turns and not owned  # others may use the one connection, too
        self._keep = keep or self._turns
        self._idle: list[Lent] = []
        self._free = Condition()
        self._open = 0  # of those that are kept
        self._waiting = 0
        self._most = dialect.most_connections if self._keep else None
        self._closed = False
        self._pause: Callable[[float], None] = time.sleep
        self.lock = dialect.lock()
        self.retries = 0

    def read(self, work: Callable[[Any], T]) -> T:
        """Return ``work(cursor)``, which changes nothing."""
        try:
            return self._read(work)
        except Exception as error:
            if not self._dialect.rolled_back(error) and not self._dialect.lost(error):
                raise
            again = error
        return self._patiently(lambda: self._read(work), again)

    def _read(self, work: Callable[[Any], T]) -> T:
        if self._turns:
            with self.lock:
                return self._read_now(work)
        return self._read_now(work)

    def _read_now(self, work: Callable[[Any], T]) -> T:
        lent = self._take()
        theirs = self._guests and bool(self._dialect.in_transaction(lent))
        try:
            result = work(lent.cursor)
            if not theirs:
                self._dialect.end_read(lent)
        except BaseException as error:
            self._take_back(lent, error, theirs)
            raise
        self._give(lent)
        return result

    def write(self, work: Callable[[Any], T]) -> T:
        """Return ``work(cursor)``, committed if it returns and rolled back if it raises."""
        return self._write(work, True)

    def write_one(self, statement: str, parameters: Any) -> None:
        """Send one statement, which is the whole write."""
        self._write(lambda cursor: cursor.execute(statement, parameters), False)

    def run_one(self, prepared: Prepared, values: tuple[Any, ...]) -> int:
        """Send one statement, which is the whole write; return how many rows it changed."""
        return self._write(lambda cursor: int(prepared.run(cursor, values).rowcount), False)

    def _write(self, work: Callable[[Any], T], several: bool) -> T:
        try:
            return self._write_now(work, several)
        except Exception as error:
            if not self._dialect.rolled_back(error):
                raise
            again = error
        return self._patiently(lambda: self._write_now(work, several), again)

    def _write_now(self, work: Callable[[Any], T], several: bool) -> T:
        with self.lock:
            lent = self._take()
            if self._guests:
                self._refuse_open_transaction(lent)
            try:
                if several:
                    self._dialect.begin(lent)
                result = work(lent.cursor)
                if self._guests and several and self._dialect.in_transaction(lent) is False:
                    raise RuntimeError(
                        "somebody else ended kairos' transaction on the engine's one connection: "
                        "it is unknown what of this write is stored"
                    )
                if several or not lent.autocommit:
                    lent.commit()
            except BaseException as error:
                self._take_back(lent, error)
                raise
            self._give(lent)
            return result

    def _patiently(self, attempt: Callable[[], T], error: Exception) -> T:
        """Try again what the database rolled back whole, or what was only read, with growing pauses; not for ever."""
        give_up = time.monotonic() + _PATIENCE
        tries = 0
        while True:
            tries += 1
            if time.monotonic() > give_up or tries >= self._dialect.tries(error):
                raise error
            self.retries += 1
            self._pause(random.random() * min(0.001 * 2**tries, 0.25))
            try:
                return attempt()
            except Exception as again:
                if not self._dialect.rolled_back(again):
                    raise
                error = again

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """Lend a SQLAlchemy connection."""
        if self._turns:
            with self.lock, self._engine.connect() as connection:
                yield connection
        else:
            with self._engine.connect() as connection:
                yield connection

    def close(self) -> None:
        """Give everything back, and dispose of an engine that is our own."""
        with self.lock if self._turns else nullcontext():  # not under another's statement
            self._closed = True
            self._release()
            if self._owned:
                self._engine.dispose()

    def _refuse_open_transaction(self, lent: Lent) -> None:
        if self._dialect.in_transaction(lent):
            self._give(lent)
            raise InvalidValue(
                "the engine's one connection is in a transaction of its own, which a write would end: commit it "
                "first, or give kairos an engine that nothing else uses"
            )

    def _take(self) -> Lent:
        if self._closed and self._owned and self._turns:
            raise Closed("this timeseries is closed; make a new one")
        while True:
            try:
                lent = self._idle.pop()
            except IndexError:
                found = self._new()
                if found is None:
                    continue
                lent = found
            if self._usable(lent):
                return lent
            self._discard(lent)

    def _usable(self, lent: Lent) -> bool:
        return self._dialect.usable(lent)

    def _new(self) -> Lent | None:
        """Open a connection; None: wait no longer, one has come back."""
        if self._most is not None:
            with self._free:
                if self._open >= self._most:
                    self._waiting += 1  # before the look: who gives one back looks after that
                    try:
                        if not self._idle:
                            self._free.wait(1.0)
                    finally:
                        self._waiting -= 1
                    return None
                self._open += 1
        lent = None
        try:
            lent = self._lend()
        finally:
            if lent is None:
                self._closed_one()
        return lent

    def _lend(self) -> Lent:
        lent = self._dialect.lend()
        if self._keep and self._owned:
            try:
                self._dialect.keep(lent)
            except BaseException:
                lent.checkout.invalidate()
                raise
        return lent

    def _give(self, lent: Lent) -> None:
        """Take a connection back that is well."""
        if not self._keep or (self._most is not None and len(self._idle) >= _MOST_IDLE and not self._waiting):
            self._put_back(lent)
            return
        self._idle.append(lent)
        if self._waiting:
            with self._free:
                self._free.notify()
        if self._closed:
            self._release()

    def _take_back(self, lent: Lent, error: BaseException, theirs: bool = False) -> None:
        """Take a connection back after an error: roll back, and throw it away if that fails too.

        The one connection to a database in memory is the database. In ``theirs``, a transaction of the caller, nothing
        is rolled back.
        """
        well = isinstance(error, Exception) and not self._dialect.lost(error)
        if not theirs:
            try:
                lent.rollback()
            except Exception:  # the first error is the one to show
                well = False
        if well or (self._turns and not self._dialect.shared):
            self._give(lent)
        else:
            self._discard(lent)

    def _put_back(self, lent: Lent) -> None:
        """Return a connection to its pool."""
        if self._closed and self._owned:
            self._discard(lent)
            return
        with suppress(Exception):
            lent.cursor.close()
            if lent.leave is not None:
                lent.leave()
        lent.checkout.close()
        if self._keep:
            self._closed_one()

    def _discard(self, lent: Lent) -> None:
        """Close a connection."""
        with suppress(Exception):  # of a connection that is broken
            lent.cursor.close()
        with suppress(Exception):
            lent.checkout.invalidate()
        lent.checkout.close()
        if self._keep:
            self._closed_one()

    def _closed_one(self) -> None:
        if self._most is not None:
            with self._free:
                self._open -= 1
                self._free.notify()

    def _release(self) -> None:
        with suppress(IndexError):
            while True:
                lent = self._idle.pop()
                if self._owned:
                    self._discard(lent)
                else:
                    self._put_back(lent)
