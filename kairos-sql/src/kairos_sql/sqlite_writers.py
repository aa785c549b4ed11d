"""How rows get into SQLite: statements of at most 64 rows with parameters, in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import Dialect

from kairos.storage import Batch

from .rows import Change, Groups, Rows, Statement, Store, pieces
from .schema_names import NO_RESOLUTION
from .statements import bound, literal_one, prepare

__all__ = ["NumberingWriter", "ValuesWriter"]

_SMALL = 32
"""How many rows a write has that is planned as an insert."""

_MOST = 64
"""How many rows a statement has at most; 64 get all there is to get. Each size is compiled once."""

_GROUP = 4
"""From so many rows on, those of one interval and name share a statement that binds these once."""


class ValuesWriter:
    """Upserts rows.

    Parameters
    ----------
    table
        Where to.
    changes
        What an upsert does where the row exists; None: there must be none.
    dialect
        Of SQLAlchemy.
    """

    def __init__(self, table: sa.Table, changes: Mapping[str, Change] | None, dialect: Dialect) -> None:
        self._table, self._changes, self._dialect = table, changes, dialect
        self._width = len(table.columns) - 2
        self._upserts: dict[int, str] = {}
        self._group_upserts: dict[int, str] = {}

    def write(self, kind: Rows, batches: Sequence[Batch]) -> Statement | Store:
        """Return the one statement that stores batches, or what stores them in a transaction."""
        values = kind.few(batches, _SMALL)
        if values is not None:
            return self._upsert(len(values) // (self._width + 2)), values
        groups = kind.groups(batches)
        rows = sum(map(len, groups.values())) // self._width
        if 0 < rows <= _SMALL:
            return self._upsert(rows), [value for row in self._rows(groups.items()) for value in row]

        def store(cursor: Any, committing: Callable[[], None]) -> None:
            self.store(cursor, groups)
            committing()

        return store

    def store(self, cursor: Any, groups: Groups) -> None:
        """Upsert groups in the order of the key."""
        width = self._width
        few: list[tuple[tuple[str, str], list[Any]]] = []
        for group in sorted(groups):
            values = groups[group]
            count = len(values) // width
            if count < _GROUP:
                few.append((group, values))
                continue
            for start, size in pieces(count, _MOST):
                piece = values[start * width : (start + size) * width]
                cursor.execute(self._group_upsert(size), [*group, *piece])
        rows = list(self._rows(few))
        for start, size in pieces(len(rows), _MOST):
            piece = [value for row in rows[start : start + size] for value in row]
            cursor.execute(self._upsert(size), piece)

    def _rows(self, groups: Iterable[tuple[tuple[str, str], list[Any]]]) -> Iterator[tuple[Any, ...]]:
        width = self._width
        for group, values in groups:
            for start in range(0, len(values), width):
                yield (*group, *values[start : start + width])

    def _upsert(self, rows: int) -> str:
        """Return the statement for so many rows, with all columns of each."""
        text = self._upserts.get(rows)
        if text is None:
            columns = list(self._table.columns)
            names = [f"{c.name}_{row}" for row in range(rows) for c in columns]
            statement = sqlite.insert(self._table).values(
                [{c.name: bound(f"{c.name}_{row}") for c in columns} for row in range(rows)]
            )
            text = self._text(_on_conflict(statement, self._table, self._changes), *names)
            self._upserts[rows] = text
        return text

    def _group_upsert(self, rows: int) -> str:
        """Return ``INSERT … SELECT ?, ?, … FROM (VALUES …) ON CONFLICT``: interval and name come first, once."""
        text = self._group_upserts.get(rows)
        if text is not None:
            return text
        columns = list(self._table.columns)
        shared, own = columns[:2], columns[2:]
        own_names = [f"column{k}" for k, _ in enumerate(own, 1)]  # as SQLite itself names them
        data = sa.values(*(sa.column(name, c.type) for name, c in zip(own_names, own, strict=True)))
        data = data.data([tuple(bound(f"{c.name}_{row}") for c in own) for row in range(rows)])
        selected = sa.select(*(bound(c.name) for c in shared), *map(sa.column, own_names)).select_from(data)
        # Without WHERE the parser would take ON CONFLICT for the ON of a join
        statement = sqlite.insert(self._table).from_select(columns, selected.where(literal_one()))
        names = ("interval", "name", *(f"{c.name}_{row}" for row in range(rows) for c in own))
        text = self._text(_on_conflict(statement, self._table, self._changes), *names)
        self._group_upserts[rows] = text
        return text

    def _text(self, statement: sa.ClauseElement, *names: str) -> str:
        return _text(statement, self._dialect, *names)


class NumberingWriter:
    """Inserts values of series, numbered from 1 in each row; SQLite lets one write at a time."""

    def __init__(self, table: sa.Table, dialect: Dialect) -> None:
        self._table, self._dialect = table, dialect
        self._inserts = ValuesWriter(table, None, dialect)
        self._appends: dict[int, str] = {}
        c = table.c
        place = ("interval", "name", "i", "r")
        bucket = [c[name] == bound(name) for name in place]
        self._last = _text(sa.select(sa.func.max(c.id)).where(*bucket), dialect, *place)

    def write(self, kind: Rows, batches: Sequence[Batch]) -> Store:
        """Return what numbers the values and stores them, in a transaction."""

        def store(cursor: Any, committing: Callable[[], None]) -> None:
            self._append(cursor, kind, batches)
            committing()

        return store

    def _append(self, cursor: Any, kind: Rows, batches: Sequence[Batch]) -> None:
        last: dict[Any, int] = {}
        few: Groups = {}
        for batch in batches:
            for write in batch.writes:
                i, r = write.i, NO_RESOLUTION if write.r is None else write.r
                for name, payload in write.rows.items():
                    place = (write.interval, name, i, r)
                    id = last.get(place)
                    if id is None:
                        cursor.execute(self._last, place)
                        id = cursor.fetchone()[0] or 0
                    last[place] = id + len(payload)
                    values = list(kind.bound(payload))
                    if len(values) < _GROUP:
                        rows = few.setdefault(place[:2], [])
                        for value in values:
                            id += 1
                            rows += (i, r, id, value)
                        continue
                    for start, size in pieces(len(values), _MOST):
                        piece = values[start : start + size]
                        cursor.execute(self._append_text(size), [*place, id + 1 + start, *piece])
        self._inserts.store(cursor, few)

    def _append_text(self, rows: int) -> str:
        """Return ``INSERT … SELECT ?, ?, ?, ?, ? + column1, column2 FROM (VALUES (0, ?), (1, ?), …)``."""
        text = self._appends.get(rows)
        if text is not None:
            return text
        table = self._table
        data = sa.values(sa.column("column1", sa.BigInteger), sa.column("column2", table.c.value.type))
        data = data.data([(sa.literal_column(str(row)), bound(f"value_{row}")) for row in range(rows)])
        place = [bound(name) for name in ("interval", "name", "i", "r")]
        id = bound("id") + sa.literal_column("column1")
        selected = sa.select(*place, id, sa.literal_column("column2")).select_from(data)
        statement = sqlite.insert(table).from_select(list(table.columns), selected)
        names = ("interval", "name", "i", "r", "id", *(f"value_{row}" for row in range(rows)))
        text = self._appends[rows] = _text(statement, self._dialect, *names)
        return text


def _text(statement: sa.ClauseElement, dialect: Dialect, *names: str) -> str:
    """Compile a statement whose parameters come in the given order, each once."""
    prepared = prepare(statement, dialect, *names)
    assert prepared.order is None, prepared
    return prepared.text


def _on_conflict(
    statement: sqlite.Insert, table: sa.Table, changes: Mapping[str, Change] | None
) -> sa.Insert:
    if changes is None:
        return statement
    if not changes:
        return statement.on_conflict_do_nothing()
    return statement.on_conflict_do_update(
        index_elements=list(table.primary_key.columns),
        set_={name: change(table.c[name], statement.excluded[name]) for name, change in changes.items()},
    )
