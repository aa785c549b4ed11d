"""How the rows of each kind lie in its table: from batches to upserts, from selected rows to buckets."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from operator import add
from typing import Any, ClassVar

import sqlalchemy as sa

from kairos.kinds import whole
from kairos.storage import Batch, Buckets

from .dialects import Change, Dialect
from .schema import NO_RESOLUTION
from .statements import bound, prepare
from .values import ColumnType, key_of

__all__ = ["KIND_TABLES", "KindTable"]

Statement = tuple[str, Sequence[Any]]
Store = Callable[[Any, Callable[[], None]], None]
"""Given a cursor, and what to call before the commit."""

Groups = dict[tuple[str, str], list[Any]]
"""(interval, name) -> the other columns of all its rows, one after another."""

_SMALL = 32
"""How many rows a write has that is planned as an insert."""

_MOST = 64
"""How many rows a statement has at most; 64 get all there is to get. Each size is compiled once."""

_GROUP = 4
"""From so many rows on, those of one interval and name share a statement that binds these once."""


class KindTable(ABC):
    """Writes and reads the table of one kind."""

    changes: ClassVar[Mapping[str, Change] | None] = {}
    """What an upsert does where the row exists; None: there must be none."""

    read_columns: ClassVar[tuple[str, ...]] = ("value",)
    """What a read selects after ``i`` and ``r``."""

    def __init__(self, table: sa.Table, column: ColumnType, dialect: Dialect) -> None:
        self.table = table
        self._dialect = dialect
        self._bind, self._result = column.bind, column.result
        self._width = len(table.columns) - 2
        self._upserts: dict[int, str] = {}
        self._group_upserts: dict[int, str] = {}
        c, selected = table.c, self.selected()
        where = [
            c.interval == bound("interval"),
            c.name == bound("name"),
            c.i.between(bound("first"), bound("last")),
        ]
        parameters = ("interval", "name", "first", "last")
        read = sa.select(c.i, c.r, *selected).where(*where).order_by(*table.primary_key.columns)
        self._read = _text(read, dialect, *parameters)
        flat = sa.select(c.i, *selected).where(*where).order_by(*table.primary_key.columns)
        self._read_flat = _text(flat, dialect, *parameters)

    def selected(self) -> Sequence[sa.ColumnElement[Any]]:
        """Return what a read selects, after ``i`` and ``r``."""
        return [self.table.c[name] for name in self.read_columns]

    @abstractmethod
    def groups(self, batches: Sequence[Batch]) -> Groups:
        """Return the rows to upsert; of several for one key the last is the latest."""

    @abstractmethod
    def flat(self, found: Iterable[Any]) -> Buckets:
        """Return buckets for rows of an interval without resolution: ``i`` and what is selected."""

    @abstractmethod
    def buckets(self, found: Iterable[Any]) -> Buckets:
        """Return buckets for rows of an interval with resolution: ``i``, ``r`` and what is selected."""

    def write(self, batches: Sequence[Batch]) -> Statement | Store:
        """Return the one statement that stores batches, or what stores them in a transaction."""
        groups = self.groups(batches)
        rows = sum(map(len, groups.values())) // self._width
        if 0 < rows <= _SMALL:
            return self._upsert(rows), [value for row in self._rows(groups.items()) for value in row]

        def store(cursor: Any, committing: Callable[[], None]) -> None:
            self._store(cursor, groups)
            committing()

        return store

    def read(self, cursor: Any, interval: str, name: str, first: int, last: int, flat: bool) -> Buckets:
        """Return the buckets of a range; ``flat``: this interval has no resolution."""
        cursor.execute(self._read_flat if flat else self._read, (interval, name, first, last))
        return self.flat(cursor) if flat else self.buckets(cursor)

    def _store(self, cursor: Any, groups: Groups) -> None:
        """Upsert groups in the order of the key."""
        width = self._width
        few: list[tuple[tuple[str, str], list[Any]]] = []
        for group in sorted(groups):
            values = groups[group]
            count = len(values) // width
            if count < _GROUP:
                few.append((group, values))
                continue
            for start, size in _pieces(count):
                piece = values[start * width : (start + size) * width]
                cursor.execute(self._group_upsert(size), [*group, *piece])
        rows = list(self._rows(few))
        for start, size in _pieces(len(rows)):
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
            names = [f"{c.name}_{row}" for row in range(rows) for c in self.table.columns]
            text = _text(self._dialect.upsert(self.table, rows, self.changes), self._dialect, *names)
            self._upserts[rows] = text
        return text

    def _group_upsert(self, rows: int) -> str:
        """Return the statement for so many rows of one interval and name, which come first."""
        text = self._group_upserts.get(rows)
        if text is None:
            names = [f"{c.name}_{row}" for row in range(rows) for c in list(self.table.columns)[2:]]
            statement = self._dialect.group_upsert(self.table, rows, self.changes)
            text = _text(statement, self._dialect, "interval", "name", *names)
            self._group_upserts[rows] = text
        return text

    def _bound(self, values: Iterable[Any]) -> Iterable[Any]:
        return values if self._bind is None else map(self._bind, values)

    def _read_back(self, values: Iterable[Any]) -> Iterable[Any]:
        return values if self._result is None else map(self._result, values)


def _text(statement: sa.ClauseElement, dialect: Dialect, *names: str) -> str:
    """Compile a statement whose parameters come in the given order, each once."""
    prepared = prepare(statement, dialect.engine_dialect, *names)
    assert prepared.order is None, prepared
    return prepared.text


def _pieces(count: int) -> Iterator[tuple[int, int]]:
    """Yield (start, size) of the statements for so many rows."""
    for start in range(0, count, _MOST):
        yield start, min(_MOST, count - start)


def _groups(batches: Iterable[Batch], extend: Callable[[list[Any], int, int, Any], None]) -> Groups:
    """Collect rows: ``extend(values, i, r, payload)`` adds those of a payload."""
    groups: Groups = {}
    for batch in batches:
        for write in batch.writes:
            interval, i, r = write.interval, write.i, NO_RESOLUTION if write.r is None else write.r
            for name, payload in write.rows.items():
                group = (interval, name)
                values = groups.get(group)
                if values is None:
                    values = groups[group] = []
                extend(values, i, r, payload)
    return groups


class _Count(KindTable):
    changes: ClassVar[Mapping[str, Change] | None] = {"count": add, "fraction": add}

    def selected(self) -> Sequence[sa.ColumnElement[Any]]:
        count, fraction = self.table.c.count, self.table.c.fraction
        return [sa.case((fraction == sa.literal_column("0"), count), else_=count + fraction).label("total")]

    def groups(self, batches: Sequence[Batch]) -> Groups:
        groups: Groups = {}
        for batch in batches:
            for write in batch.writes:
                interval, i, r = write.interval, write.i, NO_RESOLUTION if write.r is None else write.r
                for name, number in write.rows.items():
                    group = (interval, name)
                    values = groups.get(group)
                    if values is None:
                        values = groups[group] = []
                    values += (i, r, number, 0.0) if type(number) is int else (i, r, 0, number)
        return groups

    def write(self, batches: Sequence[Batch]) -> Statement | Store:
        """Return what :meth:`KindTable.write` does, sooner for what an insert writes."""
        values: list[Any] = []
        rows = 0
        for batch in batches:
            for write in batch.writes:
                rows += len(write.rows)
                if rows > _SMALL:
                    return super().write(batches)
                interval, i, r = write.interval, write.i, NO_RESOLUTION if write.r is None else write.r
                for name, number in write.rows.items():
                    if type(number) is int:
                        values += (interval, name, i, r, number, 0.0)
                    else:
                        values += (interval, name, i, r, 0, number)
        return (self._upsert(rows), values) if rows else super().write(batches)

    def flat(self, found: Iterable[Any]) -> Buckets:
        return {i: {None: total if type(total) is int else whole(total)} for i, total in found}

    def buckets(self, found: Iterable[Any]) -> Buckets:
        buckets: Buckets = {}
        here = None
        for i, r, total in found:
            if i != here:
                here = i
                bucket = buckets[i] = {}
            bucket[r] = total if type(total) is int else whole(total)
        return buckets


class _Gauge(KindTable):
    changes: ClassVar[Mapping[str, Change] | None] = {"value": lambda present, offered: offered}

    def groups(self, batches: Sequence[Batch]) -> Groups:
        bind = self._bind

        def extend(values: list[Any], i: int, r: int, payload: Any) -> None:
            values += (i, r, payload if bind is None else bind(payload))

        return _groups(batches, extend)

    def flat(self, found: Iterable[Any]) -> Buckets:
        result = self._result
        return {i: {None: value if result is None else result(value)} for i, value in found}

    def buckets(self, found: Iterable[Any]) -> Buckets:
        result = self._result
        buckets: Buckets = {}
        for i, r, value in found:
            buckets.setdefault(i, {})[r] = value if result is None else result(value)
        return buckets


class _Set(KindTable):
    def groups(self, batches: Sequence[Batch]) -> Groups:
        def extend(values: list[Any], i: int, r: int, payload: Iterable[Any]) -> None:
            for value in self._bound(payload):
                values += (i, r, key_of(value), value)

        return _groups(batches, extend)

    def flat(self, found: Iterable[Any]) -> Buckets:
        return self.buckets((i, None, value) for i, value in found)

    def buckets(self, found: Iterable[Any]) -> Buckets:
        buckets: Buckets = {}
        for i, r, value in found:
            buckets.setdefault(i, {}).setdefault(r, []).append(value)
        for bucket in buckets.values():
            for r, values in bucket.items():
                bucket[r] = set(self._read_back(values))
        return buckets


class _Histogram(KindTable):
    changes: ClassVar[Mapping[str, Change] | None] = {"count": add}
    read_columns = ("value", "count")

    def groups(self, batches: Sequence[Batch]) -> Groups:
        def extend(values: list[Any], i: int, r: int, payload: Mapping[Any, int]) -> None:
            for value, count in zip(self._bound(payload), payload.values(), strict=True):
                values += (i, r, key_of(value), value, count)

        return _groups(batches, extend)

    def flat(self, found: Iterable[Any]) -> Buckets:
        return self.buckets((i, None, value, count) for i, value, count in found)

    def buckets(self, found: Iterable[Any]) -> Buckets:
        result = self._result
        buckets: Buckets = {}
        for i, r, value, count in found:
            row = buckets.setdefault(i, {}).setdefault(r, {})
            value = value if result is None else result(value)
            row[value] = row.get(value, 0) + count
        return buckets


class _Series(KindTable):
    """The column ``id`` numbers the values of a row from 1, in arrival order."""

    changes: ClassVar[Mapping[str, Change] | None] = None

    def __init__(self, table: sa.Table, column: ColumnType, dialect: Dialect) -> None:
        super().__init__(table, column, dialect)
        c = table.c
        place = ("interval", "name", "i", "r")
        bucket = [c[name] == bound(name) for name in place]
        self._appends: dict[int, str] = {}
        self._last = _text(sa.select(sa.func.max(c.id)).where(*bucket), dialect, *place)
        alone = sa.select(c.value).where(*bucket).order_by(c.id)
        self._read_alone = _text(alone, dialect, *place)

    def write(self, batches: Sequence[Batch]) -> Store:
        """Return what numbers the values and stores them, in a transaction."""

        def store(cursor: Any, committing: Callable[[], None]) -> None:
            self._append(cursor, batches)
            committing()

        return store

    def groups(self, batches: Sequence[Batch]) -> Groups:
        raise NotImplementedError("values are numbered through a cursor")

    def _append(self, cursor: Any, batches: Sequence[Batch]) -> None:
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
                    values = list(self._bound(payload))
                    if len(values) < _GROUP:
                        rows = few.setdefault(place[:2], [])
                        for value in values:
                            id += 1
                            rows += (i, r, id, value)
                        continue
                    for start, size in _pieces(len(values)):
                        piece = values[start : start + size]
                        cursor.execute(self._append_text(size), [*place, id + 1 + start, *piece])
        self._store(cursor, few)

    def _append_text(self, rows: int) -> str:
        text = self._appends.get(rows)
        if text is None:
            values = [f"value_{row}" for row in range(rows)]
            names = ("interval", "name", "i", "r", "id", *values)
            text = self._appends[rows] = _text(self._dialect.append(self.table, rows), self._dialect, *names)
        return text

    def read(self, cursor: Any, interval: str, name: str, first: int, last: int, flat: bool) -> Buckets:
        """Return the buckets of a range; of a single one without resolution no more than its values is read."""
        if not flat or first != last:
            return super().read(cursor, interval, name, first, last, flat)
        cursor.execute(self._read_alone, (interval, name, first, NO_RESOLUTION))
        row = list(self._read_back(chain.from_iterable(cursor)))
        return {first: {None: row}} if row else {}

    def flat(self, found: Iterable[Any]) -> Buckets:
        return self.buckets((i, None, value) for i, value in found)

    def buckets(self, found: Iterable[Any]) -> Buckets:
        result = self._result
        buckets: Buckets = {}
        here = None
        for i, r, value in found:
            if (i, r) != here:
                here = (i, r)
                row = buckets.setdefault(i, {})[r] = []
            row.append(value if result is None else result(value))
        return buckets


KIND_TABLES: Mapping[str, type[KindTable]] = {
    "series": _Series,
    "histogram": _Histogram,
    "count": _Count,
    "gauge": _Gauge,
    "set": _Set,
}
