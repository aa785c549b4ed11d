"""The seam between kairos and a database's dialect: one class for each, no branches elsewhere."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from threading import RLock
from typing import Any, ClassVar, Protocol
from weakref import WeakKeyDictionary

import sqlalchemy as sa
from attrs import frozen
from sqlalchemy.engine import URL, Connection, Engine
from sqlalchemy.engine import Dialect as EngineDialect
from sqlalchemy.pool import Pool
from sqlalchemy.sql import ClauseElement
from sqlalchemy.types import TypeEngine

from .rows import Change, Writer
from .statements import Lazy, Prepared, prepare

__all__ = ["Dialect", "Lent", "Lister", "Lock", "Rules"]

Lister = Callable[[Any, Iterable[str]], dict[str, None]]
"""Given a cursor and intervals: the distinct names that have data there, about sorted."""


class Lock(Protocol):
    """A reentrant lock."""

    def acquire(self, blocking: bool = True) -> bool:
        """Take it; return whether it was free."""

    def release(self) -> None:
        """Give it back."""

    def __enter__(self) -> Any: ...

    def __exit__(self, *_: Any) -> None: ...


_locks: WeakKeyDictionary[Pool, Lock] = WeakKeyDictionary()
_locks_lock = RLock()


@frozen
class Rules:
    """How a kind's rows are added to those that are there.

    Attributes
    ----------
    changes
        Column -> what an upsert makes of it where the key exists; no columns: the row stays; None: rows have ids of
        their own, and are only ever inserted.
    """

    changes: Mapping[str, Change] | None


class Lent:
    """A DBAPI connection checked out of an engine's pool, and what is needed of it."""

    __slots__ = ("autocommit", "checkout", "commit", "cursor", "has_news", "idle_since", "leave", "rollback")

    def __init__(self, checkout: Any, cursor: Any) -> None:
        self.checkout = checkout
        connection = checkout.dbapi_connection
        self.cursor = cursor
        self.commit: Callable[[], None] = connection.commit
        self.rollback: Callable[[], None] = connection.rollback
        self.autocommit = False  # a statement that is sent alone is committed by itself
        self.leave: Callable[[], None] | None = None  # what undoes a change of the connection's settings
        self.idle_since = time.monotonic()
        self.has_news: Callable[[], Any] | None = None  # whether the socket has something to read


class Dialect(ABC):
    """What differs between databases.

    Parameters
    ----------
    engine
        The engine that is used; nothing is sent before :meth:`look_at`.
    """

    keeps_connections: ClassVar[bool] = True
    """Whether connections of an engine of our own stay checked out between calls."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @staticmethod
    @abstractmethod
    def create_engine(url: URL, client_config: dict[str, Any]) -> Engine:
        """Return an engine for a URL, set up for kairos; the caller's ``client_config`` goes before."""

    @property
    def engine_dialect(self) -> EngineDialect:
        """SQLAlchemy's own dialect object."""
        return self.engine.dialect

    def prepare(self, statement: ClauseElement, *names: str) -> Prepared:
        """Return a statement ready to be sent, with parameters in the order of ``names``."""
        return Lazy(lambda: prepare(statement, self.engine_dialect, *names))

    @property
    def signature(self) -> Hashable | None:
        """What engines have in common whose statements are the same text; None: they are an engine's own."""
        return None

    def constant(self, column: sa.Column[Any], value: str | int) -> sa.ColumnElement[Any]:
        """Return what a column is compared with where a statement always has the same value for it."""
        return sa.bindparam(None, value, column.type)

    # Connections

    @property
    @abstractmethod
    def shared(self) -> bool:
        """Whether two processes with this URL see one database."""

    @property
    @abstractmethod
    def one_connection(self) -> bool:
        """Whether all threads share one connection, so that calls must take turns."""

    most_connections: ClassVar[int | None] = None
    """How many connections of an engine of our own are open at most; None: as many as threads want."""

    def lock(self) -> Lock:
        """Return the lock under which writes of this process take turns."""
        with _locks_lock:
            return _locks.setdefault(self.engine.pool, RLock())

    def lend(self) -> Lent:
        """Check a connection out of the pool."""
        checkout = self.engine.raw_connection()
        return Lent(checkout, checkout.cursor())

    def keep(self, lent: Lent) -> None:
        """Set a connection up that stays ours until it is closed."""
        return None

    def usable(self, lent: Lent) -> bool:
        """Whether a connection that has been idle still works, as far as can be seen; it may be asked."""
        return True

    @abstractmethod
    def look_at(self, connection: Connection) -> None:
        """Look at the first connection, and leave it as it was; raise if the engine cannot be used as it is."""

    @abstractmethod
    def begin(self, lent: Lent) -> None:
        """Begin a write of several statements."""

    @abstractmethod
    def in_transaction(self, lent: Lent) -> bool | None:
        """Whether a connection is in a transaction that somebody has begun; None: the driver does not tell."""

    @abstractmethod
    def end_read(self, lent: Lent) -> None:
        """Leave no transaction behind on a connection that has been read from."""

    @abstractmethod
    def refused(self, error: Exception) -> bool:
        """Whether the database refused the data of a write, so that nothing of it is stored."""

    def rolled_back(self, error: Exception) -> bool:
        """Whether the database gave a transaction up as a whole for the sake of others: it may be sent again."""
        return False

    def tries(self, error: Exception) -> int:
        """Return how often a transaction is sent, at most, that ends in such an error."""
        return 50

    def lost(self, error: Exception) -> bool:
        """Whether the connection broke: what was only read may be asked again."""
        return False

    @abstractmethod
    def is_overflow(self, error: Exception) -> bool:
        """Whether a driver's error says that a sum left its range."""

    def sum_overflowed(self, error: Exception) -> bool:
        """Whether a driver's error says that an aggregate left its range."""
        return self.is_overflow(error)

    # Tables

    @property
    def schema(self) -> str | None:
        """The schema of the tables, as the engine translates None; None: the connection's own."""
        translated = self.engine.get_execution_options().get("schema_translate_map") or {}
        return translated.get(None)

    def table_options(self) -> Mapping[str, Any]:
        """Return keywords of :class:`sqlalchemy.Table` for tables that are read by their primary key."""
        return {}

    def key_text(self, length: int) -> TypeEngine[Any]:
        """Return a type for text in a primary key, compared exactly, of so many bytes of UTF-8."""
        return sa.String(length)

    def key_bytes(self, length: int) -> TypeEngine[Any]:
        """Return a type for so many bytes in a primary key."""
        return sa.LargeBinary(length)

    def series_id(self) -> sa.Column[int]:
        """Return the column that keeps the order in which a series' values arrived."""
        return sa.Column("id", sa.BigInteger(), autoincrement=False)

    longest_name: ClassVar[int | None] = None
    """How many bytes a name may have at most to be part of a key; None: any number."""

    @abstractmethod
    def begin_ddl(self, connection: Connection) -> None:
        """Begin to make tables, on a fresh SQLAlchemy connection, alone among all who do so."""

    def end_ddl(self, connection: Connection) -> None:
        """Let the next one make tables."""
        return None

    def already_there(self, error: Exception) -> bool:
        """Whether an error says that somebody else has just made the table."""
        return False

    @abstractmethod
    def table_key(self, table_name: str) -> str:
        """Return the same text for all names of one table."""

    @abstractmethod
    def check_table_name(self, table_name: str) -> None:
        """Raise if a table cannot have this name."""

    @abstractmethod
    def column_types(self, connection: Connection, table: sa.Table) -> Mapping[str, str] | None:
        """Return column -> type as the database shows it, without parameters; None: no such table."""

    def column_lengths(self, connection: Connection, table: sa.Table) -> Mapping[str, int]:
        """Return column -> for how many characters or bytes it has room, where the database holds it to that."""
        return {}

    @abstractmethod
    def shown_type(self, connection: Connection, sql: TypeEngine[Any]) -> str:
        """Return how the database shows a column of this type, without parameters."""

    def check_ready(self, connection: Connection, table: sa.Table) -> None:
        """Raise SchemaMismatch if a table that somebody else has made lacks what kairos counts on."""
        return None

    def check_size(self, max_bytes: int | None) -> None:
        """Raise InvalidValue if a value of so many bytes does not fit into a statement."""
        return None

    @abstractmethod
    def within_limits(self, count: str, fraction: str | None) -> str | None:
        """Return the text of a CHECK that refuses a sum beyond 64 bits; None where the database does so itself."""

    # Rows

    @abstractmethod
    def writer(self, table: sa.Table, rules: Rules) -> Writer:
        """Return what stores the rows of a table."""

    @abstractmethod
    def inserter(self, table: sa.Table) -> Callable[[Any, tuple[Any, ...]], None]:
        """Return what inserts a row through a cursor, unless its key is there."""

    def total(self, table: sa.Table) -> Sequence[sa.ColumnElement[Any]]:
        """Return what is selected of a count: its total, or ``count`` and ``fraction`` (None for 0)."""
        return [table.c.count, sa.func.nullif(table.c.fraction, sa.literal_column("0"))]

    def values_in_order(self, table: sa.Table) -> tuple[sa.Select[Any], bool]:
        """Return what selects the values of a series, in order, and whether they come as an array in one row."""
        return sa.select(table.c.value).order_by(table.c.id), False

    def rows(self, cursor: Any) -> Iterable[Any]:
        """Return the rows of a cursor in the way that is fastest."""
        return cursor.fetchall()  # type: ignore[no-any-return]

    @abstractmethod
    def names_lister(self, table: sa.Table) -> Lister:
        """Return what lists the names of a table."""

    sums_of_floats_fail: ClassVar[bool] = True
    """Whether a sum that leaves the range of floats is an error or infinite, and not just a wrong number."""

    overflows_to_zero: ClassVar[bool] = False
    """Whether such a wrong number is 0, or close to the largest float."""

    names_at_once: ClassVar[int] = 100
    """How many names one statement reads."""

    @property
    def decode(self) -> Callable[[Any], str] | None:
        """What makes text of a name as the driver gives it back; None: it is one."""
        return None

    # Values

    any_date: ClassVar[bool] = True
    """Whether columns of dates hold any of Python's."""

    processes_values: ClassVar[bool] = False
    """Whether SQLAlchemy converts what statements are given, and what they give back."""

    @property
    def exact_moments(self) -> bool:
        """Whether :meth:`keeps_bound` knows of dates and times what their columns give back."""
        return False

    @abstractmethod
    def adapt(self, sql: TypeEngine[Any], string_length: int, text_length: int) -> TypeEngine[Any]:
        """Return the type that holds exactly, on this database, what ``sql`` stands for."""

    def processors(
        self, sql: TypeEngine[Any]
    ) -> tuple[Callable[[Any], Any] | None, Callable[[Any], Any] | None]:
        """Return what makes of a value what the driver gets, and back; None: nothing."""
        own, impl = self.engine_dialect, sql.dialect_impl(self.engine_dialect)
        return impl.bind_processor(own), impl.result_processor(own, None)

    @abstractmethod
    def keeps(self, sql: TypeEngine[Any], python: type) -> bool:
        """Whether a column gives back every value of a Python type that the driver gets as it is."""

    @abstractmethod
    def keeps_bound(self, sql: TypeEngine[Any], bound: Any) -> bool:
        """Whether a column gives back this value, as the driver gets it."""
