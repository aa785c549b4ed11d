"""How rows get into any database: look, then insert, or update what is still as it was."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from kairos.errors import InvalidValue
from kairos.storage import Batch

from .rows import Change, Rows, Store, by_group, positions
from .statements import bound

__all__ = ["AppendingWriter", "CompareAndSetWriter", "Conflict", "NumberingWriter"]

_INT64 = 2**63


class Conflict(Exception):
    """Somebody else has changed a row since it was looked at: nothing of this transaction may stay."""


class CompareAndSetWriter:
    """Changes rows one by one, in the order of their keys.

    ``FOR UPDATE`` keeps others away where the database has it. Where it has not, the update of a number says what
    number it expects, and a row that is no longer there is a :class:`Conflict`: the transaction begins again.
    """

    def __init__(self, table: sa.Table, changes: Mapping[str, Change]) -> None:
        self._table, self._changes = table, changes
        names = [c.name for c in table.columns]
        self._names = names
        self._width = len(names) - 2
        self._keys = [c.name for c in table.primary_key.columns]
        self._merge = positions(table, changes)
        self._numbers = [name for name in changes if name in ("count", "fraction")]
        here = [table.c[name] == bound(f"its_{name}") for name in self._keys]
        shown: list[Any] = [table.c[name] for name in self._numbers] or [
            sa.literal_column("1").label("there")
        ]
        self._select: Any = sa.select(*shown).select_from(table).where(*here)
        if changes:
            self._select = self._select.with_for_update()
        self._insert = sa.insert(table)
        still = [table.c[name] == bound(f"old_{name}") for name in self._numbers]
        self._update = (
            sa.update(table).where(*here, *still).values({name: bound(f"new_{name}") for name in changes})
            if changes
            else None
        )

    def write(self, kind: Rows, batches: Sequence[Batch]) -> Store:
        """Return what stores batches in a transaction."""
        found = by_group(kind.groups(batches), self._width, len(self._keys) - 2, self._merge)
        rows = [(*group, *row) for group, rows in found for row in rows]

        def store(cursor: Any, committing: Callable[[], None]) -> None:
            for row in rows:
                self._put(cursor, dict(zip(self._names, row, strict=True)))
            committing()

        return store

    def _put(self, cursor: Any, row: dict[str, Any]) -> None:
        key = {f"its_{name}": row[name] for name in self._keys}
        cursor.execute(self._select, key)
        there = cursor.fetchone()
        if there is None:
            _check(row)
            cursor.execute(self._insert, row)
            return
        if self._update is None:
            return
        old = dict(zip(self._numbers, there, strict=False)) if self._numbers else {}
        new = {name: change(old.get(name), row[name]) for name, change in self._changes.items()}
        _check(new)
        values = {f"old_{name}": value for name, value in old.items()}
        values |= {f"new_{name}": value for name, value in new.items()}
        cursor.execute(self._update, key | values)
        if cursor.rowcount == 0:
            raise Conflict("a row was changed by somebody else in the meantime, again and again")


class AppendingWriter:
    """Inserts values of series, in order, where the table numbers them itself."""

    def __init__(self, table: sa.Table) -> None:
        self._insert = sa.insert(table)
        self._names = [c.name for c in table.columns if c.name != "id"]

    def write(self, kind: Rows, batches: Sequence[Batch]) -> Store:
        """Return what stores batches in a transaction."""
        found = by_group(kind.groups(batches), 3, 2, None)

        def store(cursor: Any, committing: Callable[[], None]) -> None:
            for group, values in found:
                for row in values:  # one by one: a driver's executemany may go about them as it likes
                    cursor.execute(self._insert, dict(zip(self._names, (*group, *row), strict=True)))
            committing()

        return store


class NumberingWriter:
    """Inserts values of series, numbered from 1 in each row.

    Two who take the same number break the primary key: the second begins again.
    """

    def __init__(self, table: sa.Table) -> None:
        c = table.c
        self._insert = sa.insert(table)
        here = [c[name] == bound(f"its_{name}") for name in ("interval", "name", "i", "r")]
        self._last = sa.select(sa.func.max(c.id)).where(*here)

    def write(self, kind: Rows, batches: Sequence[Batch]) -> Store:
        """Return what numbers the values and stores them, in a transaction."""
        found = by_group(kind.groups(batches), 3, 2, None)

        def store(cursor: Any, committing: Callable[[], None]) -> None:
            self._append(cursor, found)
            committing()

        return store

    def _append(self, cursor: Any, found: list[tuple[tuple[str, str], list[tuple[Any, ...]]]]) -> None:
        rows = []
        last: dict[Any, int] = {}
        for (interval, name), values in found:
            for i, r, value in values:
                place = {"its_interval": interval, "its_name": name, "its_i": i, "its_r": r}
                id = last.get((interval, name, i, r))
                if id is None:
                    cursor.execute(self._last, place)
                    id = int(cursor.fetchone()[0] or 0)
                last[interval, name, i, r] = id + 1
                rows.append(
                    {"interval": interval, "name": name, "i": i, "r": r, "id": id + 1, "value": value}
                )
        if rows:
            cursor.execute(self._insert, rows)


def _check(row: Mapping[str, Any]) -> None:
    """Raise if a number has left its range."""
    if "count" in row and not -_INT64 <= row["count"] < _INT64:
        raise InvalidValue("a total would leave 64 bits: nothing of this call was stored")
    if "fraction" in row and not math.isfinite(row["fraction"]):
        raise InvalidValue("a total would leave the range of a float: nothing of this call was stored")
