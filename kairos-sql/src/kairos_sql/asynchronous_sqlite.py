"""The dialect of SQLite, through aiosqlite."""

from __future__ import annotations

from typing import Any, ClassVar

import sqlalchemy as sa
from sqlalchemy.engine import URL, Engine

from .dialects import Lock
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

    def _driver(self, cursor: Any) -> Any:
        return cursor._connection


def _set_up(connection: Any, record: Any) -> None:
    set_up(connection, record, pause)
