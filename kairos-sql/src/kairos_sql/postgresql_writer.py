"""How rows get into PostgreSQL: few as parameters, many as one array a column, each in one statement."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from kairos.storage import Batch

from .dialects import Rules
from .rows import Rows, Statement, Store, by_group, flatten, pieces, positions
from .statements import bound, prepare
from .texts import array_text

if TYPE_CHECKING:
    from .postgresql import PostgreSQL

__all__ = ["ArrayWriter"]

_FEW = 6
"""Up to so many rows, parameters are faster than arrays."""

_MOST = 20_000
"""How many rows a statement has at most."""


class ArrayWriter:
    """Inserts or upserts rows; what a table's sequence numbers is left to it."""

    def __init__(self, table: sa.Table, rules: Rules, dialect: PostgreSQL) -> None:
        self._changes, self._dialect = rules.changes, dialect
        self._table = table
        self._columns = [c for c in table.columns if c.identity is None]
        self._width = len(self._columns) - 2
        in_key = [c for c in self._columns if c.primary_key]
        self._key = len(in_key) - 2
        self._merge = None if rules.changes is None else positions(table, rules.changes)
        self._texts: dict[int, str] = {}

    def write(self, kind: Rows, batches: Sequence[Batch]) -> Statement | Store:
        """Return the one statement that stores batches, or what stores them in a transaction."""
        few = kind.few(batches, _FEW) if len(batches) == 1 else None
        if few is not None:
            size = self._width + 2
            n = len(few) // size
            return self._text(n), few if n == 1 else flatten(sorted(zip(*[iter(few)] * size, strict=True)))
        merge = self._merge if len(batches) > 1 else None
        found = by_group(kind.groups(batches), self._width, self._key, merge)
        count = sum(len(rows) for _, rows in found)
        if count <= _FEW:
            return self._text(count), flatten((*group, *row) for group, rows in found for row in rows)
        all_rows = [(*group, *row) for group, rows in found for row in rows]
        if count <= _MOST:
            return self._arrays, self._array_values(all_rows)

        def store(cursor: Any, committing: Callable[[], None]) -> None:
            for start, size in pieces(count, _MOST):
                cursor.execute(self._arrays, self._array_values(all_rows[start : start + size]))
            committing()

        return store

    def _array_values(self, rows: list[tuple[Any, ...]]) -> list[str]:
        return [array_text(column) for column in zip(*rows, strict=True)]

    def _text(self, rows: int) -> str:
        """Return the statement for so many rows, with all columns of each."""
        text = self._texts.get(rows)
        if text is None:
            values = [{c.name: bound(f"{c.name}_{row}") for c in self._columns} for row in range(rows)]
            statement = postgresql.insert(self._table).values(values)
            names = [f"{c.name}_{row}" for row in range(rows) for c in self._columns]
            text = self._texts[rows] = self._compile(statement, *names)
        return text

    @cached_property
    def _arrays(self) -> str:
        """Return ``INSERT … SELECT … FROM unnest(…, …)``."""
        arrays = [
            sa.cast(bound(c.name), postgresql.ARRAY(_without_length(c.type))).label(c.name)
            for c in self._columns
        ]
        given = sa.func.unnest(*arrays).table_valued(*(sa.column(c.name, c.type) for c in self._columns))
        selected = sa.select(*given.render_derived(name="given").c)
        statement = postgresql.insert(self._table).from_select(self._columns, selected)
        return self._compile(statement, *(c.name for c in self._columns))

    def _compile(self, statement: postgresql.Insert, *names: str) -> str:
        prepared = prepare(self._on_conflict(statement), self._dialect.engine_dialect, *names)
        assert prepared.order is None, prepared
        return prepared.text

    def _on_conflict(self, statement: postgresql.Insert) -> postgresql.Insert:
        if self._changes is None:
            return statement
        if not self._changes:
            return statement.on_conflict_do_nothing()
        return statement.on_conflict_do_update(
            index_elements=list(self._table.primary_key.columns),
            set_={
                name: change(self._table.c[name], statement.excluded[name])
                for name, change in self._changes.items()
            },
        )


def _without_length(sql: sa.types.TypeEngine[Any]) -> sa.types.TypeEngine[Any]:
    """Return a type that cuts nothing: a cast to VARCHAR(3) would, where an insert is an error."""
    while isinstance(sql, sa.types.TypeDecorator) and not isinstance(sql, sa.Interval):
        sql = sql.impl_instance
    return sa.Text() if isinstance(sql, sa.String) else sql
