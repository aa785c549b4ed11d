"""The dialect of SQLite, through the standard library's driver."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from threading import RLock
from typing import Any

import sqlalchemy as sa
from attrs import frozen
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import URL, Connection, Engine
from sqlalchemy.pool import StaticPool
from sqlalchemy.types import TypeEngine

from kairos.errors import InvalidValue

from .decimals import DecimalText
from .dialects import Dialect, Lent, Lister, Lock, Rules
from .rows import Writer
from .sqlite_writers import NumberingWriter, ValuesWriter
from .statements import bound, is_plain

__all__ = ["SQLite", "set_up"]

_TIMEOUT = 30.0
"""How many seconds a connection waits for another's lock unless the caller says otherwise."""

_CHECKPOINT = 4_000
"""At so many pages of 4 KiB a commit copies the write-ahead log into the file, and waits for the disk."""

_REFUSALS = (
    sqlite3.IntegrityError,
    sqlite3.DataError,
    sqlite3.InterfaceError,
    sqlite3.ProgrammingError,
    OverflowError,
)
_shared_cache_lock = RLock()
"""Connections to one shared cache refuse each other at once, whatever the timeout: they all take turns."""


def _is_memory(url: URL) -> bool:
    return url.database in (None, "", ":memory:") or url.query.get("mode") == "memory"


def set_up(connection: Any, record: Any, pause: Callable[[float], None] = time.sleep) -> None:
    """Set up a new connection of an engine that is our own.

    In WAL mode readers and writers do not wait for each other. ``synchronous=FULL``, SQLite's own default, lets a
    commit that has returned survive a power failure too.
    """
    _switch_to_wal(connection, pause)
    connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT}")
    connection.execute("PRAGMA synchronous = FULL")


def _switch_to_wal(connection: Any, pause: Callable[[float], None]) -> None:
    """Switch a file to WAL, if that can be done."""
    mode: str = connection.execute("PRAGMA journal_mode").fetchone()[0]
    deadline = time.monotonic() + _TIMEOUT
    while mode not in ("wal", "memory"):
        try:
            mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
            break
        except sqlite3.OperationalError as error:
            # The switch does not wait for others that switch too
            if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                break  # such as a file that may only be read
            if time.monotonic() > deadline:
                break
            pause(0.005)
            mode = connection.execute("PRAGMA journal_mode").fetchone()[0]


class SQLite(Dialect):
    """SQLite through the standard library's driver."""

    names_at_once = 1  # there is no round trip to be saved

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self._memory = _is_memory(engine.url)
        self._shared_cache = engine.url.query.get("cache") == "shared"
        self._implicit = False  # Python 3.12's autocommit=False: a transaction is always open

    @staticmethod
    def create_engine(url: URL, client_config: dict[str, Any]) -> Engine:
        """Return an engine whose every connection is set up by :func:`set_up`."""
        arguments = {"isolation_level": None, "check_same_thread": False, "timeout": _TIMEOUT}
        for key in url.query:
            arguments.pop(key, None)
        arguments.update(client_config.pop("connect_args", {}))
        if not {"pool", "poolclass", "creator"} & client_config.keys() and _is_memory(url):
            client_config["poolclass"] = StaticPool
        elif not {key for key in client_config if key.startswith("pool") or key == "max_overflow"}:
            client_config["max_overflow"] = -1  # a thread that finds no idle connection opens one
        engine = sa.create_engine(url, connect_args=arguments, **client_config)
        sa.event.listen(engine, "connect", set_up)
        return engine

    def constant(self, column: sa.Column[Any], value: str | int) -> sa.ColumnElement[Any]:
        """Return a literal, which is not bound at each call."""
        plain = not isinstance(value, str) or is_plain(value)
        return sa.literal_column(repr(value)) if plain else super().constant(column, value)

    @property
    def signature(self) -> Hashable | None:
        """Return SQLAlchemy's dialect, unless somebody has made it write other text."""
        own = self.engine_dialect
        if not type(own).__module__.startswith("sqlalchemy.") or own.paramstyle != "qmark":
            return None
        return type(own), own.server_version_info, own.label_length

    @property
    def shared(self) -> bool:
        """Whether it is a file."""
        return not self._memory

    @property
    def one_connection(self) -> bool:
        """Whether the pool has one connection for all."""
        return self._shared_cache or isinstance(self.engine.pool, StaticPool)

    def lock(self) -> Lock:
        """Return the lock of the pool, or of all shared caches."""
        return _shared_cache_lock if self._shared_cache else super().lock()

    def look_at(self, connection: Connection) -> None:
        """Refuse an in-memory database that each connection would have for itself."""
        cursor: Any = connection.connection.cursor()
        autocommit = getattr(self._driver(cursor), "autocommit", None)
        if autocommit is True:
            raise InvalidValue(
                "connections with autocommit=True cannot commit a batch as one; leave autocommit out of connect_args"
            )
        self._implicit = autocommit is False
        cursor.execute("PRAGMA database_list")
        self._memory = not {row[1]: row[2] for row in cursor.fetchall()}["main"]
        cursor.close()
        if self._implicit:
            connection.connection.rollback()
        if self._memory and not self.one_connection:
            raise InvalidValue(
                "an in-memory SQLite engine must have one connection for all threads; got one with "
                f"{type(self.engine.pool).__name__}, where each connection is a database of its own: use "
                'create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False}), '
                'or give kairos the URL "sqlite://"'
            )

    def begin(self, lent: Lent) -> None:
        """Begin a write at once."""
        self._begin(lent.cursor)

    def _begin(self, cursor: Any) -> None:
        if self._implicit:
            cursor.execute("ROLLBACK")
        cursor.execute("BEGIN IMMEDIATE")  # a deferred one cannot wait for its turn once it has read

    def in_transaction(self, lent: Lent) -> bool:
        """Ask the driver."""
        return self._is_open(lent.cursor)

    def _is_open(self, cursor: Any) -> bool:
        return bool(self._driver(cursor).in_transaction) and not self._implicit

    def _driver(self, cursor: Any) -> Any:
        """Return the driver's connection of a cursor."""
        return cursor.connection

    def refused(self, error: Exception) -> bool:
        """Whether a constraint failed, or the driver would not send a value."""
        return isinstance(error, _REFUSALS)

    def end_read(self, lent: Lent) -> None:
        """Leave nothing open."""
        if self._implicit:
            lent.rollback()

    def table_options(self) -> Mapping[str, Any]:
        """Return what makes the primary key the table."""
        return {"sqlite_with_rowid": False}

    def begin_ddl(self, connection: Connection) -> None:
        """Begin a write at once."""
        connection.begin()  # an engine's own event for this may send BEGIN
        cursor = connection.connection.cursor()
        if not self._implicit and self._is_open(cursor):
            cursor.execute("ROLLBACK")
        self._begin(cursor)

    def table_key(self, table_name: str) -> str:
        """Return the name as SQLite folds it."""
        return "".join(c.lower() if c.isascii() else c for c in table_name)

    def check_table_name(self, table_name: str) -> None:
        """Refuse SQLite's own names."""
        if self.table_key(table_name).startswith("sqlite_"):
            raise InvalidValue(
                f"table_name must not begin with 'sqlite_', which SQLite keeps for itself; got {table_name!r}"
            )

    def column_types(self, connection: Connection, table: sa.Table) -> Mapping[str, str] | None:
        """Return the declared types."""
        quote = self.engine_dialect.identifier_preparer.quote_identifier
        schema = "" if table.schema is None else f"{quote(table.schema)}."
        rows = connection.exec_driver_sql(f"PRAGMA {schema}table_info({quote(table.name)})").all()
        return {row[1]: row[2].partition("(")[0].upper() for row in rows} or None

    def shown_type(self, connection: Connection, sql: TypeEngine[Any]) -> str:
        """Return the type's declaration."""
        text = sql.compile(dialect=self.engine_dialect).upper()
        return text.partition("(")[0].partition(" COLLATE ")[0].strip()

    def within_limits(self, count: str, fraction: str | None) -> str | None:
        """Return a check: beyond 64 bits SQLite goes on in floating point, and beyond that to infinity."""
        check = f"typeof({count}) = 'integer'"
        return check if fraction is None else f"{check} AND abs({fraction}) <= 1.7976931348623157e308"

    def is_overflow(self, error: Exception) -> bool:
        """Whether that check has failed."""
        return getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_CONSTRAINT_CHECK

    def sum_overflowed(self, error: Exception) -> bool:
        """Whether a sum of ints left 64 bits."""
        return isinstance(error, sqlite3.OperationalError) and "integer overflow" in str(error)

    def writer(self, table: sa.Table, rules: Rules) -> Writer:
        """Return a writer of ``INSERT … ON CONFLICT``, or of numbered values."""
        if rules.changes is None:
            return NumberingWriter(table, self.engine_dialect)
        return ValuesWriter(table, rules.changes, self.engine_dialect)

    def inserter(self, table: sa.Table) -> Callable[[Any, tuple[Any, ...]], None]:
        """Return ``INSERT … ON CONFLICT DO NOTHING``."""
        names = [c.name for c in table.columns]
        statement = sqlite.insert(table).values({name: bound(name) for name in names})
        prepared = self.prepare(statement.on_conflict_do_nothing(), *names)
        return lambda cursor, row: prepared.run(cursor, row)

    def total(self, table: sa.Table) -> Sequence[sa.ColumnElement[Any]]:
        """Return one column: SQLite's have no type, and an int stays one."""
        count, fraction = table.c.count, table.c.fraction
        return [sa.case((fraction == sa.literal_column("0"), count), else_=count + fraction).label("total")]

    def rows(self, cursor: Any) -> Iterable[Any]:
        """Return the cursor itself."""
        return cursor  # type: ignore[no-any-return]

    def adapt(self, sql: TypeEngine[Any], string_length: int, text_length: int) -> TypeEngine[Any]:
        """Return DecimalText for Numeric: SQLAlchemy would send a Decimal through a float."""
        if isinstance(sql, sa.Numeric) and not isinstance(sql, sa.Float) and sql.asdecimal:
            return DecimalText(string_length, sql.precision, sql.scale)
        return sql

    def keeps(self, sql: TypeEngine[Any], python: type) -> bool:
        """Whether a column's affinity leaves all values of a type alone."""
        affinity = self._affinity(sql)
        if python is str:
            return affinity in ("TEXT", "BLOB")
        if python is float:
            return affinity in ("REAL", "BLOB", "NUMERIC", "INTEGER")
        return python is bytes or (python is int and affinity in ("INTEGER", "NUMERIC", "BLOB"))

    def keeps_bound(self, sql: TypeEngine[Any], bound: Any) -> bool:
        """Whether a column's affinity leaves a value alone."""
        affinity = self._affinity(sql)
        if isinstance(bound, str):
            return affinity in ("TEXT", "BLOB") or not _looks_like_number(bound)
        if isinstance(bound, int):
            return affinity not in ("TEXT", "REAL") and -(2**63) <= bound < 2**63
        if isinstance(bound, float):
            return affinity != "TEXT" and bound == bound
        return isinstance(bound, bytes | memoryview)

    def _affinity(self, sql: TypeEngine[Any]) -> str:
        """Return how a column treats what it is given (https://sqlite.org/datatype3.html)."""
        declared = sql.compile(dialect=self.engine_dialect).upper()
        if "INT" in declared:
            return "INTEGER"
        if any(word in declared for word in ("CHAR", "CLOB", "TEXT")):
            return "TEXT"
        if not declared or "BLOB" in declared:
            return "BLOB"
        if any(word in declared for word in ("REAL", "FLOA", "DOUB")):
            return "REAL"
        return "NUMERIC"

    def names_lister(self, table: sa.Table) -> Lister:
        """Return a lister that scans or seeks, whichever is faster."""
        return _names_lister(table, self)


def _looks_like_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


_PAGE = 4_096
_SEEKS = 512


@frozen
class _Page:
    """What one statement has listed."""

    rows: int
    names: int
    last: str


def _names_lister(table: sa.Table, dialect: Dialect) -> Lister:
    """List names by scanning the key where names have few buckets, and by seeking the next one where many.

    A row that is passed over costs a tenth of a seek. Names come back as one JSON text, which costs a
    third of as many rows.
    """
    interval, after = bound("interval"), bound("after")
    page = sa.select(table.c.name).where(table.c.interval == interval, table.c.name > after)
    page = page.order_by(table.c.name)
    rows = page.limit(_PAGE).subquery()
    scan = dialect.prepare(sa.select(sa.func.json_group_array(rows.c.name)), "interval", "after")

    step = sa.select(page.limit(1).scalar_subquery().label("name")).cte("step", recursive=True)
    following = sa.select(table.c.name).where(table.c.interval == interval, table.c.name > step.c.name)
    following = following.order_by(table.c.name).limit(1)
    step = step.union_all(sa.select(following.scalar_subquery()).where(step.c.name.is_not(None)))
    found = sa.select(step.c.name).where(step.c.name.is_not(None)).limit(_SEEKS).subquery()
    seek = dialect.prepare(sa.select(sa.func.json_group_array(found.c.name)), "interval", "after")

    def names(cursor: Any, intervals: Iterable[str]) -> dict[str, None]:
        names: dict[str, None] = {}
        known: dict[str, _Page] = {}
        for interval in intervals:
            after = ""
            statement = scan
            while True:
                text = statement.run(cursor, (interval, after)).fetchone()[0]
                page = known.get(text)
                if page is None:  # intervals often have the same names: these are parsed once
                    listed = json.loads(text)
                    distinct = dict.fromkeys(listed)
                    names.update(distinct)
                    page = known[text] = _Page(len(listed), len(distinct), listed[-1] if listed else "")
                if page.rows < (_PAGE if statement is scan else _SEEKS):
                    break
                after = page.last
                statement = seek if statement is scan and page.names < _PAGE // 10 else scan
        return names

    return names
