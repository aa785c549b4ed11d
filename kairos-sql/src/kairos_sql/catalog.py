"""What is there: names, spans, deleting and expiring; the same for every kind."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from kairos.storage import Scope

from .dialects import Dialect
from .statements import Prepared, bound, prepare

__all__ = ["Catalog"]

_LOWEST = -(2**63)
CHUNK = 10_000
"""About how many rows one transaction of :meth:`Catalog.expire` removes."""


class Catalog:
    """Statements on the key of one table; each method is given a DBAPI cursor."""

    def __init__(self, table: sa.Table, dialect: Dialect) -> None:
        c, sql = table.c, dialect.engine_dialect
        interval, name, i = bound("p_interval"), bound("p_name"), bound("p_i")
        self._list = dialect.names_lister(table)
        mine = (c.interval == interval, c.name == name)
        start = sa.select(c.i).where(*mine, c.i >= i).order_by(c.i).limit(sa.literal_column("1"))
        end = sa.select(c.i).where(*mine, c.i >= i).order_by(c.i.desc()).limit(sa.literal_column("1"))
        place = ("p_interval", "p_name")
        self._has = prepare(start, sql, *place, "p_i")
        self._span = prepare(sa.select(start.scalar_subquery(), end.scalar_subquery()), sql, *place, "p_i")
        self._delete = prepare(sa.delete(table).where(*mine), sql, *place)
        self._delete_interval = prepare(sa.delete(table).where(c.interval == interval), sql, "p_interval")
        self._expire = prepare(sa.delete(table).where(*mine, c.i < i), sql, *place, "p_i")
        step = sa.select(c.i).where(*mine, c.i < i).order_by(c.i)
        step = step.limit(sa.literal_column("1")).offset(sa.literal_column(str(CHUNK)))
        self._step = prepare(step, sql, *place, "p_i")

    def names(self, cursor: Any, scope: Scope) -> dict[str, None]:
        """Return the names with data in a scope, as keys, about sorted."""
        names = self._list(cursor, [interval for interval, first in scope.items() if first is None])
        for interval, first in scope.items():
            if first is not None:
                for name in self._list(cursor, [interval]):
                    if name not in names and self._live(cursor, interval, name, first):
                        names[name] = None
        return names

    def span(self, cursor: Any, name: str, interval: str, at_least: int | None) -> tuple[int, int] | None:
        """Return the first and last bucket from ``at_least``."""
        row = self._run(
            cursor, self._span, interval, name, _LOWEST if at_least is None else at_least
        ).fetchone()
        return None if row[0] is None else (row[0], row[1])

    def delete(self, cursor: Any, names: Iterable[str], scope: Scope) -> int:
        """Remove names from the intervals of a scope; return how many had live data."""
        count = 0
        for name in names:
            found = False
            for interval, first in scope.items():
                live = first is None or found or self._live(cursor, interval, name, first)
                removed = self._run(cursor, self._delete, interval, name).rowcount
                found = found or (live and removed > 0)
            count += found
        return count

    def delete_all(self, cursor: Any, scope: Scope) -> int:
        """Remove everything from the intervals of a scope; return how many names had live data."""
        count = len(self.names(cursor, scope))
        for interval in scope:
            self._run(cursor, self._delete_interval, interval)
        return count

    def dead(self, cursor: Any, interval: str, names: Iterable[str] | None, first: int) -> list[str]:
        """Return which of the names (None: of all) have buckets before ``first``."""
        listed = self._list(cursor, [interval]) if names is None else names
        spans = ((name, self.span(cursor, name, interval, None)) for name in listed)
        return [name for name, span in spans if span is not None and span[0] < first]

    def expire(self, cursor: Any, interval: str, names: list[str], first: int) -> None:
        """Remove about CHUNK rows before ``first``; names that are done are taken out of the list."""
        removed = 0
        while names and removed < CHUNK:
            step = self._run(cursor, self._step, interval, names[-1], first).fetchone()
            # Whole buckets: what is over a chunk in one bucket goes with it
            before = first if step is None else step[0] + 1
            removed += self._run(cursor, self._expire, interval, names[-1], before).rowcount
            if step is None or before >= first:
                names.pop()

    def _live(self, cursor: Any, interval: str, name: str, first: int) -> bool:
        return self._run(cursor, self._has, interval, name, first).fetchone() is not None

    def _run(self, cursor: Any, statement: Prepared, *values: Any) -> Any:
        cursor.execute(statement.text, statement.arguments(values))
        return cursor
