"""Reads that the database merges, or calculates with, itself: counts, histograms, and series of numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from kairos.rows import merge
from kairos.storage import Axis, Buckets, Read, Reply

from .dialects import Dialect
from .statements import Prepared, bound
from .values import ColumnType

__all__ = ["Folds", "declared"]

_AXES: frozenset[Axis] = frozenset({"resolution", "name", "interval"})
_TRANSFORMS = frozenset({"sum", "count", "min", "max", "mean"})
_MOST_NAMES = 100
"""Of more names the rows are read, and merged by the core."""

_Shape = tuple[frozenset[Axis], int, bool, tuple[str, ...]]


_LARGE = 1e307
"""Sums of floats up to here are certain to be sums."""


class _MayHaveOverflown(Exception):
    """A sum is not known to be one."""


class Folds:
    """Builds and sends ``SELECT … GROUP BY`` for one table.

    Sums of whole numbers are exact, also beyond 64 bits, where the database's are; where it gives up
    (:meth:`Dialect.is_overflow`) the rows are read instead. Sums of floats are added up in the order of the key.

    Parameters
    ----------
    table, kind, column, dialect
        Of the timeseries.
    """

    def __init__(self, table: sa.Table, kind: str, column: ColumnType, dialect: Dialect) -> None:
        self._table, self._kind, self._dialect = table, kind, dialect
        self._result = column.result
        self._whole = isinstance(column.sql, sa.Integer)
        self._prepared: dict[_Shape, Prepared] = {}

    def takes(self, request: Read) -> bool:
        """Whether it is for the database to do."""
        if request.fetch is not None or len(request.names) > _MOST_NAMES:
            return False
        return bool(request.transforms) if self._kind == "series" else bool(request.fold)

    def read(self, cursor: Any, request: Read, flat: bool) -> Reply | None:
        """Return what was asked for; None: read the rows."""
        if self._dialect.overflows_to_zero and not self._whole and {"sum", "mean"} & {*request.transforms}:
            try:
                return self._read(cursor, request, flat, guarded=False)
            except _MayHaveOverflown:
                pass  # what may be too large, or just a sum of 0, is asked for beside it
        return self._read(cursor, request, flat, guarded=True)

    def _read(self, cursor: Any, request: Read, flat: bool, guarded: bool) -> Reply | None:
        fold, names = request.fold, request.names
        by_name = "name" not in fold and len(names) > 1
        by_i, by_r = "interval" not in fold, not flat and "resolution" not in fold
        transforms = tuple(sorted(request.transforms))
        aggregates = self._aggregates(transforms, guarded)
        statement = self._statement((fold, len(names), flat, aggregates), by_name, by_i, by_r)
        values = (request.interval, request.first, request.last, *names)
        data: dict[str, Buckets] = {}
        alone = "" if "name" in fold else names[0]
        decode = self._dialect.decode
        for row in self._dialect.rows(statement.run(cursor, values)):
            at = 0
            name, i, r = alone, request.first, None
            if by_name:
                name, at = row[0] if decode is None else decode(row[0]), 1
            if by_i:
                i, at = row[at], at + 1
            if by_r:
                r, at = row[at], at + 1
            if not row[at]:  # an aggregate without GROUP BY of no rows is a row
                continue
            cells = data.setdefault(name, {}).setdefault(i, {})
            if self._kind == "histogram":
                count, value = row[at], row[at + 1]
                value = value if self._result is None else self._result(value)
                counts = cells.setdefault(r, {})
                counts[value] = counts.get(value, 0) + int(count)
            elif self._kind == "count":
                size, count, fraction, *largest = row[at:]
                if largest and not math.isfinite(largest[0] * size):
                    return None  # the sum may be anything
                cells[r] = merge("count", [int(count), float(fraction)])
            else:
                calculated = self._calculate(transforms, aggregates, row[at:])
                if calculated is None:
                    return None
                cells[r] = calculated
        return Reply(data, folded=bool(fold), transformed=bool(transforms))

    def _calculate(
        self, transforms: Sequence[str], aggregates: Sequence[str], row: Sequence[Any]
    ) -> Mapping[str, Any] | None:
        size, *found = row
        results: dict[str, Any] = {"count": int(size)}
        number = int if self._whole else float
        for what, value in zip(aggregates, found, strict=True):
            if value is None or not (self._whole or math.isfinite(value)):
                return None
            results[what] = number(value)
        guarded = {"min", "max"} <= results.keys()
        floats = "sum" in results and not self._whole
        unknown = floats and self._dialect.overflows_to_zero and not guarded
        if unknown and not 0 < abs(results["sum"]) < _LARGE:
            raise _MayHaveOverflown
        if floats and guarded:
            largest = max(abs(results["min"]), abs(results["max"]))
            if not math.isfinite(largest * results["count"]):
                return None  # the sum may be anything
        if "mean" in transforms:
            results["mean"] = results["sum"] / results["count"]
        return {name: results[name] for name in transforms}

    def _statement(self, shape: _Shape, by_name: bool, by_i: bool, by_r: bool) -> Prepared:
        statement = self._prepared.get(shape)
        if statement is None:
            c, (_, count, _, aggregates) = self._table.c, shape
            names = [f"name_{k}" for k in range(count)]
            mine = c.name == bound(names[0]) if count == 1 else c.name.in_([bound(name) for name in names])
            groups = [c.name] * by_name + [c.i] * by_i + [c.r] * by_r
            selected = self._selected(aggregates)
            in_range = c.i.between(bound("first"), bound("last"))
            found = sa.select(*groups, *selected).where(c.interval == bound("interval"), mine, in_range)
            if self._kind == "histogram":
                found = found.group_by(*groups, c.key, c.value)
            elif groups:
                found = found.group_by(*groups)
            statement = self._dialect.prepare(found, "interval", "first", "last", *names)
            self._prepared[shape] = statement
        return statement

    def _selected(self, aggregates: Sequence[str]) -> list[sa.ColumnElement[Any]]:
        c = self._table.c
        if self._kind == "histogram":
            return [sa.func.sum(c.count), c.value]
        size = sa.func.count()
        if self._kind == "count":
            guard = [] if self._dialect.sums_of_floats_fail else [sa.func.max(sa.func.abs(c.fraction))]
            return [size, sa.func.sum(c.count), sa.func.sum(c.fraction), *guard]
        return [size, *(getattr(sa.func, what)(c.value) for what in aggregates)]

    def _aggregates(self, transforms: Sequence[str], guarded: bool) -> tuple[str, ...]:
        """Return the aggregates that transforms need, beside the number of rows, and what shows that a sum is none."""
        wanted = {*transforms}
        if "mean" in wanted:
            wanted.add("sum")
        if guarded and "sum" in wanted and not self._whole and not self._dialect.sums_of_floats_fail:
            wanted |= {"min", "max"}
        return tuple(what for what in ("sum", "min", "max") if what in wanted)


def declared(kind: str, column: ColumnType, dialect: Dialect) -> tuple[frozenset[Axis], frozenset[str]]:
    """Return the axes and transforms that a timeseries can leave to the database."""
    if kind == "count":
        return _AXES, frozenset()
    if kind == "histogram":
        large = isinstance(column.sql, sa.LargeBinary | sa.Text)
        return (frozenset() if large and dialect.processes_values else _AXES), frozenset()
    plain = column.bind is None and column.result is None
    if kind == "series" and plain and isinstance(column.sql, sa.Double | sa.Integer):
        return _AXES, _TRANSFORMS
    return frozenset(), frozenset()
