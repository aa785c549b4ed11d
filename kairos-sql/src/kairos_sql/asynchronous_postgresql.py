"""The dialect of PostgreSQL, through psycopg's connections for asyncio."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import URL, Engine
from sqlalchemy.util import await_only

from .dialects import Lent, Lock
from .greenlets import lock_of
from .postgresql import PostgreSQL, listened
from .server import without_limit

__all__ = ["AsyncPostgreSQL"]


class AsyncPostgreSQL(PostgreSQL):
    """PostgreSQL through psycopg's asynchronous connections."""

    @staticmethod
    def create_engine(url: URL, client_config: dict[str, Any]) -> Engine:
        """Return an engine whose connections kairos keeps."""
        return listened(sa.create_engine(url, **without_limit(client_config)), WaitingConnection)

    @staticmethod
    def waiting(connection: Any) -> Any:
        """Return a connection whose methods wait."""
        return WaitingConnection(connection)

    def lock(self) -> Lock:
        """Return a lock of each timeseries' own, unless they share one connection."""
        return lock_of(self.engine.pool if self.one_connection else None)

    def descriptor(self, connection: Any) -> int:
        """Return the number of the socket."""
        return int(connection.driver_connection.fileno())

    def in_transaction(self, lent: Lent) -> bool:
        """Ask the driver."""
        return bool(lent.checkout.driver_connection.info.transaction_status)


class WaitingConnection:
    """A connection of psycopg for asyncio, with what kairos needs of its methods as they are without asyncio."""

    def __init__(self, connection: Any) -> None:
        self._own = connection.driver_connection

    def __getattr__(self, name: str) -> Any:
        return getattr(self._own, name)

    @property
    def autocommit(self) -> bool:
        """Whether each statement commits by itself."""
        return bool(self._own.autocommit)

    @autocommit.setter
    def autocommit(self, value: bool) -> None:
        await_only(self._own.set_autocommit(value))

    @property
    def prepare_threshold(self) -> int | None:
        """From so many times on a statement is prepared."""
        return self._own.prepare_threshold  # type: ignore[no-any-return]

    @prepare_threshold.setter
    def prepare_threshold(self, value: int | None) -> None:
        self._own.prepare_threshold = value

    def rollback(self) -> None:
        """Roll back."""
        await_only(self._own.rollback())

    def cursor(self, binary: bool = False) -> WaitingCursor:
        """Return a cursor."""
        return WaitingCursor(self._own.cursor(binary=binary))


class WaitingCursor:
    """A cursor of psycopg for asyncio, likewise."""

    __slots__ = ("_own",)

    def __init__(self, cursor: Any) -> None:
        self._own = cursor

    @property
    def adapters(self) -> Any:
        """How values are sent."""
        return self._own.adapters

    @property
    def rowcount(self) -> int:
        """How many rows the last statement changed, or returned."""
        return self._own.rowcount  # type: ignore[no-any-return]

    def execute(self, statement: str, parameters: Any = None) -> WaitingCursor:
        """Send a statement."""
        await_only(self._own.execute(statement, parameters))
        return self

    def fetchone(self) -> Any:
        """Return the next row; all are here."""
        return await_only(self._own.fetchone())

    def fetchall(self) -> Any:
        """Return the rows; all are here."""
        return await_only(self._own.fetchall())

    def close(self) -> None:
        """Forget the rows."""
        self._own._close()

    def __enter__(self) -> WaitingCursor:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
