"""What is there: names, spans, deleting and expiring; the same for every kind."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from kairos.storage import Scope

from .dialects import Dialect
from .statements import Prepared, bound, literal_one

__all__ = ["Catalog"]

_LOWEST = -(2**63)
CHUNK = 10_000
"""About how many rows one transaction of :meth:`Catalog.expire` removes."""


class Catalog:
    """Statements on the key of one table; each method is given a cursor."""

    def __init__(self, table: sa.Table, dialect: Dialect) -> None:
        c = table.c
        interval, name, i = bound("p_interval"), bound("p_name"), bound("p_i")
        self._table, self._dialect = table, dialect
        self._list = dialect.names_lister(table)
        mine = (c.interval == interval, c.name == name)
        start = sa.select(c.i).where(*mine, c.i >= i).order_by(c.i).limit(literal_one())
        end = sa.select(c.i).where(*mine, c.i >= i).order_by(c.i.desc()).limit(literal_one())
        place, prepare = ("p_interval", "p_name"), dialect.prepare
        self._has = prepare(start, *place, "p_i")
        self._span = prepare(sa.select(start.scalar_subquery(), end.scalar_subquery()), *place, "p_i")
        self._delete = prepare(sa.delete(table).where(*mine), *place)
        self._delete_interval = prepare(sa.delete(table).where(c.interval == interval), "p_interval")
        self._delete_before = prepare(sa.delete(table).where(*mine, c.i < i), *place, "p_i")
        step = sa.select(c.i).where(*mine, c.i < i).order_by(c.i)
        step = step.limit(literal_one()).offset(sa.literal_column(str(CHUNK)))
        self._step = prepare(step, *place, "p_i")
        self._delete_whole: dict[int, Prepared] = {}

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
        values = (interval, name, _LOWEST if at_least is None else at_least)
        row = self._span.run(cursor, values).fetchone()
        return None if row[0] is None else (row[0], row[1])

    def delete_one(self, name: str, scope: Scope) -> tuple[Prepared, tuple[Any, ...]] | None:
        """Return the one statement that removes a name, if it is known by itself whether there was live data."""
        if not scope or any(first is not None for first in scope.values()):
            return None
        statement = self._delete_whole.get(len(scope))
        if statement is None:
            c = self._table.c
            intervals = [f"interval_{k}" for k in range(len(scope))]
            mine = c.interval.in_([bound(interval) for interval in intervals])
            whole = sa.delete(self._table).where(mine, c.name == bound("p_name"))
            statement = self._dialect.prepare(whole, *intervals, "p_name")
            self._delete_whole[len(scope)] = statement
        return statement, (*scope, name)

    def delete(self, cursor: Any, names: Iterable[str], scope: Scope) -> int:
        """Remove names from the intervals of a scope; return how many had live data."""
        count = 0
        for name in sorted(names):
            found = False
            whole = self.delete_one(name, scope)
            if whole is not None:
                count += whole[0].run(cursor, whole[1]).rowcount > 0
                continue
            for interval, first in scope.items():
                live = first is None or found or self._live(cursor, interval, name, first)
                removed = self._delete.run(cursor, (interval, name)).rowcount
                found = found or (live and removed > 0)
            count += found
        return count

    def delete_all(self, cursor: Any, scope: Scope) -> int:
        """Remove everything from the intervals of a scope; return how many names had live data."""
        count = len(self.names(cursor, scope))
        for interval in scope:
            self._delete_interval.run(cursor, (interval,))
        return count

    def dead(self, cursor: Any, interval: str, names: Iterable[str] | None, first: int) -> list[str]:
        """Return which of the names (None: of all) have buckets before ``first``."""
        listed = self._list(cursor, [interval]) if names is None else names
        spans = ((name, self.span(cursor, name, interval, None)) for name in listed)
        return [name for name, span in spans if span is not None and span[0] < first]

    def expire(self, cursor: Any, interval: str, names: list[str], first: int) -> list[str]:
        """Remove about CHUNK rows before ``first``; return the names that are not done."""
        names, removed = names.copy(), 0
        while names and removed < CHUNK:
            step = self._step.run(cursor, (interval, names[-1], first)).fetchone()
            # Whole buckets: what is over a chunk in one bucket goes with it
            before = first if step is None else step[0] + 1
            removed += self._delete_before.run(cursor, (interval, names[-1], before)).rowcount
            if step is None or before >= first:
                names.pop()
        return names

    def _live(self, cursor: Any, interval: str, name: str, first: int) -> bool:
        return self._has.run(cursor, (interval, name, first)).fetchone() is not None
