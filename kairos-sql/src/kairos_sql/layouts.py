"""The records of the layouts that a place was written with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from .dialects import Dialect
from .statements import prepare

__all__ = ["Layouts"]


class Layouts:
    """The records of one timeseries' table and kind; each method is given a DBAPI cursor."""

    def __init__(self, table: sa.Table, kind: str, table_name: str, dialect: Dialect) -> None:
        self._place = (dialect.table_key(table_name), kind)
        c, sql = table.c, dialect.engine_dialect
        here = (c.table_name == sa.bindparam("place"), c.kind == sa.bindparam("its_kind"))
        place = ("place", "its_kind")
        self._select = prepare(sa.select(c.interval, c.layout).where(*here), sql, *place)
        one = sa.delete(table).where(*here, c.interval == sa.bindparam("its_interval"))
        self._delete = prepare(one, sql, *place, "its_interval")
        columns = ("table_name", "kind", "interval", "layout")
        self._insert = prepare(dialect.upsert(table, 1, {}), sql, *(f"{name}_0" for name in columns))

    def all(self, cursor: Any) -> dict[str, str]:
        """Return interval name -> layout."""
        cursor.execute(self._select.text, self._select.arguments(self._place))
        return dict(cursor.fetchall())

    def record(self, cursor: Any, layouts: Mapping[str, str]) -> dict[str, str]:
        """Record what has no record, and return what is there now."""
        for item in layouts.items():
            cursor.execute(self._insert.text, self._insert.arguments(self._place + item))
        now = self.all(cursor)
        return {interval: now[interval] for interval in layouts}

    def forget(self, cursor: Any, intervals: Sequence[str]) -> None:
        """Remove the records of these intervals."""
        for interval in intervals:
            cursor.execute(self._delete.text, self._delete.arguments((*self._place, interval)))
