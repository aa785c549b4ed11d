"""DBAPI connections of an Engine, lent to one call each, and the transactions around the calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from typing import Any, TypeVar

from sqlalchemy.engine import Connection

from kairos.errors import Closed, InvalidValue

from .dialects import Dialect

__all__ = ["Connections"]

T = TypeVar("T")


class _Lent:
    """A connection checked out of the engine's pool, and the DBAPI's own methods of it."""

    __slots__ = ("checkout", "commit", "cursor", "rollback")

    def __init__(self, engine: Any) -> None:
        self.checkout = engine.raw_connection()
        connection = self.checkout.dbapi_connection
        self.cursor = connection.cursor()
        self.commit = connection.commit
        self.rollback = connection.rollback

    def give_back(self, discard: bool) -> None:
        """Return the connection to its pool, or close it."""
        with suppress(Exception):  # of a connection that is broken
            self.cursor.close()
        if discard:
            self.checkout.invalidate()
        self.checkout.close()


class Connections:
    """Lends connections and keeps turns.

    Writes of one pool go one after another: in-process waiters then sleep on a lock instead of polling the
    database's. Where all threads share one connection, reads take turns too.

    Parameters
    ----------
    dialect
        Of the engine whose connections these are.
    owned
        The engine is our own: :meth:`close` disposes of it.
    keep
        Keep connections checked out between calls: a checkout from SQLAlchemy's pool costs more than a read of
        SQLite. Not for a pool that others use, or that has a limit.
    """

    def __init__(self, dialect: Dialect, owned: bool, keep: bool) -> None:
        self._dialect = dialect
        self._engine = dialect.engine
        self._owned = owned
        self._turns = dialect.one_connection
        self._guests = self._turns and not owned  # others may use the one connection, too
        self._keep = keep or self._turns
        self._idle: list[_Lent] = []
        self._closed = False
        self.lock = dialect.lock()

    def read(self, work: Callable[[Any], T]) -> T:
        """Return ``work(cursor)``."""
        if self._turns:
            with self.lock:
                return self._read(work)
        return self._read(work)

    def _read(self, work: Callable[[Any], T]) -> T:
        lent = self._take()
        try:
            try:
                result = work(lent.cursor)
            finally:
                self._dialect.end_read(lent)
        except BaseException:
            self._give(lent, broken=True)
            raise
        self._give(lent)
        return result

    def write(self, work: Callable[[Any], T]) -> T:
        """Return ``work(cursor)``, committed if it returns and rolled back if it raises."""
        return self._write(work, self._dialect.begin)

    def write_one(self, statement: str, parameters: Sequence[Any]) -> None:
        """Send one statement, which is the whole write."""
        self._write(lambda cursor: cursor.execute(statement, parameters), None)

    def _write(self, work: Callable[[Any], T], begin: Callable[[Any], None] | None) -> T:
        with self.lock:
            lent = self._take()
            try:
                if self._guests:
                    self._refuse_open_transaction(lent)
                if begin is not None:
                    begin(lent.cursor)
                try:
                    result = work(lent.cursor)
                    if self._guests and begin is not None and not self._dialect.in_transaction(lent.cursor):
                        raise RuntimeError(
                            "somebody else ended kairos' transaction on the engine's one connection: "
                            "it is unknown what of this write is stored"
                        )
                    lent.commit()
                except BaseException:
                    with suppress(Exception):  # the first error is the one to show
                        lent.rollback()
                    raise
            except BaseException:
                self._give(lent, broken=True)
                raise
            self._give(lent)
            return result

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

    def _refuse_open_transaction(self, lent: _Lent) -> None:
        if self._dialect.in_transaction(lent.cursor):
            raise InvalidValue(
                "the engine's one connection is in a transaction of its own, which a write would end: commit it "
                "first, or give kairos an engine that nothing else uses"
            )

    def _take(self) -> _Lent:
        if self._closed and self._owned and self._turns:
            raise Closed("this timeseries is closed; make a new one")
        try:
            return self._idle.pop()
        except IndexError:
            return _Lent(self._engine)

    def _give(self, lent: _Lent, broken: bool = False) -> None:
        if self._keep and (not broken or self._turns):
            self._idle.append(lent)
            if self._closed:
                self._release()
        else:
            lent.give_back(discard=self._closed and self._owned)

    def _release(self) -> None:
        with suppress(IndexError):
            while True:
                self._idle.pop().give_back(discard=self._owned)
