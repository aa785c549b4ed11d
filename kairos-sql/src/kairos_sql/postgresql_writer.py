"""How rows get into PostgreSQL: few as parameters, many as one array a column, each in one statement."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from operator import is_
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from kairos.storage import Batch

from .dialects import Rules
from .rows import (
    Columns,
    Memo,
    Rows,
    Statement,
    Store,
    by_columns,
    flatten,
    go_on,
    pieces,
    positions,
    without_fractions,
)
from .statements import bound, prepare
from .texts import elements

if TYPE_CHECKING:
    from .postgresql import PostgreSQL

__all__ = ["ArrayWriter"]

_FEW = 6
"""Up to so many rows, parameters are faster than arrays."""

_MOST = 20_000
"""How many rows a statement has at most."""


_BUCKETS = 8
"""Up to so many buckets, values of a series that come in runs name theirs once each."""

_RUN = 16
"""How long such runs are at least, on average."""


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
        self._fraction = "fraction" in table.c
        self._texts: dict[int, str] = {}
        self._runs: dict[int, str] = {}

    def write(self, kind: Rows, batches: Sequence[Batch]) -> Statement | Store:
        """Return the one statement that stores batches, or what stores them in a transaction."""
        few = kind.few(batches, _FEW) if len(batches) == 1 else None
        if few is not None:
            size = self._width + 2
            n = len(few) // size
            return self._text(n), few if n == 1 else flatten(sorted(zip(*[iter(few)] * size, strict=True)))
        merge = self._merge if len(batches) > 1 else None
        found = by_columns(kind, batches, self._width, self._key, merge)
        rest = kind.rest if len(found) > _FEW else go_on
        count = sum(len(columns[0]) for _, columns in found)
        if count <= _FEW:
            rows = [(*group, *row) for group, columns in found for row in zip(*columns, strict=True)]
            return self._text(count), flatten(rows)
        if self._changes is None and len(found) * _RUN < count <= _MOST and _are_buckets(found):
            return self._run(found)
        rest()
        texts = self._column_texts(found)
        rest()
        plain = self._fraction and without_fractions(found)
        if plain:
            texts.pop()
        statement = self._plain_arrays if plain else self._arrays
        if count <= _MOST:
            return statement, [_array(column) for column in texts]

        def store(cursor: Any, committing: Callable[[], None]) -> None:
            for start, size in pieces(count, _MOST):
                cursor.execute(statement, [_array(column[start : start + size]) for column in texts])
            committing()

        return store

    def _run(self, found: Columns) -> Statement:
        """Return a statement that names each bucket once, with an array of its values."""
        n = len(found)
        text = self._runs.get(n)
        if text is None:
            text = self._runs[n] = self._compile_run(n)
        parameters: list[Any] = []
        written: Sequence[Any] = ()
        for group, (i, r, values) in found:
            # An insert puts the same values into all its intervals
            if len(values) != len(written) or not all(map(is_, values, written)):
                written, array = values, _array(elements(values))
            parameters += (*group, i[0], r[0], array)
        return text, parameters

    def _column_texts(self, found: Columns) -> list[list[str]]:
        """Return the elements of each column's array."""
        interval_texts: list[str] = []
        name_texts: list[str] = []
        columns_texts: list[list[str]] = [[] for _ in range(self._width)]
        made = Memo(elements)
        quoted: dict[str, str] = {}
        for (interval, name), columns in found:
            n = len(columns[0])
            for text, texts in ((interval, interval_texts), (name, name_texts)):
                element = quoted.get(text)
                if element is None:
                    element = quoted[text] = elements((text,))[0]
                texts += [element] * n
            for texts, column in zip(columns_texts, columns, strict=True):
                texts += made.of(column)
        return [interval_texts, name_texts, *columns_texts]

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
        selected = _unnest(self._columns)
        statement = postgresql.insert(self._table).from_select(self._columns, selected)
        return self._compile(statement, *(c.name for c in self._columns))

    @cached_property
    def _plain_arrays(self) -> str:
        """Return the same for counts without fractions."""
        given = [c for c in self._columns if c.name != "fraction"]
        selected = _unnest(given).add_columns(sa.literal_column("0"))
        statement = postgresql.insert(self._table).from_select([*given, self._table.c.fraction], selected)
        return self._compile(statement, *(c.name for c in given), plain=True)

    def _compile_run(self, n: int) -> str:
        parts, names = [], []
        for k in range(n):
            *place, value = self._columns
            array = sa.cast(bound(f"values_{k}"), postgresql.ARRAY(_without_length(value.type)))
            given = sa.func.unnest(array).table_valued(sa.column("value", value.type), name=f"given_{k}")
            given = given.render_derived()
            bucket = [sa.cast(bound(f"{c.name}_{k}"), _without_length(c.type)) for c in place]
            parts.append(sa.select(*bucket, given.c.value))
            names += [*(f"{c.name}_{k}" for c in place), f"values_{k}"]
        selected: Any = parts[0] if n == 1 else sa.union_all(*parts)
        return self._compile(postgresql.insert(self._table).from_select(self._columns, selected), *names)

    def _compile(self, statement: postgresql.Insert, *names: str, plain: bool = False) -> str:
        prepared = prepare(self._on_conflict(statement, plain), self._dialect.engine_dialect, *names)
        assert prepared.order is None, prepared
        return prepared.text

    def _on_conflict(self, statement: postgresql.Insert, plain: bool) -> postgresql.Insert:
        if self._changes is None:
            return statement
        if not self._changes:
            return statement.on_conflict_do_nothing()
        return statement.on_conflict_do_update(
            index_elements=list(self._table.primary_key.columns),
            set_={
                name: change(self._table.c[name], statement.excluded[name])
                for name, change in self._changes.items()
                if not plain or name != "fraction"
            },
        )


def _are_buckets(found: Columns) -> bool:
    """Whether each group has the values of one bucket, and there are few."""
    return len(found) <= _BUCKETS and all(len({*zip(*columns[:2], strict=True)}) == 1 for _, columns in found)


def _array(texts: Iterable[str]) -> str:
    return f"{{{','.join(texts)}}}"


def _unnest(columns: Sequence[sa.Column[Any]]) -> sa.Select[Any]:
    arrays = [
        sa.cast(bound(c.name), postgresql.ARRAY(_without_length(c.type))).label(c.name) for c in columns
    ]
    given = sa.func.unnest(*arrays).table_valued(*(sa.column(c.name, c.type) for c in columns))
    return sa.select(*given.render_derived(name="given").c)


def _without_length(sql: sa.types.TypeEngine[Any]) -> sa.types.TypeEngine[Any]:
    """Return a type that cuts nothing: a cast to VARCHAR(3) would, where an insert is an error."""
    while isinstance(sql, sa.types.TypeDecorator) and not isinstance(sql, sa.Interval):
        sql = sql.impl_instance
    return sa.Text() if isinstance(sql, sa.String) else sql
