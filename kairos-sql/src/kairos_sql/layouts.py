"""The records of the layouts that a place was written with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from .dialects import Dialect
from .statements import bound

__all__ = ["Layouts"]


class Layouts:
    """The records of one timeseries' table and kind; each method is given a DBAPI cursor."""

    def __init__(self, table: sa.Table, kind: str, table_name: str, dialect: Dialect) -> None:
        self._place = (
            dialect.table_key(str.__str__(table_name)),
            kind,
        )  # not a quoted_name: that never folds
        c = table.c
        here = (c.table_name == bound("place"), c.kind == bound("its_kind"))
        place = ("place", "its_kind")
        self._select = dialect.prepare(sa.select(c.interval, c.layout).where(*here), *place)
        one = sa.delete(table).where(*here, c.interval == bound("its_interval"))
        self._delete = dialect.prepare(one, *place, "its_interval")
        self._insert = dialect.inserter(table)
        self._decode = dialect.decode

    def all(self, cursor: Any) -> dict[str, str]:
        """Return interval name -> layout."""
        found, decode = self._select.run(cursor, self._place).fetchall(), self._decode
        return {interval if decode is None else decode(interval): layout for interval, layout in found}

    def record(self, cursor: Any, layouts: Mapping[str, str]) -> dict[str, str]:
        """Record what has no record, and return what is there now."""
        for _ in range(3):
            for interval, layout in sorted(layouts.items()):
                self._insert(cursor, (*self._place, interval, layout))
            now = self.all(cursor)
            if now.keys() >= layouts.keys():
                break  # else a delete_all() has come between
        return {interval: now.get(interval, layout) for interval, layout in layouts.items()}

    def forget(self, cursor: Any, intervals: Sequence[str]) -> None:
        """Remove the records of these intervals."""
        for interval in sorted(intervals):
            self._delete.run(cursor, (*self._place, interval))
