"""A cursor of mysqlclient's connections that does what kairos needs, and nothing else."""

from __future__ import annotations

from typing import Any

__all__ = ["DirectCursor"]


class DirectCursor:
    """Sends a statement with the connection's own ``query``; the driver's cursors do so too, at twice the cost.

    Parameters
    ----------
    connection
        Of MySQLdb.

    Attributes
    ----------
    rowcount
        How many rows the last statement changed, or returned.
    """

    __slots__ = ("_connection", "_rows", "rowcount")

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._rows: tuple[tuple[Any, ...], ...] = ()
        self.rowcount = 0

    def execute(self, statement: str, parameters: None = None) -> None:
        """Send a statement, and take all that it returns."""
        connection = self._connection
        self._rows = ()
        connection.query(statement.encode(connection.encoding))
        result = connection.store_result()
        if result is None:
            self.rowcount = connection.affected_rows()
        else:
            self._rows = result.fetch_row(0)
            self.rowcount = len(self._rows)

    def fetchone(self) -> tuple[Any, ...] | None:
        """Return the first row of the last statement, if there is one."""
        return self._rows[0] if self._rows else None

    def fetchall(self) -> tuple[tuple[Any, ...], ...]:
        """Return all rows of the last statement."""
        return self._rows

    def close(self) -> None:
        """Forget the rows."""
        self._rows = ()
