"""What database servers have in common: how connections are found well, and which errors say what."""

from __future__ import annotations

import select
import time
from collections.abc import Callable
from functools import partial
from threading import RLock
from typing import Any, ClassVar

import sqlalchemy as sa
from sqlalchemy.pool import StaticPool

from kairos.errors import SchemaMismatch

from .dialects import Dialect, Lent, Lock
from .statements import is_plain

__all__ = ["Server", "compare_key", "compare_numbering", "without_limit"]

_STALE = 60.0
"""After so many idle seconds a connection is asked whether it is still there."""


class Server(Dialect):
    """A database server, through a driver whose cursors kairos uses itself."""

    most_connections: ClassVar[int | None] = 15
    """As many as SQLAlchemy's pool has at most by default."""

    def constant(self, column: sa.Column[Any], value: str | int) -> sa.ColumnElement[Any]:
        """Return a literal, which is not sent at each call, if it reads the same whatever a server is set to."""
        if isinstance(value, str):
            return sa.literal_column(f"'{value}'") if is_plain(value) else super().constant(column, value)
        # PostgreSQL takes -9223372036854775808 for a number without bounds, and would not use an index
        return sa.literal_column(f"CAST('{value}' AS {self.whole_number})")

    @property
    def shared(self) -> bool:
        """Servers are."""
        return True

    whole_number: ClassVar[str] = "BIGINT"
    """How CAST calls a number of 64 bits."""

    @property
    def one_connection(self) -> bool:
        """Whether the pool has one connection for all."""
        return isinstance(self.engine.pool, StaticPool)

    def lock(self) -> Lock:
        """Return a lock of each timeseries' own: others write on connections of their own at the same time."""
        return super().lock() if self.one_connection else RLock()

    def isolate(self, lent: Lent) -> None:
        """Give a connection the level of isolation that an option of the engine asks for, until it goes back."""
        level: Any = self.engine.get_execution_options().get("isolation_level")
        if level is not None:
            dialect, connection = self.engine.dialect, lent.checkout.dbapi_connection
            dialect.set_isolation_level(connection, level)
            lent.leave = partial(dialect.reset_isolation_level, connection)

    def usable(self, lent: Lent) -> bool:
        """Whether a connection still works: one that has something to say, or has long been idle, is asked."""
        now = time.monotonic()
        idle, lent.idle_since = now - lent.idle_since, now
        try:
            if lent.has_news is None:
                lent.has_news = self.news(lent.checkout.dbapi_connection)
            if idle < _STALE and not lent.has_news():
                return True
            self.ping(lent)
        except Exception:  # whatever it says: this one is not to be used
            return False
        return True

    def news(self, connection: Any) -> Callable[[], Any]:
        """Return what tells whether a DBAPI connection has something to say."""
        return _has_news(self.descriptor(connection))

    def descriptor(self, connection: Any) -> int:
        """Return the number of a DBAPI connection's socket."""
        return connection.fileno()  # type: ignore[no-any-return]

    def ping(self, lent: Lent) -> None:
        """Ask the server for an answer; raise if there is none."""
        connection = lent.checkout.dbapi_connection
        if not self.engine.dialect.do_ping(connection):
            raise ConnectionError("the server does not answer")

    def end_read(self, lent: Lent) -> None:
        """End the transaction that a read has begun, unless it was one statement by itself."""
        if not lent.autocommit:
            lent.rollback()

    def within_limits(self, count: str, fraction: str | None) -> str | None:
        """Return nothing: sums that leave a column's range are errors."""
        return None

    def table_key(self, table_name: str) -> str:
        """Return the name: it is quoted, so each is its own."""
        return table_name


def compare_key(table: sa.Table, there: list[str]) -> None:
    """Raise if a table has another primary key."""
    wanted = [c.name for c in table.primary_key.columns]
    if there != wanted:
        raise SchemaMismatch(
            f"table {table.name!r} has the primary key ({', '.join(there)}); kairos needs ({', '.join(wanted)})"
        )


def compare_numbering(table: sa.Table, numbered: bool, how: str) -> None:
    """Raise if a series' table does not number its values."""
    if not numbered:
        raise SchemaMismatch(
            f"table {table.name!r}: column 'id' does not count by itself; kairos needs {how}"
        )


def without_limit(client_config: dict[str, Any]) -> dict[str, Any]:
    """Return keywords for an engine whose pool leaves it to us how many connections there are."""
    own = any(key.startswith("pool") or key in ("max_overflow", "creator") for key in client_config)
    return client_config if own else {**client_config, "max_overflow": -1}


def _has_news(descriptor: int) -> Callable[[], Any]:
    """Return what tells whether a socket has something to read, be it that it was closed."""
    if not hasattr(select, "poll"):  # Windows
        return lambda: select.select([descriptor], [], [], 0)[0]
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return partial(poll.poll, 0)
