"""How rows get into MariaDB and MySQL: as literals, many in one statement."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import repeat
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql
from sqlalchemy.engine import Dialect

from kairos.storage import Batch

from .dialects import Rules
from .rows import (
    Change,
    Memo,
    Rows,
    Statement,
    Store,
    by_columns,
    flatten,
    go_on,
    positions,
    without_fractions,
)
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
        self._fraction = columns[-1].name == "fraction"
        self._head, self._tail = _around(table, columns, rules.changes, dialect)
        changes = {name: change for name, change in (rules.changes or {}).items() if name != "fraction"}
        self._plain_tail = _around(table, columns, changes, dialect)[1] if self._fraction else ""
        self._row = f"({','.join(['%s'] * len(columns))})"
        self._most = most

    def write(self, kind: Rows, batches: Sequence[Batch]) -> Statement | Store:
        """Return the one statement that stores batches, or what stores them in a transaction."""
        few = kind.few(batches, _FEW) if len(batches) == 1 else None
        if few is not None:
            size = self._width + 2
            plain = self._fraction and not any(few[size - 1 :: size])
            if len(few) > size:
                few = flatten(sorted(zip(*[iter(few)] * size, strict=True)))
            values = tuple([value if type(value) is int else literal(value) for value in few])
            text = ",".join([self._row] * (len(few) // size)) % values
            return f"{self._head}{text}{self._plain_tail if plain else self._tail}", None
        merge = self._merge if len(batches) > 1 else None
        found = by_columns(kind, batches, self._width, self._key, merge)
        rest = kind.rest if len(found) > _FEW else go_on
        rest()
        plain = self._fraction and without_fractions(found)
        tail = self._plain_tail if plain else self._tail
        texts = []
        for piece in _pieces(map(_row_texts, found, repeat(Memo(literals))), self._most):
            texts.append(self._head + piece + tail)
            rest()
        if len(texts) == 1:
            return texts[0], None

        def store(cursor: Any, committing: Callable[[], None]) -> None:
            for text in texts:
                cursor.execute(text)
            committing()

        return store


def _around(
    table: sa.Table, columns: list[sa.Column[Any]], changes: Mapping[str, Change] | None, dialect: Dialect
) -> tuple[str, str]:
    """Return what stands before the rows, and after them."""
    statement: Any = mysql.insert(table).values({c.name: bound(c.name) for c in columns})
    if changes is not None:
        offered = statement.inserted
        changed = {name: change(table.c[name], offered[name]) for name, change in changes.items()}
        first = next(iter(table.primary_key.columns))
        statement = statement.on_duplicate_key_update(changed or {first.name: first})
    text = str(statement.compile(dialect=dialect)).replace("%%", "%")
    # The last, since a table may be called anything
    head, _, tail = text.rpartition(f"({', '.join(['%s'] * len(columns))})")
    return head, tail


def _row_texts(found: tuple[tuple[str, str], Sequence[Sequence[Any]]], made: Memo) -> list[str]:
    """Return the rows of an interval and name as text, without the brackets at both ends."""
    place, columns = found
    start = ",".join(map(literal, place))
    if len(columns[0]) == 1:
        return [f"{start},{','.join([literal(column[0]) for column in columns])}"]
    texts = map(made.of, columns)
    return [f"{start},{row}" for row in map(",".join, zip(*texts, strict=True))]


def _pieces(groups: Iterable[list[str]], most: int) -> Iterator[str]:
    """Yield the rows of one statement after another."""
    piece: list[str] = []
    room = most
    for rows in groups:
        size = max(map(len, rows)) + 3
        done = 0
        while done < len(rows):
            if room < size and piece:
                yield _joined(piece)
                piece, room = [], most
            some = rows[done : done + max(room // size, 1)]
            piece += some
            done += len(some)
            room -= size * len(some)
    if piece:
        yield _joined(piece)


def _joined(rows: list[str]) -> str:
    return f"({'),('.join(rows)})"
