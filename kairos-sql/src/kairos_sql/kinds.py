"""How the rows of each kind lie in its table: from batches to rows, from selected rows to buckets."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain, groupby
from operator import add, itemgetter
from typing import Any, ClassVar

import sqlalchemy as sa

from kairos.kinds import whole
from kairos.storage import Batch, Buckets, Write

from .dialects import Dialect, Rules
from .rows import Change, Columns, Groups, Statement, Store, go_on, pieces
from .schema_names import NO_RESOLUTION
from .statements import Prepared, bound
from .values import ColumnType

__all__ = ["KIND_TABLES", "KindTable"]


_DENSE = 8
"""From so many buckets on, a look for names that are the same in all pays."""


class KindTable(ABC):
    """Writes and reads the table of one kind."""

    changes: ClassVar[Mapping[str, Change] | None] = {}
    """What an upsert does where the row exists; None: rows are only ever added."""

    read_columns: ClassVar[tuple[str, ...]] = ("value",)
    """What a read selects after ``i`` and ``r``."""

    ordered: ClassVar[tuple[str, ...]] = ()
    """What tells apart rows of one resolution bucket whose order counts."""

    def __init__(self, table: sa.Table, column: ColumnType, dialect: Dialect) -> None:
        self.table = table
        self.rest: Callable[[], None] = go_on
        self._dialect = dialect
        self._bind, self._result, self._key = column.bind, column.result, column.key
        self._rows = dialect.rows
        self._writer = dialect.writer(table, Rules(self.changes))
        self._many: dict[tuple[int, bool], Prepared] = {}
        place = ("interval", "name", "first")
        mine = [table.c.name == bound("name")]
        self._read = dialect.prepare(self._select(True, mine), *place, "last")
        self._read_flat = dialect.prepare(self._select(False, mine), *place, "last")
        self._read_one = dialect.prepare(self._select(True, mine, one=True), *place)

    def _select(
        self,
        resolved: bool,
        mine: Sequence[sa.ColumnElement[bool]],
        *,
        one: bool = False,
        named: bool = False,
    ) -> sa.Select[Any]:
        c = self.table.c
        first = bound("first")
        columns = [c.name] * named + [c.i] + [c.r] * resolved
        in_range = c.i == first if one else c.i.between(first, bound("last"))
        found = sa.select(*columns, *self.selected()).where(c.interval == bound("interval"), *mine, in_range)
        # MariaDB would sort by columns that are one value, too
        order = [c[column] for column in ("r", *self.ordered)]
        return found.order_by(*[c.name] * named, *[c.i] * (not one), *order)

    def selected(self) -> Sequence[sa.ColumnElement[Any]]:
        """Return what a read selects, after ``i`` and ``r``."""
        return [self.table.c[name] for name in self.read_columns]

    @abstractmethod
    def groups(self, batches: Sequence[Batch]) -> Groups:
        """Return the rows to store; of several for one key the last is the latest."""

    def few(self, batches: Sequence[Batch], most: int) -> list[Any] | None:
        """Return all columns of all rows, one after another, if they are few and that is fast."""
        return None

    def columns(self, batches: Sequence[Batch]) -> Columns | None:
        """Return the rows as sorted columns, if they can be had without a look at each."""
        return None

    @abstractmethod
    def flat(self, found: Iterable[Any]) -> Buckets:
        """Return buckets for rows of an interval without resolution: ``i`` and what is selected."""

    @abstractmethod
    def buckets(self, found: Iterable[Any]) -> Buckets:
        """Return buckets for rows of an interval with resolution: ``i``, ``r`` and what is selected."""

    def write(self, batches: Sequence[Batch]) -> Statement | Store:
        """Return the one statement that stores batches, or what stores them in a transaction."""
        return self._writer.write(self, batches)

    def read(self, cursor: Any, interval: str, name: str, first: int, last: int, flat: bool) -> Buckets:
        """Return the buckets of a range; ``flat``: this interval has no resolution."""
        if flat:
            return self.flat(self._rows(self._read_flat.run(cursor, (interval, name, first, last))))
        if first == last:
            return self.buckets(self._rows(self._read_one.run(cursor, (interval, name, first))))
        return self.buckets(self._rows(self._read.run(cursor, (interval, name, first, last))))

    def read_many(
        self, cursor: Any, interval: str, names: Sequence[str], first: int, last: int, flat: bool
    ) -> dict[str, Buckets]:
        """Return the buckets of several names."""
        most = self._dialect.names_at_once
        if most == 1:
            return {name: self.read(cursor, interval, name, first, last, flat) for name in names}
        show, decode, found = self.flat if flat else self.buckets, self._dialect.decode, {}
        for start, size in pieces(len(names), most):
            some = tuple(names[start : start + size])
            rows = self._rows(self._read_many(size, flat).run(cursor, (interval, first, last, *some)))
            for name, own in groupby(rows, itemgetter(0)):
                found[name if decode is None else decode(name)] = show(map(itemgetter(slice(1, None)), own))
        return found

    def _read_many(self, size: int, flat: bool) -> Prepared:
        statement = self._many.get((size, flat))
        if statement is None:
            names = [f"name_{k}" for k in range(size)]
            mine = [self.table.c.name.in_([bound(name) for name in names])]
            select = self._select(not flat, mine, named=True)
            statement = self._dialect.prepare(select, "interval", "first", "last", *names)
            self._many[size, flat] = statement
        return statement

    def bound(self, values: Iterable[Any]) -> Iterable[Any]:
        """Return values as the driver gets them."""
        return values if self._bind is None else map(self._bind, values)

    def _read_back(self, values: Iterable[Any]) -> Iterable[Any]:
        return values if self._result is None else map(self._result, values)


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


class _Alone:
    """Reads one bucket without resolution, the most common of all: what can be constant in it is."""

    def __init__(self, select: sa.Select[Any], table: sa.Table, dialect: Dialect) -> None:
        self._select, self._columns, self._dialect = select, table.c, dialect
        self._prepared: dict[str, Prepared] = {}

    def run(self, cursor: Any, interval: str, name: str, i: int) -> Any:
        statement = self._prepared.get(interval)
        if statement is None:
            statement = self._prepared[interval] = self._prepare(interval)
        return statement.run(cursor, (name, i))

    def _prepare(self, interval: str) -> Prepared:
        c, constant = self._columns, self._dialect.constant
        here = [c.interval == constant(c.interval, interval), c.name == bound("name"), c.i == bound("i")]
        here.append(c.r == constant(c.r, NO_RESOLUTION))
        return self._dialect.prepare(self._select.where(*here), "name", "i")


class _Count(KindTable):
    changes: ClassVar[Mapping[str, Change] | None] = {"count": add, "fraction": add}

    def __init__(self, table: sa.Table, column: ColumnType, dialect: Dialect) -> None:
        self._apart = len(dialect.total(table)) == 2
        super().__init__(table, column, dialect)
        self._alone = _Alone(sa.select(*self.selected()), table, dialect)

    def selected(self) -> Sequence[sa.ColumnElement[Any]]:
        return self._dialect.total(self.table)

    def columns(self, batches: Sequence[Batch]) -> Columns | None:
        """Return columns if all buckets of an interval have the same names, as they have in a regular bulk."""
        if len(batches) > 1 or len(batches[0].writes) < _DENSE:
            return None
        by_interval: dict[str, list[Write]] = {}
        for write in batches[0].writes:
            by_interval.setdefault(write.interval, []).append(write)
        found: Columns = []
        for interval in sorted(by_interval):
            writes = by_interval[interval]
            names = list(writes[0].rows)
            if any(list(write.rows) != names for write in writes):
                return None
            writes.sort(key=_bucket)
            i = [write.i for write in writes]
            r = [NO_RESOLUTION if write.r is None else write.r for write in writes]
            none = [0.0] * len(writes)
            totals = zip(*[write.rows.values() for write in writes], strict=True)
            for name, numbers in sorted(zip(names, totals, strict=True)):
                counts: Sequence[Any] = numbers
                fractions = none
                if {*map(type, numbers)} != {int}:
                    counts = [number if type(number) is int else 0 for number in numbers]
                    fractions = [0.0 if type(number) is int else number for number in numbers]
                found.append(((interval, name), [i, r, counts, fractions]))
        return found

    def groups(self, batches: Sequence[Batch]) -> Groups:
        columns = self.columns(batches)
        if columns is not None:
            return {group: [*chain.from_iterable(zip(*own, strict=True))] for group, own in columns}
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

    def few(self, batches: Sequence[Batch], most: int) -> list[Any] | None:
        values: list[Any] = []
        rows = 0
        for batch in batches:
            for write in batch.writes:
                rows += len(write.rows)
                if rows > most:
                    return None
                interval, i, r = write.interval, write.i, NO_RESOLUTION if write.r is None else write.r
                for name, number in write.rows.items():
                    if type(number) is int:
                        values += (interval, name, i, r, number, 0.0)
                    else:
                        values += (interval, name, i, r, 0, number)
        return values or None

    def read(self, cursor: Any, interval: str, name: str, first: int, last: int, flat: bool) -> Buckets:
        if not flat or first != last:
            return super().read(cursor, interval, name, first, last, flat)
        found = self._alone.run(cursor, interval, name, first).fetchone()
        if found is None:
            return {}
        if self._apart:
            return {first: {None: _total(*found)}}
        return {first: {None: whole(found[0])}}

    def flat(self, found: Iterable[Any]) -> Buckets:
        if self._apart:
            return {i: {None: count if part is None else _total(count, part)} for i, count, part in found}
        return {i: {None: total if type(total) is int else whole(total)} for i, total in found}

    def buckets(self, found: Iterable[Any]) -> Buckets:
        buckets: Buckets = {}
        here = None
        if self._apart:
            for i, r, count, part in found:
                if i != here:
                    here = i
                    bucket = buckets[i] = {}
                bucket[r] = count if part is None else _total(count, part)
            return buckets
        for i, r, total in found:
            if i != here:
                here = i
                bucket = buckets[i] = {}
            bucket[r] = total if type(total) is int else whole(total)
        return buckets


def _bucket(write: Write) -> tuple[int, int]:
    return write.i, NO_RESOLUTION if write.r is None else write.r


def _total(count: int, fraction: float | None) -> float:
    """Return the total of a count."""
    return whole(count + fraction) if fraction else count


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
        key = self._key

        def extend(values: list[Any], i: int, r: int, payload: Iterable[Any]) -> None:
            for value, sent in _with_bound(payload, self._bind):
                values += (i, r, key(value), sent)

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
        key = self._key

        def extend(values: list[Any], i: int, r: int, payload: Mapping[Any, int]) -> None:
            for (value, sent), count in zip(_with_bound(payload, self._bind), payload.values(), strict=True):
                values += (i, r, key(value), sent, count)

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


def _with_bound(values: Iterable[Any], bind: Callable[[Any], Any] | None) -> Iterable[tuple[Any, Any]]:
    """Yield each value, and as the driver gets it."""
    return ((value, value if bind is None else bind(value)) for value in values)


class _Series(KindTable):
    """The column ``id`` ascends in the order in which the values of a row arrived."""

    changes: ClassVar[Mapping[str, Change] | None] = None
    ordered = ("id",)

    def __init__(self, table: sa.Table, column: ColumnType, dialect: Dialect) -> None:
        super().__init__(table, column, dialect)
        values, self._as_one = dialect.values_in_order(table)
        self._alone = _Alone(values, table, dialect)

    def groups(self, batches: Sequence[Batch]) -> Groups:
        def extend(values: list[Any], i: int, r: int, payload: Iterable[Any]) -> None:
            for value in self.bound(payload):
                values += (i, r, value)

        return _groups(batches, extend)

    def read(self, cursor: Any, interval: str, name: str, first: int, last: int, flat: bool) -> Buckets:
        """Return the buckets of a range; of a single one without resolution no more than its values is read."""
        if not flat or first != last:
            return super().read(cursor, interval, name, first, last, flat)
        found = self._alone.run(cursor, interval, name, first)
        values = found.fetchone()[0] or () if self._as_one else chain.from_iterable(self._rows(found))
        row = list(self._read_back(values))
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
