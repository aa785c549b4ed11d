"""How rows get into MariaDB and MySQL: as literals, many in one statement."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql
from sqlalchemy.engine import Dialect

from kairos.storage import Batch

from .dialects import Rules
from .rows import Rows, Statement, Store, by_group, positions
from .statements import bound
from .texts import literal, literals

__all__ = ["LiteralWriter"]


_FEW = 8
"""Up to so many rows, nothing is gained by looking at what they have in common."""


class LiteralWriter:
    """Inserts or upserts rows; what a table's AUTO_INCREMENT numbers is left to it.

    Parameters
    ----------
    table, rules, dialect
        Where to, and how.
    most
        About how many characters a statement has at most.
    """

    def __init__(self, table: sa.Table, rules: Rules, dialect: Dialect, most: int) -> None:
        columns = [c for c in table.columns if c.autoincrement is not True]
        self._width = len(columns) - 2
        self._key = len([c for c in columns if c.primary_key]) - 2
        self._merge = None if rules.changes is None else positions(table, rules.changes)
        statement: Any = mysql.insert(table).values({c.name: bound(c.name) for c in columns})
        if rules.changes is not None:
            offered = statement.inserted
            changes = {name: change(table.c[name], offered[name]) for name, change in rules.changes.items()}
            first = next(iter(table.primary_key.columns))
            statement = statement.on_duplicate_key_update(changes or {first.name: first})
        text = str(statement.compile(dialect=dialect)).replace("%%", "%")
        # The last, since a table may be called anything
        self._head, _, self._tail = text.rpartition(f"({', '.join(['%s'] * len(columns))})")
        self._most = most

    def write(self, kind: Rows, batches: Sequence[Batch]) -> Statement | Store:
        """Return the one statement that stores batches, or what stores them in a transaction."""
        few = kind.few(batches, _FEW) if len(batches) == 1 else None
        if few is not None:
            size = self._width + 2
            if len(few) == size:
                return f"{self._head}({','.join(map(literal, few))}){self._tail}", None
            ordered = sorted(zip(*[iter(few)] * size, strict=True))
            return self._head + ",".join(
                [f"({','.join(map(literal, row))})" for row in ordered]
            ) + self._tail, None
        merge = self._merge if len(batches) > 1 else None
        rows = self._literal_rows(kind, batches, merge)
        texts = [self._head + ",".join(piece) + self._tail for piece in _pieces(rows, self._most)]
        if len(texts) == 1:
            return texts[0], None

        def store(cursor: Any, committing: Callable[[], None]) -> None:
            for text in texts:
                cursor.execute(text)
            committing()

        return store

    def _literal_rows(self, kind: Rows, batches: Sequence[Batch], merge: Any) -> Iterator[str]:
        for (interval, name), rows in by_group(kind.groups(batches), self._width, self._key, merge):
            place = f"({literal(interval)},{literal(name)},"
            if len(rows) == 1:
                yield f"{place}{','.join(map(literal, rows[0]))})"
                continue
            columns = [literals(column) for column in zip(*rows, strict=True)]
            for row in zip(*columns, strict=True):
                yield f"{place}{','.join(row)})"


def _pieces(rows: Iterator[str], most: int) -> Iterator[list[str]]:
    """Yield the rows of one statement after another."""
    piece: list[str] = []
    size = 0
    for row in rows:
        if size + len(row) > most and piece:
            yield piece
            piece, size = [], 0
        piece.append(row)
        size += len(row) + 1
    if piece:
        yield piece
