"""The statements of a timeseries; those that open the same table of SQLite again and again compile them once."""

from __future__ import annotations

from collections.abc import Hashable
from threading import Lock
from typing import Any

import sqlalchemy as sa
from attrs import frozen

from .catalog import Catalog
from .dialects import Dialect
from .folds import Folds
from .kinds import KIND_TABLES, KindTable
from .layouts import Layouts
from .values import ColumnType

__all__ = ["Statements", "Unconnected", "statements_of"]

_MOST = 128
"""How many tables' statements are kept."""


class Unconnected:
    """What a dialect of ours asks of an engine as long as nothing is sent."""

    def __init__(self, url: sa.URL, dialect: sa.Dialect) -> None:
        self.url = url
        self.dialect = dialect

    def get_execution_options(self) -> dict[str, Any]:
        """Return none."""
        return {}


@frozen
class Statements:
    """All that is sent for one table, with a cursor that each call brings."""

    rows: KindTable
    catalog: Catalog
    folds: Folds
    layouts: Layouts


_kept: dict[Hashable, Statements] = {}
_lock = Lock()


def statements_of(
    kind: str, table: sa.Table, layouts: sa.Table, column: ColumnType, dialect: Dialect
) -> Statements:
    """Return the statements of a timeseries, compiled or to be compiled when they are first sent."""
    signature = dialect.signature
    # Of a type of the caller's own its name does not tell all
    own = type(column.sql).__module__.partition(".")[0] in ("sqlalchemy", "kairos_sql")
    if signature is None or not own or column.bind is not None or column.result is not None:
        return _make(kind, table, layouts, column, dialect)
    schema, name = table.schema, str.__str__(table.name)
    types = tuple([(type(c.type), repr(c.type)) for c in table.columns])
    key = (type(dialect), signature, kind, schema, name, types)
    with _lock:
        found = _kept.pop(key, None)
        if found is None:
            # Nobody's engine is kept for the sake of text
            engine: Any = Unconnected(sa.make_url("sqlite://"), dialect.engine.dialect)
            found = _make(kind, table, layouts, column, type(dialect)(engine))
        _kept[key] = found  # now the last to go
        if len(_kept) > _MOST:
            del _kept[next(iter(_kept))]
    return found


def _make(kind: str, table: sa.Table, layouts: sa.Table, column: ColumnType, dialect: Dialect) -> Statements:
    return Statements(
        KIND_TABLES[kind](table, column, dialect),
        Catalog(table, dialect),
        Folds(table, kind, column, dialect),
        Layouts(layouts, kind, table.name, dialect),
    )
