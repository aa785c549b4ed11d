"""The fallback: any dialect that SQLAlchemy has, with nothing but SELECT, INSERT, UPDATE and DELETE."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from attrs import frozen
from sqlalchemy.dialects import mysql, oracle
from sqlalchemy.engine import URL, Connection, Engine
from sqlalchemy.pool import StaticPool
from sqlalchemy.sql import ClauseElement
from sqlalchemy.types import TypeEngine

from kairos.errors import InvalidValue

from . import mysql_types, postgresql_types
from .dialects import Dialect, Lent, Lister, Rules
from .generic_writer import AppendingWriter, CompareAndSetWriter, Conflict, NumberingWriter
from .rows import Writer
from .statements import Prepared, bound
from .types import BinaryText, TextDecimal, bits, is_exact, plain_enum, single

__all__ = ["Generic"]

_ROLLED_BACK = frozenset({"40001", "40P01"})
_MYSQL = frozenset({"mysql", "mariadb"})
_FOLDING = frozenset({"mssql", *_MYSQL})
_DEADLOCKS: Mapping[str, frozenset[int]] = {
    "mssql": frozenset({1205, 3960}),
    "mysql": frozenset({1020, 1205, 1213}),
    "mariadb": frozenset({1020, 1205, 1213}),
    "oracle": frozenset({60, 8177}),
}
"""Dialect -> the server's numbers for a transaction that it has given up."""


@frozen
class _Executable:
    """A statement that SQLAlchemy sends."""

    statement: Any
    names: tuple[str, ...]

    def run(self, cursor: Any, values: tuple[Any, ...]) -> Any:
        """Send it, and return the cursor."""
        cursor.execute(self.statement, dict(zip(self.names, values, strict=True)))
        return cursor


class _Cursor:
    """A SQLAlchemy connection that looks like a cursor."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._result: Any = None

    def execute(self, statement: Any, parameters: Any = None) -> None:
        """Send a statement."""
        self._result = self.connection.execute(statement, parameters or {})

    def fetchone(self) -> Any:
        """Return a row."""
        return self._result.fetchone()

    def fetchall(self) -> Sequence[Any]:
        """Return all rows."""
        return self._result.fetchall()  # type: ignore[no-any-return]

    @property
    def rowcount(self) -> int:
        """Return how many rows were matched."""
        return int(self._result.rowcount)

    def close(self) -> None:
        """Do nothing: the connection is closed."""


class _LentConnection(Lent):
    """A SQLAlchemy connection; the checkout is the connection itself."""

    __slots__ = ()

    def __init__(self, connection: Connection) -> None:
        self.checkout = connection
        self.cursor = _Cursor(connection)
        self.commit = connection.commit
        self.rollback = connection.rollback
        self.autocommit = False
        self.leave = None
        self.idle_since = 0.0
        self.has_news = None


class Generic(Dialect):
    """Any dialect: compare-and-set in transactions, which begin again when somebody was faster."""

    processes_values = True
    keeps_connections = False
    sums_of_floats_fail = False
    any_date = False

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self._level: Any = None

    @staticmethod
    def create_engine(url: URL, client_config: dict[str, Any]) -> Engine:
        """Return an engine as SQLAlchemy makes it."""
        return sa.create_engine(url, **client_config)

    def prepare(self, statement: ClauseElement, *names: str) -> Prepared:
        """Return the statement as it is: SQLAlchemy keeps what it has compiled."""
        return _Executable(statement, names)

    # Connections

    @property
    def shared(self) -> bool:
        """Whether it is not a database in memory."""
        return not (
            self.engine.dialect.name == "sqlite" and self.engine.url.database in (None, "", ":memory:")
        )

    @property
    def one_connection(self) -> bool:
        """Whether the pool has one connection for all."""
        return isinstance(self.engine.pool, StaticPool)

    def lend(self) -> Lent:
        """Open a SQLAlchemy connection, with transactions also where the engine has none by itself."""
        connection = self.engine.connect()
        if self._level is not None:
            connection = connection.execution_options(isolation_level=self._level)
        return _LentConnection(connection)

    def look_at(self, connection: Connection) -> None:
        """Find a level of isolation where the engine commits each statement by itself."""
        if self._commits_by_itself(connection):
            self._level = self.engine.dialect.default_isolation_level
            if self._level in (None, "AUTOCOMMIT"):
                raise InvalidValue(
                    "this dialect's way to write needs transactions; give kairos an engine without AUTOCOMMIT"
                )

    def _commits_by_itself(self, connection: Connection) -> bool:
        """Whether there are no transactions: many servers do not tell, but the engine, or the driver, does."""
        levels = {
            self.engine.get_execution_options().get("isolation_level"),
            getattr(self.engine.dialect, "_on_connect_isolation_level", None),  # of create_engine
        }
        with suppress(NotImplementedError):
            levels.add(connection.get_isolation_level())
        driver = getattr(connection.connection.dbapi_connection, "autocommit", None)
        return "AUTOCOMMIT" in levels or driver is True

    def begin(self, lent: Lent) -> None:
        """SQLAlchemy begins by itself."""

    def in_transaction(self, lent: Lent) -> bool:
        """SQLAlchemy connections have their own transactions."""
        return bool(lent.checkout.in_transaction())

    def end_read(self, lent: Lent) -> None:
        """End the transaction."""
        lent.rollback()

    def refused(self, error: Exception) -> bool:
        """Whether a constraint failed, or a value does not fit."""
        return isinstance(error, sa.exc.DataError)

    def rolled_back(self, error: Exception) -> bool:
        """Whether somebody was faster, or the database gave the transaction up.

        A row that is there by now is one that somebody has just inserted.
        """
        if isinstance(error, Conflict | sa.exc.IntegrityError):
            return True
        cause: Any = getattr(error, "orig", None)
        if cause is None or getattr(error, "connection_invalidated", False):
            return False
        said = [getattr(cause, "sqlstate", None), getattr(cause, "pgcode", None)]
        said += [_code(one) for one in cause.args]
        known = _DEADLOCKS.get(self._name, frozenset())
        states = {one for one in said if isinstance(one, str)}
        return bool(states & _ROLLED_BACK) or any(isinstance(one, int) and abs(one) in known for one in said)

    def tries(self, error: Exception) -> int:
        """Return fewer for a constraint, which may well not be a row's key."""
        return 8 if isinstance(error, sa.exc.IntegrityError) else super().tries(error)

    def lost(self, error: Exception) -> bool:
        """Ask SQLAlchemy."""
        return bool(getattr(error, "connection_invalidated", False))

    def is_overflow(self, error: Exception) -> bool:
        """Sums are made, and looked at, in Python."""
        return False

    def sum_overflowed(self, error: Exception) -> bool:
        """Whatever went wrong: the rows can still be read."""
        return isinstance(error, sa.exc.DBAPIError) and not error.connection_invalidated

    # Tables

    @property
    def _name(self) -> str:
        return self.engine.dialect.name

    def table_options(self) -> Mapping[str, Any]:
        """Return what MariaDB and MySQL need, whatever the driver."""
        return mysql_types.table_options(self._name) if self._name in _MYSQL else {}

    def key_text(self, length: int) -> TypeEngine[Any]:
        """Return VARBINARY for servers that fold or pad text where they compare it."""
        if self._name == "postgresql":
            return sa.String(length, collation="C")
        return BinaryText(length) if self._name in _FOLDING else sa.String(length)

    def key_bytes(self, length: int) -> TypeEngine[Any]:
        """Return a type that can be in a key, where a BLOB cannot."""
        if self._name in _MYSQL:
            return mysql.BINARY(length)
        if self._name == "mssql":
            return sa.VARBINARY(length)
        return oracle.RAW(length) if self._name == "oracle" else sa.LargeBinary(length)

    def series_id(self) -> sa.Column[int]:
        """Return the column that our own dialects have, where there is one: they share tables with this."""
        if self._name == "postgresql":
            return sa.Column("id", sa.BigInteger(), sa.Identity())
        return sa.Column("id", sa.BigInteger(), autoincrement=self._name in _MYSQL)

    def begin_ddl(self, connection: Connection) -> None:
        """Nothing can be done so that others wait, on every database: who comes second finds the table there."""

    def already_there(self, error: Exception) -> bool:
        """Anything may say so: look again."""
        return isinstance(error, sa.exc.DBAPIError) and not error.connection_invalidated

    def table_key(self, table_name: str) -> str:
        """Return the name, folded, as some databases do."""
        return table_name.lower()

    def check_table_name(self, table_name: str) -> None:
        """Leave it to SQLAlchemy and the database."""

    def column_types(self, connection: Connection, table: sa.Table) -> Mapping[str, str] | None:
        """Ask SQLAlchemy's inspector; of types only the family can be compared."""
        inspector = sa.inspect(connection)
        if not inspector.has_table(table.name, schema=table.schema):
            return None
        return {c["name"]: _family(c["type"]) for c in inspector.get_columns(table.name, schema=table.schema)}

    def shown_type(self, connection: Connection, sql: TypeEngine[Any]) -> str:
        """Return the family of the type that the database has for it."""
        return _family(sql.dialect_impl(self.engine.dialect))

    def within_limits(self, count: str, fraction: str | None) -> str | None:
        """Return nothing: sums are looked at before they are written."""
        return None

    # Rows

    def writer(self, table: sa.Table, rules: Rules) -> Writer:
        """Return a writer that looks, then inserts or updates."""
        if rules.changes is not None:
            return CompareAndSetWriter(table, rules.changes)
        numbered = self._name in _MYSQL or self._name == "postgresql"
        return AppendingWriter(table) if numbered else NumberingWriter(table)

    def inserter(self, table: sa.Table) -> Callable[[Any, tuple[Any, ...]], None]:
        """Return what looks, then inserts."""
        names, key = [c.name for c in table.columns], [c.name for c in table.primary_key.columns]
        here = [table.c[name] == bound(f"its_{name}") for name in key]
        there: Any = sa.select(sa.literal_column("1")).select_from(table).where(*here)
        insert = sa.insert(table)

        def put(cursor: Any, row: tuple[Any, ...]) -> None:
            values = dict(zip(names, row, strict=True))
            cursor.execute(there, {f"its_{name}": values[name] for name in key})
            if cursor.fetchone() is None:
                cursor.execute(insert, values)

        return put

    def names_lister(self, table: sa.Table) -> Lister:
        """Return a lister by DISTINCT."""
        statement = sa.select(table.c.name).where(table.c.interval == bound("interval")).distinct()
        prepared = self.prepare(statement, "interval")

        def names(cursor: Any, intervals: Iterable[str]) -> dict[str, None]:
            names: dict[str, None] = {}
            for interval in intervals:
                names.update(dict.fromkeys(row[0] for row in prepared.run(cursor, (interval,)).fetchall()))
            return names

        return names

    # Values

    @property
    def exact_moments(self) -> bool:
        """Whether columns of dates and times are known."""
        return self._name in _MYSQL or self._name == "postgresql"

    def adapt(self, sql: TypeEngine[Any], string_length: int, text_length: int) -> TypeEngine[Any]:
        """Return types that are exact on every database."""
        if self._name in _MYSQL:
            return mysql_types.adapt(sql, string_length, text_length)
        if self._name == "postgresql":
            return postgresql_types.adapt(sql, string_length)
        if type(sql) is sa.Float:
            return sa.Double()
        if isinstance(sql, sa.Enum) and sql.native_enum:
            return plain_enum(sql)
        if isinstance(sql, sa.Numeric) and not isinstance(sql, sa.Float) and sql.asdecimal:
            return TextDecimal(string_length, sql.precision, sql.scale)
        if type(sql) in (sa.String, sa.Unicode) and not sql.length:  # type: ignore[attr-defined]
            return type(sql)(string_length)  # type: ignore[call-arg]
        return sql

    def keeps(self, sql: TypeEngine[Any], python: type) -> bool:
        """Whether the column has the very type."""
        return is_exact(sql, python) and (python is not str or self._name != "oracle")  # where "" is NULL

    def keeps_bound(self, sql: TypeEngine[Any], bound: Any) -> bool:
        """Whether the column has room for a value of a known type."""
        if self._name in _MYSQL:
            return mysql_types.keeps_bound(sql, bound)
        if self._name == "postgresql":
            return postgresql_types.keeps_bound(sql, bound)
        while isinstance(sql, sa.types.TypeDecorator):
            sql = sql.impl_instance
        if isinstance(bound, bool | int):
            return isinstance(sql, sa.Integer | sa.Boolean) and abs(2 * bound + 1) < 2 ** bits(sql)
        if isinstance(bound, float):
            return isinstance(sql, sa.Double) or (isinstance(sql, sa.Float) and single(bound) == bound)
        if isinstance(bound, str):
            length = getattr(sql, "length", None)
            padded = isinstance(sql, sa.CHAR | sa.NCHAR) and len(bound) != (length or 1)
            room = (length is None or len(bound) <= length) and not padded
            return room and (bound != "" or self._name != "oracle")
        if isinstance(sql, sa.BINARY):
            return len(bound) == (sql.length or 1)
        return isinstance(bound, bytes | memoryview | date | datetime | time | timedelta | Decimal | UUID)


def _family(sql: TypeEngine[Any]) -> str:
    """Return what a type is about: databases call the same by many names."""
    affinity = sql._type_affinity
    return "TEXT" if affinity is None or issubclass(affinity, sa.String) else affinity.__name__.upper()


def _code(argument: Any) -> Any:
    """Return the code in an argument of a driver's error: pg8000 has a dict, oracledb an object."""
    return argument.get("C") if isinstance(argument, dict) else getattr(argument, "code", argument)
