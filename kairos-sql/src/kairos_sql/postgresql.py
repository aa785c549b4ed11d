"""The dialect of PostgreSQL, through psycopg 3."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from functools import cached_property, partial
from typing import Any

import sqlalchemy as sa
from psycopg.types.numeric import Int8Dumper
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import URL, Connection, Engine
from sqlalchemy.engine import Dialect as EngineDialect
from sqlalchemy.types import TypeEngine

from kairos.errors import InvalidValue

from .dialects import Lent, Lister, Rules
from .postgresql_names import names_lister
from .postgresql_types import adapt, keeps_bound
from .postgresql_writer import ArrayWriter
from .rows import Writer
from .server import Server, compare_key, compare_numbering, without_limit
from .statements import bound
from .types import is_exact

__all__ = ["PostgreSQL", "listened"]

_SHOWN = {
    **{name: name for name in ("BIGINT", "BYTEA", "DOUBLE PRECISION", "NUMERIC", "TEXT")},
    "VARCHAR": "CHARACTER VARYING",
}
"""How the server calls types that are common."""

_DEFAULT_THRESHOLD = 5
"""From so many times on psycopg prepares a statement, unless told otherwise."""

_OVERFLOW = "22003"
_ROLLED_BACK = frozenset({"40001", "40P01"})
_EXISTS = frozenset({"23505", "42710", "42P07"})
_LOCK = 7_524_907_212_043_781_486
"""The advisory lock under which kairos makes tables."""

_LONGEST_KEY = 2_300
"""Bytes that a name may have: an index entry has at most 2,704."""


class PostgreSQL(Server):
    """PostgreSQL through psycopg 3."""

    longest_name = _LONGEST_KEY

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self._compiling: EngineDialect | None = None
        self._known = True  # whether the driver reads the type of the values in its binary form
        self._pooled = (
            False  # whether a pooler stands between, so that each transaction may be another session's
        )

    @staticmethod
    def create_engine(url: URL, client_config: dict[str, Any]) -> Engine:
        """Return an engine whose connections kairos keeps."""
        return listened(sa.create_engine(url, **without_limit(client_config)), PostgreSQL.waiting)

    @property
    def engine_dialect(self) -> EngineDialect:
        """SQLAlchemy's dialect, with parameters by position: kairos sends what it compiles itself."""
        if self._compiling is None:
            own: Any = copy.copy(self.engine.dialect)
            own.paramstyle, own.positional = "format", True
            return own  # type: ignore[no-any-return]
        return self._compiling

    def look_at(self, connection: Connection) -> None:
        """Take SQLAlchemy's dialect as it is now that it has met the server."""
        encoding = connection.exec_driver_sql("SELECT current_setting('server_encoding')").scalar()
        if encoding != "UTF8":
            raise InvalidValue(
                f"kairos keeps any text and needs a database with encoding UTF8; got one with {encoding}"
            )
        self._compiling = self.engine_dialect
        self._pooled = _is_pooled(self.waiting(connection.connection.dbapi_connection))

    # Connections

    def lend(self) -> Lent:
        """Check a connection out; a transaction's isolation is the caller's, one statement needs none."""
        checkout = self.engine.raw_connection()
        try:
            return self._set_up(checkout)
        except BaseException:
            checkout.close()
            raise

    def _set_up(self, checkout: Any) -> Lent:
        connection = self.waiting(checkout.dbapi_connection)
        cursor = connection.cursor(binary=self._known)
        # Else each size of a number would make a prepared statement of its own
        cursor.adapters.register_dumper(int, Int8Dumper)
        lent = Lent(checkout, cursor)
        self.isolate(lent)
        undo = [lent.leave]
        # An event of the caller's pool may have begun something
        idle = not connection.info.transaction_status
        if connection.autocommit:
            lent.autocommit = True
        elif idle and connection.isolation_level is None and not self.one_connection:
            connection.autocommit = lent.autocommit = True
            undo.append(partial(setattr, connection, "autocommit", False))
        if self._pooled and connection.prepare_threshold == _DEFAULT_THRESHOLD:
            connection.prepare_threshold = None
            undo.append(partial(setattr, connection, "prepare_threshold", _DEFAULT_THRESHOLD))

        def leave() -> None:
            for step in filter(None, undo):
                step()

        lent.leave = leave
        return lent

    @staticmethod
    def waiting(connection: Any) -> Any:
        """Return a DBAPI connection with the methods of psycopg's that waits."""
        return connection

    def begin(self, lent: Lent) -> None:
        """Begin a transaction; without autocommit the driver does so itself."""
        if lent.autocommit:
            lent.cursor.execute("BEGIN")

    def in_transaction(self, lent: Lent) -> bool:
        """Ask the driver."""
        return bool(lent.cursor.connection.info.transaction_status)

    def lost(self, error: Exception) -> bool:
        """Whether the driver says so: an error of a connection has no code, or one of class 08 or 57P."""
        if not isinstance(error, self._driver.OperationalError):
            return False
        code = getattr(error, "sqlstate", None)
        return code is None or code.startswith(("08", "57P"))

    @cached_property
    def _driver(self) -> Any:
        return self.engine.dialect.loaded_dbapi

    def refused(self, error: Exception) -> bool:
        """Whether a constraint failed, or a value does not fit."""
        return isinstance(error, self._driver.IntegrityError | self._driver.DataError)

    def rolled_back(self, error: Exception) -> bool:
        """Whether it was the victim of a deadlock, or could not be serialized."""
        return getattr(error, "sqlstate", None) in _ROLLED_BACK

    def is_overflow(self, error: Exception) -> bool:
        """Whether a number is out of range."""
        return getattr(error, "sqlstate", None) == _OVERFLOW

    # Tables

    def key_text(self, length: int) -> TypeEngine[Any]:
        """Return VARCHAR, ordered by code points whatever the database's locale."""
        return sa.String(length, collation="C")

    def series_id(self) -> sa.Column[int]:
        """Return an identity column: the server counts."""
        return sa.Column("id", sa.BigInteger(), sa.Identity())

    def begin_ddl(self, connection: Connection) -> None:
        """Wait for others who make tables."""
        connection.begin()
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")

    def already_there(self, error: Exception) -> bool:
        """Whether a table, or its row in the catalogue, is a duplicate."""
        return getattr(getattr(error, "orig", None), "sqlstate", None) in _EXISTS

    def check_table_name(self, table_name: str) -> None:
        """Refuse what PostgreSQL would cut."""
        if (size := len(table_name.encode())) > 63:
            raise InvalidValue(f"table_name must be at most 63 bytes of UTF-8; got {size}: {table_name!r}")

    def column_types(self, connection: Connection, table: sa.Table) -> Mapping[str, str] | None:
        """Look the table up as the connection would find it."""
        name = self.engine_dialect.identifier_preparer.format_table(table).replace("%%", "%")
        found = connection.execute(
            sa.text(
                "SELECT attname, upper(format_type(atttypid, NULL)) FROM pg_attribute "
                "WHERE attrelid = to_regclass(:name) AND attnum > 0 AND NOT attisdropped ORDER BY attnum"
            ),
            {"name": name},
        ).all()
        return dict(found) or None

    def column_lengths(self, connection: Connection, table: sa.Table) -> Mapping[str, int]:
        """Return the lengths of VARCHAR columns."""
        name = self.engine_dialect.identifier_preparer.format_table(table).replace("%%", "%")
        ask = sa.text(
            "SELECT attname, atttypmod - 4 FROM pg_attribute WHERE attrelid = to_regclass(:name) AND attnum > 0 "
            "AND atttypid IN ('varchar'::regtype, 'bpchar'::regtype) AND atttypmod > 4"
        )
        found = connection.execute(ask, {"name": name}).all()
        return dict(found)

    def check_ready(self, connection: Connection, table: sa.Table) -> None:
        """Look at the primary key, and what numbers the values of a series."""
        here = {"name": self.engine_dialect.identifier_preparer.format_table(table).replace("%%", "%")}
        ask = (
            "SELECT attname FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attnum = ANY(indkey) "
            "WHERE indrelid = to_regclass(:name) AND indisprimary ORDER BY array_position(indkey::int[], attnum::int)"
        )
        compare_key(table, [row[0] for row in connection.execute(sa.text(ask), here)])
        if "id" in table.c:
            ask = (
                "SELECT attidentity <> '' OR atthasdef FROM pg_attribute "
                "WHERE attrelid = to_regclass(:name) AND attname = 'id'"
            )
            compare_numbering(
                table, bool(connection.execute(sa.text(ask), here).scalar()), "an identity column"
            )

    def shown_type(self, connection: Connection, sql: TypeEngine[Any]) -> str:
        """Ask the server how it calls the type, unless that is known."""
        text = sql.compile(dialect=self.engine_dialect).partition(" COLLATE ")[0]
        known = _SHOWN.get(text.partition("(")[0])
        if known is not None:
            return known
        ask = sa.text("SELECT upper(format_type(CAST(:wanted AS regtype), NULL))")
        return str(connection.execute(ask, {"wanted": text}).scalar())

    # Rows

    def writer(self, table: sa.Table, rules: Rules) -> Writer:
        """Return a writer of ``INSERT … ON CONFLICT`` from arrays."""
        return ArrayWriter(table, rules, self)

    def values_in_order(self, table: sa.Table) -> tuple[sa.Select[Any], bool]:
        """Return an array, which costs a fifth of as many rows, of types that the driver knows."""
        if not self._known:
            return super().values_in_order(table)
        return sa.select(sa.func.array_agg(postgresql.aggregate_order_by(table.c.value, table.c.id))), True

    def inserter(self, table: sa.Table) -> Callable[[Any, tuple[Any, ...]], None]:
        """Return ``INSERT … ON CONFLICT DO NOTHING``."""
        names = [c.name for c in table.columns]
        statement = postgresql.insert(table).values({name: bound(name) for name in names})
        prepared = self.prepare(statement.on_conflict_do_nothing(), *names)
        return lambda cursor, row: prepared.run(cursor, row)

    def names_lister(self, table: sa.Table) -> Lister:
        """Return a lister that scans or seeks, whichever is faster."""
        return names_lister(table, self)

    # Values

    def adapt(self, sql: TypeEngine[Any], string_length: int, text_length: int) -> TypeEngine[Any]:
        """Return types that are exact, and need no type of their own in the database."""
        sql = adapt(sql, string_length)
        self._known = type(sql).__module__.startswith(("sqlalchemy.sql.", "kairos_sql."))
        return sql

    def processors(
        self, sql: TypeEngine[Any]
    ) -> tuple[Callable[[Any], Any] | None, Callable[[Any], Any] | None]:
        """Return SQLAlchemy's own, told what the column's type will be."""
        own = self.engine_dialect
        impl = sql.dialect_impl(own)
        code = _code(sql)
        return impl.bind_processor(own), impl.result_processor(own, code)

    @property
    def exact_moments(self) -> bool:
        """Drivers get, and give back, Python's own."""
        return True

    def keeps(self, sql: TypeEngine[Any], python: type) -> bool:
        """Whether the column has the very type."""
        return is_exact(sql, python)

    def keeps_bound(self, sql: TypeEngine[Any], bound: Any) -> bool:
        """Whether the column has room for a value of a known type."""
        return keeps_bound(sql, bound)


def listened(engine: Engine, waiting: Callable[[Any], Any]) -> Engine:
    """Return an engine that prepares nothing behind a pooler."""

    @sa.event.listens_for(engine, "connect")
    def connected(given: Any, _: Any) -> None:
        connection = waiting(given)
        if _is_pooled(connection) and connection.prepare_threshold == _DEFAULT_THRESHOLD:
            connection.prepare_threshold = None

    return engine


def _is_pooled(connection: Any) -> bool:
    """Whether a pooler, such as PgBouncer, has told the driver another session than the one that answers."""
    began = connection.info.transaction_status
    with connection.cursor() as cursor:
        (pid,) = cursor.execute("SELECT pg_backend_pid()").fetchone()
    if not began and not connection.autocommit:
        connection.rollback()
    return bool(pid != connection.info.backend_pid)


def _code(sql: TypeEngine[Any]) -> int | None:
    """Return PostgreSQL's number of a column's type, as the driver would give it with a result."""
    while isinstance(sql, sa.types.TypeDecorator):
        sql = sql.impl_instance
    if isinstance(sql, sa.Float):
        return 701
    return 1700 if isinstance(sql, sa.Numeric) else None
