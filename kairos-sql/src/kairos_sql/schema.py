"""The tables: one for the rows of a timeseries, one for the layouts that all of a database were written with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.types import TypeEngine

from kairos.errors import SchemaMismatch

from .dialects import Dialect

__all__ = ["INTERVAL_LENGTH", "LAYOUTS", "NO_RESOLUTION", "data_table", "layouts_table", "make_ready"]

LAYOUTS = "kairos_layouts"
"""The table of layouts."""

INTERVAL_LENGTH = 255
"""The longest name of an interval, in bytes of UTF-8."""

NO_RESOLUTION = -(2**63)
"""What column ``r`` holds where an interval has no resolution."""

_PLACE = ("interval", "name", "i", "r")
_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "series": ("id", "value"),
    "histogram": ("key", "value", "count"),
    "count": ("count", "fraction"),
    "gauge": ("value",),
    "set": ("key", "value"),
}
_IN_KEY = frozenset({*_PLACE, "id", "key"})


def data_table(
    metadata: sa.MetaData,
    kind: str,
    table_name: str,
    value: TypeEngine[Any],
    string_length: int,
    dialect: Dialect,
) -> sa.Table:
    """Return the table of a kind."""
    types: Mapping[str, TypeEngine[Any]] = {
        "interval": sa.String(INTERVAL_LENGTH),
        "name": sa.String(string_length),
        "i": sa.BigInteger(),
        "r": sa.BigInteger(),
        "id": sa.BigInteger(),
        "key": sa.LargeBinary(32),
        "value": value,
        "count": sa.BigInteger(),
        "fraction": sa.Double(),
    }
    names = _PLACE + _COLUMNS[kind]
    columns = [
        sa.Column(name, types[name], nullable=False, autoincrement=False, primary_key=name in _IN_KEY)
        for name in names
    ]
    checks = []
    if "count" in names:
        limits = dialect.within_limits("count", "fraction" if "fraction" in names else None)
        if limits is not None:
            checks.append(sa.CheckConstraint(limits, name="total_within_64_bits"))
    quoted = sa.quoted_name(
        table_name, quote=True
    )  # SQLAlchemy would take a name for plain that ends in a newline
    return sa.Table(quoted, metadata, *columns, *checks, **dialect.table_options)


def layouts_table(metadata: sa.MetaData, dialect: Dialect) -> sa.Table:
    """Return the table of layouts."""
    return sa.Table(
        LAYOUTS,
        metadata,
        sa.Column("table_name", sa.String(255), primary_key=True),
        sa.Column("kind", sa.String(16), primary_key=True),
        sa.Column("interval", sa.String(INTERVAL_LENGTH), primary_key=True),
        sa.Column("layout", sa.Text(), nullable=False),
        **dialect.table_options,
    )


def make_ready(
    connection: Connection, dialect: Dialect, kind: str, table: sa.Table, layouts: sa.Table
) -> None:
    """Create what is missing, after a look without a lock; raise SchemaMismatch for a table of another kind."""
    present = _present(connection, dialect, kind, table, layouts)
    connection.rollback()
    if all(present):
        return
    dialect.begin_ddl(connection)
    has_table, has_layouts = _present(connection, dialect, kind, table, layouts)
    if not has_layouts:
        layouts.create(connection, checkfirst=False)
    if not has_table:
        table.create(connection, checkfirst=False)
        # Of a table that somebody dropped the records are stale
        stale = sa.delete(layouts).where(layouts.c.table_name == dialect.table_key(table.name))
        connection.execute(stale)
    connection.commit()


def _present(
    connection: Connection, dialect: Dialect, kind: str, table: sa.Table, layouts: sa.Table
) -> tuple[bool, bool]:
    """Return whether the two tables exist; raise if one is something else."""
    has_layouts = dialect.column_types(connection, layouts.name)
    if has_layouts is not None and not {c.name for c in layouts.columns} <= set(has_layouts):
        raise SchemaMismatch(
            f"table {layouts.name!r} has the columns {', '.join(has_layouts)}; kairos needs this name for a table with "
            f"{', '.join(c.name for c in layouts.columns)}: use another database"
        )
    there = dialect.column_types(connection, table.name)
    if there is not None:
        _compare(there, dialect, kind, table)
    return there is not None, has_layouts is not None


def _compare(there: Mapping[str, str], dialect: Dialect, kind: str, table: sa.Table) -> None:
    wanted = {c.name: _plain(c.type, dialect) for c in table.columns}
    if set(there) != set(wanted):
        kinds = {frozenset(_PLACE + columns): name for name, columns in _COLUMNS.items()}
        found = kinds.get(frozenset(there), "no kind of kairos")
        raise SchemaMismatch(
            f"table {table.name!r} holds {found} (columns {', '.join(there)}), this timeseries is a {kind} "
            f"(columns {', '.join(wanted)}): choose another table_name"
        )
    for name, declared in wanted.items():
        if there[name] != declared:
            raise SchemaMismatch(
                f"table {table.name!r}: column {name!r} is {there[name]}, this timeseries asks for {declared}: "
                "choose the value_type that the table was made with, or another table_name"
            )


def _plain(sql: TypeEngine[Any], dialect: Dialect) -> str:
    """Return a type as a database shows it, without parameters."""
    text = sql.compile(dialect=dialect.engine_dialect).upper()
    return text.partition("(")[0].partition(" COLLATE ")[0].strip()
