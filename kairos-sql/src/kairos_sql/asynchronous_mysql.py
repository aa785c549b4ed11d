"""The dialect of MariaDB and MySQL, through asyncmy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .dialects import Lent, Lock
from .greenlets import lock_of
from .mysql import MySQL

__all__ = ["AsyncMySQL"]


class AsyncMySQL(MySQL):
    """MariaDB and MySQL through asyncmy."""

    def lock(self) -> Lock:
        """Return a lock of each timeseries' own, unless they share one connection."""
        return lock_of(self.engine.pool if self.one_connection else None)

    def news(self, connection: Any) -> Callable[[], Any]:
        """Ask the driver, which reads what comes as it comes: whether the stream has ended."""
        own = connection.driver_connection
        return lambda: own._stream_broken

    def in_transaction(self, lent: Lent) -> bool | None:
        """Ask the driver."""
        return bool(lent.checkout.driver_connection.server_status & 1)
