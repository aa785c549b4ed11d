"""The dialect of SQLite, through aiosqlite."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import sqlalchemy as sa
from sqlalchemy.engine import URL, Engine
from sqlalchemy.util import await_only

from .dialects import Lent, Lock
from .greenlets import lock_of, pause
from .sqlite import SQLite, set_up

__all__ = ["AsyncSQLite"]


class AsyncSQLite(SQLite):
    """SQLite through aiosqlite, which runs the standard library's driver in a thread of its own."""

    most_connections: ClassVar[int | None] = 8  # each is a thread

    @staticmethod
    def create_engine(url: URL, client_config: dict[str, Any]) -> Engine:
        """Return an engine whose every connection is set up."""
        engine = SQLite.create_engine(url, client_config)
        sa.event.remove(engine, "connect", set_up)
        sa.event.listen(engine, "connect", _set_up)
        return engine

    def lock(self) -> Lock:
        """Return the lock of the pool."""
        return lock_of(self.engine.pool)

    def lend(self) -> Lent:
        """Check a connection out; where the driver begins no transactions, there is nothing to commit for it."""
        checkout = self.engine.raw_connection()
        connection: Any = checkout.driver_connection
        lent = Lent(checkout, WaitingCursor(connection))
        lent.autocommit = connection.isolation_level is None and not self._implicit
        return lent

    def _driver(self, cursor: Any) -> Any:
        return cursor.connection if isinstance(cursor, WaitingCursor) else cursor._connection


class WaitingCursor:
    """Sends statements to the thread of a connection of aiosqlite, and takes all that they return, in one go.

    Parameters
    ----------
    connection
        Of aiosqlite.

    Attributes
    ----------
    rowcount
        How many rows the last statement changed.
    """

    __slots__ = ("_rows", "connection", "rowcount")

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.rowcount = -1
        self._rows: Iterator[Any] = iter(())

    def execute(self, statement: str, parameters: Sequence[Any] = ()) -> WaitingCursor:
        """Send a statement."""
        if statement.startswith(("SELECT", "WITH")):
            self._rows = iter(await_only(self.connection.execute_fetchall(statement, parameters)))
        else:
            self._rows = iter(())
            self.rowcount = await_only(self.connection.execute(statement, parameters)).rowcount
        return self

    def fetchone(self) -> Any:
        """Return the next row; None if there is none."""
        return next(self._rows, None)

    def fetchall(self) -> list[Any]:
        """Return the other rows."""
        return list(self._rows)

    def __iter__(self) -> Iterator[Any]:
        return self._rows

    def close(self) -> None:
        """Forget the rows."""
        self._rows = iter(())


def _set_up(connection: Any, record: Any) -> None:
    set_up(connection, record, pause)
