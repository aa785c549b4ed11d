"""The dialect of MariaDB and MySQL, through PyMySQL and mysqlclient."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import cached_property
from typing import Any

import sqlalchemy as sa
from attrs import frozen
from sqlalchemy.dialects import mysql
from sqlalchemy.engine import URL, Connection, Engine
from sqlalchemy.engine import Dialect as EngineDialect
from sqlalchemy.sql import ClauseElement
from sqlalchemy.types import TypeEngine

from kairos.errors import InvalidValue, SchemaMismatch

from .dialects import Lent, Lister, Rules
from .mysql_cursor import DirectCursor
from .mysql_types import adapt, keeps_bound, table_options
from .mysql_writer import LiteralWriter
from .rows import Writer
from .server import Server, compare_key, compare_numbering, without_limit
from .statements import Lazy, Prepared, bound, compile_statement
from .texts import literal
from .types import BinaryText, is_exact

__all__ = ["MySQL"]

_ROLLED_BACK = frozenset({1020, 1205, 1213})
"""Changed since it was read; waited too long for a lock; the victim of a deadlock."""

_OVERFLOWS = frozenset({1264, 1690})
_LOST = frozenset(
    {1053, 1077, 1152, 1153, 1154, 1155, 1156, 1157, 1158, 1159, 1160, 1161, 2006, 2013, 2014, 2055, 4031}
)
_EXISTS = 1050
_LOCK = "kairos_tables"
_LONGEST_KEY = 2_700
"""Bytes that a name may have: a key has at most 3,072."""

_ALIASES = {
    "bool": "tinyint",
    "boolean": "tinyint",
    "dec": "decimal",
    "double precision": "double",
    "integer": "int",
    "numeric": "decimal",
    "real": "double",
    **dict.fromkeys(("tinytext", "mediumtext", "longtext"), "text"),
    **dict.fromkeys(("tinyblob", "mediumblob", "longblob"), "blob"),
}
"""What the server calls the types that DDL can name otherwise, or choose by length."""


@frozen
class _Literal:
    """A statement whose values are written into it: the drivers would do the same, in Python and slower."""

    template: str
    order: tuple[int, ...] | None
    constants: tuple[Any, ...]

    def run(self, cursor: Any, values: tuple[Any, ...]) -> Any:
        """Send it, and return the cursor."""
        if self.order is not None:
            known = values + self.constants
            values = tuple(known[position] for position in self.order)
        # Types are few here: names of intervals and names, and numbers
        cursor.execute(self.template % tuple([v if type(v) is int else literal(v) for v in values]))
        return cursor


class MySQL(Server):
    """MariaDB and MySQL, which are one for kairos, through PyMySQL or mysqlclient."""

    longest_name = _LONGEST_KEY
    sums_of_floats_fail = False
    overflows_to_zero = True
    any_date = False
    whole_number = "SIGNED"

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self._compiling: EngineDialect | None = None
        self._packet = 1 << 20

    @staticmethod
    def create_engine(url: URL, client_config: dict[str, Any]) -> Engine:
        """Return an engine that sends any text."""
        if "charset" not in url.query and "charset" not in client_config.get("connect_args", {}):
            url = url.update_query_dict({"charset": "utf8mb4"})
        return sa.create_engine(url, **without_limit(client_config))

    @property
    def engine_dialect(self) -> EngineDialect:
        """SQLAlchemy's dialect, with parameters by position: kairos sends what it compiles itself."""
        if self._compiling is None:
            own: Any = copy.copy(self.engine.dialect)
            own.paramstyle, own.positional = "format", True
            return own  # type: ignore[no-any-return]
        return self._compiling

    def prepare(self, statement: ClauseElement, *names: str) -> Prepared:
        """Return a statement with places for literals."""

        def make() -> Prepared:
            _, compiled = compile_statement(statement, self.engine_dialect, *names)
            return _Literal(compiled.text, compiled.order, compiled.constants)

        return Lazy(make)

    def look_at(self, connection: Connection) -> None:
        """Take SQLAlchemy's dialect as it is now that it has met the server; refuse what would change values."""
        ask = "SELECT @@sql_mode, @@character_set_results, @@max_allowed_packet"
        mode, charset, packet = connection.exec_driver_sql(ask).one()
        self._packet = int(packet)
        if "STRICT" not in _text(mode).upper():
            raise InvalidValue(
                "without a strict sql_mode the server stores other values than it is given; set sql_mode to "
                f"STRICT_TRANS_TABLES, as is the default, on the server or with init_command; got {_text(mode)!r}"
            )
        if _text(charset) != "utf8mb4":
            raise InvalidValue(
                f"a connection with character set {_text(charset)} cannot give any text back: use charset=utf8mb4 "
                "in the URL of the engine"
            )
        self._compiling = self.engine_dialect

    # Connections

    def lend(self) -> Lent:
        """Check a connection out; one of our own commits each statement by itself."""
        checkout = self.engine.raw_connection()
        try:
            connection: Any = checkout.dbapi_connection
            direct = type(connection).__module__ == "MySQLdb.connections"
            lent = Lent(checkout, DirectCursor(connection) if direct else connection.cursor())
            self.isolate(lent)
            lent.autocommit = bool(connection.get_autocommit())
        except BaseException:
            checkout.close()
            raise
        return lent

    def keep(self, lent: Lent) -> None:
        """Let each statement commit by itself."""
        if not lent.autocommit:
            lent.checkout.dbapi_connection.autocommit(True)
            lent.autocommit = True

    def begin(self, lent: Lent) -> None:
        """Begin a transaction; without autocommit one is always open."""
        if lent.autocommit:
            lent.cursor.execute("START TRANSACTION")

    def in_transaction(self, lent: Lent) -> bool | None:
        """Ask the driver: PyMySQL knows, mysqlclient does not tell."""
        status = getattr(lent.checkout.dbapi_connection, "server_status", None)
        return None if status is None else bool(status & 1)

    def descriptor(self, connection: Any) -> int:
        """Return the number of the socket."""
        socket = getattr(connection, "_sock", None)
        return int(connection.fileno() if socket is None else socket.fileno())

    def lost(self, error: Exception) -> bool:
        """Whether the server is going away, or has gone."""
        return _number(error) in _LOST or isinstance(error, self._driver.InterfaceError)

    @cached_property
    def _driver(self) -> Any:
        return self.engine.dialect.loaded_dbapi

    def refused(self, error: Exception) -> bool:
        """Whether a constraint failed, or a value does not fit."""
        return isinstance(error, self._driver.IntegrityError | self._driver.DataError) or self.is_overflow(
            error
        )

    def rolled_back(self, error: Exception) -> bool:
        """Whether it was the victim of a deadlock, or waited too long for another."""
        return _number(error) in _ROLLED_BACK

    def is_overflow(self, error: Exception) -> bool:
        """Whether a number is out of range."""
        return _number(error) in _OVERFLOWS

    # Tables

    def table_options(self) -> Mapping[str, Any]:
        """Return what gives all columns of text a character set that has any text."""
        return table_options(self.engine.dialect.name)

    def key_text(self, length: int) -> TypeEngine[Any]:
        """Return VARBINARY, which shows as text."""
        return BinaryText(length)

    def key_bytes(self, length: int) -> TypeEngine[Any]:
        """Return BINARY."""
        return mysql.BINARY(length)

    def series_id(self) -> sa.Column[int]:
        """Return an AUTO_INCREMENT column: the server counts."""
        return sa.Column("id", sa.BigInteger(), autoincrement=True)

    def begin_ddl(self, connection: Connection) -> None:
        """Wait for others who make tables; making one ends any transaction here."""
        connection.exec_driver_sql(f"SELECT GET_LOCK('{_LOCK}', 30)").all()

    def end_ddl(self, connection: Connection) -> None:
        """Let others go on."""
        with suppress(sa.exc.SQLAlchemyError):  # with the connection the lock is gone too
            connection.exec_driver_sql(f"SELECT RELEASE_LOCK('{_LOCK}')").all()

    def check_size(self, max_bytes: int | None) -> None:
        """Compare with the longest statement: bytes, and text that is not plain, are written as hexadecimal digits."""
        if max_bytes is not None and 2 * max_bytes + 8_192 > self._packet:
            raise InvalidValue(
                f"values of up to {max_bytes} bytes do not fit into a statement: the server's max_allowed_packet is "
                f"{self._packet}; choose a text_length of at most {(self._packet - 8_192) // 2}"
            )

    def check_ready(self, connection: Connection, table: sa.Table) -> None:
        """Look at the engine, the primary key, and what numbers the values of a series."""
        here = {"name": table.name, "place": table.schema}
        where = "WHERE table_name = :name AND table_schema = coalesce(:place, database())"
        ask = f"SELECT engine FROM information_schema.tables {where}"
        engine = _text(connection.execute(sa.text(ask), here).scalar())
        if engine.upper() != "INNODB":
            raise SchemaMismatch(
                f"table {table.name!r} has the engine {engine}, which has no transactions: kairos needs InnoDB"
            )
        ask = (
            f"SELECT column_name FROM information_schema.statistics {where} "
            "AND index_name = 'PRIMARY' ORDER BY seq_in_index"
        )
        compare_key(table, [_text(row[0]) for row in connection.execute(sa.text(ask), here)])
        if "id" in table.c:
            ask = f"SELECT extra FROM information_schema.columns {where} AND column_name = 'id'"
            extra = _text(connection.execute(sa.text(ask), here).scalar())
            compare_numbering(table, "auto_increment" in extra.lower(), "AUTO_INCREMENT")

    def already_there(self, error: Exception) -> bool:
        """Whether the table exists."""
        return _number(getattr(error, "orig", None)) == _EXISTS

    def check_table_name(self, table_name: str) -> None:
        """Refuse what the server would refuse, or take for the same on some file systems."""
        if len(table_name) > 64:
            raise InvalidValue(
                f"table_name must be at most 64 characters; got {len(table_name)}: {table_name!r}"
            )
        if table_name.endswith(" ") or any(ord(character) > 0xFFFF for character in table_name):
            raise InvalidValue(
                "table_name must not end with a space, and have no characters beyond U+FFFF, on MariaDB and MySQL; "
                f"got {table_name!r}"
            )

    def table_key(self, table_name: str) -> str:
        """Return the name, folded: servers may or may not tell apart names that differ in case."""
        return table_name.lower()

    def column_types(self, connection: Connection, table: sa.Table) -> Mapping[str, str] | None:
        """Ask the information schema."""
        found = connection.execute(
            sa.text(
                "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = :name "
                "AND table_schema = coalesce(:place, database()) ORDER BY ordinal_position"
            ),
            {"name": table.name, "place": table.schema},
        ).all()
        return {_text(column): _shown(_text(kind)) for column, kind in found} or None

    def column_lengths(self, connection: Connection, table: sa.Table) -> Mapping[str, int]:
        """Ask the information schema."""
        ask = sa.text(
            "SELECT column_name, character_maximum_length FROM information_schema.columns "
            "WHERE table_name = :name AND table_schema = coalesce(:place, database()) "
            "AND character_maximum_length IS NOT NULL"
        )
        found = connection.execute(ask, {"name": table.name, "place": table.schema})
        return {_text(column): int(length) for column, length in found}

    def shown_type(self, connection: Connection, sql: TypeEngine[Any]) -> str:
        """Return the type's name as the information schema has it."""
        return _shown(sql.compile(dialect=self.engine_dialect))

    # Rows

    @property
    def decode(self) -> Callable[[Any], str] | None:
        """Return what makes text of a VARBINARY."""
        return _text

    def writer(self, table: sa.Table, rules: Rules) -> Writer:
        """Return a writer of ``INSERT … ON DUPLICATE KEY UPDATE``."""
        return LiteralWriter(table, rules, self.engine_dialect, min(1 << 19, self._packet // 4))

    def inserter(self, table: sa.Table) -> Callable[[Any, tuple[Any, ...]], None]:
        """Return ``INSERT … ON DUPLICATE KEY UPDATE`` of nothing: IGNORE would ignore other errors too."""
        names = [c.name for c in table.columns]
        statement = mysql.insert(table).values({name: bound(name) for name in names})
        first = next(iter(table.primary_key.columns))
        prepared = self.prepare(statement.on_duplicate_key_update({first.name: first}), *names)
        return lambda cursor, row: prepared.run(cursor, row)

    def names_lister(self, table: sa.Table) -> Lister:
        """Return a lister by DISTINCT: the server jumps from one name to the next where names have many rows."""
        name = table.c.name
        its = sa.select(name).where(table.c.interval == bound("interval")).distinct()
        one = self.prepare(its, "interval")

        def names(cursor: Any, intervals: Iterable[str]) -> dict[str, None]:
            names: dict[str, None] = {}
            known: list[Any] = []
            for interval in intervals:
                rows = one.run(cursor, (interval,)).fetchall()
                if rows not in known:  # intervals often have the same names: these are decoded once
                    known.append(rows)
                    names.update(dict.fromkeys([name.decode() for (name,) in rows]))
            return names

        return names

    # Values

    def adapt(self, sql: TypeEngine[Any], string_length: int, text_length: int) -> TypeEngine[Any]:
        """Return types that are exact here, and have the lengths that these servers want."""
        return adapt(sql, string_length, text_length)

    def processors(
        self, sql: TypeEngine[Any]
    ) -> tuple[Callable[[Any], Any] | None, Callable[[Any], Any] | None]:
        """Return SQLAlchemy's own, but for bytes: those are written as they are."""
        impl = sql.dialect_impl(self.engine_dialect)
        result = impl.result_processor(self.engine_dialect, None)
        if isinstance(sql, sa.LargeBinary | sa.types._Binary):
            return None, result
        return impl.bind_processor(self.engine_dialect), result

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


def _number(error: Any) -> int | None:
    arguments = getattr(error, "args", None)
    return arguments[0] if arguments and isinstance(arguments[0], int) else None


def _text(shown: Any) -> str:
    return shown.decode() if isinstance(shown, bytes) else str(shown)


def _shown(declared: str) -> str:
    name = declared.partition("(")[0].partition(" CHARACTER")[0].partition(" COLLATE")[0].strip().lower()
    return _ALIASES.get(name, name).upper()
