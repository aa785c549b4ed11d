"""The tables: one for the rows of a timeseries, one for the layouts that all of a database were written with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.types import TypeEngine

from kairos.errors import SchemaMismatch

from .dialects import Dialect
from .schema_names import INTERVAL_LENGTH, LAYOUTS

__all__ = ["data_table", "layouts_table", "make_ready"]

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
    schema: str | None,
) -> sa.Table:
    """Return the table of a kind."""
    columns = {
        "interval": sa.Column("interval", dialect.key_text(INTERVAL_LENGTH)),
        "name": sa.Column("name", dialect.key_text(string_length)),
        "i": sa.Column("i", sa.BigInteger()),
        "r": sa.Column("r", sa.BigInteger()),
        "id": dialect.series_id(),
        "key": sa.Column("key", dialect.key_bytes(32)),
        "value": sa.Column("value", value),
        "count": sa.Column("count", sa.BigInteger()),
        "fraction": sa.Column("fraction", sa.Double()),
    }
    names = _PLACE + _COLUMNS[kind]
    for name in names:
        columns[name].nullable = False
        if name != "id":
            columns[name].autoincrement = False
    constraints: list[sa.Constraint] = [sa.PrimaryKeyConstraint(*(name for name in names if name in _IN_KEY))]
    if columns["id"].autoincrement is True and kind == "series":
        constraints.append(sa.UniqueConstraint("id"))  # MySQL wants an index that begins with such a column
    if "count" in names:
        limits = dialect.within_limits("count", "fraction" if "fraction" in names else None)
        if limits is not None:
            constraints.append(sa.CheckConstraint(limits, name="total_within_64_bits"))
    # SQLAlchemy would take a name for plain that ends in a newline
    quoted = sa.quoted_name(table_name, quote=True)
    columns_of_kind = [columns[name] for name in names]
    return sa.Table(
        quoted, metadata, *columns_of_kind, *constraints, schema=schema, **dialect.table_options()
    )


def layouts_table(metadata: sa.MetaData, dialect: Dialect, schema: str | None) -> sa.Table:
    """Return the table of layouts."""
    return sa.Table(
        LAYOUTS,
        metadata,
        sa.Column("table_name", dialect.key_text(255), primary_key=True),
        sa.Column("kind", dialect.key_text(16), primary_key=True),
        sa.Column("interval", dialect.key_text(INTERVAL_LENGTH), primary_key=True),
        sa.Column("layout", sa.Text(), nullable=False),
        schema=schema,
        **dialect.table_options(),
    )


def make_ready(
    connection: Connection, dialect: Dialect, kind: str, table: sa.Table, layouts: sa.Table
) -> None:
    """Create what is missing, after a look without a lock; raise SchemaMismatch for a table of another kind."""
    present = _present(connection, dialect, kind, table, layouts)
    connection.rollback()
    if all(present):
        return
    for last in (False, True):
        try:
            _create(connection, dialect, kind, table, layouts)
            return
        except Exception as error:  # of somebody who makes these tables with another tool, at this moment
            connection.rollback()
            if last or not dialect.already_there(error):
                raise


def _create(connection: Connection, dialect: Dialect, kind: str, table: sa.Table, layouts: sa.Table) -> None:
    dialect.begin_ddl(connection)
    try:
        has_table, has_layouts = _present(connection, dialect, kind, table, layouts)
        if not has_layouts:
            layouts.create(connection, checkfirst=False)
        if not has_table:
            # Of a table that somebody dropped the records are stale
            stale = sa.delete(layouts).where(
                layouts.c.table_name == dialect.table_key(str.__str__(table.name))
            )
            connection.execute(stale)
            table.create(connection, checkfirst=False)
        connection.commit()
    finally:
        dialect.end_ddl(connection)


def _present(
    connection: Connection, dialect: Dialect, kind: str, table: sa.Table, layouts: sa.Table
) -> tuple[bool, bool]:
    """Return whether the two tables exist; raise if one is something else."""
    has_layouts = dialect.column_types(connection, layouts)
    if has_layouts is not None and not {c.name for c in layouts.columns} <= set(has_layouts):
        raise SchemaMismatch(
            f"table {layouts.name!r} has the columns {', '.join(has_layouts)}; kairos needs this name for a table with "
            f"{', '.join(c.name for c in layouts.columns)}: use another database"
        )
    there = dialect.column_types(connection, table)
    if there is not None:
        wanted = {c.name: dialect.shown_type(connection, c.type) for c in table.columns}
        _compare(there, wanted, kind, table.name)
        dialect.check_ready(connection, table)
        _compare_lengths(dialect.column_lengths(connection, table), table)
    return there is not None, has_layouts is not None


def _compare(there: Mapping[str, str], wanted: Mapping[str, str], kind: str, table: str) -> None:
    if set(there) != set(wanted):
        kinds = {frozenset(_PLACE + columns): name for name, columns in _COLUMNS.items()}
        found = kinds.get(frozenset(there), "no kind of kairos")
        raise SchemaMismatch(
            f"table {table!r} holds {found} (columns {', '.join(there)}), this timeseries is a {kind} "
            f"(columns {', '.join(wanted)}): choose another table_name"
        )
    for name, declared in wanted.items():
        if there[name] != declared:
            raise SchemaMismatch(
                f"table {table!r}: column {name!r} is {there[name]}, this timeseries asks for {declared}: "
                "choose the value_type that the table was made with, or another table_name"
            )


def _compare_lengths(there: Mapping[str, int], table: sa.Table) -> None:
    for c in table.columns:
        sql = c.type.impl_instance if isinstance(c.type, sa.types.TypeDecorator) else c.type
        wanted: int | None = getattr(sql, "length", None)
        if wanted is not None and there.get(c.name, wanted) < wanted:
            raise SchemaMismatch(
                f"table {table.name!r}: column {c.name!r} has room for {there[c.name]}, this timeseries asks for "
                f"{wanted}: choose a smaller string_length or text_length, or another table_name"
            )
